package controller

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestWaitSeesWhatWasThereAndWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log EventLog
		log.Add(Event{Kind: EventHello, Target: "a", Accepted: true})
		if _, next, err := log.Wait(t.Context(), 0, IsHello("a", true)); err != nil || next != 1 {
			t.Errorf("an event of the past: %v, next %d", err, next)
		}
		go func() {
			time.Sleep(time.Minute)
			log.Add(Event{Kind: EventUpgrade})
			log.Add(Event{Kind: EventHello, Target: "a", Accepted: true, Connection: 2})
		}()
		e, next, err := log.Wait(t.Context(), 1, IsHello("a", true))
		if err != nil || next != 3 || e.Connection != 2 {
			t.Errorf("an event to come: %+v, %v, next %d", e, err, next)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var log EventLog
		if _, _, err := log.Wait(ctx, 0, IsIngest); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestOnlyOneOfSeveralChannelsIsPrimary(t *testing.T) {
	for _, test := range []struct {
		name     string
		channels []Channel
		want     bool
	}{
		{"none, and none wanted", nil, false},
		{"two, no primary", []Channel{{ID: "a"}, {ID: "b"}}, false},
		{"two, two primaries", []Channel{{ID: "a", Primary: true}, {ID: "b", Primary: true}}, false},
		{"two, one primary", []Channel{{ID: "a", Primary: true}, {ID: "b"}}, true},
	} {
		if got := HasChannels("x", 2)(Event{Kind: EventChannels, Target: "x", Channels: test.channels}); got != test.want {
			t.Errorf("%s: got %t", test.name, got)
		}
	}
	if !HasChannels("x", 0)(Event{Kind: EventChannels, Target: "x"}) {
		t.Error("no agent, no primary: that is how it looks once the last one has left")
	}
}

func TestAnIngestRuleGivesItsDelayInMilliseconds(t *testing.T) {
	got, err := json.Marshal(IngestRule{APIID: "a", Delay: 1500 * time.Millisecond})
	if want := `{"apiId":"a","delayMs":1500}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}
