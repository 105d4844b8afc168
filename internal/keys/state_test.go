package keys_test

import (
	"slices"
	"testing"

	"federation-agent/internal/keys"
)

func TestAStateIsReachedOnlyThroughTheOnesBeforeIt(t *testing.T) {
	allowed := map[keys.State][]keys.State{
		keys.Intent:      {keys.Creating},
		keys.Creating:    {keys.Intent, keys.Created, keys.LostCreate},
		keys.Created:     {keys.Attached, keys.Deleting},
		keys.Attached:    {keys.Answered, keys.Deleting},
		keys.Answered:    {keys.Delivered, keys.Unconfirmed, keys.Deleting},
		keys.Delivered:   {keys.Unconfirmed, keys.Deleting},
		keys.Unconfirmed: {keys.Delivered, keys.Deleting},
		keys.Deleting:    nil,
		keys.LostCreate:  nil,
	}
	for from, nexts := range allowed {
		for to := range allowed {
			want := from == to || slices.Contains(nexts, to)
			if got := from.CanBecome(to); got != want {
				t.Errorf("%s can become %s: %v, want %v", from, to, got, want)
			}
		}
	}
	if keys.State("").CanBecome("") || keys.State("x").CanBecome(keys.Intent) || keys.State("x").Valid() {
		t.Error("an unknown state leads nowhere")
	}
}

// Every step that Decide may ask for can be written down.
func TestADecisionIsAlwaysATransitionThatIsAllowed(t *testing.T) {
	becomes := map[keys.Action]keys.State{
		keys.Delete: keys.Deleting, keys.ListUnconfirmed: keys.Unconfirmed, keys.ListLostCreate: keys.LostCreate,
	}
	states := []keys.State{
		keys.Intent, keys.Creating, keys.LostCreate, keys.Created, keys.Attached, keys.Deleting,
		keys.Answered, keys.Unconfirmed, keys.Delivered,
	}
	for _, state := range states {
		for _, later := range states {
			for _, step := range keys.Decide([]keys.Record{record(1, "r", state), record(2, "later", later)}) {
				if next, written := becomes[step.Action]; written && !step.Record.State.CanBecome(next) {
					t.Errorf("%s: %s cannot become %s", step.Action, step.Record.State, next)
				}
			}
		}
	}
}
