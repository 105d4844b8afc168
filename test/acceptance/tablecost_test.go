package acceptance

import (
	"context"
	"fmt"
	"testing"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/table"
	"federation-agent/internal/table/tablesim"
	"federation-agent/test/world"
)

// A table that takes 10 ms for each call keeps an ingest waiting for some of them only: AWS sets its time, and a batch is
// written down while other documents are on their way. docs/performance.md has the figures.
func TestAnIngestDoesNotWaitForItsTable(t *testing.T) {
	const aCall, scale = 10 * time.Millisecond, 20
	o := world.Options{
		AWS: awssim.Options{
			Estate: awssim.UniformEstate(awssim.UniformOptions{APIs: 100, StagesPerAPI: 3, Plans: 30, DocumentBytes: 10_000}),
			Quota:  awssim.Quota{Scale: scale}, Latency: awssim.AWSLatency(),
		},
		Settings: map[string]string{
			"gravitee_agent_quota_rate":  fmt.Sprint(scale * awssim.AWSRate),
			"gravitee_agent_quota_burst": fmt.Sprint(scale * awssim.AWSBurst),
		},
	}
	var took [2]time.Duration
	for n, shared := range []bool{false, true} {
		run(t, o, func(t *testing.T, w *world.World) {
			model := tablesim.New(func(context.Context, tablesim.Call) tablesim.Fault {
				time.Sleep(aCall)
				return tablesim.None
			})
			var options world.AgentOptions
			if shared {
				options.Table = func(name string) table.Items { return model.Client(name) }
			}
			w.StartAgentWith(options)
			w.Await("the session", func() bool { return len(w.APIM.Agents()) > 0 })
			pass(20 * time.Second)
			before, began := len(model.Calls()), time.Now()
			job := w.Ingest()
			if job.Status != apimsim.JobSuccess || job.Ingested != 300 {
				t.Fatalf("%+v", job)
			}
			took[n] = time.Since(began)
			pass(time.Second) // for what is written behind it
			written := map[string]int{}
			for _, c := range model.Calls()[before:] {
				if c.Op == tablesim.Update {
					written[c.Key.Partition]++
				}
			}
			// The job's begin, a note and an acknowledgement of each INGEST but the last, which has the note and the job's end.
			if want := 1 + 2*job.Batches; shared && (written["course"] != want || written["listing"] != 1) {
				t.Errorf("written: %v, want %d to the history", written, want)
			}
		})
	}
	t.Logf("with the file %s, with the table %s", took[0], took[1])
	if more := took[1] - took[0]; more > 10*aCall {
		t.Errorf("with the table it takes %s longer", more)
	}
}
