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
	}
	if now, taken, err := change(quota.Ledger{}, to); !taken || err != nil || now.Version != to.Version {
		t.Fatalf("%+v, %v, %v", now, taken, err)
	}
	now, taken, err := change(quota.Ledger{}, to)
	if taken || err != nil || now.Version != to.Version || now.Lowered != 300 || !maps.Equal(now.Holders, to.Holders) {
		t.Fatalf("%+v, %v, %v", now, taken, err)
	}
	next := now.Clone()
	next.Version = quota.Version{Number: 2, Token: "a/2"}
	delete(next.Holders, "b")
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
	if now, _, _ = change(quota.Ledger{}, to); !maps.Equal(now.Holders, next.Holders) || len(now.Holders) != 1 {
		t.Errorf("%+v", now)
	}
}
