package acceptance

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/status"
	"federation-agent/test/world"
)

// The day has 24 hourly rounds. People change AWS in its first 22 hours, because some changes need two rounds.
const (
	dayHours     = 24
	hoursChanged = 22
	changesAHour = 5
	// mostTriesAnHour bounds the tries at kinds that nothing is left for in this hour.
	mostTriesAnHour = 30
	dayAPIs         = 30
	// mappingKey is the path of all custom domain names.
	mappingKey = "shop"
)

// dayKinds are the kinds of changes, with how many of each there are in the day.
func dayKinds() map[string]int {
	return map[string]int{
		dayDeploy: 18, dayAddStage: 8, dayRemoveStage: 6, dayMakePlan: 6, dayChangePlan: 8, dayRemovePlan: 5, dayMove: 6,
		dayMakeAPI: 7, dayDeleteAPI: 6, dayMakeDomain: 6, dayMapAnew: 8, dayRemoveDomain: 4, dayDescribe: 8, dayTag: 8,
		dayRename: 6,
	}
}

const (
	dayDeploy       = "stage deployed"
	dayAddStage     = "stage added"
	dayRemoveStage  = "stage removed"
	dayMakePlan     = "usage plan made"
	dayChangePlan   = "usage plan changed"
	dayRemovePlan   = "usage plan removed"
	dayMove         = "stage moved between usage plans"
	dayMakeAPI      = "REST API made"
	dayDeleteAPI    = "REST API deleted"
	dayMakeDomain   = "custom domain made"
	dayMapAnew      = "custom domain mapped anew"
	dayRemoveDomain = "custom domain removed"
	dayDescribe     = "description changed"
	dayTag          = "tags changed"
	dayRename       = "REST API renamed"
)

// needsTwoRounds says which changes show with the second round. What a consumer could lose by them is never given up on
// the word of one listing.
func needsTwoRounds(kind string) bool {
	return slices.Contains([]string{dayRemoveStage, dayRemovePlan, dayMove, dayDeleteAPI}, kind)
}

// dayChange is one change in AWS.
type dayChange struct {
	kind, what  string
	made, shown time.Time
	isShown     func() bool
}

// daySetting is what a person has set on a plan in APIM, and how often APIM had written the API by then.
type daySetting struct {
	apimsim.Plan

	writes int
}

// day is what people have done so far, and what must follow from it. It reads AWS's state from what it has done itself.
type day struct {
	*testing.T

	w     *world.World
	agent *world.Instance
	rand  *rand.Rand
	scope awssim.Scope

	apis    map[string]map[string]bool // REST APIs, each with its stages
	plans   map[string]map[string]bool // usage plans, each with the ids of the APIs in it
	domains map[string]string          // custom domain names with the id of the API that each leads to
	n       int                        // numbers what is made

	changes []*dayChange
	// send are the ids that the next round must send; exports how many documents it must fetch.
	send    map[string]bool
	exports int64
	// guarded are APIs that lost a plan since the last round: the round after the next sends them. confirmed are those of
	// the round before.
	guarded, confirmed map[string]bool
	doubtful           map[string]bool // REST APIs of which a stage is gone: GetStages tells
	busy               map[string]bool // what has been changed and is not in APIM yet
	settings           map[string]daySetting
	subscriptions      map[string]bool // ids of those that must live
	leaving, left      map[string]bool // of those to plans that guarded and confirmed ones lost
	calls              map[string]int64
	total              map[string]int64
	asked              map[string]int
	sent               int
	reset              int // plans that people had set, and that APIM set back
	// Subscriptions that ended: because people ended them, and because somebody took their plan away in AWS.
	byPeople, ended int
}

// newDay brings the estate to APIM, where people publish the APIs, set their plans, and subscribe.
func newDay(t *testing.T, w *world.World, estate awssim.Region) *day {
	d := &day{
		T: t, w: w, agent: w.Connected(), rand: rand.New(rand.NewPCG(14, 24)), scope: uniform(),
		apis: map[string]map[string]bool{}, plans: map[string]map[string]bool{}, domains: map[string]string{},
		send: map[string]bool{}, guarded: map[string]bool{}, confirmed: map[string]bool{}, doubtful: map[string]bool{},
		total: map[string]int64{}, asked: map[string]int{}, busy: map[string]bool{}, settings: map[string]daySetting{}, subscriptions: map[string]bool{},
		leaving: map[string]bool{}, left: map[string]bool{}, calls: map[string]int64{},
	}
	for _, api := range estate.RestAPIs {
		d.apis[api.ID] = map[string]bool{}
		for _, stage := range api.Stages {
			d.apis[api.ID][stage.Name] = true
		}
	}
	for _, plan := range estate.UsagePlans {
		d.plans[plan.ID] = map[string]bool{}
		for _, link := range plan.APIStages {
			d.plans[plan.ID][d.id(link.RestAPI, link.Stage)] = true
		}
	}
	for _, domain := range estate.Domains {
		d.domains[domain.Name] = d.id(domain.Mappings[0].RestAPI, domain.Mappings[0].Stage)
	}
	untilPast(10 * time.Minute)
	return d
}

func (d *day) id(rest, stage string) string {
	return fmt.Sprintf("%s:%s:%s:%s", d.scope.Account, d.scope.Region, rest, stage)
}

// ids are the APIs that are federated: stages that a usage plan contains.
func (d *day) ids() []string {
	all := map[string]bool{}
	for _, in := range d.plans {
		maps.Copy(all, in)
	}
	return slices.Sorted(maps.Keys(all))
}

// siblings are the other federated stages of a REST API.
func (d *day) siblings(id string) []string {
	_, rest, _ := partOf(id)
	return slices.DeleteFunc(d.ids(), func(other string) bool {
		_, of, _ := partOf(other)
		return of != rest || other == id
	})
}

func (d *day) plansOf(id string) (plans []string) {
	for _, plan := range slices.Sorted(maps.Keys(d.plans)) {
		if d.plans[plan][id] {
			plans = append(plans, plan)
		}
	}
	return plans
}

func (d *day) subscribers(id string) (n int) {
	api := d.inAPIM(id)
	for _, s := range d.w.APIM.Subscriptions() {
		if s.APIID == api.ID && d.subscriptions[s.ID] {
			n++
		}
	}
	return n
}

// any gives one of what fits, or nothing.
func (d *day) any(all []string, fits func(string) bool) (string, bool) {
	all = slices.DeleteFunc(slices.Clone(all), func(one string) bool { return !fits(one) })
	if len(all) == 0 {
		return "", false
	}
	return all[d.rand.IntN(len(all))], true
}

func (d *day) free(ids ...string) bool {
	return !slices.ContainsFunc(ids, func(id string) bool { return d.busy[id] })
}

// inAPIM is what APIM has of an API; its ID is empty if it has none.
func (d *day) inAPIM(id string) apimsim.API {
	for _, api := range d.w.APIM.APIs() {
		if api.ProviderID == id {
			return api
		}
	}
	return apimsim.API{}
}

// sends notes that the next round must send these.
func (d *day) sends(ids ...string) {
	for _, id := range ids {
		d.send[id], d.busy[id] = true, true
	}
}

func (d *day) next(of string) string {
	d.n++
	return fmt.Sprintf("%s%03d", of, d.n)
}

// make makes a change of a kind, if there is anything that it can be made of.
func (d *day) make(kind string) bool {
	c := &dayChange{kind: kind, made: time.Now()}
	made := map[string]func(*dayChange) bool{
		dayDeploy: d.deploy, dayAddStage: d.addStage, dayRemoveStage: d.removeStage, dayMakePlan: d.makePlan,
		dayChangePlan: d.changePlan, dayRemovePlan: d.removePlan, dayMove: d.move, dayMakeAPI: d.makeAPI,
		dayDeleteAPI: d.deleteAPI, dayMakeDomain: d.makeDomain, dayMapAnew: d.mapAnew, dayRemoveDomain: d.removeDomain,
		dayDescribe: d.describe, dayTag: d.tag, dayRename: d.rename,
	}[kind](c)
	if made {
		d.changes = append(d.changes, c)
		if c.isShown() {
			d.Errorf("%s %s: APIM shows it before a round", kind, c.what)
		}
	}
	return made
}

func (d *day) deploy(c *dayChange) bool {
	id, ok := d.any(d.ids(), func(id string) bool { return d.free(id) })
	if !ok {
		return false
	}
	_, rest, stage := partOf(id)
	deployment, err := d.w.AWS.Redeploy(d.scope, rest, stage)
	must(d.T, err)
	d.sends(id)
	d.exports++
	c.what, c.isShown = id, func() bool { return strings.Contains(d.inAPIM(id).Pages[0].Content, deployment) }
	return true
}

func (d *day) addStage(c *dayChange) bool {
	near, ok := d.any(d.ids(), func(id string) bool { return d.free(append(d.siblings(id), id)...) })
	if !ok {
		return false
	}
	_, rest, _ := partOf(near)
	stage := d.next("stage")
	id := d.id(rest, stage)
	plan, _ := d.any(slices.Sorted(maps.Keys(d.plans)), func(string) bool { return true })
	must(d.T, d.w.AWS.PutStage(d.scope, rest, awssim.Stage{Name: stage, DeploymentID: d.next("d")}))
	must(d.T, d.w.AWS.Link(d.scope, plan, rest, stage))
	if others := d.siblings(id); len(others) == 1 { // its name tells its stage from now on
		d.sends(others...)
	}
	d.apis[rest][stage], d.plans[plan][id] = true, true
	d.sends(id)
	d.exports++
	c.what, c.isShown = id, func() bool { return d.inAPIM(id).ID != "" }
	return true
}

func (d *day) removeStage(c *dayChange) bool {
	id, ok := d.any(d.ids(), func(id string) bool {
		return d.free(append(d.siblings(id), id)...) && d.subscribers(id) == 0 && d.isPublished(id)
	})
	if !ok {
		return false
	}
	_, rest, stage := partOf(id)
	must(d.T, d.w.AWS.DeleteStage(d.scope, rest, stage))
	if others := d.siblings(id); len(others) == 1 { // its name tells no stage any more
		d.sends(others...)
	}
	d.doubtful[rest] = true
	delete(d.apis[rest], stage)
	d.forget(id)
	c.what, c.isShown = id, func() bool { return d.inAPIM(id).Lifecycle == apimsim.LifecycleUnpublished }
	return true
}

// forget takes what AWS does not have any more out of the day's state.
func (d *day) forget(id string) {
	for _, in := range d.plans {
		delete(in, id)
	}
	d.busy[id] = true
}

func (d *day) isPublished(id string) bool {
	return d.inAPIM(id).Lifecycle == apimsim.LifecyclePublished
}

func (d *day) makePlan(c *dayChange) bool {
	first, ok := d.any(d.ids(), func(id string) bool { return d.free(id) })
	if !ok {
		return false
	}
	second, ok := d.any(d.ids(), func(id string) bool { return d.free(id) && id != first })
	if !ok {
		return false
	}
	plan := d.next("plan")
	must(d.T, d.w.AWS.PutUsagePlan(d.scope, awssim.UsagePlan{ID: plan, Name: "Made " + plan}))
	d.plans[plan] = map[string]bool{}
	for _, id := range []string{first, second} {
		_, rest, stage := partOf(id)
		must(d.T, d.w.AWS.Link(d.scope, plan, rest, stage))
		d.plans[plan][id] = true
		d.sends(id)
	}
	c.what, c.isShown = plan, func() bool { return d.hasPlan(first, plan) && d.hasPlan(second, plan) }
	return true
}

func (d *day) hasPlan(id, plan string) bool {
	return slices.ContainsFunc(d.inAPIM(id).Plans, func(p apimsim.Plan) bool { return p.ProviderID == plan })
}

func (d *day) changePlan(c *dayChange) bool {
	plan, ok := d.any(slices.Sorted(maps.Keys(d.plans)), func(plan string) bool {
		return len(d.plans[plan]) > 0 && d.free(slices.Collect(maps.Keys(d.plans[plan]))...)
	})
	if !ok {
		return false
	}
	name := d.next("Plan of ")
	must(d.T, d.w.AWS.EditUsagePlan(d.scope, plan, func(p *awssim.UsagePlan) { p.Name = name }))
	ids := slices.Sorted(maps.Keys(d.plans[plan]))
	d.sends(ids...)
	c.what, c.isShown = plan, func() bool {
		return !slices.ContainsFunc(ids, func(id string) bool {
			return !slices.ContainsFunc(d.inAPIM(id).Plans, func(p apimsim.Plan) bool { return p.Name == name })
		})
	}
	return true
}

// removePlan deletes a usage plan whose stages are all in another one, too.
func (d *day) removePlan(c *dayChange) bool {
	plan, ok := d.any(slices.Sorted(maps.Keys(d.plans)), func(plan string) bool {
		ids := slices.Collect(maps.Keys(d.plans[plan]))
		return len(ids) > 0 && d.free(ids...) &&
			!slices.ContainsFunc(ids, func(id string) bool { return len(d.plansOf(id)) < 2 })
	})
	if !ok {
		return false
	}
	ids := slices.Sorted(maps.Keys(d.plans[plan]))
	for _, id := range ids {
		d.losesPlan(id, plan)
	}
	must(d.T, d.w.AWS.DeleteUsagePlan(d.scope, plan))
	delete(d.plans, plan)
	c.what, c.isShown = plan, func() bool {
		return !slices.ContainsFunc(ids, func(id string) bool { return d.hasPlan(id, plan) })
	}
	return true
}

// losesPlan notes that APIM must delete a plan of an API, and that with it go the subscriptions to it, and no others.
func (d *day) losesPlan(id, plan string) {
	d.guarded[id], d.busy[id] = true, true
	api := d.inAPIM(id)
	for _, p := range api.Plans {
		for _, s := range d.w.APIM.Subscriptions() {
			if p.ProviderID == plan && s.PlanID == p.ID && d.subscriptions[s.ID] {
				delete(d.subscriptions, s.ID)
				d.leaving[s.ID] = true
				d.ended++
			}
		}
	}
}

func (d *day) move(c *dayChange) bool {
	id, ok := d.any(d.ids(), func(id string) bool { return d.free(id) })
	if !ok {
		return false
	}
	from := d.plansOf(id)[0]
	to, ok := d.any(slices.Sorted(maps.Keys(d.plans)), func(plan string) bool { return !d.plans[plan][id] })
	if !ok {
		return false
	}
	_, rest, stage := partOf(id)
	must(d.T, d.w.AWS.Link(d.scope, to, rest, stage))
	must(d.T, d.w.AWS.Unlink(d.scope, from, rest, stage))
	d.losesPlan(id, from)
	delete(d.plans[from], id)
	d.plans[to][id] = true
	c.what = fmt.Sprintf("%s from %s to %s", id, from, to)
	c.isShown = func() bool { return d.hasPlan(id, to) && !d.hasPlan(id, from) }
	return true
}

func (d *day) makeAPI(c *dayChange) bool {
	rest := d.next("fresh00")
	plan, _ := d.any(slices.Sorted(maps.Keys(d.plans)), func(string) bool { return true })
	must(d.T, d.w.AWS.PutRestAPI(d.scope, awssim.RestAPI{
		ID: rest, Name: "Fresh " + rest, Stages: []awssim.Stage{{Name: "prod", DeploymentID: d.next("d")}},
	}))
	must(d.T, d.w.AWS.Link(d.scope, plan, rest, "prod"))
	id := d.id(rest, "prod")
	d.apis[rest], d.plans[plan][id] = map[string]bool{"prod": true}, true
	d.sends(id)
	d.exports++
	c.what, c.isShown = id, func() bool { return d.inAPIM(id).ID != "" }
	return true
}

// deleteAPI takes one with subscriptions each third time: that one must stay in APIM, and the agent must say why.
func (d *day) deleteAPI(c *dayChange) bool {
	subscribed := d.count(dayDeleteAPI)%3 == 2
	id, ok := d.any(d.ids(), func(id string) bool {
		all := append(d.siblings(id), id)
		some := slices.ContainsFunc(all, func(id string) bool { return d.subscribers(id) > 0 })
		return d.free(all...) && some == subscribed && (!subscribed || len(all) == 1) &&
			!slices.ContainsFunc(all, func(id string) bool { return !d.isPublished(id) })
	})
	if !ok {
		return false
	}
	_, rest, _ := partOf(id)
	must(d.T, d.w.AWS.DeleteRestAPI(d.scope, rest))
	all := append(d.siblings(id), id)
	for _, one := range all {
		d.forget(one)
	}
	delete(d.apis, rest)
	c.what, c.isShown = rest, func() bool {
		return !slices.ContainsFunc(all, func(id string) bool { return d.isPublished(id) })
	}
	if subscribed {
		c.what += ", which has subscriptions and stays"
		c.isShown = func() bool {
			return slices.ContainsFunc(removalOf(d.T, d.agent).APIs, func(n status.RemovalNote) bool {
				return n.ID == id && strings.Contains(n.Text, "it stays: it has subscriptions")
			})
		}
	}
	return true
}

func (d *day) count(kind string) (n int) {
	for _, c := range d.changes {
		if c.kind == kind {
			n++
		}
	}
	return n
}

func (d *day) makeDomain(c *dayChange) bool {
	id, ok := d.any(d.ids(), func(id string) bool { return d.free(id) })
	if !ok {
		return false
	}
	name := d.next("made") + ".example.com"
	d.leads(name, id)
	c.what, c.isShown = name, func() bool { return d.showsDomain(id, name) }
	return true
}

// leads maps a custom domain name to an API, and that alone.
func (d *day) leads(name, id string) {
	_, rest, stage := partOf(id)
	must(d.T, d.w.AWS.PutDomain(d.scope, awssim.CustomDomain{
		Name: name, Endpoint: "REGIONAL", Mappings: []awssim.DomainMapping{{Key: mappingKey, RestAPI: rest, Stage: stage}},
	}))
	d.domains[name] = id
	d.sends(id)
}

func (d *day) showsDomain(id, name string) bool {
	return strings.Contains(metadataOf(d.inAPIM(id), "AWS base URL"), "https://"+name+"/"+mappingKey)
}

// mapped is a custom domain name that leads to an API that is there and has not just been changed.
func (d *day) mapped() (name string, ok bool) {
	ids := d.ids()
	return d.any(slices.Sorted(maps.Keys(d.domains)), func(name string) bool {
		return slices.Contains(ids, d.domains[name]) && d.free(d.domains[name])
	})
}

func (d *day) mapAnew(c *dayChange) bool {
	name, ok := d.mapped()
	if !ok {
		return false
	}
	from := d.domains[name]
	to, ok := d.any(d.ids(), func(id string) bool { return d.free(id) && id != from })
	if !ok {
		return false
	}
	d.sends(from)
	d.leads(name, to)
	c.what = fmt.Sprintf("%s from %s to %s", name, from, to)
	c.isShown = func() bool { return d.showsDomain(to, name) && !d.showsDomain(from, name) }
	return true
}

func (d *day) removeDomain(c *dayChange) bool {
	name, ok := d.mapped()
	if !ok {
		return false
	}
	id := d.domains[name]
	must(d.T, d.w.AWS.DeleteDomain(d.scope, name, ""))
	delete(d.domains, name)
	d.sends(id)
	c.what, c.isShown = name, func() bool { return !d.showsDomain(id, name) }
	return true
}

// edit changes a REST API, and so all of its stages.
func (d *day) edit(c *dayChange, edit func(*awssim.RestAPI), isShown func(apimsim.API) bool) bool {
	id, ok := d.any(d.ids(), func(id string) bool { return d.free(append(d.siblings(id), id)...) })
	if !ok {
		return false
	}
	_, rest, _ := partOf(id)
	must(d.T, d.w.AWS.EditRestAPI(d.scope, rest, edit))
	all := append(d.siblings(id), id)
	d.sends(all...)
	c.what, c.isShown = rest, func() bool {
		return !slices.ContainsFunc(all, func(id string) bool { return !isShown(d.inAPIM(id)) })
	}
	return true
}

func (d *day) describe(c *dayChange) bool {
	text := d.next("Described anew: ")
	return d.edit(c, func(a *awssim.RestAPI) { a.Description = text },
		func(a apimsim.API) bool { return strings.HasPrefix(a.Description, text) })
}

func (d *day) tag(c *dayChange) bool {
	team := d.next("team ")
	return d.edit(c, func(a *awssim.RestAPI) { a.Tags = map[string]string{"team": team} },
		func(a apimsim.API) bool { return metadataOf(a, "AWS tag team") == team })
}

func (d *day) rename(c *dayChange) bool {
	name := d.next("Renamed ")
	return d.edit(c, func(a *awssim.RestAPI) { a.Name = name },
		func(a apimsim.API) bool { return strings.HasPrefix(a.Name, name) })
}

// people publish what is new in APIM, set plans, close one, subscribe, and end a subscription.
func (d *day) people(plansToSet, toSubscribe, toEnd int) {
	for _, api := range d.w.APIM.APIs() {
		if api.Lifecycle == apimsim.LifecycleCreated {
			must(d.T, d.w.APIM.ChangeAPI(api.ID, func(a *apimsim.API) error { a.Lifecycle = apimsim.LifecyclePublished; return nil }))
		}
	}
	open := func(id string) bool { return d.free(id) && d.isPublished(id) }
	for n := range plansToSet {
		id, ok := d.any(d.ids(), open)
		if ok {
			d.set(d.inAPIM(id), n == 0)
		}
	}
	for range toSubscribe {
		id, ok := d.any(d.ids(), open)
		if !ok {
			continue
		}
		api := d.inAPIM(id)
		for _, plan := range api.Plans {
			if plan.Status == apimsim.PlanPublished {
				d.subscribe(api, plan)
				break
			}
		}
	}
	for range toEnd {
		id, _ := d.any(slices.Sorted(maps.Keys(d.subscriptions)), func(string) bool { return true })
		must(d.T, d.w.APIM.Unsubscribe(d.Context(), id))
		delete(d.subscriptions, id)
		d.byPeople++
		d.calls[awssim.OpDeleteAPIKey]++
	}
}

// set is what a person does with an API's plans. One that nobody subscribes to may be closed.
func (d *day) set(api apimsim.API, mayClose bool) {
	for n := range api.Plans {
		p := &api.Plans[n]
		p.Validation, p.Order, p.CommentRequired = apimsim.ValidationAutomatic, 1+d.rand.IntN(9), true
		p.CommentMessage, p.GeneralConditions = "What for?", "page-of-conditions"
		p.ExcludedGroups = []string{"interns"}
		if mayClose && d.subscribers(api.ProviderID) == 0 {
			p.Status = apimsim.PlanClosed
		}
		must(d.T, d.w.APIM.ChangePlan(api.ID, p.ID, func(of *apimsim.Plan) { *of = *p }))
		d.settings[p.ID] = daySetting{*p, api.Writes}
	}
}

// subscribe makes an accepted subscription, whose plan is checked in AWS before the key is made.
func (d *day) subscribe(api apimsim.API, plan apimsim.Plan) {
	sub, err := d.w.APIM.Subscribe(d.Context(), api.ID, plan.ID, d.next("Shop "), "")
	if err != nil || sub.Status != apimsim.SubscriptionAccepted {
		d.Errorf("subscribing to %s: %s %s %v", api.ProviderID, sub.Status, sub.Reason, err)
	}
	d.subscriptions[sub.ID] = true
	for _, op := range []string{
		awssim.OpGetRestAPIs, awssim.OpGetUsagePlans, awssim.OpCreateAPIKey, awssim.OpCreateUsagePlanKey,
	} {
		d.calls[op]++
	}
	pass(time.Minute)
}

// round lets time pass until ten minutes past the next full hour, and judges the round.
func (d *day) round() {
	d.Helper()
	before, due := writes(d.w), time.Now().Truncate(time.Hour).Add(time.Hour)
	for time.Now().Before(due.Add(10 * time.Minute)) {
		pass(10 * time.Second)
		for _, c := range d.changes {
			if c.shown.IsZero() && time.Now().After(due) && c.isShown() {
				c.shown = time.Now()
			}
		}
	}
	maps.Copy(d.send, d.confirmed)
	d.sentAsMeant(due, before)
	d.callsAsMeant(due)
	d.plansAsSet()
	d.lives()
	d.confirmed, d.left, d.busy = d.guarded, d.leaving, maps.Clone(d.guarded)
	d.send, d.guarded, d.leaving, d.exports = map[string]bool{}, map[string]bool{}, map[string]bool{}, 0
}

// sentAsMeant holds what APIM has written to what was changed, each once.
func (d *day) sentAsMeant(due time.Time, before map[string]int) {
	now, entries := writes(d.w), 0
	for id, n := range now {
		entries += n - before[id]
	}
	want := slices.Sorted(maps.Keys(d.send))
	if got := written(d.w, before); !slices.Equal(got, want) || entries != len(want) {
		d.Errorf("%s: %d APIs were sent, %v, want %v", due.Format(time.TimeOnly), entries, got, want)
	}
	d.sent += entries
}

// callsAsMeant holds the calls to AWS since the last round to what they must be.
func (d *day) callsAsMeant(due time.Time) {
	want := d.calls
	asked, again := map[string]bool{}, map[string]bool{}
	for rest := range d.doubtful {
		asked[rest] = d.apis[rest] != nil
	}
	for _, id := range d.ids() {
		if _, rest, _ := partOf(id); !d.guarded[id] {
			asked[rest] = true
		}
	}
	maps.DeleteFunc(asked, func(_ string, is bool) bool { return !is })
	for id := range d.send {
		_, rest, _ := partOf(id)
		again[rest] = true
	}
	want[awssim.OpGetRestAPIs]++
	want[awssim.OpGetUsagePlans]++
	if len(d.guarded) > 0 { // the second look of the plan-loss guard
		want[awssim.OpGetRestAPIs]++
		want[awssim.OpGetUsagePlans]++
	}
	want[awssim.OpGetStages] += int64(len(asked) + len(again))
	want[awssim.OpGetExport] += d.exports
	want[awssim.OpGetDomainNames]++
	want[awssim.OpGetAPIMappings] += int64(len(d.domains))
	want[awssim.OpDeleteAPIKey] += int64(len(d.left))
	maps.DeleteFunc(want, func(_ string, n int64) bool { return n == 0 })
	got := map[string]int64{}
	for _, c := range d.w.AWS.Counts() {
		got[c.Operation] += c.Count
		d.total[c.Operation] += c.Count
	}
	if !maps.Equal(got, want) {
		d.Errorf("%s: AWS was asked %v, want %v", due.Format(time.TimeOnly), got, want)
	}
	d.w.AWS.ResetCalls()
	d.calls = map[string]int64{}
}

// plansAsSet holds each plan to what a person has set on it, unless the API was written since: then APIM has set it back.
func (d *day) plansAsSet() {
	for _, api := range d.w.APIM.APIs() {
		for _, p := range api.Plans {
			set, known := d.settings[p.ID]
			if !known {
				continue
			}
			same := p.Validation == set.Validation && p.Order == set.Order && p.CommentRequired == set.CommentRequired &&
				p.CommentMessage == set.CommentMessage && p.GeneralConditions == set.GeneralConditions &&
				slices.Equal(p.ExcludedGroups, set.ExcludedGroups) && p.Status == set.Status
			isDefault := p.Validation == apimsim.ValidationManual && p.Order == 0 && p.GeneralConditions == "" &&
				p.Status == apimsim.PlanPublished
			switch {
			case api.Writes == set.writes && !same:
				d.Errorf("%s: what a person has set on plan %s is lost: %+v", api.ProviderID, p.ProviderID, p)
			case api.Writes == set.writes:
			case !isDefault:
				d.Errorf("%s: APIM does not set plan %s back, so the docs are wrong: %+v", api.ProviderID, p.ProviderID, p)
			default:
				d.reset++
				delete(d.settings, p.ID)
			}
		}
	}
}

// lives holds each subscription that must live to be there, with a key that AWS knows, and AWS to have no other key.
func (d *day) lives() {
	accepted := map[string]bool{}
	for _, s := range d.w.APIM.Subscriptions() {
		if s.Status == apimsim.SubscriptionAccepted {
			accepted[s.ID] = true
		}
	}
	want := maps.Clone(d.subscriptions)
	maps.Copy(want, d.leaving)
	if !maps.Equal(accepted, want) {
		d.Errorf("APIM has %d accepted subscriptions, want %d", len(accepted), len(want))
	}
	keysAreSubscriptions(d.T, d.w)
}

// A day in which people change AWS a hundred times, and subscribe and set plans in APIM, with an hourly schedule, custom
// domain names, and what is deleted unpublished.
func TestADayOfAHundredChanges(t *testing.T) {
	estate := oneRegion(dayAPIs, 2, 6)
	region := &estate.Estate.Accounts[0].Regions[0]
	for n := range region.RestAPIs {
		if n%3 == 0 { // a third has one stage
			region.RestAPIs[n].Stages = region.RestAPIs[n].Stages[:1]
		}
	}
	for n := range region.UsagePlans {
		region.UsagePlans[n].APIStages = slices.DeleteFunc(region.UsagePlans[n].APIStages, func(l awssim.APIStage) bool {
			return !slices.ContainsFunc(region.RestAPIs, func(a awssim.RestAPI) bool {
				return a.ID == l.RestAPI && slices.ContainsFunc(a.Stages, func(s awssim.Stage) bool { return s.Name == l.Stage })
			})
		})
	}
	for n := range 6 { // more plans, of which somebody may take one away
		plan := awssim.UsagePlan{ID: fmt.Sprintf("second%d", n), Name: fmt.Sprintf("Second plan %d", n)}
		for _, api := range region.RestAPIs[4*n : 4*n+2] {
			plan.APIStages = append(plan.APIStages, awssim.APIStage{RestAPI: api.ID, Stage: "dev"})
		}
		region.UsagePlans = append(region.UsagePlans, plan)
	}
	o := hourly(granted(t, withLatency(estate), regional(1), regional(2), regional(4), regional(5)),
		"ingest_gone", "unpublish", "discovery_customDomainsMaxAge", "45m")
	run(t, o, func(t *testing.T, w *world.World) {
		d := newDay(t, w, *region)
		d.people(20, 12, 0)
		untilPast(10 * time.Minute)
		w.AWS.ResetCalls()
		d.calls = map[string]int64{}
		rest := 0
		requests(w, &rest)
		var kinds []string
		for _, kind := range slices.Sorted(maps.Keys(dayKinds())) {
			kinds = append(kinds, slices.Repeat([]string{kind}, dayKinds()[kind])...)
		}
		d.rand.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
		for hour := range dayHours {
			for made, tries := 0, 0; hour < hoursChanged && made < changesAHour && len(kinds) > 0 && tries < mostTriesAnHour; tries++ {
				kind := kinds[0]
				kinds = kinds[1:]
				if !d.make(kind) {
					kinds = append(kinds, kind)
					continue
				}
				made++
				pass(time.Duration(60+d.rand.IntN(400)) * time.Second)
			}
			if hour < hoursChanged {
				d.people(4, 1, hour%4/3)
			}
			d.round()
		}
		if len(kinds) > 0 {
			t.Errorf("not made: %v", kinds)
		}
		d.asked = requests(w, &rest)
		d.judge()
	})
}

// judge holds each change to the round that must show it, and prints the day.
func (d *day) judge() {
	for _, c := range d.changes {
		want, rounds := 1, 0
		if needsTwoRounds(c.kind) {
			want = 2
		}
		if !c.shown.IsZero() {
			rounds = int(c.shown.Truncate(time.Hour).Sub(c.made.Truncate(time.Hour)) / time.Hour)
		}
		if rounds != want {
			d.Errorf("%s %s, made at %s, shown at %s: round %d, want %d", c.kind, c.what, c.made.Format(time.DateTime),
				c.shown.Format(time.DateTime), rounds, want)
		}
	}
	for _, p := range d.w.APIM.Problems() {
		if p.Code != apimsim.ProblemPlanDeleted {
			d.Errorf("APIM noticed %v", p)
		}
	}
	if s := scheduleOf(d.T, d.agent); s.Rounds[status.RoundFailed]+s.Rounds[status.RoundDropped]+s.Rounds[status.RoundPutOff] > 0 {
		d.Errorf("%+v", s)
	}
	var all strings.Builder
	for _, c := range d.changes {
		fmt.Fprintf(&all, "%s | %s | %s | %s\n", c.made.Format(clock), c.shown.Format(clock), c.kind, c.what)
	}
	d.Logf("made | shown | change | what\n%s\n%s", all.String(), d.figures())
	docs, err := os.ReadFile("../../docs/performance.md")
	if err != nil || !strings.Contains(string(docs), d.figures()) {
		d.Errorf("docs/performance.md has other figures: %v", err)
	}
}

// clock is a day and a time of it.
const clock = "02 15:04:05"

// figures is the day as the docs have it.
func (d *day) figures() string {
	var b strings.Builder
	b.WriteString("| change in AWS | made | shown in APIM by |\n|---|---|---|\n")
	for _, kind := range slices.Sorted(maps.Keys(dayKinds())) {
		round := "the next round"
		if needsTwoRounds(kind) {
			round = "the second round"
		}
		fmt.Fprintf(&b, "| %s | %d | %s |\n", kind, d.count(kind), round)
	}
	b.WriteString("\n| measure | figure |\n|---|---|\n")
	row := func(what, format string, figures ...any) { fmt.Fprintf(&b, "| "+what+" | "+format+" |\n", figures...) }
	row("changes; APIs sent for them, each once; unchanged APIs sent", "%d; %d; 0", len(d.changes), d.sent)
	row("subscriptions: live at the end; lost; ended by people; ended with a usage plan that AWS lost", "%d; 0; %d; %d",
		len(d.subscriptions), d.byPeople, d.ended)
	row("plans that people set: kept on APIs that did not change; set back by APIM with a change of their API", "%d; %d",
		len(d.settings), d.reset)
	total := int64(0)
	for _, n := range d.total {
		total += n
	}
	row("calls to AWS, in 24 hours", "%d: %s", total, inOrder(d.total))
	asked := 0
	for _, n := range d.asked {
		asked += n
	}
	row("requests to APIM's REST API, in 24 hours", "%d", asked)
	return b.String()
}

// inOrder is as in "GetExport 3, GetStages 40".
func inOrder(counts map[string]int64) string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprint(what, " ", counts[what]))
	}
	return strings.Join(parts, ", ")
}
