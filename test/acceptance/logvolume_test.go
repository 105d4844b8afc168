package acceptance

import (
	"context"
	"flag"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/sandbox/memnet"
	"federation-agent/test/world"
)

// mostLines is what the log has at level info at most, of a day on which something is away, and of an ingest that leaves
// everything out: who reads it must find the line that says why.
const mostLines = 300

// everyOutage takes AWS away in every way, which takes a minute and a half of CPU.
var everyOutage = flag.Bool("outages", false, "a day without AWS in each of the ways in which it goes")

var tenRegions = []string{
	"eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1", "eu-north-1",
	"us-east-1", "us-east-2", "us-west-2", "ap-south-1", "ap-southeast-1",
}

// tenTargets is an account's ten regions, each with so many REST APIs of three stages.
func tenTargets(apis int) world.Options {
	o := world.Options{APIM: apimsim.Options{DropPageContent: true, History: 100}, AWS: awssim.Options{LogSize: 100}}
	o.AWS.Estate = awssim.UniformEstate(awssim.UniformOptions{
		APIs: apis, StagesPerAPI: 3, Plans: 2, Regions: tenRegions,
	})
	o.Settings = region(strings.Join(tenRegions, ","))
	return o
}

// fewLines holds the lines at level info and above that were written meanwhile to the limit, and names the texts that
// have most of them.
func fewLines(t *testing.T, w *world.World, meanwhile func()) {
	t.Helper()
	before := len(strings.Split(w.Log.String(), "\n"))
	meanwhile()
	texts, lines := map[string]int{}, 0
	for _, line := range strings.Split(w.Log.String(), "\n")[before:] {
		if strings.Contains(line, "level=DEBUG") {
			continue
		}
		lines++
		_, text, _ := strings.Cut(line, "level=")
		texts[text[:min(len(text), 60)]]++
	}
	t.Logf("%d lines: %v", lines, texts)
	if lines == 0 || lines > mostLines {
		t.Errorf("%d lines, want 1 to %d", lines, mostLines)
	}
}

func TestADayWithoutAPIMFillsNoLog(t *testing.T) {
	var away atomic.Bool
	o := tenTargets(2)
	o.Network = func(id memnet.ID) memnet.Plan {
		plan := memnet.NoPlan()
		if strings.HasPrefix(id.To, "apim") && away.Load() {
			plan.DialError = syscall.ECONNREFUSED
		}
		return plan
	}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		fewLines(t, w, func() {
			away.Store(true)
			if err := w.APIM.Drop(context.Background()); err != nil {
				t.Fatal(err)
			}
			pass(24 * time.Hour)
		})
		if !w.Log.Has("level=ERROR", "cannot connect to APIM", "repeated=") {
			t.Error("the log does not say that it goes on")
		}
	})
}

// People and a refresh ask for AWS meanwhile: once an hour somebody looks at a preview and starts an ingest.
func TestADayWithoutAWSFillsNoLog(t *testing.T) {
	kinds := []string{awsBlackHole}
	if *everyOutage {
		kinds = outageKinds
	}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			o := &outage{kind: kind}
			run(t, o.options(tenTargets(2)), func(t *testing.T, w *world.World) {
				w.Connected()
				succeed(w)
				fewLines(t, w, func() {
					o.begin(w, 25*time.Hour)
					for range 24 {
						_, _ = w.APIM.Preview(context.Background(), world.Integration)
						_, _ = w.APIM.StartIngest(context.Background(), world.Integration, nil)
						pass(time.Hour)
					}
				})
				if !w.Log.Has("cause=", "targets=", "repeated=") {
					t.Error("no line is over all targets")
				}
			})
		})
	}
}

func TestAnIngestThatLeaves1800StagesOutFillsNoLog(t *testing.T) {
	const apis, stages = 60, 3
	run(t, tenTargets(apis), func(t *testing.T, w *world.World) {
		w.Connected()
		w.AWS.Script().Add(awssim.Rule{
			Operation: awssim.OpGetStages, Fault: awssim.Answer(403, "AccessDeniedException", "no"),
		})
		var job apimsim.Job
		fewLines(t, w, func() { job = w.Ingest() })
		if job.Status != apimsim.JobTimedOut {
			t.Errorf("job %+v", job)
		}
		if n := w.Log.Count("level=ERROR", "APIs are left out of this ingest", "apis=1800"); n != 1 {
			t.Errorf("%d lines name all with their reason", n)
		}
	})
}
