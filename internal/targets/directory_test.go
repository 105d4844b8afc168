package targets_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

func TestTheRolesOfAnAccountStandBehindTheFirstOneThatHasNotFailed(t *testing.T) {
	const west, east = "eu-west-1", "us-east-1"
	now := time.Now()
	at := func(account, region, who string, failed time.Duration) targets.Row[string] {
		row := targets.Row[string]{Account: account, Region: region, Target: who, Ready: true}
		if failed > 0 {
			row.FailedAt = now.Add(-failed)
		}
		return row
	}
	const shortly, longAgo = 4 * time.Minute, 6 * time.Minute
	for name, c := range map[string]struct {
		rows []targets.Row[string]
		want [][]string
		find string // who serves account 1 in west
	}{
		"nobody shares": {
			[]targets.Row[string]{at("1", west, "a", shortly), at("1", east, "b", 0), at("2", west, "c", 0)},
			[][]string{{"b"}, {"c"}, {"a"}}, "a",
		},
		"the first serves": {
			[]targets.Row[string]{at("1", west, "a", 0), at("2", west, "b", 0), at("1", west, "c", 0)},
			[][]string{{"a", "c"}, {"b"}}, "a",
		},
		"the first has failed": {
			[]targets.Row[string]{at("1", west, "a", shortly), at("1", west, "b", 0), at("1", west, "c", 0)},
			[][]string{{"b", "c", "a"}}, "b",
		},
		"it is tried again, and the other one is asked for documents until it answers": {
			[]targets.Row[string]{at("1", west, "a", longAgo), at("1", west, "b", 0)}, [][]string{{"a", "b"}}, "b",
		},
		"all have failed": {
			[]targets.Row[string]{at("1", west, "a", shortly), at("1", west, "b", shortly)}, [][]string{{"a", "b"}}, "a",
		},
		"accounts that are not known share nothing": {
			[]targets.Row[string]{at("", west, "a", 0), at("", west, "b", 0)}, [][]string{{"a"}, {"b"}}, "a",
		},
	} {
		d := targets.New(c.rows...)
		var got [][]string
		for _, seat := range d.Seats(now) {
			var who []string
			for _, row := range seat {
				who = append(who, row.Target)
			}
			got = append(got, who)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if found, _ := d.Find(federation.Target{Account: "1", Region: west}); found.Target != c.find {
			t.Errorf("%s: %s serves, want %s", name, found.Target, c.find)
		}
	}
}

func TestOnlyRolesOfTheSameAccountAndRegionShareIt(t *testing.T) {
	d := targets.New(
		targets.Row[string]{Account: "1", Region: "eu-west-1"}, targets.Row[string]{Account: "1", Region: "eu-west-1"},
		targets.Row[string]{Account: "2", Region: "eu-west-1"}, targets.Row[string]{Account: "1", Region: "us-east-1"},
		targets.Row[string]{Region: "eu-west-1"}, targets.Row[string]{Region: "eu-west-1"},
	)
	for n, want := range []bool{true, true, false, false, false, false} {
		if shared := d.Shared(n); shared != want {
			t.Errorf("row %d: %v", n, shared)
		}
	}
}
