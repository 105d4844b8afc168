package actors

import (
	"context"
	"time"

	"federation-agent/internal/apigateway"
	"federation-agent/internal/federation"
)

const (
	// stageListings is how many GetStages run at a time: at 150 ms each they keep the share of the quota busy.
	stageListings = 8
	// resumeWithin is how old a listing may be to be gone on with: what was read first must not be history
	// when the last comes in. Listing the largest account that AWS allows takes about four minutes.
	resumeWithin = 10 * time.Minute
)

// listingRun is one listing of a target, on its way. The lists of REST APIs and of usage plans are read
// side by side, then, if APIs outside usage plans count too, the stages of each API.
type listingRun struct {
	startedAt time.Time
	priority  apigateway.Priority
	filter    federation.Filter
	apis      *apigateway.Listing[*apigateway.RestAPI]
	plans     *apigateway.Listing[*apigateway.UsagePlan]
	stages    federation.Stages
	// wanted are the APIs whose stages are still to be asked for, once the two lists are done.
	wanted   []string
	listed   bool // the two lists are done
	running  int
	stagesOf map[string]bool // being asked
	failure  error
}

// listingCall is one thing to ask AWS for: a whole list, or the stages of api.
type listingCall struct {
	api  string
	list func(context.Context) error
}

func newListingRun(client apigateway.Client, filter federation.Filter) *listingRun {
	return &listingRun{
		startedAt: time.Now(), priority: apigateway.PriorityRefresh, filter: filter,
		apis: apigateway.NewRESTAPIs(client), plans: apigateway.NewUsagePlans(client),
		stages: federation.Stages{}, stagesOf: map[string]bool{},
	}
}

func (r *listingRun) stale(now time.Time) bool {
	return r.running == 0 && now.Sub(r.startedAt) > resumeWithin
}

// next is what can be asked for now.
func (r *listingRun) next() []listingCall {
	if !r.listed {
		if r.running > 0 {
			return nil
		}
		var calls []listingCall
		if !r.apis.Done() {
			calls = append(calls, listingCall{list: r.apis.Run})
		}
		if !r.plans.Done() {
			calls = append(calls, listingCall{list: r.plans.Run})
		}
		return calls
	}
	var calls []listingCall
	for len(r.wanted) > 0 && r.running+len(calls) < stageListings {
		api := r.wanted[0]
		r.wanted = r.wanted[1:]
		r.stagesOf[api] = true
		calls = append(calls, listingCall{api: api})
	}
	return calls
}

// take notes what a call has brought.
func (r *listingRun) take(step listingStep) {
	r.running--
	switch {
	case step.api == "":
		if step.err != nil {
			r.failure = step.err
		}
		r.finishLists()
	case isNotFound(step.err): // deleted since it was listed
		delete(r.stagesOf, step.api)
		r.stages[step.api] = nil
	case step.err != nil:
		delete(r.stagesOf, step.api)
		r.wanted = append(r.wanted, step.api)
		r.failure = step.err
	default:
		delete(r.stagesOf, step.api)
		r.stages[step.api] = step.stages
	}
}

func (r *listingRun) finishLists() {
	if r.listed || r.running > 0 || !r.apis.Done() || !r.plans.Done() {
		return
	}
	r.listed = true
	apis, _ := r.apis.All()
	plans, _ := r.plans.All()
	for _, api := range federation.StagesWanted(apis, plans, r.filter) {
		r.wanted = append(r.wanted, api.ID)
	}
}

func (r *listingRun) complete() bool {
	return r.listed && len(r.wanted) == 0 && r.running == 0
}

// entries are those that are known: none before both lists are whole, as an API must never be shown
// without its plans.
func (r *listingRun) entries() []federation.Entry {
	if !r.listed {
		return nil
	}
	apis, _ := r.apis.All()
	plans, _ := r.plans.All()
	return federation.Entries(apis, plans, r.stages, r.filter)
}

// estimate is how many entries there will be: what is known, and at least one for each other REST API.
func (r *listingRun) estimate() int {
	if !r.listed {
		return 1
	}
	return len(r.entries()) + len(r.wanted) + len(r.stagesOf)
}
