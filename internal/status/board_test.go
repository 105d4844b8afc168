package status_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/status"
)

func at(seconds int) time.Time { return time.Unix(int64(seconds), 0).UTC() }

func TestASessionsStateBeginsWhenItChangesAndItsLastErrorStays(t *testing.T) {
	b := status.NewBoard()
	b.Serve("i", at(0))
	b.SessionAway("i", "no route", at(5))
	session := func() status.Session { return b.Read().Integrations[0].Session }
	if diff := cmp.Diff(
		status.Session{State: status.Away, Since: at(0), LastError: "no route", LastErrorAt: at(5)},
		session(),
	); diff != "" {
		t.Errorf("away since the start (-want +got)\n%s", diff)
	}
	b.SessionUp("i", "https://apim", at(10))
	b.Primary("i", true)
	primary := true
	want := status.Session{
		State:       status.Up,
		Since:       at(10),
		Endpoint:    "https://apim",
		Primary:     &primary,
		Connects:    1,
		LastError:   "no route",
		LastErrorAt: at(5),
	}
	if diff := cmp.Diff(want, session()); diff != "" {
		t.Errorf("connected (-want +got)\n%s", diff)
	}
	b.SessionAway("i", "cut", at(20))
	b.SessionAway("i", "no route", at(30))
	if diff := cmp.Diff(
		status.Session{State: status.Away, Since: at(20), Connects: 1, LastError: "no route", LastErrorAt: at(30)},
		session(),
	); diff != "" {
		t.Errorf("away again (-want +got)\n%s", diff)
	}
	b.SessionEnded("i", at(40))
	if got := session(); got.State != status.Ended || got.Since != at(40) {
		t.Errorf("ended: %+v", got)
	}
}

func TestAFailedListingLeavesWhatTheLastCompleteOneSaid(t *testing.T) {
	b := status.NewBoard()
	b.Serve("i", at(0))
	place := status.Place{Account: "111122223333", Region: "eu-west-1"}
	b.Target("i", status.Target{Region: "eu-west-1", State: status.Resolving, Since: at(1)})
	b.Target("i", status.Target{Region: "eu-west-1", Account: place.Account, State: status.Ready, Since: at(2)})
	b.Target("i", status.Target{Region: "eu-west-1", Account: place.Account, State: status.Ready, Since: at(3)})
	b.Listed("i", place, 3, 6, at(4))
	b.ListingFailed("i", place, "throttled", at(5))
	want := []status.Target{{
		Region: "eu-west-1", Account: place.Account, State: status.Ready, Since: at(2),
		Listed: status.Listed{At: at(4), APIs: 3, Stages: 6, Failure: "throttled", FailedAt: at(5)},
	}}
	if diff := cmp.Diff(want, b.Read().Integrations[0].Targets); diff != "" {
		t.Errorf("after a failure (-want +got)\n%s", diff)
	}
	b.Listed("i", place, 4, 8, at(6))
	want[0].Listed = status.Listed{At: at(6), APIs: 4, Stages: 8}
	if diff := cmp.Diff(want, b.Read().Integrations[0].Targets); diff != "" {
		t.Errorf("after the next (-want +got)\n%s", diff)
	}
}

func TestWhatWasReadDoesNotChange(t *testing.T) {
	b := status.NewBoard()
	b.Serve("i", at(0))
	command, call := status.Command{
		Type:    "DISCOVER",
		Outcome: status.Succeeded,
	}, status.Call{
		Operation: "GetRestApis",
		Result:    "ok",
	}
	note := func() {
		b.Answered("i", command)
		b.Called(call)
		b.Ingested("i", 2)
		b.Guard("i", []string{"all plans"})
		b.Quota(status.Place{Account: "a"}, status.Quota{Rate: 1, Share: 7})
	}
	note()
	read := b.Read()
	note()
	want := status.Snapshot{
		Integrations: []status.Integration{{
			ID: "i", Session: status.Session{State: status.Away, Since: at(0)}, Guard: []string{"all plans"},
			Targets: []status.Target{}, Commands: map[status.Command]uint64{command: 1}, IngestedAPIs: 2,
		}},
		Quotas: map[status.Place]status.Quota{{Account: "a"}: {Rate: 1, Share: 7}},
		Calls:  map[status.Call]uint64{call: 1},
	}
	if diff := cmp.Diff(want, read); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWhatIsToldOfAnUnknownIntegrationIsDropped(t *testing.T) {
	b := status.NewBoard()
	b.SessionUp("nobody", "https://apim", at(1))
	if read := b.Read(); len(read.Integrations) != 0 {
		t.Errorf("%+v", read)
	}
}
