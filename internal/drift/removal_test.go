package drift_test

import (
	"strings"
	"testing"
	"time"

	"federation-agent/internal/drift"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/survey"
)

// listingTakes is how long the listings of these tests take.
const listingTakes = 90 * time.Second

// seen has the looks take a scene in whose listings began so long after the first one. It gives what may be removed.
func seen(looks drift.Looks, after time.Duration, s *scene) string {
	in := s.input()
	begun := time.Unix(0, 0).Add(after)
	for n := range in.Found.Listings {
		in.Found.Listings[n].StartedAt = begun
	}
	found := looks.See(in, drift.Of(in), begun.Add(listingTakes))
	var all []string
	for _, item := range found.Confirmed {
		all = append(all, strings.TrimPrefix(item.ID, here))
	}
	for _, item := range found.Once {
		all = append(all, strings.TrimPrefix(item.ID, here)+"?")
	}
	return strings.Join(all, " ")
}

func TestTwoListingsFiveMinutesApartConfirmThatAnAPIIsGone(t *testing.T) {
	goneX := func() *scene {
		return newScene().api("a", true).has(here+"a:prod", "a", "1").has(here+"x:prod", "x", "1")
	}
	type look struct {
		after time.Duration
		scene *scene
		want  string
	}
	linked := func(answer gateway.Omission) *scene { // its REST API and its link are there
		s := newScene().api("x", true).has(here+"x:prod", "x", "1")
		s.gone["x"] = true
		if answer.Reason != "" {
			s.omitted[id(here+"x:prod")] = answer
		}
		return s
	}
	notFound := gateway.Omission{Reason: gateway.NotFound.Reason()}
	for name, looks := range map[string][]look{
		"in time":               {{0, goneX(), "x:prod?"}, {listingTakes + federation.SecondLook, goneX(), "x:prod"}},
		"too early":             {{0, goneX(), "x:prod?"}, {listingTakes + federation.SecondLook - 1, goneX(), "x:prod?"}},
		"counted from the end":  {{0, goneX(), "x:prod?"}, {federation.SecondLook, goneX(), "x:prod?"}},
		"the same listing":      {{0, goneX(), "x:prod?"}, {0, goneX(), "x:prod?"}},
		"it was back meanwhile": {{0, goneX(), "x:prod?"}, {time.Hour, goneX().api("x", true), ""}, {2 * time.Hour, goneX(), "x:prod?"}},
		"never sent": {{0, func() *scene {
			s := goneX()
			delete(s.sent, here+"x:prod")
			return s
		}(), ""}},
		"its stage is gone":           {{0, linked(notFound), "x:prod?"}, {time.Hour, linked(notFound), "x:prod"}},
		"its stage may be back again": {{0, linked(notFound), "x:prod?"}, {time.Hour, linked(gateway.Omission{}), ""}},
		"in doubt": {{0, goneX(), "x:prod?"}, {time.Hour, func() *scene {
			s := goneX()
			s.held = []drift.API{{ID: "another's", Name: "y"}}
			return s
		}(), ""}, {2 * time.Hour, goneX(), "x:prod?"}},
	} {
		t.Run(name, func(t *testing.T) {
			memory := drift.Looks{}
			for n, l := range looks {
				if got := seen(memory, l.after, l.scene); got != l.want {
					t.Errorf("look %d: %q, want %q", n+1, got, l.want)
				}
			}
		})
	}
}

// A target that cannot be listed for a while neither confirms nor begins anew.
func TestAListingThatIsNotCompleteSaysNothingOfWhatIsGone(t *testing.T) {
	in := newScene().has(here+"x:prod", "x", "1").input()
	looks := drift.Looks{}
	look := func(at time.Duration, complete bool) drift.Removable {
		begun := time.Unix(0, 0).Add(at)
		in.Found.Listings = []survey.Listing{{Target: target, Complete: complete, StartedAt: begun}}
		return looks.See(in, drift.Of(in), begun.Add(listingTakes))
	}
	if got := look(0, true); len(got.Once) != 1 {
		t.Errorf("%+v", got)
	}
	if got := look(time.Hour, false); len(got.Once)+len(got.Confirmed) != 0 {
		t.Errorf("%+v", got)
	}
	if got := look(2*time.Hour, true); len(got.Confirmed) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestWhatMayBeRemoved(t *testing.T) {
	for name, c := range map[string]struct {
		how      drift.How
		all      bool
		standing drift.Standing
		want     drift.Decision
	}{
		"published":                           {drift.Unpublish, false, drift.Standing{Integration: "i", Lifecycle: "PUBLISHED"}, drift.Remove},
		"never published":                     {drift.Unpublish, false, drift.Standing{Integration: "i", Lifecycle: "CREATED"}, drift.Done},
		"hidden already":                      {drift.Unpublish, false, drift.Standing{Integration: "i", Lifecycle: "UNPUBLISHED"}, drift.Done},
		"deprecated":                          {drift.Unpublish, false, drift.Standing{Integration: "i", Lifecycle: "DEPRECATED"}, drift.Done},
		"archived":                            {drift.Unpublish, true, drift.Standing{Integration: "i", Lifecycle: "ARCHIVED"}, drift.Done},
		"a state that nobody knows":           {drift.Unpublish, false, drift.Standing{Integration: "i"}, drift.Done},
		"to be deleted":                       {drift.Delete, false, drift.Standing{Integration: "i", Lifecycle: "DEPRECATED"}, drift.Remove},
		"not there":                           {drift.Delete, true, drift.Standing{Missing: true}, drift.Done},
		"another integration's":               {drift.Delete, true, drift.Standing{Integration: "j", Lifecycle: "CREATED"}, drift.Keep},
		"of no integration":                   {drift.Delete, true, drift.Standing{Lifecycle: "PUBLISHED"}, drift.Keep},
		"with a subscription":                 {drift.Delete, false, drift.Standing{Integration: "i", Active: 1}, drift.Keep},
		"published, with one":                 {drift.Unpublish, false, drift.Standing{Integration: "i", Lifecycle: "PUBLISHED", Active: 1}, drift.Keep},
		"with one, as asked for":              {drift.Delete, true, drift.Standing{Integration: "i", Active: 1}, drift.Remove},
		"where what is gone is only reported": {drift.LeaveIt, true, drift.Standing{Integration: "i", Lifecycle: "PUBLISHED"}, drift.Keep},
	} {
		t.Run(name, func(t *testing.T) {
			got, why := drift.Policy{How: c.how, WithSubscriptions: c.all}.Judge("i", c.standing)
			if got != c.want || (why == "") != (got == drift.Remove) {
				t.Errorf("%s %q, want %s", got, why, c.want)
			}
		})
	}
}
