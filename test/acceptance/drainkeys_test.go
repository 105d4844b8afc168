package acceptance

import (
	"fmt"
	"testing"
	"time"

	actors "federation-agent/actors/agent"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

// A key is being made when the end is asked for, and somebody who is about it fails: what was begun is brought to its
// end all the same, and is part of the agent's.
func TestAnOrderlyEndLeavesNoKeyThatIsStillBeingUndone(t *testing.T) {
	for _, c := range []struct {
		kind, on string
		took     time.Duration // of each call about keys
	}{
		// The command is given up 5 s later, while its key is being attached.
		{kind: "writer", on: "messages.Abandoned", took: 2600 * time.Millisecond},
		{kind: "writer", on: "messages.Drain", took: 2600 * time.Millisecond},
		{kind: "keys", on: "messages.Drain", took: 2600 * time.Millisecond},
	} {
		t.Run(c.kind+" on "+c.on, func(t *testing.T) {
			b := &bomb{kind: c.kind}
			b.left.Store(1)
			b.armed.Store(true)
			o := world.Options{
				AWS: awssim.Options{Latency: awssim.Latency{Keys: awssim.Span{Min: c.took, Max: c.took}}},
				Faults: func(id string, m any) {
					if fmt.Sprintf("%T", m) == c.on {
						b.receive(id, m)
					}
				},
			}
			run(t, o, func(t *testing.T, w *world.World) {
				agent, api := ingested(w)
				pass(time.Minute)
				done := make(chan struct{})
				go func() { defer close(done); subscribe(w, api) }()
				pass(100 * time.Millisecond) // CreateApiKey is on its way
				agent.Drain()
				if !b.blown.Load() || agent.Ending() != actors.Drained {
					t.Errorf("blown %v, ending %v", b.blown.Load(), agent.Ending())
				}
				keysAreSubscriptions(t, w)
				if j := journal(t, agent); len(j) > 0 {
					t.Errorf("the journal still has %v", j)
				}
				<-done
				oneReplyEach(t, w)
			})
		})
	}
}
