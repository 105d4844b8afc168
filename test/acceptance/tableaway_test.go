package acceptance

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/status"
	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table"
	"federation-agent/internal/table/tablesim"
	"federation-agent/test/world"
)

// aways are the ways in which the table of a journal is away.
var aways = map[string]tablesim.Fault{
	"throttled": tablesim.Throttled, "lost before": tablesim.LostBefore, "lost after": tablesim.LostAfter,
	"slow": tablesim.Slow, "unreachable": tablesim.Unreachable, "denied": tablesim.Denied, "missing": tablesim.Missing,
}

// tabled is a world with an agent whose journal is a table.
type tabled struct {
	*world.World
	fault atomic.Int64
	items *tablestore.Watched
}

// inEachAway runs a test for each way in which the table is away.
func inEachAway(t *testing.T, o world.Options, test func(t *testing.T, w *tabled, away tablesim.Fault)) {
	t.Helper()
	for name, fault := range aways {
		t.Run(name, func(t *testing.T) {
			run(t, o, func(t *testing.T, w *world.World) {
				d := &tabled{World: w}
				model := tablesim.New(func(context.Context, tablesim.Call) tablesim.Fault {
					return tablesim.Fault(d.fault.Load())
				})
				d.items = tablestore.Watch(model.Client("agent"), slog.New(slog.DiscardHandler), status.NewBoard())
				w.StartAgentWith(world.AgentOptions{Table: func(string) table.Items { return d.items }})
				w.Await("the session", func() bool { return len(w.APIM.Agents()) > 0 })
				test(t, d, fault)
			})
		})
	}
}

func (w *tabled) away(f tablesim.Fault) { w.fault.Store(int64(f)) }

func (w *tabled) back() { w.fault.Store(int64(tablesim.None)) }

// ingested has all APIs in APIM.
func (w *tabled) ingested(t *testing.T) apimsim.API {
	t.Helper()
	if job := w.Ingest(); job.Status != apimsim.JobSuccess {
		t.Fatalf("%+v", job)
	}
	return w.APIM.APIs()[0]
}

// The whole of the agent, with the quota that nobody lends: what goes on, what is refused with which reason, and what
// heals.
func TestWhatGoesOnWhileTheTableIsAway(t *testing.T) {
	inEachAway(t, world.Options{}, func(t *testing.T, w *tabled, fault tablesim.Fault) {
		api := w.ingested(t)
		before := subscribe(w.World, api)
		if before.Status != apimsim.SubscriptionAccepted {
			t.Fatalf("%+v", before)
		}
		w.away(fault)
		pass(time.Minute)
		if h := w.items.Health(); h.Durable {
			t.Error("nothing says that the table is away")
		}

		refused := subscribe(w.World, api)
		if refused.Status != apimsim.SubscriptionRejected || !strings.Contains(refused.Reason, "agent.store.table.name") {
			t.Errorf("%s: %s", refused.Status, refused.Reason)
		}
		began := time.Now()
		if err := w.APIM.Unsubscribe(context.Background(), before.ID); err != nil || time.Since(began) > 30*time.Second {
			t.Errorf("UNSUBSCRIBE after %s: %v", time.Since(began), err)
		}
		if keys := w.AWS.Keys(); len(keys) > 0 {
			t.Errorf("AWS has %v", keys)
		}
		job := startIngest(w.World)
		_, err := w.APIM.Preview(context.Background(), world.Integration)
		if err == nil || !strings.Contains(err.Error(), "agent.store.table.name") {
			t.Errorf("AWS was listed without a quota, or the preview does not name the table: %v", err)
		}
		pass(5 * time.Minute)
		if n := len(w.APIM.EndedSessions()); n > 0 {
			t.Errorf("%d sessions ended: the agent seems unhealthy", n)
		}

		if got, _ := w.APIM.Job(job.ID); got.Status != apimsim.JobTimedOut { // nobody knows whose it is, so nobody keeps it alive
			t.Errorf("the ingest is %s while the table is away", got.Status)
		}

		w.back()
		pass(5 * time.Minute)
		if got, _ := w.APIM.Job(job.ID); got.Status != apimsim.JobSuccess {
			t.Errorf("the ingest is %s once it is back", got.Status)
		}
		if h := w.items.Health(); !h.Durable {
			t.Errorf("it is back, and health says %v", h)
		}
		again := subscribe(w.World, api)
		if again.Status != apimsim.SubscriptionAccepted || len(w.AWS.Keys()) != 1 {
			t.Errorf("%+v, keys %v", again, w.AWS.Keys())
		}
		if job := w.Ingest(); job.Status != apimsim.JobSuccess {
			t.Errorf("%+v", job)
		}
		oneReplyEach(t, w.World)
	})
}

// An ingest waits between two batches for as long as APIM holds it.
func TestAnIngestWaitsForTheTable(t *testing.T) {
	for _, awayFor := range []time.Duration{2 * time.Minute, 10 * time.Minute} {
		t.Run(fmt.Sprint(awayFor), func(t *testing.T) {
			var sent atomic.Int64
			var first func()
			o := world.Options{
				Settings: map[string]string{"gravitee_agent_ingest_batchCount": "1"},
				APIM: apimsim.Options{Script: &apimsim.Script{Ingest: func(apimsim.IngestEvent) apimsim.IngestFault {
					if sent.Add(1) == 1 {
						first()
					}
					return apimsim.IngestFault{}
				}}},
			}
			inEachAway(t, o, func(t *testing.T, w *tabled, fault tablesim.Fault) {
				sent.Store(0)
				first = func() { w.away(fault) }
				job := startIngest(w.World)
				pass(awayFor)
				if n := sent.Load(); n > 2 { // one may have been written down already
					t.Errorf("%d batches left", n)
				}
				w.back()
				pass(time.Minute)
				want := apimsim.JobSuccess
				if awayFor > 5*time.Minute {
					want = apimsim.JobTimedOut
				}
				got, _ := w.APIM.Job(job.ID)
				if got.Status != want {
					t.Errorf("the job is %s, want %s", got.Status, want)
				}
			})
		})
	}
}
