package node

import (
	"testing"

	"federation-agent/internal/drift"
	"federation-agent/internal/status"
)

func TestThePageShowsEveryKindOfDrift(t *testing.T) {
	kinds := drift.Kinds()
	if len(driftKinds) != len(kinds) || string(drift.Gone) != goneKind {
		t.Fatalf("%v, want %v", driftKinds, kinds)
	}
	for n, kind := range kinds {
		if shown := driftKinds[n]; shown.Kind != string(kind) || shown.Text == "" {
			t.Errorf("%+v, want %s", shown, kind)
		}
	}
}

func TestAnAPIThatStaysBecauseOfItsSubscriptionsNeedsSomebody(t *testing.T) {
	m := status.Removal{APIs: []status.RemovalNote{{Name: "planned"}, {Name: "orders", Text: "it stays: 2 subscriptions", Kept: true}}}
	found := unremoved(m)
	if len(found) != 1 || found[0].Why != "orders: it stays: 2 subscriptions" {
		t.Errorf("%+v", found)
	}
	m.APIs = m.APIs[:1]
	if found := unremoved(m); len(found) > 0 {
		t.Errorf("what is only planned: %+v", found)
	}
}
