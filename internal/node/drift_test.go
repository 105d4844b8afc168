package node

import (
	"testing"

	"federation-agent/internal/drift"
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
