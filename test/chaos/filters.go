package chaos

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"federation-agent/internal/federation"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

// sieve is what a filter is for the judge: nothing of the agent's decides here what passes.
type sieve struct {
	settings map[string]string
	api      func(awssim.RestAPI) bool
	stage    func(awssim.Stage) bool
	// ofTags says that only GetStages tells what passes.
	ofTags bool
}

const filterVariable = "gravitee_integration_providers_0_configuration_filter_"

// sieves are the filters that a seed may have: by name and tag, of REST APIs and stages, including and excluding.
func sieves() []sieve {
	anyAPI, anyStage := func(awssim.RestAPI) bool { return true }, func(awssim.Stage) bool { return true }
	isOf := func(prefix string) func(awssim.RestAPI) bool {
		return func(a awssim.RestAPI) bool { return strings.HasPrefix(a.Name, prefix) }
	}
	not := func(is func(awssim.RestAPI) bool) func(awssim.RestAPI) bool {
		return func(a awssim.RestAPI) bool { return !is(a) }
	}
	isA := func(a awssim.RestAPI) bool { return a.Tags["team"] == "a" }
	isPublic := func(s awssim.Stage) bool { return s.Tags["visibility"] == "public" }
	set := func(name, value string) map[string]string { return map[string]string{filterVariable + name: value} }
	return []sieve{
		{set("includeApis", "Orders*,Renamed"), func(a awssim.RestAPI) bool { return isOf("Orders")(a) || a.Name == "Renamed" }, anyStage, false},
		{set("excludeApis", "Orders,Cust?mers"), not(func(a awssim.RestAPI) bool { return a.Name == "Orders" || a.Name == "Customers" }), anyStage, false},
		{set("includeApiTags", "team=a"), isA, anyStage, false},
		{set("excludeApiTags", "t*=a"), not(isA), anyStage, false},
		{set("includeStages", "pr*"), anyAPI, func(s awssim.Stage) bool { return s.Name == "prod" }, false},
		{
			map[string]string{"gravitee_integration_providers_0_configuration_0_stage": "dev", filterVariable + "excludeApiTags": "team=a"},
			not(isA), func(s awssim.Stage) bool { return s.Name == "dev" }, false,
		},
		{set("includeStageTags", "visibility=public"), anyAPI, isPublic, true},
		{
			map[string]string{filterVariable + "excludeStageTags": "visibility=p?blic", filterVariable + "excludeApis": "Identity*"},
			not(isOf("Identity")), func(s awssim.Stage) bool { return !isPublic(s) }, true,
		},
	}
}

// newSieve is a seed's filter, nil for a seed without one.
func newSieve(d dice, p profile) *sieve {
	if !p.has(famFilters) {
		return nil
	}
	all := sieves()
	return &all[d.below(len(all), "filter")]
}

// passes says that a stage is let through. One that AWS does not have any more has no tags.
func (s *sieve) passes(api awssim.RestAPI, stage string) bool {
	if s == nil {
		return true
	}
	at := slices.IndexFunc(api.Stages, func(st awssim.Stage) bool { return st.Name == stage })
	if at < 0 {
		return !s.ofTags && s.api(api) && s.stage(awssim.Stage{Name: stage})
	}
	return s.api(api) && s.stage(api.Stages[at])
}

// sifted are the entries of a target that the filter lets through.
func (r *run) sifted(scope awssim.Scope, entries []federation.Entry) ([]federation.Entry, error) {
	region, err := r.world.AWS.Snapshot(scope)
	return slices.DeleteFunc(entries, func(e federation.Entry) bool {
		return !r.sieve.passes(restAPIOf(region, e.API.ID), e.Stage)
	}), err
}

// restAPIOf is a REST API of a region; one that is not there has no name and no stages.
func restAPIOf(region awssim.Region, id string) (none awssim.RestAPI) {
	if at := slices.IndexFunc(region.RestAPIs, func(a awssim.RestAPI) bool { return a.ID == id }); at >= 0 {
		return region.RestAPIs[at]
	}
	return none
}

// refused says that AWS has the REST API of an id, and the filter leaves it out.
func (r *run) refused(id string) bool {
	parsed, err := federation.ParseID(id)
	if err != nil {
		return false
	}
	region, err := r.world.AWS.Snapshot(awssim.Scope{Account: parsed.Account, Region: parsed.Region})
	api := restAPIOf(region, parsed.RestAPI)
	return err == nil && api.ID != "" && !r.sieve.passes(api, parsed.Stage)
}

// tagged gives a new REST API tags, in seeds with a filter only: the documents of others stay as they were.
func (r *run) tagged(api awssim.RestAPI, where string) awssim.RestAPI {
	if r.sieve == nil {
		return api
	}
	api.Tags = map[string]string{"team": []string{"a", "b"}[r.dice.below(2, "team", where, api.ID)]}
	for n := range api.Stages {
		api.Stages[n].Tags = map[string]string{
			"visibility": []string{"public", "private"}[r.dice.below(2, "visibility", where, api.ID, api.Stages[n].Name)],
		}
	}
	return api
}

// retag changes the tags of a REST API and of its stages, as a deployment does.
func (r *run) retag(s step, scope awssim.Scope, api awssim.RestAPI) error {
	tagged := r.tagged(api, s.name())
	return r.world.AWS.EditRestAPI(scope, api.ID, func(a *awssim.RestAPI) {
		a.Tags = tagged.Tags
		for n := range a.Stages {
			if n < len(tagged.Stages) {
				a.Stages[n].Tags = tagged.Stages[n].Tags
			}
		}
	})
}

// filters says whether a slot's next process is started with the filter. The first has none, so that APIM has what the
// others leave out; once all is calm, each has it.
func (s *slot) filters(start string) bool {
	r := s.run
	return r.sieve != nil && (r.calm.Load() || s.starts > 1 && r.dice.chance(0.7, "filtered", start))
}

// putFilterBack has a process without the filter started again with it.
func (s *slot) putFilterBack() {
	if s.run.sieve == nil || s.life.filters {
		return
	}
	s.drain()
	s.run.until(time.Now().Add(time.Minute))
	s.revive()
}

// passed reports whether an API was let through in one of the estates.
func passed(estates []estateAt, id string) bool {
	return slices.ContainsFunc(estates, func(e estateAt) bool { return e.passes[id] })
}

// checkFiltered: a process with the filter sends only what passes, at a time since its listing may have begun.
func (r *run) checkFiltered() {
	if r.sieve == nil {
		return
	}
	filters := map[string]bool{}
	r.mu.Lock()
	for _, l := range r.lives {
		filters[l.name] = l.filters
	}
	r.mu.Unlock()
	r.wire.mu.Lock()
	defer r.wire.mu.Unlock()
	for id, job := range r.wire.jobs {
		for _, m := range job.messages {
			if !filters[m.agent] {
				continue
			}
			estates := r.estate.between(job.command.written.Add(-listingAge), m.at)
			for _, api := range m.apis {
				if !passed(estates, api) {
					defer r.violated("filtered-sent", "job %s sent API %s at +%.3fs, which the filter leaves out", id, api,
						m.at.Sub(r.began).Seconds())
				}
			}
		}
	}
}

// leftOut are the APIs that APIM and AWS have, in a plan, and that the filter leaves out.
func (r *run) leftOut() (found []apimsim.API) {
	now := r.estate.between(time.Now(), time.Now())
	for _, api := range r.world.APIM.APIs() {
		if here := now[len(now)-1]; r.sieve != nil && len(here.plans[api.ProviderID]) > 0 && !here.passes[api.ProviderID] &&
			!r.isInOff(api.ProviderID) {
			found = append(found, api)
		}
	}
	return found
}

// ingestLeftOut asks for what the filter leaves out by its ids. Whether anything of it is sent, [run.checkFiltered] sees.
func (r *run) ingestLeftOut(all []apimsim.API) {
	var ids []string
	for _, api := range all {
		ids = append(ids, api.ProviderID)
	}
	if len(ids) == 0 {
		return
	}
	r.until(time.Now().Add(2 * time.Minute)) // a listing that is young would know the tags
	job, err := r.world.APIM.StartIngest(context.Background(), world.Integration, ids)
	r.note("ingest of what is left out: %d of %d, %v", job.Total, len(ids), err)
	if err == nil && job.Total > 0 {
		r.await(10*time.Minute, func() bool {
			job, err = r.world.APIM.Job(job.ID)
			return err != nil || job.Status != apimsim.JobPending
		})
	}
}

// checkLeftOut: what the filter leaves out is named, and subscriptions to it begin and end as ever.
func (r *run) checkLeftOut() {
	ctx, all := context.Background(), r.leftOut()
	r.ingestLeftOut(all)
	for _, api := range all {
		r.count("APIs left out by a filter", 1)
		id, err := federation.ParseID(api.ProviderID)
		if err != nil {
			continue
		}
		if !r.world.Log.Has("filters leave out what AWS has", "target="+id.Target().String()) {
			r.violated("filtered-unnamed", "API %s is left out, and no log line says so", api.ProviderID)
		}
		plan := slices.IndexFunc(api.Plans, func(p apimsim.Plan) bool {
			now := r.estate.between(time.Now(), time.Now())
			return slices.Contains(now[len(now)-1].plans[api.ProviderID], p.ProviderID)
		})
		if plan < 0 {
			continue
		}
		r.count("subscriptions to what a filter leaves out", 1)
		scope := awssim.Scope{Account: id.Account, Region: id.Region}
		sub, err := r.world.APIM.Subscribe(ctx, api.ID, api.Plans[plan].ID, "The filtered one", "")
		if err != nil || sub.Status != apimsim.SubscriptionAccepted {
			r.violated("filtered-refused", "a subscription to %s, which the filter leaves out, is %s: %s, %v", api.ProviderID, sub.Status,
				sub.Reason, err)
			continue
		}
		if status := r.world.AWS.Invoke(scope, id.RestAPI, id.Stage, sub.APIKey.Reveal()); status != http.StatusOK {
			r.violated("filtered-refused", "a new key of %s is answered %d", api.ProviderID, status)
		}
		if err := r.world.APIM.Unsubscribe(ctx, sub.ID); err != nil {
			r.violated("filtered-refused", "a subscription to %s cannot be ended: %v", api.ProviderID, err)
		}
		if r.world.AWS.Invoke(scope, id.RestAPI, id.Stage, sub.APIKey.Reveal()) == http.StatusOK && !r.open(scope, id) {
			r.violated("filtered-refused", "the key of an ended subscription to %s still opens it", api.ProviderID)
		}
	}
}
