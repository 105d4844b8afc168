package exports

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
)

func named(target federation.Target, api string, stages ...string) []federation.NamedEntry {
	var entries []federation.NamedEntry
	for _, s := range stages {
		entry := federation.Entry{API: &gateway.RestAPI{ID: api}, Stage: s}
		entries = append(entries, federation.NamedEntry{Target: target, Entry: entry})
	}
	return entries
}

// text is which stages are asked for.
func text(documents []Document) string {
	s := ""
	for _, d := range documents {
		s += " " + d.API.ID + "/" + d.Stage
	}
	return s
}

// some is a holder with room enough.
func some(t *testing.T) *Holder { return NewBound(1<<30).Holder(t.Context(), 0, func() {}) }

func TestASlowTargetHoldsNoOtherUp(t *testing.T) {
	slow, fast := federation.Target{Account: "1", Region: "a"}, federation.Target{Account: "1", Region: "b"}
	var apis []federation.NamedEntry
	for n := range 6 {
		apis = append(apis, named(slow, fmt.Sprint("s", n), "x", "y")...)
		apis = append(apis, named(fast, fmt.Sprint("f", n), "x", "y")...)
	}
	p := NewPlan(apis, 4, some(t))
	asked := map[federation.Target]int{}
	for !p.Finished() {
		documents, ok := p.Next(time.Unix(0, 0))
		if !ok {
			break
		}
		target := documents[0].Target
		asked[target] += len(documents)
		if target == fast {
			for _, d := range documents {
				if claim, awaited := p.Arrived(d.ID()); !awaited || claim.Claim != d.Claim {
					t.Errorf("%s is not the one that was asked for", d.ID())
				}
			}
		}
	}
	if asked[slow] != 4 || asked[fast] != 12 || p.UnderWay() != 4 {
		t.Errorf("asked for %v: the slow one keeps to its window of 4, the fast one is through", asked)
	}
}

func TestTheStagesOfOneRESTAPIAreAskedForTogetherInTheOrderInWhichTheyCame(t *testing.T) {
	target := federation.Target{Account: "1", Region: "a"}
	apis := append(named(target, "b", "x"), named(target, "a", "x", "y")...)
	apis = append(apis, named(target, "b", "y")...)
	p := NewPlan(apis, 1, some(t))
	var asked []string
	for !p.Finished() {
		documents, ok := p.Next(time.Unix(0, 0))
		if !ok {
			t.Fatal("nothing is under way, so there is something to ask for")
		}
		if _, more := p.Next(time.Unix(0, 0)); more {
			t.Error("the window is full")
		}
		asked = append(asked, text(documents))
		for _, d := range documents {
			if _, awaited := p.Arrived(d.ID()); !awaited {
				t.Errorf("%s was asked for", d.ID())
			}
			if _, awaited := p.Arrived(d.ID()); awaited {
				t.Error("an answer counts once")
			}
		}
	}
	if fmt.Sprint(asked) != "[ b/x b/y  a/x a/y]" {
		t.Errorf("asked for %v", asked)
	}
}

func TestAPlanAsksForWhatThereIsRoomFor(t *testing.T) {
	a, b := federation.Target{Account: "1", Region: "a"}, federation.Target{Account: "1", Region: "b"}
	apis := append(named(a, "one", "x", "y"), named(b, "two", "x", "y", "z")...)
	h := NewBound(2*firstGuess).Holder(t.Context(), 0, func() {})
	p := NewPlan(append(apis, named(a, "three", "x")...), 10, h)
	if documents, ok := p.Next(time.Unix(0, 0)); !ok || text(documents) != " one/x one/y" {
		t.Fatalf("asked for%s", text(documents))
	}
	if documents, ok := p.Next(time.Unix(0, 0)); ok {
		t.Fatalf("asked for%s, though two documents of an assumed %d bytes fill the bound", text(documents), firstGuess)
	}
	for _, d := range named(a, "one", "x", "y") {
		claim, _ := p.Arrived(d.ID())
		claim.Claim.Release()
	}
	if documents, ok := p.Next(time.Unix(0, 0)); !ok || text(documents) != " two/x two/y two/z" {
		t.Errorf("asked for%s, though it is the other target's turn, and one REST API's stages go together", text(documents))
	}
}

func TestADocumentIsOverdueOnceItHasNotComeForTooLongWhileNobodyWaitedForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const late = 10 * time.Minute
		bound := NewBound(100)
		h, other := holder(t, bound), holder(t, bound)
		target := federation.Target{Account: "1", Region: "a"}
		p := NewPlan(named(target, "one", "x", "y"), 10, h)
		documents, _ := p.Next(time.Now())
		p.Arrived(documents[0].ID())
		time.Sleep(late)
		if ids := p.Overdue(time.Now(), late); len(ids) != 0 {
			t.Errorf("%v have all of the time", ids)
		}
		ctx, giveUp := context.WithCancel(t.Context())
		full, waits := take(t.Context(), other, 100), take(ctx, other, 1)
		time.Sleep(time.Second)
		if ids := p.Overdue(time.Now(), late); len(ids) != 0 {
			t.Errorf("%v may be behind what waits for room", ids)
		}
		giveUp()
		<-waits.err
		time.Sleep(late)
		if ids := p.Overdue(time.Now(), late); len(ids) != 0 {
			t.Errorf("%v have all of the time since then", ids)
		}
		time.Sleep(time.Second)
		if ids := p.Overdue(time.Now(), late); len(ids) != 1 || ids[0] != documents[1].ID() {
			t.Errorf("%v", ids)
		}
		full.claim.Drop()
	})
}

func TestAnEmptyPlanIsFinished(t *testing.T) {
	var p Plan
	if _, ok := p.Next(time.Now()); ok || !p.Finished() || p.UnderWay() != 0 || p.Overdue(time.Now(), 0) != nil {
		t.Error("there is nothing to ask for")
	}
}
