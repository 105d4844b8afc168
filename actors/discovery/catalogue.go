// Package discovery holds the actors that know what AWS has: the catalogue of all targets, the targets, their
// discoverers with a worker for each document, and the refresher of the export cache.
package discovery

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/command"
	"federation-agent/actors/life"
	"federation-agent/internal/federation"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
	"federation-agent/messages"
)

const (
	// askTargetsAgain is how long the catalogue waits for a target's listing before it asks once more:
	// one that was restarted has forgotten who asked. Asking again is harmless.
	askTargetsAgain = 30 * time.Second
	// targetGrace is how much later than a deadline a target's answer is still waited for.
	targetGrace = time.Second
)

// catalogue knows what all targets have: it asks them, merges their answers, and names the APIs so that
// no two bear the same name. Parent: integration.
//
// Names are judged over the last complete listing of every target, whatever is being sent, so that a
// target that fails, or an ingest of a few APIs, renames nothing. A target that was never listed to the end
// is no part of that: its own APIs show their stage, and what the others have is called what it will be
// called but where names turn out to be the same.
type catalogue struct {
	life.Scoped
	env         *life.Env
	integration string
	// targets outlive a restart of the catalogue, and with them what is known of their accounts.
	targets []command.TargetParty

	known  map[string][]store.RememberedAPI // last complete listings, by federation.Target
	names  federation.Names
	judged bool            // names are those of known and targets
	warned map[string]bool // targets of which the log says that they were never listed
	// stages is the stage filter, unused what the log said last of it.
	stages []string
	unused []string

	gathers map[uint64]*gathering
}

// gathering is one [messages.GatherCatalogue] on its way.
type gathering struct {
	messages.GatherCatalogue
	asker    *actor.PID
	waiting  map[string]command.TargetParty // targets that have not answered, by their actor's id
	listings []messages.TargetListing
}

func CatalogueProps(env *life.Env, integration string, targets []command.TargetParty, stages []string) *actor.Props {
	return life.Props(env, life.Standing, func() actor.Actor {
		return &catalogue{
			env: env, integration: integration, targets: targets, stages: stages,
			known: map[string][]store.RememberedAPI{}, warned: map[string]bool{}, gathers: map[uint64]*gathering{},
		}
	})
}

// What the catalogue tells itself.
type (
	gatherAgain struct{ request uint64 }
	gatherDue   struct{ request uint64 }
	listingKept struct {
		target string
		err    error
	}
)

func (c *catalogue) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		ctx.Request(ctx.Parent(), messages.ExportsForgotten{}) // one may have been lost in a crash
		c.onStarted(ctx)
	case messages.TargetResolved:
		c.onTargetResolved(ctx, m)
	case messages.GatherCatalogue:
		c.onGather(ctx, m)
	case messages.TargetListing:
		c.onTargetListing(ctx, m)
	case gatherAgain:
		c.onGatherAgain(ctx, m)
	case gatherDue:
		c.onGatherDue(ctx, m)
	case messages.ExportAPI:
		c.onExportAPI(ctx, m)
	case messages.LocateAPI:
		c.onLocateAPI(ctx, m)
	case listingKept:
		if m.err != nil {
			c.env.Log.Warn("cannot keep a listing; names may change after a restart", life.LogTarget, m.target, life.LogError, m.err)
		}
	default:
		life.Unexpected(c.env, ctx)
	}
}

// onStarted takes up what an earlier life knew.
func (c *catalogue) onStarted(ctx actor.Context) {
	for _, t := range c.targets {
		ctx.Request(t.Pid, messages.TellAccount{})
	}
	known, err := c.env.Catalogue.Listings(c.integration)
	if err != nil {
		c.env.Log.Warn("cannot read the last listings", life.LogError, err)
		return
	}
	c.known = known
}

func (c *catalogue) onTargetResolved(ctx actor.Context, m messages.TargetResolved) {
	for i := range c.targets {
		if c.targets[i].Pid.Equal(ctx.Sender()) {
			c.targets[i].Account = m.Target.Account
		}
	}
	c.judged = false
}

func (c *catalogue) onGather(ctx actor.Context, m messages.GatherCatalogue) {
	only, all := onlyOf(m.Only)
	g := &gathering{GatherCatalogue: m, asker: ctx.Sender(), waiting: map[string]command.TargetParty{}}
	// The number is unique in the process: targets know their askers by it, whatever restarts meanwhile.
	request := c.env.Tickets.Add(1)
	c.gathers[request] = g
	for _, t := range c.targets {
		if all || slices.ContainsFunc(only, func(id federation.ID) bool { return t.MayBe(id.Target()) }) {
			g.waiting[t.Pid.Id] = t
		}
	}
	if len(g.waiting) == 0 {
		c.finish(ctx, request, g)
		return
	}
	c.ask(ctx, request, g)
	c.Scope.After(askTargetsAgain, gatherAgain{request})
	if !m.By.IsZero() {
		c.Scope.After(time.Until(m.By)+targetGrace, gatherDue{request})
	}
}

// onlyOf reads the ids of the APIs that matter. A bare REST API id may be anywhere, so then all do.
func onlyOf(ids []string) (only []federation.ID, all bool) {
	for _, text := range ids {
		ref, err := federation.ParseRef(text)
		switch {
		case err != nil: // no API of ours; whoever asks for it is told that it is missing
		case ref.Bare():
			return nil, true
		default:
			only = append(only, ref.ID)
		}
	}
	return only, len(ids) == 0
}

func (c *catalogue) ask(ctx actor.Context, request uint64, g *gathering) {
	only, all := onlyOf(g.Only)
	if all {
		only = nil
	}
	for _, t := range g.waiting {
		ctx.Request(t.Pid, messages.ListTarget{Request: request, MaxAge: g.MaxAge, By: g.By, Priority: g.Priority, Only: only})
	}
}

func (c *catalogue) onGatherAgain(ctx actor.Context, m gatherAgain) {
	if g := c.gathers[m.request]; g != nil {
		c.ask(ctx, m.request, g)
		c.Scope.After(askTargetsAgain, m)
	}
}

// onGatherDue gives up on targets that did not even say how far they are.
func (c *catalogue) onGatherDue(ctx actor.Context, m gatherDue) {
	if g := c.gathers[m.request]; g != nil {
		for _, t := range g.waiting {
			g.listings = append(g.listings, messages.TargetListing{
				Target: federation.Target{Account: t.Account, Region: t.Region}, Failure: "it did not answer in time",
			})
		}
		clear(g.waiting)
		c.finish(ctx, m.request, g)
	}
}

func (c *catalogue) onTargetListing(ctx actor.Context, m messages.TargetListing) {
	c.show(m)
	if m.Complete && !m.Narrow {
		c.keep(m)
	}
	g := c.gathers[m.Request]
	if g == nil {
		return
	}
	target := c.answering(g, ctx.Sender())
	if target == "" {
		return // answered twice
	}
	delete(g.waiting, target)
	g.listings = append(g.listings, m)
	if len(g.waiting) == 0 {
		c.finish(ctx, m.Request, g)
	}
}

// show notes what a listing says of its target. One whose account is not known has failed before any listing.
func (c *catalogue) show(m messages.TargetListing) {
	place := status.Place{Account: m.Target.Account, Region: m.Target.Region}
	switch {
	case m.Failure != "" && m.Target.Account != "":
		c.env.Board.ListingFailed(c.integration, place, m.Failure, c.env.Now())
	case m.Complete && !m.Narrow:
		apis := map[string]bool{}
		for _, e := range m.Entries {
			apis[e.ID(m.Target).RestAPI] = true
		}
		c.env.Board.Listed(c.integration, place, len(apis), len(m.Entries), m.StartedAt)
	}
}

// answering is the waiting target that a listing comes from: the target itself, or its discoverer below it.
func (c *catalogue) answering(g *gathering, sender *actor.PID) string {
	for id, t := range g.waiting {
		if sender.Equal(t.Pid) || life.IsDescendant(sender, t.Pid) {
			return id
		}
	}
	return ""
}

// keep remembers a complete listing, if it says anything new.
func (c *catalogue) keep(m messages.TargetListing) {
	apis := make([]store.RememberedAPI, len(m.Entries))
	for i, n := range federation.NamedOf(m.Target, m.Entries) {
		apis[i] = store.RememberedAPI{ID: n.ID.String(), Name: n.Name}
	}
	target := m.Target.String()
	if old, known := c.known[target]; known && slices.Equal(old, apis) {
		return
	}
	c.known[target] = apis
	c.judged = false
	env, integration := c.env, c.integration
	life.Pipe(c.Scope, func(context.Context) (struct{}, error) {
		return struct{}{}, env.Catalogue.SaveListing(integration, target, apis)
	}, func(_ struct{}, err error) any { return listingKept{target: target, err: err} })
}

// rename judges all names anew, over the last complete listings of the targets that are configured. A target
// whose account AWS has not told us yet may be any that was listed in its region. What belongs to no target
// any more is forgotten. It is done when names are asked for and not at each listing, or the work would grow
// with the square of the targets.
func (c *catalogue) rename() {
	if c.judged {
		return
	}
	c.judged = true
	configured, unresolved := map[string]bool{}, map[string]bool{} // by target, by region
	for _, t := range c.targets {
		if t.Account == "" {
			unresolved[t.Region] = true
			continue
		}
		configured[federation.Target{Account: t.Account, Region: t.Region}.String()] = true
	}
	var all []federation.Named
	for target, apis := range c.known {
		if _, region, _ := strings.Cut(target, ":"); !configured[target] && !unresolved[region] {
			c.forget(target)
			continue
		}
		for _, a := range apis {
			if id, err := federation.ParseID(a.ID); err == nil {
				all = append(all, federation.Named{ID: id, Name: a.Name})
			}
		}
	}
	c.names = federation.NewNames(all)
}

// warnUnlisted tells of a target that cannot be listed and never was: once it can be, APIs may be renamed. It
// says so once, as the listing's own failure is told each time.
func (c *catalogue) warnUnlisted(l messages.TargetListing) {
	target := l.Target.String()
	if l.Failure == "" || c.warned[target] || c.everListed(l.Target) {
		return
	}
	c.warned[target] = true
	c.env.Log.Warn("a target was never listed, so names are judged without it: those of its APIs show their stage, and APIs of the other "+
		"targets that bear the same names get something in brackets once it is", life.LogTarget, target, life.LogReason, l.Failure)
}

// everListed says that a target, or, while its account is not known, some target in its region, is known.
func (c *catalogue) everListed(t federation.Target) bool {
	if t.Account != "" {
		_, listed := c.known[t.String()]
		return listed
	}
	for target := range c.known {
		if _, region, _ := strings.Cut(target, ":"); region == t.Region {
			return true
		}
	}
	return false
}

// forget drops the listing of a target that is not configured any more.
func (c *catalogue) forget(target string) {
	delete(c.known, target)
	env, integration := c.env, c.integration
	life.Pipe(c.Scope, func(context.Context) (struct{}, error) {
		return struct{}{}, env.Catalogue.ForgetListing(integration, target)
	}, func(_ struct{}, err error) any { return listingKept{target: target, err: err} })
}

func (c *catalogue) finish(ctx actor.Context, request uint64, g *gathering) {
	delete(c.gathers, request)
	c.rename()
	slices.SortFunc(g.listings, func(a, b messages.TargetListing) int {
		return slices.Compare([]string{a.Target.Account, a.Target.Region}, []string{b.Target.Account, b.Target.Region})
	})
	result := messages.Catalogue{Listings: g.listings, Complete: true}
	seen := map[federation.ID]bool{} // two roles of one account see the same APIs
	for _, l := range g.listings {
		c.warnUnlisted(l)
		result.Complete = result.Complete && l.Complete
		for _, e := range l.Entries {
			id := e.ID(l.Target)
			if seen[id] {
				continue
			}
			seen[id] = true
			result.APIs = append(result.APIs, federation.NamedEntry{Target: l.Target, Entry: e, Name: c.names.Of(id, e.API.Name)})
		}
	}
	if result.Complete && len(g.Only) == 0 {
		c.warnUnusedStages(result.APIs)
	}
	ctx.Request(g.asker, result)
}

// warnUnusedStages names what the stage filter asks for and nothing has: with other stages found, a misspelt
// one would go unnoticed. It says so once.
func (c *catalogue) warnUnusedStages(apis []federation.NamedEntry) {
	unused := slices.DeleteFunc(slices.Clone(c.stages), func(stage string) bool {
		return slices.ContainsFunc(apis, func(e federation.NamedEntry) bool { return e.Stage == stage })
	})
	if len(unused) > 0 && !slices.Equal(unused, c.unused) {
		c.env.Log.Warn("the stage filter (configuration.0_stage, 1_stage …) names stages of which nothing is federated: "+
			"check the spelling, and whether they are in a usage plan", life.LogStages, unused)
	}
	c.unused = unused
}

// onExportAPI passes a request on to the target that it is for.
func (c *catalogue) onExportAPI(ctx actor.Context, m messages.ExportAPI) {
	target := m.Entries[0].Target
	for _, t := range c.targets {
		if t.Account == target.Account && t.Region == target.Region {
			ctx.Forward(t.Pid)
			return
		}
	}
	for _, e := range m.Entries {
		ctx.Request(ctx.Sender(), messages.APIOmitted{ID: e.ID(), Why: "its account and region are not ready"})
	}
}

// onLocateAPI looks a bare REST API id up in the last complete listings.
func (c *catalogue) onLocateAPI(ctx actor.Context, m messages.LocateAPI) {
	c.rename() // which also forgets what is not configured any more
	located := messages.APILocated{RestAPI: m.RestAPI}
	target, err := federation.NewKnown(c.listed).Target(federation.Ref{RestAPI: m.RestAPI})
	if err != nil {
		located.Failure = err.Error()
	}
	located.Target = target
	ctx.Respond(located)
}

// listed yields every API of the last complete listings.
func (c *catalogue) listed(yield func(federation.ID) bool) {
	for _, apis := range c.known {
		for _, a := range apis {
			if id, err := federation.ParseID(a.ID); err == nil && !yield(id) {
				return
			}
		}
	}
}
