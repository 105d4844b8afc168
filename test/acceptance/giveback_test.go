package acceptance

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	actors "federation-agent/actors/agent"
	"federation-agent/internal/members"
	"federation-agent/internal/table"
	"federation-agent/internal/table/tablesim"
	"federation-agent/test/world"
)

// What a quota's actor writes behind the leave of its process would be lent to nobody for seconds. The table is slow then,
// so that such a write falls between the leave and the end: the ledger is written each second, and the last call ends
// between.
func TestNothingIsLentToAProcessThatHasLeft(t *testing.T) {
	for _, slow := range []time.Duration{
		230 * time.Millisecond, 260 * time.Millisecond, 290 * time.Millisecond, 310 * time.Millisecond,
	} {
		t.Run(slow.String(), func(t *testing.T) {
			run(t, world.Options{AWS: slowKeys(1400 * time.Millisecond)}, func(t *testing.T, w *world.World) {
				var takes, left atomic.Int64
				model := tablesim.New(func(ctx context.Context, c tablesim.Call) tablesim.Fault {
					if c.Op == tablesim.Delete && c.Key.Partition == "member" {
						takes.Store(int64(slow))
					}
					select {
					case <-ctx.Done():
					case <-time.After(time.Duration(takes.Load())):
					}
					return tablesim.None
				})
				model.Observe(func(c tablesim.Call, _, after table.Item) {
					switch c.Key.Partition {
					case "member":
						if after == nil {
							left.Add(1)
						}
					case "quota":
						for name := range after {
							if left.Load() > 0 && (strings.HasPrefix(name, "h.") || strings.HasPrefix(name, "kept.")) {
								t.Errorf("behind the leave %s is written", name)
							}
						}
					}
				})
				first := w.StartAgentWith(world.AgentOptions{
					Table:    func(name string) table.Items { return model.Client(name) },
					Settings: map[string]string{"gravitee_agent_shutdown_handover": "0s"},
				})
				w.Await("the replica to be connected", func() bool { return len(w.APIM.Agents()) > 0 })
				pass(members.GoneAfter)
				w.Ingest()
				var open sync.WaitGroup
				open.Go(func() { accepted(w, w.APIM.APIs()[0]) })
				pass(100 * time.Millisecond)
				first.Drain()
				open.Wait()
				if first.Ending() != actors.Drained || left.Load() == 0 {
					t.Errorf("ending %v, it has left: %v", first.Ending(), left.Load())
				}
			})
		})
	}
}
