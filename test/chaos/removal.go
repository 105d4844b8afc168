package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"federation-agent/internal/federation"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

const (
	// removalStretch is how much longer people and faults are at work where something is removed: two rounds of a schedule
	// of five minutes must see it gone first.
	removalStretch = 4
	// removalAge is how old the listing may be by which an API is removed: its round may have had APIM ingest something
	// first, and another ingest may have come between.
	removalAge = 12 * time.Minute
	// unseenFor is how long an API may be back in AWS without a round that sees it: two rounds in a row may fail.
	unseenFor = 12 * time.Minute
	// removedIn is when whatever is gone must be removed once nothing hinders it: in three rounds, the second of which an
	// ingest may put off, as it may the removal.
	removedIn = 40 * time.Minute
	// longestHidden is how long AWS lists nothing of a target.
	longestHidden = 8 * time.Minute
	// another is the integration of another agent.
	another = "another-integration"
)

// removal is what a seed lets be removed, and the observer at APIM's REST API.
type removal struct {
	run      *run
	how      string // unpublish or delete
	atMost   int
	withSubs bool

	mu        sync.Mutex
	askedSubs map[string]time.Time // when the subscriptions of an API were last asked for, by APIM's id
	removed   map[string]bool      // APIs that were removed, by our ids
	deleted   []deletedAPI         // in AWS
	frozen    map[string]bool      // of these, what does not come back, by its name
	published map[string]time.Time // when people published an API, by our ids
	planted   []apimsim.API
}

// deletedAPI is a REST API that was deleted in AWS, with the plans it was in, by stage.
type deletedAPI struct {
	scope awssim.Scope
	api   awssim.RestAPI
	plans map[string][]string
}

// withRemoval lets the agents remove what AWS has deleted. It follows [run.withREST].
func (r *run) withRemoval(o *world.Options) {
	if !r.rest || !r.profile.has(famRemoval) {
		return
	}
	r.removal = &removal{
		run: r, how: []string{"unpublish", "delete"}[r.dice.below(2, "gone")], atMost: []int{1, 3, 6, 10}[r.dice.below(4, "gone at most")],
		withSubs:  r.dice.chance(0.5, "gone with subscriptions"),
		askedSubs: map[string]time.Time{}, removed: map[string]bool{}, published: map[string]time.Time{}, frozen: map[string]bool{},
	}
	r.count("gone: "+r.removal.how, 1)
	// Somebody who may do everything, so that nothing but the agent keeps it from the rest.
	o.APIM.Accounts[restToken] = apimsim.Account{Admin: true}
	o.APIM.Before = r.removal.watch
	o.Settings["gravitee_agent_ingest_schedule"] = "*/5 * * * *"
	o.Settings["gravitee_agent_ingest_scheduleJitter"] = "1m"
	o.Settings["gravitee_agent_ingest_gone"] = r.removal.how
	o.Settings["gravitee_agent_ingest_goneAtMost"] = fmt.Sprint(r.removal.atMost)
	o.Settings["gravitee_agent_ingest_goneWithSubscriptions"] = fmt.Sprint(r.removal.withSubs)
}

// watch stands before APIM, and looks at each request that changes something.
func (m *removal) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, path, rest := strings.Cut(q.URL.Path, "/management/v2/environments/")
		if !rest {
			next.ServeHTTP(w, q)
			return
		}
		words := strings.Split(path, "/") // DEFAULT/apis/{apiId}/subscriptions
		if q.Method == http.MethodGet {
			if len(words) == 4 && words[3] == "subscriptions" {
				m.mu.Lock()
				m.askedSubs[words[2]] = time.Now()
				m.mu.Unlock()
			}
			next.ServeHTTP(w, q)
			return
		}
		switch {
		case q.Method == http.MethodPost && len(words) == 4 && words[3] == "_ingest":
			next.ServeHTTP(w, q)
			return
		case q.Method == http.MethodPut && m.how == "unpublish", q.Method == http.MethodDelete && m.how == "delete":
			if len(words) == 3 && words[1] == "apis" {
				break
			}
			fallthrough
		default:
			m.run.violated("removal-way", "%s %s is nothing that %s needs", q.Method, path, m.how)
		}
		m.serve(words[2], func() { next.ServeHTTP(w, q) })
	})
}

// serve looks at an API before and after somebody changes it, also where no answer comes.
func (m *removal) serve(id string, do func()) {
	r, at := m.run, time.Now()
	before, err := r.world.APIM.API(id)
	if err == nil {
		m.checkSubscriptions(before)
	}
	defer func() {
		after, gone := r.world.APIM.API(id)
		switch {
		case err != nil: // somebody was faster, or the answer of before was lost
		case errors.Is(gone, apimsim.ErrNotFound):
			m.checkRemoved(before, at, "deleted")
		case after.Lifecycle == apimsim.LifecycleDeprecated && before.Lifecycle == apimsim.LifecyclePublished:
			m.run.violated("removal-way", "API %s is deprecated, which nothing undoes", before.ProviderID)
		case after.Lifecycle == apimsim.LifecycleUnpublished && before.Lifecycle == apimsim.LifecyclePublished:
			m.checkRemoved(before, at, "unpublished")
		}
	}()
	do()
}

// checkSubscriptions: an API that has subscriptions is let alone, unless that was asked for. What was subscribed after
// APIM was asked for them, nobody could know.
func (m *removal) checkSubscriptions(api apimsim.API) {
	m.mu.Lock()
	asked := m.askedSubs[api.ID]
	m.mu.Unlock()
	if m.withSubs {
		return
	}
	for _, sub := range m.run.world.APIM.Subscriptions() {
		if sub.APIID == api.ID && isActive(sub) && (!sub.CreatedAt.After(asked) || asked.IsZero()) {
			m.run.violated("removed-active", "API %s is to be removed, and subscription %s is %s", api.ProviderID, sub.ID, sub.Status)
		}
	}
}

// checkRemoved: what is removed was gone in AWS when two looks at it were possible, and was not one of too many.
func (m *removal) checkRemoved(api apimsim.API, at time.Time, how string) {
	r := m.run
	r.count("APIs "+how+" because they are gone", 1)
	r.note("apim  API %s is %s", api.ProviderID, how)
	if m.isPlanted(api) {
		r.violated("removed-foreign", "API %s is %s, and another agent has made it", api.ProviderID, how)
		return
	}
	began := r.slots[0].current().began
	if why := r.estate.notGone(api.ProviderID, began, at); why != "" {
		r.violated("removed-there", "API %s is %s at +%.3fs: %s", api.ProviderID, how, at.Sub(r.began).Seconds(), why)
	}
	if n := m.surelyGone(api, began, at); n > m.atMost {
		r.violated("removed-too-many", "API %s is %s, one of %d of its target, and goneAtMost is %d", api.ProviderID, how, n, m.atMost)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.removed[api.ProviderID] = true
}

// surelyGone counts the APIs of a target that APIM has, and that each listing for a while has shown as gone, with the one
// that has just been removed.
func (m *removal) surelyGone(removed apimsim.API, began, at time.Time) int {
	r, n := m.run, 1
	if r.disksFailed() {
		return n // what was sent may be forgotten
	}
	of, _ := federation.ParseID(removed.ProviderID)
	since := at.Add(-federation.SecondLook)
	if r.world.Log.Has("removing what AWS has deleted from APIM is put off") {
		since = at.Add(-removalAge)
	}
	if since.Before(began) {
		return n
	}
	for _, api := range r.world.APIM.APIs() {
		id, err := federation.ParseID(api.ProviderID)
		if err != nil || id.Target() != of.Target() || id == of || m.isPlanted(api) || m.needsNothing(api, since) {
			continue
		}
		if r.estate.lacked(api.ProviderID, since, at) {
			n++
		}
	}
	return n
}

// needsNothing says that an API is as a removal would leave it, was at some time since an instant, or may have been when
// the agent looked at it, before a person published it.
func (m *removal) needsNothing(api apimsim.API, since time.Time) bool {
	m.mu.Lock()
	published := m.published[api.ProviderID]
	m.mu.Unlock()
	return m.how == "unpublish" &&
		(api.Lifecycle != apimsim.LifecyclePublished || published.After(since) || m.mayBeDone(api))
}

func (m *removal) isPlanted(api apimsim.API) bool {
	return slices.ContainsFunc(m.planted, func(p apimsim.API) bool { return p.ID == api.ID })
}

// ours are the APIs that APIM has, but for those that were planted.
func (r *run) apis() []apimsim.API {
	all := r.world.APIM.APIs()
	if r.removal == nil {
		return all
	}
	return slices.DeleteFunc(all, r.removal.isPlanted)
}

// plant gives APIM the APIs of other agents: one of another integration, and two of this one's, which the vendor's agent
// has made.
func (m *removal) plant() {
	apim := m.run.world.APIM
	apim.AddIntegration(apimsim.Integration{ID: another, Env: "DEFAULT"})
	for n, of := range []string{another, world.Integration, world.Integration} {
		api := apimsim.API{
			ID: fmt.Sprintf("00000000-0000-4000-8000-00000000000%d", n), IntegrationID: of, Name: "Another agent's",
			ProviderID: fmt.Sprintf("%s:eu-west-1:vendors%d:prod", awsAccount(), n), Lifecycle: apimsim.LifecyclePublished,
		}
		apim.AddAPI(api)
		m.planted = append(m.planted, api)
	}
}

// doRemovals is what people do in AWS and in APIM where something is removed.
func (r *run) doRemovals(s step) {
	m := r.removal
	if m == nil {
		return
	}
	scope, _ := one(r, s, "scope", r.scopesOn())
	region, err := r.world.AWS.Snapshot(scope)
	if err != nil {
		return
	}
	switch s.kind {
	case doPublish:
		for _, api := range r.apis() {
			if r.dice.chance(0.7, "publish", s.name(), api.ProviderID) {
				m.publish(api)
			}
		}
		m.deprecate(s)
	case doDeleteAPIs:
		for _, api := range region.RestAPIs {
			if r.dice.chance(0.3, "delete", s.name(), api.ID) {
				m.deleted = append(m.deleted, r.deleteAPI(scope, region, api))
			}
		}
	case doDeleteStage:
		api, _ := one(r, s, "api", region.RestAPIs)
		if stage, ok := one(r, s, "stage", api.Stages); ok {
			_ = r.world.AWS.DeleteStage(scope, api.ID, stage.Name) // it was there a moment ago
			m.deleted = append(m.deleted, deletedAPI{scope, api, plansOf(region, api)})
		}
	case doBringBack:
		if back, ok := one(r, s, "back", m.deleted); ok {
			r.bringBack(back)
			r.strike("API comes back", "%s", back.api.ID)
		}
	case doHide:
		r.hide(s, scope, region)
	}
	r.estate.look()
}

func (m *removal) publish(api apimsim.API) {
	_ = m.run.world.APIM.ChangeAPI(api.ID, func(a *apimsim.API) error { // it may be gone by now
		if a.Lifecycle == apimsim.LifecycleDeprecated || a.Lifecycle == apimsim.LifecyclePublished {
			return nil
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.published[api.ProviderID] = time.Now()
		a.Lifecycle, a.Labels = apimsim.LifecyclePublished, []string{"a person's"}
		return nil
	})
}

// deprecate has a person freeze an API that AWS has deleted, and AWS does not have it again: APIM would refuse to ingest it.
func (m *removal) deprecate(s step) {
	of, ok := one(m.run, s, "deprecated", m.deleted)
	if !ok || !m.run.dice.chance(0.2, "deprecate", s.name()) {
		return
	}
	region, err := m.run.world.AWS.Snapshot(of.scope)
	if err != nil || restAPIOf(region, of.api.ID).ID != "" {
		return
	}
	m.frozen[of.name()] = true
	for _, stage := range of.api.Stages {
		_ = m.run.world.APIM.ChangeAPI(of.name()+":"+stage.Name, func(a *apimsim.API) error { // if APIM ever had it
			a.Lifecycle = apimsim.LifecycleDeprecated
			return nil
		})
	}
}

func (d deletedAPI) name() string { return d.scope.Account + ":" + d.scope.Region + ":" + d.api.ID }

// plansOf are the usage plans that stages of a REST API are in.
func plansOf(region awssim.Region, api awssim.RestAPI) map[string][]string {
	plans := map[string][]string{}
	for _, plan := range region.UsagePlans {
		for _, l := range plan.APIStages {
			if l.RestAPI == api.ID {
				plans[l.Stage] = append(plans[l.Stage], plan.ID)
			}
		}
	}
	return plans
}

func (r *run) deleteAPI(scope awssim.Scope, region awssim.Region, api awssim.RestAPI) deletedAPI {
	_ = r.world.AWS.DeleteRestAPI(scope, api.ID) // it was there a moment ago
	return deletedAPI{scope, api, plansOf(region, api)}
}

// bringBack has AWS have again what was deleted, unless it has come back already, in the plans that are still there.
func (r *run) bringBack(back deletedAPI) {
	region, err := r.world.AWS.Snapshot(back.scope)
	if err != nil || r.removal.frozen[back.name()] {
		return
	}
	links := back.plans
	if here := restAPIOf(region, back.api.ID); here.ID == "" {
		_ = r.world.AWS.PutRestAPI(back.scope, back.api) // there is nothing about it that could be refused
	} else {
		links = map[string][]string{}
		for _, stage := range back.api.Stages {
			if !slices.ContainsFunc(here.Stages, func(s awssim.Stage) bool { return s.Name == stage.Name }) {
				_ = r.world.AWS.PutStage(back.scope, back.api.ID, stage) // its REST API is there
				// The REST API may have changed meanwhile, and what a deployment has never changes.
				_, _ = r.world.AWS.Redeploy(back.scope, back.api.ID, stage.Name)
				links[stage.Name] = back.plans[stage.Name]
			}
		}
	}
	for stage, plans := range links {
		for _, plan := range plans {
			_ = r.world.AWS.Link(back.scope, plan, back.api.ID, stage) // the plan may be deleted
		}
	}
}

// hide has AWS list nothing of a target for a while, as it might by a mistake of its own: without an error.
func (r *run) hide(s step, scope awssim.Scope, region awssim.Region) {
	var all []deletedAPI
	for _, api := range region.RestAPIs {
		all = append(all, r.deleteAPI(scope, region, api))
	}
	long := r.dice.duration(time.Second, longestHidden, "hidden", s.name())
	r.strike("AWS lists nothing of a target", "%s for %s", scope, long)
	r.start(func(context.Context) {
		time.Sleep(long)
		for _, back := range all {
			r.bringBack(back)
		}
		r.estate.look()
		r.note("AWS lists %s again", scope)
	})
}

// checkRemovals lets the schedule go on for a while. Then what is gone is removed, unless something speaks against it, and
// everything else is as people left it.
func (r *run) checkRemovals() {
	m := r.removal
	if m == nil {
		return
	}
	removable := func() bool { return len(m.left(true)) == 0 }
	r.count("APIs gone at last", len(m.left(false)))
	if !r.await(removedIn, removable) {
		many := len(m.left(false))
		for _, api := range m.left(true) {
			if many > m.atMost && r.world.Log.Has("AWS has deleted more APIs than agent.ingest.goneAtMost") {
				r.count("APIs of which too many are gone at last", 1)
				continue
			}
			r.violated("gone-left", "API %s is gone in AWS, and APIM still has it %s, one of %d of at most %d", api.ProviderID,
				api.Lifecycle, many, m.atMost)
		}
	}
	for _, planted := range m.planted {
		if now, err := r.world.APIM.API(planted.ID); err != nil || now.Lifecycle != planted.Lifecycle {
			r.violated("removed-foreign", "API %s, which another agent has made, is %s (%v)", planted.ProviderID, now.Lifecycle, err)
		}
	}
	for _, api := range r.apis() {
		if api.Lifecycle == apimsim.LifecycleUnpublished && !slices.Equal(api.Labels, []string{"a person's"}) {
			r.violated("removal-way", "API %s was unpublished, and lost its labels", api.ProviderID)
		}
	}
}

// left are the APIs that are gone and not as a removal leaves them: those that may count as such, or those that surely do
// and have no subscriptions that keep them.
func (m *removal) left(surely bool) (left []apimsim.API) {
	r := m.run
	if r.disksFailed() {
		return nil // what was sent may be forgotten, and with that what may be removed
	}
	if r.slots[0].current().isUnheard() {
		return nil // no scheduled round begins
	}
	now := r.estate.between(time.Now(), time.Now())
	here := now[len(now)-1]
	for _, api := range r.apis() {
		id, err := federation.ParseID(api.ProviderID)
		if err != nil || here.exists[api.ProviderID] || r.isInOff(api.ProviderID) ||
			m.how == "unpublish" && api.Lifecycle != apimsim.LifecyclePublished {
			continue
		}
		// Of a stage that a filter leaves out, nobody may ask whether it is there.
		filtered := r.sieve != nil && here.hasAPI(id)
		if surely && (filtered || m.mayBeDone(api) || !m.withSubs && m.hasSubscriptions(api)) {
			continue
		}
		left = append(left, api)
	}
	return left
}

// mayBeDone says that an API that is gone may be let alone: it was hidden once, or was not published when it was looked at.
func (m *removal) mayBeDone(api apimsim.API) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.how == "unpublish" &&
		(m.removed[api.ProviderID] || !m.run.estate.hadAt(api.ProviderID, m.published[api.ProviderID]))
}

func (m *removal) hasSubscriptions(api apimsim.API) bool {
	return slices.ContainsFunc(m.run.world.APIM.Subscriptions(), func(s apimsim.Subscription) bool {
		return s.APIID == api.ID && isActive(s)
	})
}

func isActive(s apimsim.Subscription) bool {
	return s.Status == apimsim.SubscriptionPending || s.Status == apimsim.SubscriptionAccepted ||
		s.Status == apimsim.SubscriptionPaused
}

// wasRemoved says that the agent has removed an API.
func (r *run) wasRemoved(id string) bool {
	if r.removal == nil {
		return false
	}
	r.removal.mu.Lock()
	defer r.removal.mu.Unlock()
	return r.removal.removed[id]
}
