package discovery

import (
	"cmp"
	"context"
	"slices"
	"time"

	"federation-agent/internal/apigateway"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
)

const (
	// stageListings is how many GetStages run at a time: at 150 ms each they keep the share of the quota busy.
	stageListings = 8
	// resumeWithin is how old the first part of a listing may be for the rest to be added to it. Listing the
	// largest account that AWS allows takes about four minutes.
	resumeWithin = 10 * time.Minute
)

// listingRun is one listing of a target, on its way. The lists of REST APIs and of usage plans are read side by side,
// then, if APIs outside usage plans count too, or tags of stages, and a caller wants all of them, the stages of each API.
// It does no I/O: it says what to ask for, and takes what came.
type listingRun struct {
	client apigateway.Client
	filter federation.Filter

	begun    time.Time // of the two lists
	listedAt time.Time // when both were whole; zero until then
	allAPIs  *apigateway.PagedList[*gateway.RestAPI]
	allPlans *apigateway.PagedList[*gateway.UsagePlan]
	// apis and plans are the lists as they were last whole: they show while they are read again.
	apis  []*gateway.RestAPI
	plans []*gateway.UsagePlan

	// full says that a caller wants, or has wanted, the stages outside usage plans too.
	full        bool
	stages      federation.Stages
	stagesBegun time.Time
	stagesFrom  time.Time       // when the listing was complete that they began with; zero if there is none
	wanted      []string        // APIs whose stages are still to be asked for
	asked       map[string]bool // those being asked

	// unlisted are the APIs whose stages AWS does not list for a reason of their own, and why. Each is asked for twice.
	unlisted map[string]gateway.Omission
	tried    map[string]bool
	// doubtful are the APIs whose stages AWS did not list, and it is not known yet whether it lists any: see witness.
	doubtful []string
	doubt    error // of the last of them

	running int
	failure error
	// idle says that the lists were not ready in time for any caller: nothing is asked for until the next one asks.
	idle bool
}

// listingCall is one thing to ask AWS for: a whole list, the stages of api, or (witness) whether AWS answers.
type listingCall struct {
	api     string
	witness bool
	list    func(context.Context) error
}

func newListingRun(client apigateway.Client, filter federation.Filter, now time.Time) *listingRun {
	r := &listingRun{client: client, filter: filter, asked: map[string]bool{}}
	r.restart(now)
	r.forgetStages(now)
	return r
}

// restart has the two lists read again. Stages that are known stay: they are what costs a call each. A run that is
// asking for stages comes back to that, and shows what it has until then.
func (r *listingRun) restart(now time.Time) {
	r.begun, r.listedAt = now, time.Time{}
	if r.running == 0 {
		r.apis, r.plans = nil, nil
	}
	r.allAPIs, r.allPlans = apigateway.NewRESTAPIs(r.client), apigateway.NewUsagePlans(r.client)
}

func (r *listingRun) forgetStages(now time.Time) {
	r.stages, r.stagesBegun, r.stagesFrom = federation.Stages{}, now, time.Time{}
	r.unlisted, r.tried, r.doubtful = map[string]gateway.Omission{}, map[string]bool{}, nil
}

// resume prepares a run that has stopped to continue: what is too old is read again.
func (r *listingRun) resume(now time.Time, maxAge time.Duration) {
	if r.running > 0 {
		return
	}
	r.failure, r.full = nil, false // nobody waits for all stages any more
	tooOld := now.Sub(r.stagesBegun) > resumeWithin
	if tooOld {
		r.forgetStages(now)
	}
	// With the stages gone, only the lists say which are wanted again.
	if tooOld || r.listed() && now.Sub(r.listedAt) > maxAge || now.Sub(r.begun) > resumeWithin {
		r.restart(now)
	}
}

// listed says that both lists are whole.
func (r *listingRun) listed() bool { return !r.listedAt.IsZero() }

// next is what can be asked for now.
func (r *listingRun) next() []listingCall {
	if r.failure != nil || r.idle {
		return nil
	}
	var calls []listingCall
	if !r.listed() {
		if r.running > 0 {
			return nil
		}
		if !r.allAPIs.Done() {
			calls = append(calls, listingCall{list: r.allAPIs.Run})
		}
		if !r.allPlans.Done() {
			calls = append(calls, listingCall{list: r.allPlans.Run})
		}
		r.running += len(calls)
		return calls
	}
	for r.full && len(r.wanted) > 0 && r.running < stageListings && len(r.doubtful) < stageListings {
		api := r.wanted[0]
		r.wanted = r.wanted[1:]
		r.asked[api] = true
		r.running++
		calls = append(calls, listingCall{api: api})
	}
	if r.full && len(r.doubtful) > 0 && r.running == 0 {
		r.running++
		calls = append(calls, listingCall{witness: true, list: r.witness()})
	}
	return calls
}

// witness asks AWS for what it has answered before: the stages of another API, else one REST API. If it answers, those
// that are doubtful failed by themselves, or the outage is over: each is asked for a last time. If it does not, AWS is
// what fails, and no API is left out for that.
func (r *listingRun) witness() func(context.Context) error {
	for _, api := range r.apis {
		if r.stages[api.ID] != nil {
			return func(ctx context.Context) error {
				_, err := apigateway.ListStages(ctx, r.client, api.ID)
				return err
			}
		}
	}
	return func(ctx context.Context) error { return apigateway.Probe(ctx, r.client) }
}

// ranOut says that a list failed for want of time: its time has come, or neither the quota nor AWS lets it through
// before.
func (s listingStep) ranOut(now time.Time) bool {
	if s.err == nil || s.by.IsZero() || s.api != "" || s.witness {
		return false
	}
	switch apigateway.Classify(s.err) {
	case gateway.NoPermit, gateway.Throttled:
		return true
	case gateway.Unavailable, gateway.Unreachable:
		// No delay that would end after the deadline is begun, and none is longer, unless AWS asks for it.
		return s.by.Sub(now) <= apigateway.LongestDelay
	default:
		return !now.Before(s.by)
	}
}

// take notes what a call has brought.
func (r *listingRun) take(step listingStep, now time.Time) {
	r.running--
	delete(r.asked, step.api)
	switch {
	case step.witness:
		r.takeWitness(step.err)
	case step.api == "":
		r.failure = cmp.Or(step.err, r.failure)
		r.finishLists(now)
	case isNotFound(step.err): // deleted since it was listed
		r.stages[step.api] = nil
	case step.err != nil && !apigateway.Classify(step.err).OfTarget():
		switch {
		case r.tried[step.api]:
			r.unlisted[step.api] = apigateway.OmissionOf(step.err)
		case isOfMany(step.err):
			r.doubtful, r.doubt = append(r.doubtful, step.api), step.err
		default:
			r.tried[step.api] = true
			r.wanted = append(r.wanted, step.api)
		}
	case step.err != nil:
		// At the end, so that one API that fails again and again does not keep the others from being listed.
		r.wanted = append(r.wanted, step.api)
		r.failure = step.err
	default:
		r.stages[step.api] = step.stages
	}
}

// takeWitness takes whether AWS answered while APIs are doubtful. Several at once, and none that AWS ever listed, are no
// coincidence: that GetRestApis is answered says nothing about GetStages then.
func (r *listingRun) takeWitness(err error) {
	answered := err == nil || !isOfMany(err) && apigateway.Classify(err) != gateway.NoPermit
	if none := len(r.stages) == 0 && len(r.doubtful) > 1; answered && !none {
		for _, api := range r.doubtful {
			r.tried[api] = true
		}
	} else {
		r.failure = cmp.Or(err, r.doubt)
	}
	r.wanted = append(r.wanted, r.doubtful...)
	r.doubtful = nil
}

func (r *listingRun) finishLists(now time.Time) {
	if r.listed() || r.running > 0 || !r.allAPIs.Done() || !r.allPlans.Done() {
		return
	}
	r.listedAt = now
	r.apis, _ = r.allAPIs.All()
	r.plans, _ = r.allPlans.All()
	r.wanted, r.doubtful = nil, nil
	for _, api := range federation.StagesWanted(r.apis, r.plans, r.filter) {
		_, known := r.stages[api.ID]
		_, given := r.unlisted[api.ID]
		if !known && !given {
			r.wanted = append(r.wanted, api.ID)
		}
	}
}

// complete says that nothing is missing.
func (r *listingRun) complete() bool {
	return r.listed() && len(r.wanted) == 0 && len(r.doubtful) == 0 && r.running == 0
}

// entries are those that are known, and that the filter lets through: none before both lists are whole, as an API must
// never be shown without its plans.
func (r *listingRun) entries() []federation.Entry {
	return slices.DeleteFunc(r.possible(), func(e federation.Entry) bool { return !r.filter.Decides(e) })
}

// possible are the entries, with those that the filter cannot decide yet.
func (r *listingRun) possible() []federation.Entry {
	return federation.Entries(r.apis, r.plans, r.stages, r.filter)
}

// estimate is how many entries there will be: what is known, and at least one for each other REST API.
func (r *listingRun) estimate() int {
	if !r.listed() {
		return 1
	}
	return len(r.entries()) + len(r.wanted) + len(r.doubtful) + len(r.asked)
}
