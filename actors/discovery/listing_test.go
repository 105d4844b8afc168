package discovery

import (
	"errors"
	"slices"
	"testing"
	"time"

	"federation-agent/internal/apigateway"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
)

func TestAListingThatForgetsOldStagesAsksForAllOfThemAgain(t *testing.T) {
	begin := time.Unix(0, 0)
	r := newListingRun(nil, federation.Filter{AcceptWithoutPlan: true}, begin)
	r.full = true
	r.listedAt = begin // both lists were read, and of two APIs one's stages are known
	r.stages = federation.Stages{"a": {&gateway.Stage{Name: "prod"}}}
	r.wanted = []string{"b"}
	r.running = 1
	r.take(listingStep{api: "b", err: errors.New("refused")}, begin)

	r.resume(begin.Add(resumeWithin+time.Second), time.Hour)

	if r.listed() || len(r.stages) > 0 {
		t.Fatal("what is too old is still there")
	}
	if r.complete() {
		t.Error("a listing without its lists is called complete")
	}
	calls := r.next()
	if len(calls) != 2 || calls[0].list == nil || calls[1].list == nil {
		t.Errorf("it continues with %d calls, want the two lists", len(calls))
	}
}

func TestANarrowListingHasEachAPIThatIsAskedForOnce(t *testing.T) {
	target := federation.Target{Account: "1", Region: "r"}
	id := func(api, stage string) federation.ID {
		return federation.ID{Account: "1", Region: "r", RestAPI: api, Stage: stage}
	}
	r := newListingRun(nil, federation.Filter{AcceptWithoutPlan: true, Stages: []string{"prod", "dev"}}, time.Unix(0, 0))
	r.apis = []*gateway.RestAPI{{ID: "a"}, {ID: "b"}, {ID: "c"}}
	r.plans = []*gateway.UsagePlan{
		{ID: "p", Stages: []gateway.PlanStage{{APIID: "a", Stage: "prod"}, {APIID: "b", Stage: "prod"}}},
	}
	r.stages = federation.Stages{"c": {{Name: "prod"}}}
	elsewhere := id("b", "dev")
	elsewhere.Region = "s"
	asked := []federation.ID{
		id("a", "prod"), id("a", "dev"), id("a", "dev"), id("a", "prod"), // in a plan, and in none
		id("c", "prod"), id("c", "dev"), // as GetStages said
		id("b", "test"), id("x", "prod"), elsewhere, // filtered out, deleted, of another target
	}
	var got []federation.ID
	for _, e := range r.only(target, r.entries(), asked) {
		got = append(got, e.ID(target))
	}
	if want := []federation.ID{id("a", "prod"), id("c", "prod"), id("a", "dev")}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// An API whose stages AWS does not list for a reason of its own is left out. One that AWS cannot be asked about is not:
// the ingest would be called done without it.
func TestOnlyAFailureOfItsOwnLeavesAnAPIOutOfAListing(t *testing.T) {
	for class, own := range map[gateway.Class]bool{
		gateway.AccessDenied: true, gateway.Invalid: true, gateway.Unreachable: false, gateway.Throttled: false,
		gateway.BadCredentials: false, gateway.ExpiredCredentials: false, gateway.RegionUnavailable: false,
	} {
		now := time.Unix(0, 0)
		r := newListingRun(nil, federation.Filter{AcceptWithoutPlan: true}, now)
		r.listedAt = now
		for range 2 {
			r.running, r.wanted = 1, nil
			r.take(listingStep{api: "a", err: &apigateway.Error{Class: class, Err: errors.New("refused")}}, now)
		}
		_, out := r.unlisted["a"]
		if out != own || (r.failure == nil) != own || (len(r.wanted) == 0) != own {
			t.Errorf("%v: left out %v, failure %v, wanted again %v", class, out, r.failure, r.wanted)
		}
	}
}
