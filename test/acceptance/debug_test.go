package acceptance

import (
	"regexp"
	"strings"
	"testing"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

func TestAtLevelDebugEachAttemptAtAWSAndEachCommandHasALine(t *testing.T) {
	run(t, world.Options{AWS: withLatency(oneRegion(2, 1, 1))}, func(t *testing.T, w *world.World) {
		w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpGetExport, Times: 1, Fault: awssim.Answer(429, "TooManyRequestsException", "no")})
		_, api := ingested(w)
		accepted(w, api)
		if _, err := w.APIM.SendCommand(t.Context(), world.Integration, "SUBSCRIBE", map[string]any{
			"apiId": api.ProviderID, "subscription": map[string]any{"graviteeSubscriptionId": "sub-9", "type": "OAUTH"},
		}); err != nil {
			t.Fatal(err)
		}
		pass(0)
		lines := regexp.MustCompile(`level=DEBUG msg="AWS was called" integration=\S+ .*operation=(\S+) result=(\S+) took=\S+ aws_request_id=\S+`)
		calls := map[string]int{}
		for _, line := range lines.FindAllStringSubmatch(w.Log.String(), -1) {
			calls[line[1]]++
			calls[line[1]+" "+line[2]]++
		}
		for _, c := range w.AWS.Counts() {
			if operation := c.Operation; int64(calls[operation]) != w.AWS.CallCount(operation) {
				t.Errorf("%d lines about %s, want %d", calls[operation], operation, w.AWS.CallCount(operation))
			}
		}
		if calls["GetExport throttled"] != 1 || calls["GetExport ok"] != 2 || calls["GetCallerIdentity ok"] != 1 {
			t.Errorf("lines: %v", calls)
		}
		if !w.Log.Has(`msg="AWS was called"`, "target="+uniform().Account+":eu-west-1", "waited=", "operation=CreateApiKey") {
			t.Error("no line says for which target, and how long it waited")
		}
		for _, c := range w.APIM.Commands() {
			want := []string{`level=DEBUG msg="a command has ended"`, "type=" + c.Type, "command=" + c.ID}
			if len(c.Replies) > 0 && c.Replies[0].Status == apimsim.StatusError {
				want = append(want, "outcome=error", "took=", "reason=")
			}
			if n := w.Log.Count(want...); n != 1 {
				t.Errorf("%d lines say %s", n, strings.Join(want, " "))
			}
		}
	})
}
