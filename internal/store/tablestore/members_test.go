package tablestore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"federation-agent/internal/members"
	"federation-agent/internal/store"
	"federation-agent/internal/table"
	"federation-agent/internal/table/tablesim"
)

func TestMembersSeeEachOther(t *testing.T) {
	var fault tablesim.Fault
	model := tablesim.New(func(context.Context, tablesim.Call) tablesim.Fault { return fault })
	a, b := open(model, "a"), open(model, "b")
	me := members.Member{ID: "m1", Count: 7, Version: "1.2.3", Host: "pod-1", Ready: []string{"I", "J"}}
	must(t, a.Raise(t.Context(), me, start))
	must(t, b.Raise(t.Context(), members.Member{ID: "m2", Count: 1}, start))
	me.Count++
	must(t, a.Raise(t.Context(), me, start))
	all, err := b.Members(t.Context())
	if err != nil || len(all) != 2 || fmt.Sprint(all[0]) != fmt.Sprint(me) || all[1].ID != "m2" {
		t.Errorf("%+v, %v", all, err)
	}
	item, _ := model.Client("x").Get(t.Context(), table.Key{Partition: "member", Sort: "m1"})
	if got := item[table.Expires].Number(); got != start.Unix()+24*60*60 {
		t.Errorf("it expires at %d", got)
	}
	must(t, a.Leave(t.Context(), "m1"))
	if all, _ = b.Members(t.Context()); len(all) != 1 {
		t.Errorf("%+v", all)
	}
	for f, want := range map[tablesim.Fault]error{
		tablesim.Throttled: store.ErrNotWritten, tablesim.LostAfter: store.ErrUnknown, tablesim.LostBefore: store.ErrUnknown,
	} {
		fault = f
		if err := a.Raise(t.Context(), me, start); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}
