package actors

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/internal/federation"
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
// target that fails, or an ingest of a few APIs, renames nothing. While a target has never been listed
// to the end, every name shows its stage.
type catalogue struct {
	scoped
	env         *Env
	integration string
	targets     []*actor.PID

	account map[string]*actor.PID            // resolved targets, by federation.Target
	known   map[string][]store.RememberedAPI // last complete listings, by federation.Target
	names   federation.Names
	request uint64
	gathers map[uint64]*gathering
}

// gathering is one [messages.GatherCatalogue] on its way.
type gathering struct {
	messages.GatherCatalogue
	asker    *actor.PID
	waiting  map[string]*actor.PID // targets that have not answered, by id
	listings []messages.TargetListing
}

func catalogueProps(env *Env, integration string, targets []*actor.PID) *actor.Props {
	return props(env, standing, func() actor.Actor {
		return &catalogue{
			env: env, integration: integration, targets: targets,
			account: map[string]*actor.PID{}, known: map[string][]store.RememberedAPI{}, gathers: map[uint64]*gathering{},
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
		c.onStarted()
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
			c.env.Log.Warn("cannot keep a listing; names may change after a restart", logTarget, m.target, logError, m.err)
		}
	default:
		unexpected(c.env, ctx)
	}
}

// onStarted takes up what an earlier life knew.
func (c *catalogue) onStarted() {
	known, err := c.env.Catalogue.Listings(c.integration)
	if err != nil {
		c.env.Log.Warn("cannot read the last listings", logError, err)
		return
	}
	c.known = known
	c.rename()
}

func (c *catalogue) onTargetResolved(ctx actor.Context, m messages.TargetResolved) {
	c.account[m.Target.String()] = ctx.Sender()
	c.rename()
}

func (c *catalogue) onGather(ctx actor.Context, m messages.GatherCatalogue) {
	c.request++
	g := &gathering{GatherCatalogue: m, asker: ctx.Sender(), waiting: map[string]*actor.PID{}}
	c.gathers[c.request] = g
	for _, t := range c.targets {
		g.waiting[t.Id] = t
	}
	c.ask(ctx, c.request, g)
	c.scope.after(askTargetsAgain, gatherAgain{c.request})
	if !m.By.IsZero() {
		c.scope.after(time.Until(m.By)+targetGrace, gatherDue{c.request})
	}
}

func (c *catalogue) ask(ctx actor.Context, request uint64, g *gathering) {
	for _, t := range g.waiting {
		ctx.Request(t, messages.ListTarget{Request: request, MaxAge: g.MaxAge, By: g.By, Priority: g.Priority})
	}
}

func (c *catalogue) onGatherAgain(ctx actor.Context, m gatherAgain) {
	if g := c.gathers[m.request]; g != nil {
		c.ask(ctx, m.request, g)
		c.scope.after(askTargetsAgain, m)
	}
}

// onGatherDue gives up on targets that did not even say how far they are.
func (c *catalogue) onGatherDue(ctx actor.Context, m gatherDue) {
	if g := c.gathers[m.request]; g != nil {
		for range g.waiting {
			g.listings = append(g.listings, messages.TargetListing{Failure: "a target did not answer in time"})
		}
		clear(g.waiting)
		c.finish(ctx, m.request, g)
	}
}

func (c *catalogue) onTargetListing(ctx actor.Context, m messages.TargetListing) {
	if m.Complete {
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

// answering is the waiting target that a listing comes from: the target itself, or its discoverer below it.
func (c *catalogue) answering(g *gathering, sender *actor.PID) string {
	for id, t := range g.waiting {
		if sender.Equal(t) || isDescendant(sender, t) {
			return id
		}
	}
	return ""
}

// keep remembers a complete listing, if it says anything new.
func (c *catalogue) keep(m messages.TargetListing) {
	apis := make([]store.RememberedAPI, len(m.Entries))
	for i, e := range m.Entries {
		apis[i] = store.RememberedAPI{ID: e.ID(m.Target).String(), Name: e.API.Name}
	}
	target := m.Target.String()
	if old, known := c.known[target]; known && slices.Equal(old, apis) {
		return
	}
	c.known[target] = apis
	c.rename()
	env, integration := c.env, c.integration
	pipe(c.scope, func(context.Context) (struct{}, error) {
		return struct{}{}, env.Catalogue.SaveListing(integration, target, apis)
	}, func(_ struct{}, err error) any { return listingKept{target: target, err: err} })
}

// rename judges all names anew.
func (c *catalogue) rename() {
	var all []federation.Named
	complete := len(c.account) == len(c.targets)
	for target := range c.account {
		apis, known := c.known[target]
		complete = complete && known
		for _, a := range apis {
			if id, err := federation.ParseID(a.ID); err == nil {
				all = append(all, federation.Named{ID: id, Name: a.Name})
			}
		}
	}
	if complete {
		c.names = federation.NewNames(all)
	} else {
		c.names = federation.Names{}
	}
}

func (c *catalogue) finish(ctx actor.Context, request uint64, g *gathering) {
	delete(c.gathers, request)
	slices.SortFunc(g.listings, func(a, b messages.TargetListing) int {
		return slices.Compare([]string{a.Target.Account, a.Target.Region}, []string{b.Target.Account, b.Target.Region})
	})
	result := messages.Catalogue{Listings: g.listings, Complete: true}
	for _, l := range g.listings {
		result.Complete = result.Complete && l.Complete
		for _, e := range l.Entries {
			result.APIs = append(result.APIs, messages.NamedEntry{
				Target: l.Target, Entry: e, Name: c.names.Of(e.ID(l.Target), e.API.Name),
			})
		}
	}
	ctx.Request(g.asker, result)
}

// onExportAPI passes a request on to the target that it is for.
func (c *catalogue) onExportAPI(ctx actor.Context, m messages.ExportAPI) {
	target := c.account[m.Entries[0].Target.String()]
	if target == nil {
		for _, e := range m.Entries {
			ctx.Request(ctx.Sender(), messages.APIOmitted{ID: idOf(e), Why: "its account and region are not ready"})
		}
		return
	}
	ctx.Forward(target)
}

// onLocateAPI looks a bare REST API id up in the last complete listings.
func (c *catalogue) onLocateAPI(ctx actor.Context, m messages.LocateAPI) {
	found := map[string]federation.Target{}
	for target, apis := range c.known {
		for _, a := range apis {
			if id, err := federation.ParseID(a.ID); err == nil && id.RestAPI == m.RestAPI {
				found[target] = id.Target()
			}
		}
	}
	located := messages.APILocated{RestAPI: m.RestAPI}
	switch len(found) {
	case 1:
		for _, t := range found {
			located.Target = t
		}
	case 0:
		located.Failure = fmt.Sprintf("no listing has shown a REST API %s yet: discover or ingest first, then try again", m.RestAPI)
	default:
		located.Failure = fmt.Sprintf("REST API id %s is found in %d accounts and regions: ingest the API again, so that its id tells which is meant",
			m.RestAPI, len(found))
	}
	ctx.Respond(located)
}
