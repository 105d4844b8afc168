package acceptance

import (
	"net/http"
	"testing"

	actors "federation-agent/actors/agent"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

// A target that never came to be has no writer to wait for, but its answer must still name it.
func TestAnAgentWithoutUsableCredentialsEndsInOrder(t *testing.T) {
	for name, fault := range map[string]awssim.Fault{
		"the credentials are refused": awssim.Answer(http.StatusForbidden, "InvalidClientTokenId",
			"The security token included in the request is invalid."),
		"STS does not answer": awssim.Of(awssim.FaultHang),
	} {
		t.Run(name, func(t *testing.T) {
			refuse := awssim.NewScript(awssim.Rule{Operation: awssim.OpGetCallerIdentity, Fault: fault})
			world.Run(t, world.Options{AWS: awssim.Options{Faults: refuse.Fault}}, func(t *testing.T, w *world.World) {
				agent := w.Connected()
				w.Await("the question to STS", func() bool { return len(w.AWS.Calls(0)) > 0 })
				took := agent.Drain()
				if ending := agent.Ending(); ending != actors.Drained || w.Log.Has("panicked") {
					t.Errorf("ending %v after %s\n%s", ending, took, w.Log)
				}
			})
		})
	}
}
