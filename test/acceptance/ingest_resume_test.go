package acceptance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/store/storetest"
	"federation-agent/messages"
	"federation-agent/test/world"
)

// The session of a new process is up long before AWS is listed: an ingest that took its empty plan for a
// finished one said `done`, or waited for ever on having done so.
func TestAResumedJobSendsEverythingThoughItsSessionIsUpBeforeItsListings(t *testing.T) {
	for name, settings := range map[string]map[string]string{
		"killed before its first batch": {},
		// One stage after the other: the first acknowledgement is on the disk when the second comes.
		"killed after its second batch": {"gravitee_agent_ingest_batchCount": "1", "gravitee_agent_ingest_stageWorkers": "1"},
	} {
		t.Run(name, func(t *testing.T) {
			slow := awssim.Span{Min: 2 * time.Second, Max: 2 * time.Second}
			o := world.Options{Settings: settings, AWS: awssim.Options{Latency: awssim.Latency{Listings: slow, Exports: slow}}}
			world.Run(t, o, func(t *testing.T, w *world.World) {
				agent := w.Connected()
				job, err := w.APIM.StartIngest(context.Background(), world.Integration, nil)
				if err != nil {
					t.Fatal(err, w.Log)
				}
				w.Await("the middle of the ingest", func() bool {
					job, err := w.APIM.Job(job.ID)
					return err == nil && (len(settings) == 0 && w.AWS.CallCount(awssim.OpGetStages) > 0 || job.Ingested > 1)
				})
				agent.Crash()
				w.StartAgent()
				w.Await("the end of the ingest", func() bool {
					job, err := w.APIM.Job(job.ID)
					return err == nil && job.Status != apimsim.JobPending
				})
				job, err = w.APIM.Job(job.ID)
				if err != nil || job.Status != apimsim.JobSuccess || len(w.APIM.APIs()) != int(job.Total) {
					t.Errorf("job %+v, %d APIs, %v\n%s", job, len(w.APIM.APIs()), err, w.Log)
				}
				if problems := w.APIM.Problems(); len(problems) > 0 {
					t.Errorf("APIM noticed %v\n%s", problems, w.Log)
				}
				counts := fmt.Sprintf("sent=%d without_document=0 omitted=0", job.Total)
				if !w.Log.Has("resuming an ingest after restart", job.ID) ||
					!w.Log.Has("ingest done", job.ID, counts) {
					t.Errorf("what an earlier process had sent is not counted\n%s", w.Log)
				}
				if w.Log.Has("in no usage plan any more") {
					t.Errorf("APIs that were acknowledged are called lost\n%s", w.Log)
				}
			})
		})
	}
}

// A process that comes back after minutes moves the job's deadline on at once, and APIM's answer comes while the first
// INGEST is held back.
func TestAJobThatIsKeptAliveWhileItsFirstINGESTIsHeldBackSendsEverything(t *testing.T) {
	const apart = 300 * time.Millisecond // longer than the listing takes, shorter than what is held back
	o := world.Options{
		Settings: map[string]string{"gravitee_agent_ingest_batchCount": "1", "gravitee_agent_ingest_stageWorkers": "1"},
	}
	o.APIM.Script = &apimsim.Script{
		Ingest: func(apimsim.IngestEvent) apimsim.IngestFault { return apimsim.IngestFault{AnswerDelay: apart} },
	}
	run(t, o, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		job := startIngest(w)
		w.Await("the middle of the ingest",
			func() bool { now, err := w.APIM.Job(job.ID); return err == nil && now.Ingested > 1 })
		agent.Crash()
		pass(3 * time.Minute)
		back := time.Now()
		w.Connected()
		if got := ended(w, job); got.Status != apimsim.JobSuccess || len(w.APIM.APIs()) != 8 ||
			time.Since(back) > time.Minute {
			t.Errorf("after %s: job %+v, %d APIs", time.Since(back), got, len(w.APIM.APIs()))
		}
		healthy(t, w)
	})
}

// The job's own actor panics between two batches.
func TestAJobThatPanicsIsGoneOnWithUntilItIsDone(t *testing.T) {
	var batches atomic.Int32
	o := world.Options{
		Settings: map[string]string{"gravitee_agent_ingest_batchCount": "1"},
		Faults: func(_ string, message any) {
			if _, ok := message.(messages.IngestAnswered); ok && batches.Add(1) == 3 {
				panic("in the middle of a job")
			}
		},
	}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		if job := w.Ingest(); job.Status != apimsim.JobSuccess {
			t.Errorf("the job ended %s", job.Status)
		}
		if n := len(w.APIM.APIs()); n != 8 {
			t.Errorf("%d APIs of 8 arrived", n)
		}
	})
}

func TestADiskThatHangsWhileAnOldJobIsForgottenHoldsUpNoIngest(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		startIngest(w)
		pass(500 * time.Millisecond)
		agent.Crash()
		pass(jobTooOld)
		var hung atomic.Bool
		w.Disk.Decide(func(write storetest.Write) storetest.Outcome {
			forgets := func(name string) bool { return strings.HasPrefix(name, "job ") && strings.HasSuffix(name, " removed") }
			if slices.ContainsFunc(write.Names(), forgets) && hung.CompareAndSwap(false, true) {
				time.Sleep(10 * time.Second)
			}
			return storetest.Outcome{}
		})
		w.Connected()
		began := time.Now()
		startIngest(w)
		if took := time.Since(began); took > 5*time.Second || !hung.Load() {
			t.Errorf("START_INGEST took %s, the disk hung: %v", took, hung.Load())
		}
		pass(time.Minute)
	})
}

// jobTooOld is longer than APIM holds a job.
const jobTooOld = 6 * time.Minute
