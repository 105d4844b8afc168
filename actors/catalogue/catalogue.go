// Package catalogue holds the actor that knows what all targets have, which merges and names it. It restarts together
// with the actors that wait for its answers.
package catalogue

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/federation"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
	"federation-agent/internal/survey"
	"federation-agent/internal/targets"
	"federation-agent/internal/words"
	"federation-agent/messages"
)

// targetGrace is how much later than a deadline the catalogue still waits for a target's answer.
const targetGrace = time.Second

// catalogue knows what all targets have: it asks them, merges their answers, and names the APIs so that no two bear the
// same name. Parent: integration.
type catalogue struct {
	life.Scoped
	env  *life.Env
	spec Spec

	book   book
	memory memory
	warned map[federation.Target]bool   // targets that the log has named as never listed
	unused map[string][]string          // what the log said last of each filter
	hidden map[federation.Target]string // what the log said last of what filters leave out

	asked  *uint64 // numbers the questions to targets, see Props
	asking map[uint64]question
}

// Spec is what a catalogue is made of.
type Spec struct {
	Integration string
	Targets     *targets.Directory[*actor.PID]
	Filter      federation.Filter
}

// gathering is one [messages.GatherAPIs] on its way.
type gathering struct {
	messages.GatherAPIs
	asker    *actor.PID
	waiting  int
	listings []messages.TargetListing
	off      []federation.Target
}

// question is a [messages.ListTarget] without an answer.
type question struct {
	gathering *gathering
	target    federation.Target
	only      []federation.ID
	// standby are the other roles of the account, in the order in which they take over.
	standby []targets.Row[*actor.PID]
}

// Props makes a catalogue. Its numbers outlive a restart: an answer to what was asked before may still wait in its
// mailbox, and must not answer what another target is asked now.
func Props(env *life.Env, spec Spec) *actor.Props {
	asked := new(uint64)
	return life.Props(env, life.Standing, func() actor.Actor {
		return &catalogue{
			env: env, spec: spec, book: newBook(), memory: newMemory(), warned: map[federation.Target]bool{}, asking: map[uint64]question{}, asked: asked,
			unused: map[string][]string{}, hidden: map[federation.Target]string{},
		}
	})
}

// What the catalogue tells itself.
type (
	gatherDue  struct{ gathering *gathering }
	waitedLong struct{ waits *waits }
	readDue    struct{}
	memoryRead struct {
		listings map[string][]store.RememberedAPI
		err      error
	}
	saveDue     struct{ target federation.Target }
	listingKept struct {
		target federation.Target
		err    error
	}
)

func (c *catalogue) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		c.read(memoryWithin)
	case readDue:
		c.read(memoryWithin)
	case memoryRead:
		c.onMemoryRead(ctx, m)
	case waitedLong:
		c.onWaitedLong(ctx, m)
	case messages.GatherAPIs:
		c.onGather(ctx, m)
	case messages.TargetListing:
		c.onTargetListing(ctx, m)
	case gatherDue:
		c.onGatherDue(ctx, m)
	case messages.LocateAPI:
		c.onLocateAPI(ctx, m)
	case listingKept:
		c.onListingKept(m)
	case saveDue:
		c.onSaveDue(m)
	default:
		life.Unexpected(c.env, ctx)
	}
}

func (c *catalogue) onGather(ctx actor.Context, m messages.GatherAPIs) {
	g := &gathering{GatherAPIs: m, asker: ctx.Sender()}
	wait := max(1, time.Until(m.By))
	if m.By.IsZero() {
		wait = 0
	}
	c.remembering(ctx, wait, func(ctx actor.Context) { c.gather(ctx, g) }, func(ctx actor.Context) { c.withhold(ctx, g) })
}

// seats are the accounts and regions that a question is about, each with the roles that may list it.
func (c *catalogue) seats(only []federation.ID, all bool) (of [][]targets.Row[*actor.PID]) {
	for _, seat := range c.spec.Targets.Seats(time.Now()) {
		if all || slices.ContainsFunc(only, func(id federation.ID) bool { return seat[0].MayBe(id.Target()) }) {
			of = append(of, seat)
		}
	}
	return of
}

func (c *catalogue) gather(ctx actor.Context, g *gathering) {
	only, all := onlyOf(g.Only)
	only = c.book.staged(only)
	for _, seat := range c.seats(only, all) {
		g.waiting++
		c.ask(ctx, seat, question{gathering: g, only: only})
	}
	switch {
	case g.waiting == 0:
		c.finish(ctx, g)
	case !g.By.IsZero():
		c.Scope.After(time.Until(g.By)+targetGrace, gatherDue{g})
	}
}

// ask puts a question to the first of an account's roles.
func (c *catalogue) ask(ctx actor.Context, seat []targets.Row[*actor.PID], q question) {
	*c.asked++
	q.target, q.standby = seat[0].ID(), seat[1:]
	c.asking[*c.asked] = q
	ctx.Request(seat[0].Target, messages.ListTarget{
		Request: *c.asked, MaxAge: q.gathering.MaxAge, Again: q.gathering.Again, Kept: q.gathering.Kept,
		By: q.gathering.By, Priority: q.gathering.Priority, Only: q.only, Domains: q.gathering.Domains,
	})
}

// onlyOf reads the ids of the APIs that matter. A bare REST API id may be anywhere, so then all do, and none is named.
func onlyOf(ids []string) (only []federation.ID, all bool) {
	only = make([]federation.ID, 0, len(ids)) // which may be 200,000
	for _, text := range ids {
		ref, err := federation.ParseRef(text)
		switch {
		case err != nil: // no API of ours; the caller is told that it is missing
		case ref.Bare():
			return nil, true
		default:
			only = append(only, ref.ID)
		}
	}
	return only, len(ids) == 0
}

// onGatherDue stops waiting for targets that have not even reported their progress.
func (c *catalogue) onGatherDue(ctx actor.Context, m gatherDue) {
	for request, q := range c.asking {
		if q.gathering == m.gathering {
			c.answered(ctx, request, messages.TargetListing{Target: q.target, Failure: "it did not answer in time"})
		}
	}
}

func (c *catalogue) onTargetListing(ctx actor.Context, m messages.TargetListing) {
	if m.Complete && !m.Narrow && c.memory.known { // else it is the answer to a question of an earlier incarnation
		c.show(m)
		c.keep(m)
	}
	c.answered(ctx, m.Request, m)
}

// answered takes the answer to a question; a second one is too late. Where AWS refuses a role, the next one of its
// account is asked.
func (c *catalogue) answered(ctx actor.Context, request uint64, m messages.TargetListing) {
	q, open := c.asking[request]
	if !open {
		return
	}
	delete(c.asking, request)
	if m.Refused && !m.Off && len(q.standby) > 0 {
		c.env.Lasting.Warn("AWS refuses a role; another one of its account takes over", life.LogTarget, m.Target,
			life.LogRole, q.standby[0].Role, life.LogReason, m.Failure)
		c.ask(ctx, q.standby, q)
		return
	}
	g := q.gathering
	if m.Off {
		g.off = append(g.off, m.Target)
	} else {
		g.listings = append(g.listings, m)
	}
	g.waiting--
	if g.waiting == 0 {
		c.finish(ctx, g)
	}
}

// show notes what a complete listing found.
func (c *catalogue) show(m messages.TargetListing) {
	place := status.Place{Account: m.Target.Account, Region: m.Target.Region}
	apis := map[string]bool{}
	gone := c.book.gone(m.Target, m.Entries)
	for _, e := range m.Entries {
		if id := e.ID(m.Target); !gone[id] {
			apis[id.RestAPI] = true
		}
	}
	c.env.Board.Listed(c.spec.Integration, place, len(apis), len(m.Entries)-len(gone), m.StartedAt)
}

// keep remembers a complete listing, if it says anything new.
func (c *catalogue) keep(m messages.TargetListing) {
	apis, gone := c.book.unlisted(m), c.book.gone(m.Target, m.Entries)
	for _, n := range federation.NamedOf(m.Target, m.Entries) {
		apis = append(apis, store.RememberedAPI{ID: n.ID.String(), Name: n.Name, Gone: gone[n.ID]})
	}
	if c.book.keep(m.Target, apis) {
		c.save(m.Target)
	}
}

// names are judged for the targets that are configured. What belongs to none of them any more is forgotten.
func (c *catalogue) names() federation.Names {
	for _, target := range c.book.judge(c.configured()) {
		c.save(target)
	}
	return c.book.names
}

func (c *catalogue) configured() (all []federation.Target) {
	for _, t := range c.spec.Targets.Rows() {
		all = append(all, t.ID())
	}
	return all
}

func (c *catalogue) finish(ctx actor.Context, g *gathering) {
	if c.knowsAll(g) {
		c.answer(ctx, g)
		return
	}
	c.again(ctx, func(ctx actor.Context) { c.answer(ctx, g) })
}

// answer names what a gathering has found, and gives it.
func (c *catalogue) answer(ctx actor.Context, g *gathering) {
	names := c.names()
	slices.SortFunc(g.listings, func(a, b messages.TargetListing) int {
		return slices.Compare([]string{a.Target.Account, a.Target.Region}, []string{b.Target.Account, b.Target.Region})
	})
	result := messages.GatheredAPIs{Listings: g.listings, Complete: true, Off: g.off}
	whole := map[federation.Target]bool{}
	var all []federation.NamedEntry
	gone := map[federation.ID]bool{}
	seen := map[federation.ID]bool{} // two roles of one account see the same APIs
	for _, l := range g.listings {
		c.warnUnlisted(l)
		result.Complete = result.Complete && l.Complete && len(l.Unlisted) == 0
		whole[l.Target] = whole[l.Target] || l.Complete
		if l.Failure != "" {
			result.Failures = append(result.Failures, l.Target.String()+": "+l.Failure)
		}
		for _, e := range l.Entries {
			if id := e.ID(l.Target); !seen[id] {
				seen[id] = true
				name := names.Of(id, e.API.Name)
				all = append(all, federation.NamedEntry{Target: l.Target, Entry: e, Name: name, Names: names})
			}
		}
		maps.Copy(gone, c.book.gone(l.Target, l.Entries))
	}
	for _, e := range all {
		if !gone[e.ID()] {
			result.APIs = append(result.APIs, e)
		}
		if whole[e.Target] {
			result.Whole = append(result.Whole, e)
		}
	}
	if len(g.Only) == 0 {
		c.nameFiltered(g.listings)
	}
	if result.Complete && len(g.Only) == 0 {
		c.warnUnused(result)
	}
	ctx.Request(g.asker, result)
}

// warnUnlisted tells of a target, beside others, that cannot be listed and never was: once it can be, APIs may be
// renamed. It says so once, as the listing's own failure is told each time.
func (c *catalogue) warnUnlisted(l messages.TargetListing) {
	if l.Failure == "" || len(c.spec.Targets.Rows()) < 2 || c.warned[l.Target] || c.book.everListed(l.Target) {
		return
	}
	c.warned[l.Target] = true
	c.env.Lasting.Info("a target was never listed: once it is, APIs of other targets that have the same names as its APIs "+
		"get their region or so in brackets at their next ingest",
		life.LogTarget, l.Target, life.LogReason, l.Failure)
}

// nameFiltered names what filters leave out of complete listings, once: what APIM has of it stays as it is.
func (c *catalogue) nameFiltered(listings []messages.TargetListing) {
	if len(c.spec.Filter.All()) == 0 {
		return
	}
	for _, l := range listings {
		var named []string
		for _, o := range federation.LeftOuts(l.APIs, l.Plans, l.Asked, c.spec.Filter) {
			if o.Why.OfFilter() {
				named = append(named, strings.TrimSpace(o.Name+" ("+o.RestAPI+") "+o.Stage))
			}
		}
		said, before := fmt.Sprint(len(named), named[:min(len(named), words.Many)]), c.hidden[l.Target]
		if !l.Complete || said == before {
			continue
		}
		c.hidden[l.Target] = said
		if len(named) > 0 || before != "" {
			c.env.Log.Info("filters leave out what AWS has; what APIM has of it stays, and its subscriptions can be ended",
				life.LogTarget, l.Target, life.LogOmitted, len(named), life.LogExamples, words.Few(named, words.Some, ", "))
		}
	}
}

// warnUnused names the entries of filters that do nothing: with others that do, a misspelt one would go unnoticed. It
// says so once.
func (c *catalogue) warnUnused(m messages.GatheredAPIs) {
	listings := make([]survey.Listing, len(m.Listings))
	for n, l := range m.Listings {
		listings[n] = survey.Listing{Target: l.Target, Complete: l.Complete, APIs: l.APIs, Plans: l.Plans, Asked: l.Asked}
	}
	_, vain := survey.Filters(c.spec.Filter, m.APIs, listings)
	stages, others, before := "", []status.UnusedFilter{}, c.unused
	c.unused = map[string][]string{}
	for _, u := range vain {
		text, key := "a filter has entries that do nothing: correct the spelling and restart; what an entry includes must pass the "+
			"other filters, too, and be in a usage plan", life.LogEntries
		if u.Setting == federation.StageFilter {
			stages = u.String()
			text, key = "the stage filter (configuration.0_stage, 1_stage …) names stages without any federated API: "+
				"correct its spelling (upper and lower case count) and restart, or put the stages into a usage plan",
				life.LogStages
		} else {
			others = append(others, status.UnusedFilter{Setting: u.Setting, Entries: u.String()})
		}
		if !slices.Equal(u.Names, before[u.Setting]) {
			c.env.Log.Warn(text, life.LogSetting, u.Setting, key, u.Names,
				life.LogDidYouMean, words.Few(u.Meant, words.Many, ", "),
				life.LogKnown, words.Few(u.Known, words.Many, ", "))
		}
		c.unused[u.Setting] = u.Names
	}
	c.env.Board.UnusedFilters(c.spec.Integration, stages, others...)
}

// onLocateAPI looks a bare REST API id up in the last complete listings.
func (c *catalogue) onLocateAPI(ctx actor.Context, m messages.LocateAPI) {
	asker := ctx.Sender()
	answer := func(ctx actor.Context, target federation.Target, err error) {
		located := messages.APILocated{RestAPI: m.RestAPI, Target: target}
		if err != nil {
			located.Failure = err.Error()
		}
		ctx.Request(asker, located)
	}
	locate := func() (federation.Target, error) {
		c.names() // which also forgets what is not configured any more
		return federation.NewKnown(c.book.ids).Target(federation.Ref{RestAPI: m.RestAPI})
	}
	c.remembering(ctx, memoryWithin, func(ctx actor.Context) {
		target, err := locate()
		if err == nil {
			answer(ctx, target, nil)
			return
		}
		c.again(ctx, func(ctx actor.Context) { // another process may have listed it
			target, err := locate()
			answer(ctx, target, err)
		})
	}, func(ctx actor.Context) { answer(ctx, federation.Target{}, c.memory.unread()) })
}
