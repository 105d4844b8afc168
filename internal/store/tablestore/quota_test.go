package tablestore_test

import (
	"context"
	"errors"
	"maps"
	"testing"

	"federation-agent/internal/quota"
	"federation-agent/internal/table"
	"federation-agent/internal/table/tablesim"
)

func TestALedgerIsReadAsItWasWritten(t *testing.T) {
	fault := tablesim.None
	model := tablesim.New(func(context.Context, tablesim.Call) tablesim.Fault { return fault })
	s := open(model, "a")
	change := func(from, to quota.Ledger) (quota.Ledger, bool, error) {
		return s.Change(t.Context(), "123456789012", "eu-west-1", from, to)
	}
	to := quota.Ledger{
		Version: quota.Version{Number: 1, Token: "a/1"}, Lowered: 300,
		Holders: map[string]quota.Holder{
			"a": {Count: 1, Rate: 2, Want: 3, Keys: 4, MostRate: 5, MostBurst: 6}, "b": {Count: 9},
		},
		Kept: map[string]int64{"A": 4000, "B": 1000},
	}
	if now, taken, err := change(quota.Ledger{}, to); !taken || err != nil || now.Version != to.Version {
		t.Fatalf("%+v, %v, %v", now, taken, err)
	}
	now, taken, err := change(quota.Ledger{}, to)
	if taken || err != nil || now.Version != to.Version || now.Lowered != 300 || !maps.Equal(now.Holders, to.Holders) || !maps.Equal(now.Kept, to.Kept) {
		t.Fatalf("%+v, %v, %v", now, taken, err)
	}
	next := now.Clone()
	next.Version = quota.Version{Number: 2, Token: "a/2"}
	delete(next.Holders, "b")
	delete(next.Kept, "B")
	for f, want := range map[tablesim.Fault]error{
		tablesim.Throttled: table.ErrNotWritten, tablesim.LostBefore: table.ErrUnknown,
	} {
		fault = f
		if _, taken, err := change(now, next); taken || !errors.Is(err, want) {
			t.Errorf("%v, %v, want %v", taken, err, want)
		}
	}
	fault = tablesim.None
	if _, taken, err := change(now, next); !taken || err != nil {
		t.Fatalf("%v, %v", taken, err)
	}
	if now, _, _ = change(quota.Ledger{}, to); !maps.Equal(now.Holders, next.Holders) || len(now.Holders) != 1 || len(now.Kept) != 1 {
		t.Errorf("%+v", now)
	}
}

func TestWhoLeavesGivesBackWhatItHasOfEachQuota(t *testing.T) {
	var beside func()
	model := tablesim.New(func(_ context.Context, c tablesim.Call) tablesim.Fault {
		if change := beside; change != nil && c.Client == "a" && c.Op == tablesim.Update {
			beside = nil
			change()
		}
		return tablesim.None
	})
	a, b := open(model, "a"), open(model, "b")
	holders := map[string]quota.Holder{"m1/1": {Count: 1, Rate: 7}, "m1/2": {Count: 3, Rate: 1}, "m10/1": {Count: 1, Rate: 5}}
	of := func(region string) quota.Ledger {
		t.Helper()
		now, _, err := b.Change(t.Context(), "123456789012", region, quota.Ledger{}, quota.Ledger{Version: quota.Version{Number: 1, Token: "x"}})
		must(t, err)
		return now
	}
	first := quota.Ledger{Version: quota.Version{Number: 1, Token: "m1/1/1"}, Holders: holders}
	for _, region := range []string{"eu-west-1", ""} {
		_, taken, err := a.Change(t.Context(), "123456789012", region, quota.Ledger{}, first)
		if must(t, err); !taken {
			t.Fatal("the ledger is there")
		}
	}
	beside = func() { // another process comes before the write of one of them
		next := first.Clone()
		next.Version = quota.Version{Number: 2, Token: "m10/1/2"}
		next.Holders["m10/1"] = quota.Holder{Count: 2, Rate: 6}
		for _, region := range []string{"eu-west-1", ""} {
			_, _, err := b.Change(t.Context(), "123456789012", region, first, next)
			must(t, err)
		}
	}
	must(t, a.Leave(t.Context(), "m1"))
	for _, region := range []string{"eu-west-1", ""} {
		if now := of(region); !maps.Equal(now.Holders, map[string]quota.Holder{"m10/1": {Count: 2, Rate: 6}}) || now.Version.Number != 3 {
			t.Errorf("%q: after it has left there is %+v", region, now)
		}
	}
	must(t, a.Leave(t.Context(), "m1")) // once more
	if now := of(""); now.Version.Number != 3 {
		t.Errorf("who has nothing writes: %+v", now)
	}
}
