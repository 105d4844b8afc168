package acceptance

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/messages"
	"federation-agent/test/world"
)

// An integration fails while a CreateApiKey is on its way, which is heard out; meanwhile another target learns its
// account and asks for its writer.
func TestAWriterThatIsAskedForWhileTheKeysAreStoppingIsNotMade(t *testing.T) {
	var slow, fail atomic.Bool
	slow.Store(true)
	o := world.Options{
		AWS:      awssim.Options{Estate: estate(1, "eu-west-1", "us-east-1")},
		Settings: region("eu-west-1,us-east-1"),
		Faults: func(id string, message any) {
			switch message.(type) {
			case messages.QuotaOpened:
				if strings.HasSuffix(id, "target-2") && slow.Swap(false) {
					time.Sleep(3 * time.Second)
				}
			case messages.AreYouThere:
				if kindOf(id) == "integration" && fail.Swap(false) {
					panic("a bomb of the test")
				}
			}
		},
	}
	run(t, o, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		pass(time.Second) // the first target serves, the second waits
		w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpCreateAPIKey, Times: 1, Fault: awssim.Of(awssim.FaultHang)})
		aws, err := w.AWS.Snapshot(uniform())
		if err != nil {
			t.Fatal(err)
		}
		plan := aws.UsagePlans[0]
		go func() { // its session is cut
			_, _ = w.APIM.SendCommand(context.Background(), world.Integration, "SUBSCRIBE", map[string]any{
				"apiId": fmt.Sprintf(
					"%s:eu-west-1:%s:%s",
					uniform().Account,
					plan.APIStages[0].RestAPI,
					plan.APIStages[0].Stage,
				),
				"subscription": map[string]any{"graviteeSubscriptionId": "sub-1", "metadata": map[string]string{"planId": plan.ID}},
			})
		}()
		w.Await("CreateApiKey to be on its way", func() bool { return journal(t, agent)[keys.Creating] == 1 })
		fail.Store(true)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = agent.Alive(ctx)
		pass(2 * time.Minute)
		if job := w.Ingest(); fail.Load() || slow.Load() || job.Status != apimsim.JobSuccess {
			t.Errorf("after the failure an ingest is %+v", job)
		}
	})
}
