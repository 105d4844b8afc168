package targets_test

import (
	"testing"

	"federation-agent/internal/federation"
	"federation-agent/internal/targets"
)

func TestFindPrefersWhoIsReadyAndTakesWhoMayTurnOutToBeTheTarget(t *testing.T) {
	const west, east = "eu-west-1", "us-east-1"
	d := targets.New(
		targets.Row[string]{Region: west, Role: "a", Account: "1", Target: "not ready"},
		targets.Row[string]{Region: west, Role: "b", Account: "1", Target: "ready", Ready: true},
		targets.Row[string]{Region: east, Account: "2", Target: "other region", Ready: true},
		targets.Row[string]{Region: west, Target: "unknown account"},
	)
	for name, c := range map[string]struct {
		target federation.Target
		want   string
	}{
		"of two roles of one account the one that is ready": {federation.Target{Account: "1", Region: west}, "ready"},
		"another region": {federation.Target{Account: "2", Region: east}, "other region"},
		"one whose account AWS has not told may be it": {federation.Target{Account: "3", Region: west}, "unknown account"},
		"an account that is configured elsewhere":      {federation.Target{Account: "1", Region: east}, ""},
		"a region that is not configured":              {federation.Target{Account: "1", Region: "eu-north-1"}, ""},
	} {
		if got, found := d.Find(c.target); got.Target != c.want || found != (c.want != "") {
			t.Errorf("%s: %q, %v", name, got.Target, found)
		}
	}
	row := d.Row(3)
	row.Account, row.Ready = "3", true
	d.Set(3, row)
	if got, _ := d.Find(federation.Target{Account: "4", Region: west}); got.Target != "" {
		t.Errorf("an account that is known is no other: %q", got.Target)
	}
	if rows := d.Rows(); len(rows) != 4 || rows[3].ID() != (federation.Target{Account: "3", Region: west}) {
		t.Errorf("rows: %v", rows)
	}
}
