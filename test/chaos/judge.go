package chaos

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"federation-agent/internal/exports"
	"federation-agent/internal/federation"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

// ingestTries is how often everything is ingested at last: a loss of plans must be seen twice before the agent believes
// it, by each replica for itself.
const ingestTries = 4

// ingestAllAtLast has everything ingested, as often as a small controller needs, and until losses of plans are believed.
func (r *run) ingestAllAtLast() bool {
	ingested := r.ingestAtLast(nil)
	for round := 0; ingested && round < r.roundsNeeded(); round++ {
		ingested = r.ingestAtLast(nil)
	}
	for try := 1; ingested && try < ingestTries && r.plansClaimed(); try++ {
		r.count("losses of plans seen twice", 1)
		r.until(time.Now().Add(federation.SecondLook + time.Minute))
		ingested = r.ingestAtLast(nil)
	}
	for known := 0; ingested && r.world.Log.Count(differsLine) > known; { // what was ready before is mended by the next one
		known = r.world.Log.Count(differsLine)
		ingested = r.ingestAtLast(nil)
	}
	return ingested
}

// judge lets everything be ingested once more, and looks at what there is.
func (r *run) judge() {
	if !r.await(comeBack, r.allConnected) {
		r.violated("agent-away", "not all of %d agents are connected, and nothing hinders them", len(r.slots))
		return
	}
	ingested := r.ingestAllAtLast()
	if ingested {
		r.checkConvergence("after everything was ingested")
		// A part of it must change nothing: neither names nor plans. But another replica may have to list everything first.
		whole := r.wire.ingestsAt()
		if part := r.part(); part != "" && r.ingestAtLast([]string{part}) && r.wire.ingestsAt() == whole {
			r.checkConvergence("after a part was ingested again")
		}
	}
	r.checkLimits()
	r.checkSharing()
	r.checkService()
	r.checkLeftOut()
	r.checkDomains()
	r.checkRegions()
	r.checkRemovals()
	r.until(time.Now().Add(2 * time.Minute))
	r.checkRestore()
	r.checkKeys()
	r.checkVolumes()
	r.checkReplies()
	r.checkProblems()
	r.checkJobs()
	r.checkFiltered()
	r.checkDone()
	r.checkJobsLeft()
	r.checkQuota()
	r.checkLog()
}

// await lets time pass until something is so; false if that takes too long.
func (r *run) await(long time.Duration, so func() bool) bool {
	for deadline := time.Now().Add(long); !so(); r.until(time.Now().Add(time.Second)) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// checkService: when nothing hinders it, each command does what it is for. An agent that refuses everything
// would break no other promise.
func (r *run) checkService() {
	ctx, apim := context.Background(), r.world.APIM
	expected, err := r.expected()
	if err != nil {
		r.violated("oracle", "AWS cannot be read: %v", err)
		return
	}
	preview, err := apim.Preview(ctx, world.Integration)
	for try := 1; err != nil && len(r.controllers) > 0 && try < limitTries*len(r.slots); try++ {
		r.await(comeBack, r.allConnected)
		preview, err = apim.Preview(ctx, world.Integration)
	}
	if n := len(preview.APIs); n > 0 && n < len(expected) && !r.previewFits(expected) &&
		(preview.Partial || r.hidesPartial()) {
		r.count("previews cut for a controller", 1)
	} else if err != nil && len(expected) > 0 || len(preview.APIs) != len(expected) || preview.Partial {
		r.violated("service", "a preview of %d APIs shows %d, partial %t, %v", len(expected), len(preview.APIs),
			preview.Partial, err)
	}
	part := r.part()
	if part == "" {
		return
	}
	api, err := apim.API(part)
	if err != nil || len(api.Plans) == 0 {
		return // it is missing, and has been named for that
	}
	plan := expected[part].plans[0]
	plan = plan[:strings.IndexByte(plan, '|')]
	if len(r.controllers) > 0 && r.tooLarge(expected[part].bare) {
		return // no message has room for the API as it is now, and it has been named for that
	}
	sub, err := apim.Subscribe(ctx, api.ID, plan, "The last one", "")
	if err != nil || sub.Status != apimsim.SubscriptionAccepted {
		r.violated("service", "a subscription to plan %s of %s is %s: %s, %v", plan, part, sub.Status, sub.Reason, err)
		return
	}
	id, _ := federation.ParseID(part)
	scope := awssim.Scope{Account: id.Account, Region: id.Region}
	if status := r.world.AWS.Invoke(scope, id.RestAPI, id.Stage, sub.APIKey.Reveal()); status != http.StatusOK {
		r.violated("service", "a new key of %s is answered %d", part, status)
	}
	if err := apim.Unsubscribe(ctx, sub.ID); err != nil {
		r.violated("service", "a subscription cannot be ended: %v", err)
	}
	if status := r.world.AWS.Invoke(scope, id.RestAPI, id.Stage, sub.APIKey.Reveal()); status == http.StatusOK &&
		!r.open(scope, id) {
		r.violated("service", "the key of an ended subscription to %s still opens it", part)
	}
}

// open reports whether an API asks for no key.
func (r *run) open(scope awssim.Scope, id federation.ID) bool {
	return r.world.AWS.Invoke(scope, id.RestAPI, id.Stage, "") == http.StatusOK
}

// part is one of the APIs that AWS has, empty if it has none.
func (r *run) part() string {
	expected, err := r.expected()
	if err != nil || len(expected) == 0 {
		return ""
	}
	ids := slices.Sorted(maps.Keys(expected))
	return ids[r.dice.below(len(ids), "part")]
}

// allConnected reports whether each slot's process has greeted APIM. A dead connection may count as one more
// agent there: APIM hears of its end by nobody.
func (r *run) allConnected() bool {
	agents := map[string]bool{}
	for _, a := range r.world.APIM.Agents() {
		agents[r.wire.agentOf(a.Conn)] = true
	}
	return !slices.ContainsFunc(r.slots, func(s *slot) bool { return !agents[s.life.name] })
}

// ingestAtLast ingests in a world without faults.
func (r *run) ingestAtLast(ids []string) bool {
	job, err := r.world.APIM.StartIngest(context.Background(), world.Integration, ids)
	for try := 1; err != nil && len(r.controllers) > 0 && try < limitTries*len(r.slots); try++ { // 4.4 has all of it in one answer
		r.await(comeBack, r.allConnected)
		job, err = r.world.APIM.StartIngest(context.Background(), world.Integration, ids)
	}
	if expected, oracle := r.expected(); err != nil && oracle == nil && r.noneFits(expected) {
		r.count("ingests of which nothing fits", 1)
		return false
	}
	switch {
	case err == nil && job.Total == 0 && len(ids) == 0:
		return true
	case err == nil:
		ended := r.await(10*time.Minute, func() bool {
			now, err := r.world.APIM.Job(job.ID)
			return err != nil || now.Status != apimsim.JobPending
		})
		job, err = r.jobAfter(job)
		if expected, oracle := r.expected(); oracle == nil && job.Status != apimsim.JobSuccess && r.noneFits(expected) {
			r.count("ingests of which nothing fits", 1)
			return false
		}
		if !ended || err != nil || job.Status != apimsim.JobSuccess {
			r.violated("ingest-failed", "the last ingest of %v ended %s (%v)", ids, job.Status, err)
			return false
		}
		return true
	default:
		r.violated("ingest-failed", "the last ingest of %v cannot be started: %v", ids, err)
		return false
	}
}

// plansClaimed reports whether an agent waits for a second listing, or for an ingest after it.
func (r *run) plansClaimed() bool {
	return slices.ContainsFunc(r.slots, func(s *slot) bool {
		return len(s.life.instance.Board.Read().Integrations[0].Guard) > 0
	})
}

func (r *run) jobAfter(job apimsim.Job) (apimsim.Job, error) {
	if job.Total == 0 {
		return job, nil
	}
	return r.world.APIM.Job(job.ID)
}

// checkConvergence: what AWS has is in APIM, whole and equal; what APIM has beyond that was named.
func (r *run) checkConvergence(when string) {
	expected, err := r.expected()
	if err != nil {
		r.violated("oracle", "AWS cannot be read: %v", err)
		return
	}
	legacy, keepsPlans := r.apimLacks()
	got := map[string]apimsim.API{}
	for _, api := range r.apis() {
		if _, twice := got[api.ProviderID]; twice {
			r.violated("api-twice", "API %s is in APIM twice", api.ProviderID)
		}
		got[api.ProviderID] = api
	}
	for id, want := range expected {
		r.count("APIs compared", 1)
		api, there := got[id]
		if r.tooLarge(want.bare) && (!there || r.world.Log.Has("what APIM has of it stays", id, exports.TooLarge)) {
			r.count("APIs too large for a controller", 1)
			continue
		}
		if len(api.Pages) == 0 && r.tooLarge(want.whole) && r.saidTooLarge(id) {
			r.count("documents too large for a controller", 1)
			want.page = ""
		}
		if page := contentOf(api); isShared(page, want.page) && r.mayBeShared(id) {
			r.count("APIs with the document of another stage", 1)
			want.page = page
		}
		if !there {
			r.violated("api-missing", "%s, API %s is in AWS and not in APIM", when, id)
			continue
		}
		if diff := want.differs(api, legacy, keepsPlans); diff != "" {
			r.violated("api-different", "%s, API %s: %s", when, id, diff)
		}
	}
	for id := range got {
		if _, wanted := expected[id]; wanted {
			continue
		}
		r.count("APIs beyond AWS", 1)
		if !r.estate.everPlanned(id) {
			r.violated("api-invented", "%s, API %s is in APIM, and AWS never had it in a plan", when, id)
		}
		if r.refused(id) || r.isInOff(id) || r.replicas.wasRestored(time.Now()) {
			continue // see checkLeftOut and checkRegions; and a restored table does not know what was sent
		}
		if !legacy && (len(r.slots) == 1 || r.replicas != nil) && !r.slots[0].journal.everFailed() &&
			!r.world.Log.Has("APIM keeps what it has of them", id) {
			r.violated("api-unnamed", "%s, API %s is in APIM only, and no log line named it", when, id)
		}
	}
}

// apimLacks says what this version of APIM does not do: store what is newer than 4.4, delete plans.
func (r *run) apimLacks() (legacy, keepsPlans bool) {
	return r.counts["apim 4.4"] > 0, r.counts["apim 4.4"]+r.counts["apim 4.5"] > 0
}

// hidesPartial says that this version of APIM does not know that a preview may be partial.
func (r *run) hidesPartial() bool { return r.counts["apim 4.4"]+r.counts["apim 4.5"] > 0 }

// wantedAPI is an API as it must be in APIM.
type wantedAPI struct {
	name, version, description string
	names                      []string // any of these is right, too
	anyName                    bool
	plans                      []string // "id|name|description|characteristics"
	page                       string   // its content; empty if there is none
	whole, bare, summary       int      // its sizes as it is sent, in bytes: with its document, without, and in a preview
}

func (w wantedAPI) differs(api apimsim.API, legacy, keepsPlans bool) string {
	var plans []string
	for _, p := range api.Plans {
		plans = append(plans, planText(p.ProviderID, p.Name, p.Description, p.Characteristics, legacy))
	}
	slices.Sort(plans)
	if w.anyName || slices.Contains(w.names, api.Name) {
		w.name = api.Name
	}
	if keepsPlans {
		plans = slices.DeleteFunc(plans, func(p string) bool { return !slices.Contains(w.plans, p) })
	}
	for _, c := range [...]struct{ what, want, got string }{
		{"name", w.name, api.Name}, {"version", w.version, api.Version}, {"description", w.description, api.Description},
		{"plans", strings.Join(w.plans, "\n"), strings.Join(plans, "\n")}, {"pages", w.page, contentOf(api)},
	} {
		if c.want != c.got {
			return fmt.Sprintf("its %s should be %q and is %q", c.what, abridged(c.want), abridged(c.got))
		}
	}
	return ""
}

func contentOf(api apimsim.API) string {
	var content strings.Builder
	for _, p := range api.Pages {
		content.WriteString(p.Content)
	}
	return content.String()
}

func abridged(s string) string {
	if len(s) > 300 {
		return s[:300] + "…"
	}
	return s
}

func planText(id, name, description string, characteristics []string, legacy bool) string {
	if legacy {
		characteristics = nil
	}
	return fmt.Sprintf("%s|%s|%s|%s", id, name, description, strings.Join(characteristics, ","))
}
