package discovery

import (
	"errors"
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

// scriptedListing runs a listing of stages against an AWS that fails for some REST APIs, and counts the witnesses.
func scriptedListing(apis int, fails func(api string) bool, probeFails bool) (r *listingRun, asked, witnesses int) {
	now := time.Unix(0, 0)
	r = newListingRun(nil, federation.Filter{AcceptWithoutPlan: true}, now)
	r.full, r.listedAt = true, now
	for n := range apis {
		id := string(rune('a' + n))
		r.apis, r.wanted = append(r.apis, &gateway.RestAPI{ID: id}), append(r.wanted, id)
	}
	busy := &apigateway.Error{Class: gateway.Unavailable, Err: errors.New("busy")}
	for calls := r.next(); len(calls) > 0; calls = r.next() {
		for _, c := range calls {
			step := listingStep{api: c.api, witness: c.witness, stages: []*gateway.Stage{{Name: "prod"}}}
			asked++
			switch {
			case c.witness:
				witnesses++
				if probeFails {
					step.err = busy
				}
			case fails(c.api):
				step.err = busy
			}
			r.take(step, now)
		}
	}
	return r, asked, witnesses
}

// 5xx for one API is a fault of that API only if AWS answers for others.
func TestAnAPIIsLeftOutOfAListingOnlyWhileAWSAnswersForOthers(t *testing.T) {
	all := func(string) bool { return true }
	last := func(api string) bool { return api >= "i" }
	for name, c := range map[string]struct {
		apis             int
		fails            func(string) bool
		probeFails       bool
		out              int
		away             bool
		asked, witnesses int
	}{
		"the last two fail by themselves":     {10, last, false, 2, false, 10 + 1 + 2, 1},
		"AWS goes away before the last two":   {10, last, true, 0, true, 10 + 1, 1},
		"AWS is away":                         {20, all, true, 0, true, 8 + 1, 1},
		"GetStages alone is away":             {20, all, false, 0, true, 8 + 1, 1},
		"the only API fails by itself":        {1, all, false, 1, false, 1 + 1 + 1, 1},
		"the only API fails, and AWS is away": {1, all, true, 0, true, 1 + 1, 1},
		"nothing fails":                       {10, func(string) bool { return false }, true, 0, false, 10, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r, asked, witnesses := scriptedListing(c.apis, c.fails, c.probeFails)
			if len(r.unlisted) != c.out || (r.failure != nil) != c.away || r.complete() == c.away {
				t.Errorf("left out %v, failure %v, complete %v", r.unlisted, r.failure, r.complete())
			}
			if asked != c.asked || witnesses != c.witnesses {
				t.Errorf("%d calls with %d witnesses", asked, witnesses)
			}
		})
	}
}

// The stages of one API have no deadline, so none of them is forgotten because a caller's has come.
func TestOnlyAListRunsOutOfTime(t *testing.T) {
	now := time.Unix(100, 0)
	for class, late := range map[gateway.Class]bool{
		gateway.Throttled: true, gateway.Unavailable: true, gateway.AccessDenied: false,
	} {
		err := &apigateway.Error{Class: class, Err: errors.New("refused")}
		list := listingStep{by: now.Add(time.Second), err: err}
		if list.ranOut(now) != late {
			t.Errorf("%v of a list: %v", class, !late)
		}
		for _, step := range []listingStep{{api: "a", by: list.by, err: err}, {witness: true, by: list.by, err: err}} {
			if step.ranOut(now) {
				t.Errorf("%v of %+v counts as a list's", class, step)
			}
		}
	}
}
