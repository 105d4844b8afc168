package chaos

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"federation-agent/deployments/iam"
	"federation-agent/internal/federation"
	"federation-agent/internal/region"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

const (
	// lookedAtAgain is within which time a region is asked for again that was off.
	lookedAtAgain = 25 * time.Hour
	// triesAtStart is how often an agent may ask a region that is off before it knows that: without the optional grant by
	// one call, which is tried again where nobody answers it.
	triesAtStart = 5
	// callsIntoOff is how often it may ask one that has just been switched off: pages, stages and exports are under way,
	// and the keys' calls are tried until their commands end.
	callsIntoOff = 25
)

// regions is what a seed has where all regions are configured, and the observer of those that are off.
type regions struct {
	run     *run
	granted bool
	waits   bool // at last, an agent runs on for a day, and is not started again

	mu       sync.Mutex
	switched map[string][]switching // by target
	asked    map[string]int         // calls that a region refused because it is off, by target
	quiet    map[string]int         // those of them since nothing hinders the agents any more
	isQuiet  bool
}

// switching is a region that is on or off since an instant.
type switching struct {
	at time.Time
	on bool
}

// alwaysOn says that nobody can switch a region off: the home region, or one that is enabled by default.
func alwaysOn(name string) bool { return name == "us-east-1" || name == "eu-west-1" }

// newRegions gives a seed some regions that may be off, and one beside them that each account has.
func (r *run) newRegions() {
	if r.profile.has(famRegions) {
		r.shape.regions = []string{"eu-west-1", "us-east-1", "ap-east-1", "eu-south-1"}
		r.regions = &regions{
			run: r, granted: r.dice.chance(0.5, "regions granted"), waits: r.dice.chance(0.2, "regions wait"),
			switched: map[string][]switching{}, asked: map[string]int{}, quiet: map[string]int{},
		}
	}
}

// withRegions has the agents read all regions. Those that the seed does not name are off for ever.
func (r *run) withRegions(o *world.Options) {
	g := r.regions
	if g == nil {
		return
	}
	accounts := o.AWS.Estate.Accounts
	for a := range accounts {
		for n := range accounts[a].Regions {
			here := &accounts[a].Regions[n]
			off := !alwaysOn(here.Name) && r.dice.chance(0.5, "region off", accounts[a].ID, here.Name)
			here.Disabled = off
			g.switched[accounts[a].ID+":"+here.Name] = []switching{{on: !off}}
		}
		for _, name := range region.Named("aws").Regions() {
			if !slices.Contains(r.shape.regions, name) {
				accounts[a].Regions = append(accounts[a].Regions, awssim.Region{Name: name, Disabled: true})
			}
		}
	}
	if g.granted {
		mayAlso(&o.AWS.Estate, iam.ListRegionsPolicy)
	}
}

// doRegion has somebody opt in to a region, or out of it. What is in it stays, and nobody changes it while it is off.
func (r *run) doRegion(s step) {
	if r.regions == nil {
		return
	}
	scopes := slices.DeleteFunc(r.scopes(), func(s awssim.Scope) bool { return alwaysOn(s.Region) })
	scope, _ := one(r, s, "scope", scopes)
	r.regions.turn(scope, !r.isOn(scope))
	if r.dice.chance(0.4, "region", "ingest", s.name()) {
		r.ingest(s, nil)
	}
}

func (g *regions) turn(scope awssim.Scope, on bool) {
	r := g.run
	if err := r.world.AWS.SetDisabled(scope, !on); err != nil {
		r.violated("oracle", "%s cannot be switched: %v", scope, err)
		return
	}
	word := map[bool]string{true: "on", false: "off"}[on]
	r.strike("region switched "+word, "%s", scope)
	g.mu.Lock()
	defer g.mu.Unlock()
	target := scope.Account + ":" + scope.Region
	g.switched[target] = append(g.switched[target], switching{time.Now(), on})
}

// isOn says whether an account has a region now.
func (r *run) isOn(scope awssim.Scope) bool {
	return r.regions == nil || r.regions.onSince(scope.Account+":"+scope.Region, time.Now())
}

// onSince says whether a target has been on from an instant until now.
func (g *regions) onSince(target string, since time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for n, s := range g.switched[target] {
		over := n+1 < len(g.switched[target]) && g.switched[target][n+1].at.Before(since)
		if !s.on && !over {
			return false
		}
	}
	return true
}

// scopesOn are those of the estate that can be used now.
func (r *run) scopesOn() []awssim.Scope {
	return slices.DeleteFunc(r.scopes(), func(s awssim.Scope) bool { return !r.isOn(s) })
}

// knownOn says that the agents must have known from one instant to another that an API's region is on: it was all the
// time, and when each of the processes began that ran meanwhile.
func (g *regions) knownOn(id string, lives []*lifetime) bool {
	if g == nil {
		return true
	}
	since := time.Now()
	for _, l := range lives {
		if l.began.Before(since) {
			since = l.began
		}
	}
	return g.onSince(targetOf(id), since)
}

func targetOf(id string) string {
	parsed, _ := federation.ParseID(id) // it is of the estate
	return parsed.Account + ":" + parsed.Region
}

// isInOff says that an API is in a region that is off now.
func (r *run) isInOff(id string) bool {
	return r.regions != nil && !r.regions.onSince(targetOf(id), time.Now())
}

// onRegionCall counts what a region is asked that is off.
func (g *regions) onRegionCall(call awssim.Call) {
	if g == nil || call.Fault != "" || call.Code != awssim.CodeUnrecognizedClient {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	target := call.Account + ":" + call.Region
	g.asked[target]++
	if g.isQuiet {
		g.quiet[target]++
	}
}

// lookAtRegions lets the agents see, in the calm, which regions are on: when they are started again, or a day later.
func (r *run) lookAtRegions() {
	if r.regions == nil {
		return
	}
	if r.regions.waits {
		r.until(time.Now().Add(lookedAtAgain))
		return
	}
	for _, s := range r.slots {
		s.drain()
		r.until(time.Now().Add(time.Minute))
		s.revive()
	}
	r.until(time.Now().Add(time.Minute))
}

// checkRegions holds the last ingests, and what was asked until then, to what is off. Then all regions are switched on,
// and nothing of them is lost.
func (r *run) checkRegions() {
	g := r.regions
	if g == nil {
		return
	}
	kept := map[string]apimsim.API{}
	for _, api := range r.apis() {
		if r.isInOff(api.ProviderID) {
			kept[api.ID] = api
		}
	}
	r.count("APIs kept of regions that are off", len(kept))
	g.mu.Lock()
	g.isQuiet = true
	g.mu.Unlock()
	if !r.ingestAtLast(nil) {
		return
	}
	for id, was := range kept {
		now, err := r.world.APIM.API(id)
		if err != nil || now.Name != was.Name || len(now.Plans) != len(was.Plans) {
			r.violated("off-lost", "API %s is in a region that is off; it had %d plans and the name %q, and has %d and %q (%v)",
				was.ProviderID, len(was.Plans), was.Name, len(now.Plans), now.Name, err)
		}
	}
	r.checkAsked()
	for _, scope := range r.scopes() {
		if !r.isOn(scope) {
			g.turn(scope, true)
		}
	}
	r.estate.look()
	r.lookAtRegions()
	if r.await(comeBack, r.allConnected) && r.ingestAllAtLast() {
		r.checkConvergence("after all regions were switched on")
	}
	if r.rest {
		r.until(time.Now().Add(settledWithin))
	}
}

// checkAsked: a region that is off is asked a few times when an agent begins, and when it has just been switched off.
// Once that is known, it is asked for nothing.
func (r *run) checkAsked() {
	g := r.regions
	g.mu.Lock()
	defer g.mu.Unlock()
	panics := len(r.panics)
	for target, n := range g.asked {
		r.count("calls that regions refused as they are off", n)
		offs := 0
		for _, s := range g.switched[target] {
			if !s.on {
				offs++
			}
		}
		days := 1 + int(time.Since(r.began)/(23*time.Hour))
		if most := triesAtStart*(len(r.lives)+days) + callsIntoOff*(offs+panics); n > most {
			r.violated("off-asked", "%s was asked %d times while it was off, and %d would do", target, n, most)
		}
		if n := g.quiet[target]; n > 0 {
			r.violated("off-asked", "%s is known to be off, and an ingest asked it %d times", target, n)
		}
	}
	if len(r.profile) > 1 {
		return
	}
	for _, job := range r.world.APIM.Jobs() {
		if job.Total > 0 && job.Status != apimsim.JobSuccess {
			r.violated("off-failed", "job %s ended %s, and nothing befell but regions that were switched", job.ID, job.Status)
		}
	}
}

// regionsFault fails the one call that tells which regions are on.
func (r *run) regionsFault(e awssim.Event) bool {
	return e.Operation == awssim.OpListRegions && r.dice.chance(r.profile.of(famRegions, 0.3), "regions fail", fmt.Sprint(e))
}

// anyName says that nobody can tell by which names of regions that are off the agents name the others: those of the last
// listing count, which may have been before a change.
func (r *run) anyName() bool {
	return r.regions != nil && len(r.scopesOn()) < len(r.scopes()) &&
		r.profile.hasAny(famEdits, famMass, famStale, famRemoval, famFilters)
}

// otherNames are the names by what the agents may remember of regions that are off. What they have surely listed counts as
// if it were there; what they may have listed, or what may be forgotten, counts or not.
func (r *run) otherNames(on []federation.Named) (all []federation.Names) {
	if r.regions == nil {
		return nil
	}
	possible := [][]federation.Named{on}
	for _, scope := range r.scopes() {
		if r.isOn(scope) {
			continue
		}
		without := possible
		possible = nil
		for _, known := range without {
			possible = append(possible, slices.Concat(known, r.namedIn(scope)))
		}
		if !r.surelyListed(scope) {
			possible = slices.Concat(possible, without)
		}
	}
	for _, named := range possible {
		all = append(all, federation.NewNames(named))
	}
	return all
}

// namedIn are the APIs of a region that is off.
func (r *run) namedIn(scope awssim.Scope) (all []federation.Named) {
	inside, err := r.world.AWS.Snapshot(scope)
	now := r.estate.between(time.Now(), time.Now())
	for _, api := range inside.RestAPIs {
		for _, stage := range api.Stages {
			id := federation.ID{Account: scope.Account, Region: scope.Region, RestAPI: api.ID, Stage: stage.Name}
			if err == nil && len(now[len(now)-1].plans[id.String()]) > 0 {
				all = append(all, federation.Named{ID: id, Name: api.Name})
			}
		}
	}
	return all
}

// surelyListed says that the agent has listed a region and remembers it: APIM has got something of it.
func (r *run) surelyListed(scope awssim.Scope) bool {
	if r.profile.hasAny(famCrashes, famDisk, famRoom, famReplica) {
		return false
	}
	return slices.ContainsFunc(r.apis(), func(api apimsim.API) bool {
		return targetOf(api.ProviderID) == scope.Account+":"+scope.Region
	})
}
