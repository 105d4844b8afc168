// Package domains holds the actor that learns the custom domain names of a target, where agent.discovery.customDomains
// asks for that.
package domains

import (
	"context"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/discovery"
	"federation-agent/actors/life"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/status"
	"federation-agent/internal/words"
	"federation-agent/messages"
)

// resumeWithin is how old the first part of a reading may be for the rest to be added to it, as with listings.
const resumeWithin = 10 * time.Minute

// learner stands before the discoverer of a target and gives the listings that go through it their base URLs. Whatever
// is not about them it passes on. Parent: target.
//
//	listing that comes from the discoverer        | what follows
//	----------------------------------------------|-----------------------------------------------------------
//	not asked for with domains, as by a preview   | goes past the learner
//	not complete                                  | goes on at once, with what is known
//	complete, without an API                      | the same: there is nothing to give base URLs to
//	complete, what is known is younger than MaxAge| the same
//	complete, what is known is older              | waits until AWS has been asked once, or until its deadline
//
// AWS is asked as urgently as the first listing that waits. What fails for a passing reason goes on where it stopped
// with the next listing; what was known last stays in use meanwhile. What AWS refuses counts as known, so that it is not
// asked for again before MaxAge is over.
type learner struct {
	life.Scoped
	env        *life.Env
	spec       Spec
	discoverer *actor.PID

	asked  uint64 // numbers the questions to the discoverer
	askers map[uint64]asker
	held   []waiting

	known   *federation.BaseURLs
	domains []*gateway.Domain // of which known is made
	knownAt time.Time         // zero: AWS has not told anything yet
	calls   int               // that it cost
	told    string            // why not everything is known, as log and page say it

	reading *apigateway.Domains // nil: nothing is left over of one that failed
	begun   time.Time
	running bool
}

// Spec is what a learner is made of.
type Spec struct {
	Integration string
	Target      federation.Target
	Role        string // its ARN; empty for the agent's own identity
	Client      apigateway.Client
	// MaxAge is how old what is known may be to be used without asking AWS.
	MaxAge     time.Duration
	Discoverer *actor.Props
}

// asker is who has asked for a listing. Askers number their questions each for itself.
type asker struct {
	pid *actor.PID
	messages.ListTarget
}

// waiting is a complete listing that has no base URLs yet.
type waiting struct {
	asker
	listing messages.TargetListing
}

// Props makes a learner.
func Props(env *life.Env, spec Spec) *actor.Props {
	return life.Props(env, life.Part, func() actor.Actor {
		return &learner{
			env: env, spec: spec, askers: map[uint64]asker{}, known: federation.NewBaseURLs(nil, federation.NotListedYet),
		}
	})
}

// What the learner tells itself.
type (
	domainsRead struct{ err error }
	// waitedLong: the deadline of a listing has come, by the number of its question to the discoverer.
	waitedLong struct{ asked uint64 }
)

func (l *learner) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		l.discoverer = ctx.SpawnPrefix(l.spec.Discoverer, "discoverer-")
		l.show("") // an earlier one may have lacked a permission
	case messages.ListTarget:
		l.onListTarget(ctx, m)
	case messages.TargetListing:
		l.onTargetListing(ctx, m)
	case domainsRead:
		l.onDomainsRead(ctx, m)
	case waitedLong:
		l.onWaitedLong(ctx, m)
	case messages.ExportAPI:
		ctx.Forward(l.discoverer)
	case discovery.ListingEnded:
		ctx.Forward(ctx.Parent())
	case *actor.Terminated:
	default:
		life.Unexpected(l.env, ctx)
	}
}

func (l *learner) onListTarget(ctx actor.Context, m messages.ListTarget) {
	if !m.Domains {
		ctx.Forward(l.discoverer)
		return
	}
	l.asked++
	l.askers[l.asked] = asker{pid: ctx.Sender(), ListTarget: m}
	m.Request = l.asked
	ctx.Request(l.discoverer, m)
}

func (l *learner) onTargetListing(ctx actor.Context, m messages.TargetListing) {
	a, asked := l.askers[m.Request]
	if !asked {
		return
	}
	delete(l.askers, m.Request)
	isKnown := !l.knownAt.IsZero() && time.Since(l.knownAt) < l.spec.MaxAge
	if isKnown || !m.Complete || len(m.Entries) == 0 {
		l.give(ctx, a, m)
		return
	}
	l.held = append(l.held, waiting{a, m})
	if !a.By.IsZero() {
		l.Scope.After(time.Until(a.By), waitedLong{m.Request})
	}
	l.read(a.Priority)
}

// read asks AWS, unless it is being asked.
func (l *learner) read(priority gateway.Priority) {
	if l.running {
		return
	}
	l.running = true
	if l.reading == nil || time.Since(l.begun) > resumeWithin {
		l.reading, l.begun = apigateway.NewDomains(l.spec.Client, l.spec.Target.Account), time.Now()
	}
	reading := l.reading
	life.Do(l.Scope, func(ctx context.Context) error {
		return reading.Run(apigateway.WithPriority(ctx, priority))
	}, func(err error) any { return domainsRead{err} })
}

func (l *learner) onDomainsRead(ctx actor.Context, m domainsRead) {
	l.running = false
	if m.err != nil {
		life.LogFailure(l.env.Lasting, m.err, "custom domain names cannot be listed for now: "+apigateway.Explain(m.err)+
			" (what was known of them stays in use, and the next listing tries again)",
			life.Where(l.spec.Target, l.spec.Role)...)
	} else {
		l.learn()
	}
	held := l.held
	l.held = nil
	for _, w := range held {
		l.give(ctx, w.asker, w.listing)
	}
}

// learn takes what AWS has told.
func (l *learner) learn() {
	found, denied := l.reading.Found()
	l.calls, l.reading, l.knownAt = l.reading.Calls(), nil, time.Now()
	gap := ""
	var refusals []string
	if denied != nil {
		found, gap = l.domains, federation.NotAllowed
		refusals = append(refusals, apigateway.Explain(denied))
	}
	before := make(map[[2]string]*gateway.Domain, len(l.domains))
	for _, d := range l.domains {
		before[[2]string{d.Name, d.ID}] = d
	}
	l.domains = slices.Clone(found)
	for i, d := range found {
		if d.Gap == "" {
			continue
		}
		if !slices.Contains(refusals, d.Gap) {
			refusals = append(refusals, d.Gap)
		}
		if old := before[[2]string{d.Name, d.ID}]; old != nil {
			l.domains[i] = d.Completed(old)
		}
	}
	l.known = federation.NewBaseURLs(l.domains, gap)
	l.tell(words.Few(refusals, words.Some, "; "))
}

// tell says once why not everything is known.
func (l *learner) tell(why string) {
	switch why {
	case l.told:
		return
	case "":
		l.env.Log.Info("custom domain names can be listed now", life.Where(l.spec.Target, l.spec.Role)...)
	default:
		l.env.Lasting.Error("AWS does not list all custom domain names, so base URLs may be missing; all else goes on. "+
			"agent.discovery.customDomains needs an optional grant, which federation-agent policy prints",
			append(life.Where(l.spec.Target, l.spec.Role), life.LogReason, why)...)
	}
	l.told = why
	l.show(why)
}

func (l *learner) show(why string) {
	l.env.Board.DomainsUnknown(l.spec.Integration, status.Place{
		Account: l.spec.Target.Account, Region: l.spec.Target.Region,
	}, why)
}

// give answers with the base URLs that are known.
func (l *learner) give(ctx actor.Context, a asker, listing messages.TargetListing) {
	listing.Request, listing.DomainCalls, listing.DomainGap = a.Request, l.calls, l.told
	listing.Entries = l.known.Mark(listing.Entries)
	ctx.Request(a.pid, listing)
}

// onWaitedLong answers a caller that cannot wait any longer. AWS is still asked.
func (l *learner) onWaitedLong(ctx actor.Context, m waitedLong) {
	l.held = slices.DeleteFunc(l.held, func(w waiting) bool {
		if w.listing.Request != m.asked {
			return false
		}
		w.listing.DomainsPending = true
		l.give(ctx, w.asker, w.listing)
		return true
	})
}
