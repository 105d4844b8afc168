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

// noteEverything writes a little of everything on a board.
func noteEverything(b *status.Board) {
	place := status.Place{Account: "a", Region: "eu-west-1"}
	b.Serve("i", at(0))
	b.Opened("i", "DISCOVER")
	b.Opened("i", "SUBSCRIBE")
	b.Answered("i", failed("SUBSCRIBE", "1"), time.Second)
	b.Quota(place, status.Quota{Rate: 1, Share: 7})
	b.Called(status.Call{Place: place, Operation: "GetRestApis", Result: "ok"}, at(1), time.Second)
	b.Waited(place, time.Second)
	b.Ingesting("i", "job", status.Progress{Started: at(1)})
	b.IngestEnded("i", status.Ingest{Job: "ended", Started: at(1), At: at(2), OmittedBy: map[string]int{"x": 1}})
	b.Ingested("i", 2)
	b.SessionLost("i", status.LostSilent)
	b.Target("i", status.Target{Region: "eu-west-1", State: status.Ready})
	b.Guard("i", []string{"all plans"})
	b.KeyMade("i")
}

func failed(kind, id string) status.FailedCommand {
	return status.FailedCommand{Command: status.Command{Type: kind, Outcome: status.Refused}, ID: id}
}

func TestWhatWasReadDoesNotChange(t *testing.T) {
	once, twice := status.NewBoard(), status.NewBoard()
	noteEverything(once)
	noteEverything(twice)
	read := twice.Read()
	noteEverything(twice)
	if diff := cmp.Diff(once.Read(), read); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(read, twice.Read()); diff == "" {
		t.Error("nothing was noted the second time")
	}
}

func TestWhatIsToldOfAnUnknownIntegrationIsDropped(t *testing.T) {
	b := status.NewBoard()
	b.SessionUp("nobody", "https://apim", at(1))
	if read := b.Read(); len(read.Integrations) != 0 {
		t.Errorf("%+v", read)
	}
}
