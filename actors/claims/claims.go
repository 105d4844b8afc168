// Package claims holds the plan-loss guard: what the ingest jobs of an integration do about plans that AWS does not
// list any more. What a claim is, and when it is confirmed, stands in [federation.Claim.Judge].
package claims

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/store"
	"federation-agent/internal/words"
	"federation-agent/messages"
)

// claims knows which plans AWS was seen without, and tells ingest jobs which APIs they must leave out: those of
// unconfirmed claims. It has AWS listed once more after [federation.SecondLook], so that the first ingest after that
// finds each claim confirmed, or withdrawn. Parent: integration. It restarts together with the jobs.
type claims struct {
	life.Scoped
	env  *life.Env
	spec Spec
	made map[federation.ID]federation.Claim
	// known says that the claims from before a restart were taken up.
	known bool
	look  *time.Timer // when unconfirmed claims are judged once more
}

// Spec is what the claims of an integration are made of.
type Spec struct {
	Integration string
	Catalogue   *actor.PID
	// Accept says that the operator accepts each loss that was named before.
	Accept bool
}

// Props makes the "claims" actor of an integration.
func Props(env *life.Env, spec Spec) *actor.Props {
	return life.Props(env, life.Standing, func() actor.Actor {
		return &claims{env: env, spec: spec, made: map[federation.ID]federation.Claim{}}
	})
}

// shownClaims is how many claims log and status name. The number of all of them is said.
const shownClaims = 5

// recallWithin is how long the journal is asked what was sent, before whoever waits for that is told that it cannot be
// read.
const recallWithin = 15 * time.Second

// recallEvery is the time between two tries of that.
const recallEvery = time.Second

// What the actor tells itself.
type (
	// secondLook: a claim is old enough to be confirmed.
	secondLook struct{}
	claimsKept struct{ err error }
	// keysCounted: so many subscriptions have keys in the journal.
	keysCounted struct {
		known int
		err   error
	}
	// recalled: the journal has told what was sent, or why it cannot.
	recalled struct {
		sent store.Sent
		err  error
		then func(actor.Context, store.Sent, error)
	}
)

func (c *claims) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		c.onStarted()
	case messages.JudgeLosses:
		c.onJudgeLosses(m, ctx.Sender())
	case messages.PlansSent:
		c.onPlansSent()
	case secondLook:
		c.onSecondLook(ctx)
	case messages.GatheredAPIs:
		c.onSecondListing(m)
	case recalled:
		c.onRecalled(ctx, m)
	case keysCounted:
		c.onKeysCounted(m)
	case claimsKept:
		if m.err != nil {
			c.env.Log.Warn("cannot write down which plans AWS was seen without", life.LogError, m.err)
		}
	default:
		life.Unexpected(c.env, ctx)
	}
}

// recall asks the journal what was sent, and goes on with that. It may be a table far away, so not in the actor's turn.
func (c *claims) recall(by time.Time, then func(actor.Context, store.Sent, error)) {
	env, integration, within := c.env, c.spec.Integration, recallWithin
	if !by.IsZero() {
		within = min(within, time.Until(by))
	}
	life.Pipe(c.Scope, func(ctx context.Context) (sent store.Sent, err error) {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		for {
			if sent, err = env.Ingests.Sent(ctx, integration); err == nil {
				return sent, nil
			}
			select {
			case <-ctx.Done():
				return sent, err
			case <-time.After(recallEvery):
			}
		}
	}, func(sent store.Sent, err error) any { return recalled{sent: sent, err: err, then: then} })
}

// onRecalled takes up the claims from before a restart, if that is still to be done, before it goes on. Their time begins
// again: nobody looked meanwhile.
func (c *claims) onRecalled(ctx actor.Context, m recalled) {
	if m.err == nil && !c.known {
		c.known = true
		for text, lost := range m.sent.Claims {
			if id, err := federation.ParseID(text); err == nil {
				c.made[id] = federation.Claim{Lost: lost, Since: time.Now()}
			}
		}
		c.showClaims()
		c.lookAgain()
	}
	m.then(ctx, m.sent, m.err)
}

func (c *claims) onStarted() {
	c.showClaims()
	c.recall(time.Time{}, func(_ actor.Context, sent store.Sent, err error) {
		switch {
		case err != nil:
			c.env.Lasting.Warn("cannot read which plans were sent; the first ingest tries again", life.LogError, err)
		case len(sent.Plans) == 0 && c.env.Keys != nil: // a look has no keys, and says so itself
			c.sayThatNoneIsRemembered()
		}
	})
}

// sayThatNoneIsRemembered tells the normal first start from memory that was lost: who has keys has had an ingest.
func (c *claims) sayThatNoneIsRemembered() {
	env, integration := c.env, c.spec.Integration
	life.Pipe(c.Scope, func(ctx context.Context) ([]store.Entry, error) {
		return env.Keys.Entries(ctx, store.Filter{Integration: integration}, false)
	}, func(known []store.Entry, err error) any { return keysCounted{len(known), err} })
}

func (c *claims) onKeysCounted(m keysCounted) {
	switch {
	case m.err != nil: // the keeper says so
	case m.known > 0:
		c.env.Log.Warn("no earlier ingest is remembered, though API keys are: until a full ingest has ended, " +
			"a loss of plans in AWS goes unnoticed")
	case c.env.Member != nil:
		c.env.Log.Info("no earlier ingest is remembered, which is normal before the first one has ended. If one has, " +
			"agent.store.table names another table than then")
	default:
		c.env.Log.Info("no earlier ingest is remembered, which is normal before the first one has ended. If one has, " +
			"the directory agent.store.path was not kept: mount a volume there")
	}
}

// onJudgeLosses answers with what must not be sent.
func (c *claims) onJudgeLosses(m messages.JudgeLosses, asker *actor.PID) {
	c.recall(m.By, func(ctx actor.Context, sent store.Sent, err error) {
		if !m.Kept && err == nil {
			c.judge(m.Catalogue, sent)
		}
		ctx.Send(asker, messages.LossesJudged{
			Catalogue: m.Catalogue, Unconfirmed: c.unconfirmed(), Plans: sent.Plans, Taken: sent.Taken,
			At: sent.At, Unread: err,
		})
	})
}

// judge has the claims judged by listings that have come.
func (c *claims) judge(m messages.GatheredAPIs, sent store.Sent) {
	begun := map[federation.Target]time.Time{}
	for _, l := range m.Listings {
		if l.Complete {
			begun[l.Target] = l.StartedAt
		}
	}
	wait := federation.SecondLook
	if c.spec.Accept {
		wait = 0
	}
	before := maps.Clone(c.made)
	c.dropAbsent(m, func(l messages.TargetListing, _ federation.Claim) bool { return !l.Narrow })
	for _, api := range m.Whole {
		id := api.ID()
		plans := make([]string, len(api.Plans))
		for n, plan := range api.Plans {
			plans[n] = plan.ID
		}
		c.take(id, c.made[id].Judge(sent.Plans[id.String()], plans, begun[id.Target()], time.Now(), wait))
	}
	c.keepClaims(before)
}

// unconfirmed are the APIs that must not be sent.
func (c *claims) unconfirmed() map[federation.ID]bool {
	unconfirmed := map[federation.ID]bool{}
	for id, claim := range c.made {
		if !claim.Confirmed {
			unconfirmed[id] = true
		}
	}
	return unconfirmed
}

// onPlansSent ends the claims that an ingest has carried out: APIM does not have these plans any more.
func (c *claims) onPlansSent() {
	if len(c.made) == 0 {
		return // as nearly always: what was sent need not be read
	}
	c.recall(time.Time{}, func(_ actor.Context, sent store.Sent, err error) {
		if err != nil {
			return // the next listing is judged by what is there then
		}
		before := maps.Clone(c.made)
		maps.DeleteFunc(c.made, func(id federation.ID, claim federation.Claim) bool {
			return claim.Confirmed && !slices.ContainsFunc(claim.Lost, func(plan string) bool {
				return slices.Contains(sent.Plans[id.String()], plan)
			})
		})
		c.keepClaims(before)
	})
}

func (c *claims) take(id federation.ID, claim federation.Claim) {
	if len(claim.Lost) == 0 {
		delete(c.made, id)
		return
	}
	c.made[id] = claim
}

// keepClaims says what has changed, and writes it down.
func (c *claims) keepClaims(before map[federation.ID]federation.Claim) {
	made, confirmed := map[federation.ID]federation.Claim{}, map[federation.ID]federation.Claim{}
	ended := maps.Clone(before)
	for id, claim := range c.made {
		delete(ended, id)
		switch old := before[id]; {
		case !claim.Confirmed && !slices.Equal(old.Lost, claim.Lost):
			made[id] = claim
		case claim.Confirmed && !old.Confirmed:
			confirmed[id] = claim
		}
	}
	if len(made)+len(confirmed)+len(ended) == 0 {
		return
	}
	c.say(slog.LevelWarn, "AWS does not list plans any more; the APIs are left out, and what APIM has of them stays, until a second "+
		"listing in five minutes shows the same", made)
	c.say(slog.LevelError, "a second listing confirms that plans are gone in AWS; the next ingest of their APIs deletes them in APIM, "+
		"with their subscriptions", confirmed)
	c.say(slog.LevelInfo, "plans that AWS did not list are there again, or their APIs are gone, or an ingest has deleted them in APIM",
		ended)
	lost := map[string][]string{}
	for id, claim := range c.made {
		lost[id.String()] = claim.Lost
	}
	env, integration := c.env, c.spec.Integration
	life.Do(c.Scope, func(ctx context.Context) error { return env.Ingests.SaveClaims(ctx, integration, lost) },
		func(err error) any { return claimsKept{err} })
	c.showClaims()
	c.lookAgain()
}

func (c *claims) say(level slog.Level, what string, claims map[federation.ID]federation.Claim) {
	if len(claims) > 0 {
		c.env.Log.Log(context.Background(), level, what, life.LogAPIs, len(claims),
			life.LogReason, strings.Join(inWords(claims), "; "))
	}
}

func (c *claims) showClaims() { c.env.Board.Guard(c.spec.Integration, inWords(c.made)) }

// inWords names the first few claims, and says how many there are.
func inWords(made map[federation.ID]federation.Claim) []string {
	texts := make([]string, 0, shownClaims+1)
	for _, id := range slices.SortedFunc(maps.Keys(made), federation.CompareIDs) {
		if len(texts) == shownClaims {
			return append(texts, fmt.Sprintf("and %d APIs more", len(made)-shownClaims))
		}
		state := "not confirmed yet"
		if made[id].Confirmed {
			state = "confirmed"
		}
		texts = append(texts, fmt.Sprintf("%s without plan %s (%s)", id, words.Few(made[id].Lost, words.Many, ", "), state))
	}
	return texts
}

// lookAgain has unconfirmed claims judged by a second listing, in time.
func (c *claims) lookAgain() {
	if c.look != nil {
		c.look.Stop()
	}
	for _, claim := range c.made {
		if !claim.Confirmed {
			c.look = c.Scope.After(federation.SecondLook+time.Second, secondLook{})
			return
		}
	}
}

// onSecondLook has the targets of unconfirmed claims listed once more, with the least priority.
func (c *claims) onSecondLook(ctx actor.Context) {
	var ids []string
	for id, claim := range c.made {
		if !claim.Confirmed {
			ids = append(ids, id.String())
		}
	}
	if len(ids) > 0 {
		ctx.Request(c.spec.Catalogue, messages.GatherAPIs{
			Only: ids, By: time.Now().Add(federation.SecondLook), Priority: gateway.PriorityRefresh,
		})
	}
}

// onSecondListing judges the claims that are left. An API that a whole listing does not have would not be sent, and
// loses nothing. Where no listing came, AWS is asked again later.
func (c *claims) onSecondListing(m messages.GatheredAPIs) {
	before := maps.Clone(c.made)
	c.dropAbsent(m, func(_ messages.TargetListing, claim federation.Claim) bool { return !claim.Confirmed })
	c.keepClaims(before)
	c.recall(time.Time{}, func(_ actor.Context, sent store.Sent, err error) {
		if err == nil {
			c.judge(m, sent)
		}
		c.lookAgain()
	})
}

// dropAbsent ends the claims of APIs that whole listings do not have, though they were asked for: a filter leaves them
// out, or AWS has deleted them.
func (c *claims) dropAbsent(m messages.GatheredAPIs, asked func(messages.TargetListing, federation.Claim) bool) {
	listed := map[federation.Target]messages.TargetListing{}
	for _, l := range m.Listings {
		listed[l.Target] = l
	}
	there := map[federation.ID]bool{}
	for _, e := range m.Whole {
		there[e.ID()] = true
	}
	maps.DeleteFunc(c.made, func(id federation.ID, claim federation.Claim) bool {
		l := listed[id.Target()]
		return l.Complete && !there[id] && asked(l, claim)
	})
}
