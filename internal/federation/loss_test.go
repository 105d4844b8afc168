package federation

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/gateway"
)

var west = Target{Account: one, Region: "eu-west-1"}

func links(t Target, plans ...*gateway.UsagePlan) PlanLinks { return LinksOf(t, plans) }

func TestPlanLossesFollowTheTruthTable(t *testing.T) {
	p1 := plan("p1", "a/s", "b/s", "c/s", "d/s", "e/s")
	before := links(west, p1, plan("p2", "a/s", "b/s", "c/s", "d/s", "e/s")) // ten links
	for name, c := range map[string]struct {
		now     *Observed
		verdict Verdict
		lost    int
	}{
		"complete, none":   {&Observed{Complete: true, Links: before}, Nothing, 0},
		"incomplete, none": {&Observed{Links: before}, Nothing, 0},
		"complete, at the share": {
			&Observed{Complete: true, Links: links(west, p1, plan("p2", "a/s", "b/s"))}, Removed, 3,
		},
		"complete, above the share": {
			&Observed{Complete: true, Links: links(west, p1, plan("p2", "a/s"))}, Mass, 4,
		},
		"complete, all": {&Observed{Complete: true}, Mass, 10},
		"incomplete, one": {
			&Observed{Links: links(west, p1, plan("p2", "a/s", "b/s", "c/s", "d/s"))}, Unproved, 1,
		},
		"no listing": {nil, Unproved, 10},
		"another stage does not replace it": {
			&Observed{Complete: true, Links: links(west, plan("p1", "a/t"), plan("p2", "a/t"))}, Mass, 10,
		},
		"new plans are no loss": {
			&Observed{Complete: true, Links: links(
				west, p1, plan("p2", "a/s", "b/s", "c/s", "d/s", "e/s"), plan("p3", "a/s", "z/s"),
			)},
			Nothing, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			now := map[Target]Observed{}
			if c.now != nil {
				now[west] = *c.now
			}
			got := PlanLosses(before, now, 0.3)
			if len(got) != 1 || got[0].Verdict != c.verdict || len(got[0].Lost) != c.lost || got[0].Before != 10 {
				t.Errorf("losses = %+v", got)
			}
		})
	}
}

func TestTheOnlyPlanOfATargetIsAlwaysAMassRemoval(t *testing.T) {
	got := PlanLosses(links(west, plan("p1", "a/s")), map[Target]Observed{west: {Complete: true}}, 1)
	if got[0].Verdict != Mass {
		t.Errorf("verdict = %v", got[0].Verdict)
	}
}

func TestEachTargetHasItsOwnVerdict(t *testing.T) {
	east := Target{Account: one, Region: "us-east-1"}
	before := links(west, plan("p1", "a/s", "b/s"))
	maps.Copy(before, links(east, plan("p1", "a/s", "b/s")))
	got := PlanLosses(
		before, map[Target]Observed{west: {Complete: true, Links: links(west, plan("p1", "a/s", "b/s"))}}, 0.3,
	)
	want := []Loss{
		{Target: west, Verdict: Nothing, Before: 2},
		{Target: east, Verdict: Unproved, Before: 2, Lost: []PlanLink{
			{ID{one, "us-east-1", "a", "s"}, "p1"}, {ID{one, "us-east-1", "b", "s"}, "p1"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWithoutAnEarlierIngestNothingIsLost(t *testing.T) {
	if got := PlanLosses(nil, map[Target]Observed{west: {Complete: true}}, 0.3); len(got) != 0 {
		t.Errorf("losses = %+v", got)
	}
}

func TestAMassRemovalIsConfirmedOnlyByANewListingThatShowsTheSame(t *testing.T) {
	begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	before := links(west, plan("p1", "a/s", "b/s", "c/s"))
	look := func(after time.Duration, complete bool, now PlanLinks) Loss {
		seen := Observed{Complete: complete, Links: now, Begun: begun.Add(after)}
		return PlanLosses(before, map[Target]Observed{west: seen}, 0.3)[0]
	}
	first := look(0, true, links(west, plan("p1", "a/s")))
	for name, c := range map[string]struct {
		second Loss
		want   bool
	}{
		"the same, a minute later": {look(SecondLook, true, links(west, plan("p1", "a/s"))), true},
		"the same listing again":   {first, false},
		"too soon":                 {look(SecondLook-1, true, links(west, plan("p1", "a/s"))), false},
		"incomplete":               {look(SecondLook, false, links(west, plan("p1", "a/s"))), false},
		"more lost":                {look(SecondLook, true, nil), false},
		"as many, but others":      {look(SecondLook, true, links(west, plan("p1", "b/s"))), false},
		"no mass removal any more": {look(SecondLook, true, before), false},
	} {
		if got := first.ConfirmedBy(c.second); got != c.want {
			t.Errorf("%s: confirmed = %v", name, got)
		}
	}
	if text := first.String(); !strings.Contains(text, "2 of 3") {
		t.Errorf("in words: %s", text)
	}
}

func TestLinksDoNotDependOnTheFilter(t *testing.T) {
	want := PlanLinks{
		{one, "eu-west-1", "a", "s"}: {"p1", "p2"},
		{one, "eu-west-1", "a", "t"}: {"p2"},
	}
	if diff := cmp.Diff(want, links(west, plan("p2", "a/s", "a/t"), plan("p1", "a/s", "a/s"))); diff != "" {
		t.Error(diff)
	}
}
