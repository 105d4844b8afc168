package members_test

import (
	"testing"
	"time"

	"federation-agent/internal/members"
)

var start = time.Unix(0, 0)

func at(d time.Duration) time.Time { return start.Add(d) }

func TestAProcessActsOnARaiseForLessTimeThanOthersWait(t *testing.T) {
	var l members.Lease
	if l.Stands(start) {
		t.Error("before any raise")
	}
	l.Raised(at(time.Second))
	l.Raised(start) // an earlier one that is confirmed later
	for after, want := range map[time.Duration]bool{
		time.Second: true, time.Second + members.StandsFor - 1: true, time.Second + members.StandsFor: false,
	} {
		if l.Stands(at(after)) != want {
			t.Errorf("after %s: %v", after, !want)
		}
	}
	if members.StandsFor+members.RaiseEvery >= members.GoneAfter {
		t.Error("a process that misses one raise must stop before it counts as gone")
	}
}

func TestAMemberIsGoneOnceItsCounterStandsStill(t *testing.T) {
	var w members.Watch
	one := func(count int64) []members.Member { return []members.Member{{ID: "x", Count: count}} }
	type look struct {
		at    time.Duration
		all   []members.Member
		gone  bool
		other bool // one that was never seen
	}
	for n, l := range []look{
		{at: 0, all: one(1)},
		{at: 8 * time.Second, all: one(1)},
		{at: 14 * time.Second, all: one(1)},
		{at: 15 * time.Second, all: one(1), gone: true, other: true},
		{at: 16 * time.Second, all: one(2), other: true},
		{at: 24 * time.Second, all: one(2), other: true},
		{at: 30 * time.Second, all: one(2), other: true},
		{at: 31 * time.Second, all: one(2), gone: true, other: true},
		{at: 32 * time.Second, all: one(3), other: true},
		{at: 33 * time.Second, gone: true, other: true}, // it has left
		{at: 34 * time.Second, all: one(3), other: true},
	} {
		w.See(at(l.at), l.all)
		if got := w.Gone(at(l.at), "x"); got != l.gone {
			t.Errorf("look %d: gone %v", n, got)
		}
		if got := w.Gone(at(l.at), "other"); got != l.other {
			t.Errorf("look %d: the other one gone %v", n, got)
		}
	}
}

func TestWhoHasJustStartedTakesNothingOver(t *testing.T) {
	var w members.Watch
	if w.Gone(at(time.Hour), "x") {
		t.Error("before it saw anybody")
	}
	watched := func(from time.Duration) {
		t.Helper()
		for passed := time.Duration(0); passed < members.GoneAfter; passed += members.RaiseEvery {
			w.See(at(from+passed), nil)
			if w.Gone(at(from+passed), "x") {
				t.Errorf("taken for gone after %s", passed)
			}
		}
		w.See(at(from+members.GoneAfter), nil)
		if !w.Gone(at(from+members.GoneAfter), "x") {
			t.Error("not gone after all that time")
		}
	}
	watched(time.Hour)
	if w.Gone(at(2*time.Hour), "x") {
		t.Error("after an hour without a look")
	}
	watched(2 * time.Hour) // it stood still, and perhaps others with it
}

// A process that has just begun may own something before the others have looked again.
func TestWhoWasNeverSeenMayHaveJustBegun(t *testing.T) {
	var w members.Watch
	now := time.Duration(0)
	look := func(all ...members.Member) {
		now += members.RaiseEvery
		w.See(at(now), all)
	}
	for now < 2*members.GoneAfter {
		look()
	}
	if now++; w.Gone(at(now), "new") || w.Gone(at(now), "old") {
		t.Error("taken for gone by a look from before it was asked about")
	}
	look(members.Member{ID: "new", Count: 1})
	if now++; w.Gone(at(now), "new") || !w.Gone(at(now), "old") {
		t.Error("a look since then tells who lives")
	}
	if look(); !w.Gone(at(now), "new") {
		t.Error("it has left, and counts as one that may come")
	}
	for range 200 { // nobody asks meanwhile
		look()
	}
	if w.Gone(at(now), "old") {
		t.Error("what is asked once is remembered for good")
	}
}

func TestWhoServesAnIntegrationHasASessionAndMoves(t *testing.T) {
	self := members.NewSelf("me")
	all := func(count int64, ready ...string) []members.Member {
		return []members.Member{{ID: "me", Count: count, Ready: []string{"i"}}, {ID: "x", Count: count, Ready: ready}}
	}
	if self.OthersReady(start, "i") || (*members.Self)(nil).OthersReady(start, "i") {
		t.Error("before anybody was seen")
	}
	for n, l := range []struct {
		at    time.Duration
		all   []members.Member
		ready bool
	}{
		{at: 0, all: all(1, "i")}, // it may be what a process has left that is gone
		{at: 2 * time.Second, all: all(2, "i"), ready: true},
		{at: 4 * time.Second, all: all(3, "other")},
		{at: 6 * time.Second, all: all(4, "other", "i"), ready: true},
		{at: 6*time.Second + members.StandsFor - 1, all: all(4, "i"), ready: true},
		{at: 6*time.Second + members.StandsFor, all: all(4, "i")}, // it may not act any more
		{at: 16 * time.Second, all: all(5, "i"), ready: true},
		{at: 17 * time.Second, all: all(5)}, // it hands over itself
		{at: 18 * time.Second, all: all(5, "i")[:1]},
	} {
		self.See(at(l.at), l.all)
		if got := self.OthersReady(at(l.at), "i"); got != l.ready {
			t.Errorf("look %d: ready %v", n, got)
		}
	}
}

func TestEverybodyButOneselfIsSeen(t *testing.T) {
	self := members.NewSelf("me")
	self.See(at(0), []members.Member{{ID: "me", Count: 1}, {ID: "y", Count: 7}, {ID: "x", Count: 3, Version: "1.2.3"}})
	self.See(at(2*time.Second), []members.Member{{ID: "me", Count: 2}, {ID: "y", Count: 7}, {ID: "x", Count: 4, Version: "1.2.3"}})
	seen := self.Seen()
	if len(seen) != 2 || seen[0].ID != "x" || !seen[0].Moved || !seen[0].Since.Equal(at(2*time.Second)) ||
		seen[0].Version != "1.2.3" || seen[1].ID != "y" || seen[1].Moved || !seen[1].Since.Equal(at(0)) {
		t.Errorf("%+v", seen)
	}
}
