package exports

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
)

func TestWhatIsLeftOutIsCountedByReasonAndNamedByTheFirstFew(t *testing.T) {
	var l LeftOut
	for n := range 8 {
		id := federation.ID{Account: "111122223333", Region: "eu-west-1", RestAPI: fmt.Sprintf("api%d", n), Stage: "prod"}
		l.Add(id, gateway.Omission{
			Reason: gateway.AccessDenied.Reason(), Why: "no permission on /restapis/" + id.RestAPI,
		}, slog.LevelError)
	}
	late := federation.ID{Account: "111122223333", Region: "eu-west-1", RestAPI: "late", Stage: "prod"}
	l.Add(late, gateway.Omission{Reason: gateway.TooLate, Why: "too late"}, slog.LevelWarn)
	l.Note(late, "AWS has no such stage any more", slog.LevelWarn)
	if diff := cmp.Diff(map[string]int{"access_denied": 8, "too_late": 1}, l.By); diff != "" || l.Count != 9 {
		t.Errorf("%d, %s", l.Count, diff)
	}
	if len(l.Examples) != examplesShown || l.Examples[0] != "111122223333:eu-west-1:api0:prod: no permission on /restapis/api0" {
		t.Errorf("%q", l.Examples)
	}
	var got []string
	for _, r := range l.Reasons() {
		got = append(got, fmt.Sprintf("%d %s %s, as %d", r.Count, r.Level, r.Why, len(r.Examples)))
	}
	if diff := cmp.Diff([]string{
		"8 ERROR no permission on /restapis/api0, as 5", "1 WARN AWS has no such stage any more, as 1", "1 WARN too late, as 1",
	}, got); diff != "" {
		t.Error(diff)
	}
}
