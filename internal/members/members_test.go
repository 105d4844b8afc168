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
		{at: 14 * time.Second, all: one(1)},
		{at: 15 * time.Second, all: one(1), gone: true, other: true},
		{at: 16 * time.Second, all: one(2), other: true},
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
	w.See(at(time.Hour), nil)
	if w.Gone(at(time.Hour+members.GoneAfter-1), "x") || !w.Gone(at(time.Hour+members.GoneAfter), "x") {
		t.Error("it must watch first")
	}
}
