package status_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/status"
)

func TestATargetIsReadyOnlyWhileItsLastListingSucceeded(t *testing.T) {
	b := status.NewBoard()
	b.Serve("i", at(0))
	place := status.Place{Account: "111122223333", Region: "eu-west-1"}
	show := func(step string, want status.Target) {
		t.Helper()
		want.Region, want.Account = place.Region, place.Account
		if diff := cmp.Diff([]status.Target{want}, b.Read().Integrations[0].Targets); diff != "" {
			t.Errorf("%s (-want +got)\n%s", step, diff)
		}
	}
	b.Target("i", status.Target{Region: place.Region, State: status.Resolving, Since: at(1)})
	b.Target("i", status.Target{Region: place.Region, Account: place.Account, State: status.Ready, Since: at(2)})
	b.Target("i", status.Target{Region: place.Region, Account: place.Account, State: status.Ready, Since: at(3)})
	show("the account is known", status.Target{State: status.Ready, Since: at(2)})
	b.Listed("i", place, 3, 6, at(4))
	b.ListingEnded("i", place, "throttled", at(5))
	b.ListingEnded("i", place, "check accessKeyId", at(6))
	show("two listings failed, for different reasons", status.Target{
		State: status.Failed, Since: at(5), Failure: "check accessKeyId",
		Listed: status.Listed{At: at(4), APIs: 3, Stages: 6, Failure: "check accessKeyId", FailedAt: at(6)},
	})
	b.ListingEnded("i", place, "", at(7))
	show("the next one succeeded", status.Target{
		State: status.Ready, Since: at(2), Listed: status.Listed{At: at(4), APIs: 3, Stages: 6},
	})
	b.OutOfReach("i", place, "no route", at(8))
	show("out of reach", status.Target{
		State: status.Failed, Since: at(8), Failure: "no route",
		Listed: status.Listed{At: at(4), APIs: 3, Stages: 6, OutOfReach: "no route", OutOfReachSince: at(8)},
	})
	b.OutOfReach("i", place, "", at(9))
	show("in reach again", status.Target{
		State: status.Ready, Since: at(2), Listed: status.Listed{At: at(4), APIs: 3, Stages: 6},
	})
}

func TestATargetWithoutCredentialsSaysWhatTheyLackWhateverItsListingsSaid(t *testing.T) {
	b := status.NewBoard()
	b.Serve("i", at(0))
	place := status.Place{Account: "111122223333", Region: "eu-west-1"}
	b.ListingEnded("i", place, "no route", at(1))
	b.Target("i", status.Target{
		Region: place.Region, Account: place.Account, State: status.Failed, Since: at(2), Failure: "check roleArn",
	})
	if got := b.Read().Integrations[0].Targets[0]; got.State != status.Failed || got.Failure != "check roleArn" {
		t.Errorf("%+v", got)
	}
}

func TestOfTwoRolesOfOneAccountTheFirstThatCanBeUsedIsReadyAndTheOtherStandsBy(t *testing.T) {
	b := status.NewBoard()
	b.Serve("i", at(0))
	place := status.Place{Account: "111122223333", Region: "eu-west-1"}
	note := func(role string, order int, state status.TargetState) {
		b.Target("i", status.Target{
			Region: place.Region, Account: place.Account, Role: role, Order: order, State: state, Since: at(order),
		})
	}
	states := func() (found [2]status.TargetState) {
		for n, t := range b.Read().Integrations[0].Targets {
			found[n] = t.State
		}
		return found
	}
	note("a", 1, status.Ready)
	note("b", 0, status.Ready)
	if got := states(); got != [2]status.TargetState{status.Standby, status.Ready} {
		t.Errorf("both can be used: %v", got)
	}
	b.ListingEnded("i", place, "no route", at(2))
	if got := states(); got != [2]status.TargetState{status.Standby, status.Failed} {
		t.Errorf("a listing of the one that serves failed: %v", got)
	}
	b.ListingEnded("i", place, "", at(3))
	note("b", 0, status.Failed)
	if got := states(); got != [2]status.TargetState{status.Ready, status.Failed} {
		t.Errorf("one is refused: %v", got)
	}
}
