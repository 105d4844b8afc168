// Package target holds the actors that find out how AWS can be used: a target for each account and region, and the
// identity that finds their account. They restart together with the actors that wait for their answers.
package target

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/discovery"
	"federation-agent/actors/keys"
	"federation-agent/actors/life"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/status"
	"federation-agent/internal/targets"
	"federation-agent/messages"
)

const (
	// resolveOverdue is when a target that has not heard of its account and quota begins again: an answer was lost.
	resolveOverdue = 2 * identifyWithin
	// resolveFloor and resolveCap bound the delay until a target that could not be reached is tried again.
	resolveFloor = 5 * time.Second
	resolveCap   = 5 * time.Minute
	// triedAgain is how long a region that is off is left alone.
	triedAgain = 24 * time.Hour
	// tryWithin bounds the try of a region that may be off.
	tryWithin = 30 * time.Second
	// resolveStale is how old a failure may be to be given as an answer: after that a command tries again.
	resolveStale = 5 * time.Second
)

// target is one account in one region, with one integration's credentials: it finds out which account it is, opens the
// account's quota and the writer of its keys, has a discoverer, and writes its row of the directory. Parent:
// integration.
//
// Its states: resolving -> ready, or resolving -> failed -> resolving …; a target that fails never stops the others. Of
// two roles of one account both are ready, and the directory says which of them serves. One whose region is optional may
// also be off: resolving -> off, for a day.
type target struct {
	life.Scoped
	actor.Behavior
	env  *life.Env
	spec Spec
	row  targets.Row[*actor.PID] // as the directory has it

	identity   identified // of this incarnation, once it is known
	client     apigateway.Client
	discoverer *actor.PID
	queue      []*actor.MessageEnvelope // what waits until the target is ready
	failure    gateway.Omission
	cause      string // of the failure, in AWS's words
	class      gateway.Class
	offBy      error // what said that the region is off
	failedAt   time.Time
	failures   int
	again      *time.Timer // the one timer that makes it resolve once more
}

// Spec is what a target is made of.
type Spec struct {
	Integration string
	// Row is the target's number in Directory.
	Row       int
	Directory *targets.Directory[*actor.PID]
	// FallbackAccount is configured for where STS cannot be reached.
	FallbackAccount string
	// Identity tells the account, Agent opens its quota, Keys the writer of its keys.
	Identity, Agent, Keys *actor.PID
	Permits               func(quota *actor.PID, target federation.Target) apigateway.Permits
	Discoverer            func(row targets.Row[*actor.PID], c apigateway.Client) *actor.Props
}

// Props makes a target.
func Props(env *life.Env, spec Spec) *actor.Props {
	return life.Props(env, life.Standing, func() actor.Actor {
		t := &target{Behavior: actor.NewBehavior(), env: env, spec: spec, row: spec.Directory.Row(spec.Row)}
		t.Become(t.resolving)
		return t
	})
}

// resolveAgain is what the target tells itself, takeOver what another one of its account tells it that does not serve.
type (
	resolveAgain struct{}
	takeOver     struct{}
	// allOff is what the first of a role's regions is told, when the last of them is found to be off.
	allOff struct{}
	// regionTried is the end of a try.
	regionTried struct {
		client apigateway.Client
		err    error
	}
)

// Receive implements actor.Actor: the behaviour does.
func (t *target) Receive(ctx actor.Context) { t.Behavior.Receive(ctx) }

// resolving: finding credentials, account and quota; what comes meanwhile waits.
func (t *target) resolving(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		t.row.Ready = false // its children ended with the incarnation before
		t.resolve(ctx)
	case identified:
		t.onIdentified(ctx, m)
	case messages.QuotaOpened:
		t.onQuotaOpened(ctx, m)
	case regionTried:
		t.onRegionTried(ctx, m)
	case keys.Opened:
		t.onKeysOpened(ctx, m)
	case messages.ListTarget, messages.ExportAPI, messages.Subscribe, messages.Unsubscribe, messages.Abandoned, keys.Reach:
		t.queue = append(t.queue, &actor.MessageEnvelope{Message: m, Sender: ctx.Sender()})
	case resolveAgain:
		t.resolve(ctx)
	case discovery.ListingEnded, takeOver, allOff: // of the incarnation before
	default:
		life.Unexpected(t.env, ctx)
	}
}

// failed: AWS cannot be used with these credentials in this region, for now.
func (t *target) failed(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case resolveAgain:
		t.Become(t.resolving)
		t.resolve(ctx)
	case messages.ListTarget, messages.ExportAPI, messages.Subscribe, messages.Unsubscribe:
		if list, is := m.(messages.ListTarget); is && list.Kept || time.Since(t.failedAt) < resolveStale {
			t.refuse(ctx, m, ctx.Sender())
			return
		}
		t.queue = append(t.queue, &actor.MessageEnvelope{Message: m, Sender: ctx.Sender()})
		t.Become(t.resolving)
		t.resolve(ctx)
	case keys.Reach: // comes again
	case messages.Abandoned, takeOver, allOff:
		// Its command was refused, or was lost with the incarnation before. Another one may take over.
	default:
		life.Unexpected(t.env, ctx)
	}
}

// off: the region is off for the account, and nobody has named it. Nothing is asked.
func (t *target) off(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case resolveAgain:
		t.Become(t.resolving)
		t.resolve(ctx)
	case messages.ListTarget, messages.ExportAPI, messages.Subscribe, messages.Unsubscribe:
		t.refuse(ctx, m, ctx.Sender())
	case allOff:
		t.onAllOff(ctx)
	case messages.Abandoned, takeOver, keys.Reach, discovery.ListingEnded, regionTried, keys.Opened, identified,
		messages.QuotaOpened:
		// Of before, or for another one.
	default:
		life.Unexpected(t.env, ctx)
	}
}

// ready: the discoverer serves; a command that comes here was sent before the directory named the actor that serves it.
func (t *target) ready(ctx actor.Context) {
	t.dispatch(ctx, ctx.Message(), ctx.Sender())
}

func (t *target) dispatch(ctx actor.Context, message any, sender *actor.PID) {
	switch m := message.(type) {
	case messages.ListTarget, messages.ExportAPI:
		ctx.RequestWithCustomSender(t.discoverer, m, sender)
	case messages.Subscribe:
		t.toWriter(ctx, m, m.APIID, sender)
	case messages.Unsubscribe:
		t.toWriter(ctx, m, m.APIID, sender)
	case messages.Abandoned:
		ctx.RequestWithCustomSender(t.row.Writer, m, sender)
	case keys.Reach:
		ctx.Request(t.spec.Agent, messages.OpenQuota{Account: t.row.Account, Region: m.Region})
	case messages.QuotaOpened: // for a region that is not configured any more
		ctx.Request(t.spec.Keys, keys.Open{Target: federation.Target(m), Client: t.newClient(ctx, m)})
	case discovery.ListingEnded:
		t.onListingEnded(ctx, m)
	case takeOver:
		ctx.Request(t.spec.Keys, keys.Open{Target: t.row.ID(), Client: t.client})
	case resolveAgain, identified, regionTried, keys.Opened, allOff:
		// Of an attempt that was overtaken.
	default:
		life.Unexpected(t.env, ctx)
	}
}

// toWriter passes a command on, if it is for this account: one that came while the account was unknown may not be.
func (t *target) toWriter(ctx actor.Context, c messages.Command, apiID string, sender *actor.PID) {
	if id, err := federation.ParseRef(apiID); err == nil && !id.Bare() && id.ID.Target() != t.row.ID() {
		ctx.Request(sender, messages.Answer{CommandRef: c.Ref(), Reply: messages.Refused{Reason: fmt.Sprintf(
			"API %s is of account %s, and the configured credentials are of account %s", apiID, id.ID.Account, t.row.Account)}})
		return
	}
	ctx.RequestWithCustomSender(t.row.Writer, c, sender)
}

func (t *target) resolve(ctx actor.Context) {
	t.show(status.Resolving)
	t.resolveAfter(resolveOverdue)
	ctx.Request(t.spec.Identity, identify{
		region: t.row.Region, role: t.row.Role, account: t.row.Account, optional: t.row.Optional,
	})
}

// resolveAfter replaces the timer: of two that ran side by side each would start two more.
func (t *target) resolveAfter(d time.Duration) {
	if t.again != nil {
		t.again.Stop()
	}
	t.again = t.Scope.After(d, resolveAgain{})
}

func (t *target) onIdentified(ctx actor.Context, m identified) {
	// Any other error says something of the credentials, which the configured account must not hide.
	if apigateway.Classify(m.err) == gateway.Unreachable && t.spec.FallbackAccount != "" && m.credentials != nil {
		life.LogFailure(t.env.Lasting, m.err, "cannot ask STS for the account; taking the configured one",
			life.LogTarget, federation.Target{Account: t.spec.FallbackAccount, Region: t.row.Region})
		m.account, m.err = t.spec.FallbackAccount, nil
	}
	if m.err != nil {
		t.onFailed(ctx, m.err)
		return
	}
	t.row.FailedAt = time.Time{}
	t.identity, t.row.Account = m, m.account
	t.spec.Directory.Set(t.spec.Row, t.row)
	if m.regions != nil && !slices.Contains(m.regions, t.row.Region) && t.row.Optional {
		t.onOff(ctx, errOff)
		return
	}
	ctx.Request(t.spec.Agent, messages.OpenQuota{Account: t.row.Account, Region: t.row.Region})
}

func (t *target) onFailed(ctx actor.Context, err error) {
	t.failure, t.cause, t.failedAt = apigateway.OmissionOf(err), err.Error(), time.Now()
	t.class, t.row.FailedAt = apigateway.Classify(err), t.failedAt
	delay := life.Backoff(t.failures, resolveFloor, resolveCap, t.env.Jitter())
	t.failures++
	where := append(life.Where(t.row.ID(), t.row.Role), life.LogDelay, delay.Round(time.Second))
	life.LogFailure(t.env.Lasting, err, "AWS cannot be used: "+t.failure.Why, where...)
	t.Become(t.failed)
	t.show(status.Failed)
	for _, q := range t.queue {
		t.refuse(ctx, q.Message, q.Sender)
	}
	t.queue = nil
	t.resolveAfter(delay)
}

// onQuotaOpened goes on to the writer: the sender is the account's quota.
func (t *target) onQuotaOpened(ctx actor.Context, m messages.QuotaOpened) {
	if t.identity.credentials == nil || m.Region != t.row.Region {
		return // asked for by an incarnation that panicked; this one asks for its own
	}
	client := t.newClient(ctx, m)
	if !t.row.Optional || t.identity.regions != nil || t.standsBy() {
		t.onRegionTried(ctx, regionTried{client: client})
		return
	}
	life.Do(t.Scope, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(apigateway.WithPriority(ctx, gateway.PriorityPreview), tryWithin)
		defer cancel()
		return apigateway.Try(ctx, client)
	}, func(err error) any { return regionTried{client: client, err: err} })
}

// standsBy says that another role of the account serves, so that this one is not tried.
func (t *target) standsBy() bool {
	first, found := t.spec.Directory.First(t.row.ID())
	return found && first.Role != t.row.Role && first.FailedAt.IsZero()
}

// onRegionTried goes on to the writer, unless the region is off. Whatever else AWS has said, the listings will say.
func (t *target) onRegionTried(ctx actor.Context, m regionTried) {
	if apigateway.Classify(m.err) == gateway.RegionOff {
		t.onOff(ctx, m.err)
		return
	}
	t.client = m.client
	ctx.Request(t.spec.Keys, keys.Open{Target: t.row.ID(), Client: t.client})
}

var errOff = errors.New("AWS does not list it among the enabled regions")

// onAllOff makes a fault of it that AWS knows the credentials in no region at all: that of the home region, which is
// tried again and again.
func (t *target) onAllOff(ctx actor.Context) {
	t.row.Off = false
	t.onFailed(ctx, t.offBy)
}

// onOff leaves the region alone for a day.
func (t *target) onOff(ctx actor.Context, err error) {
	t.row.Off, t.row.Ready = true, false
	t.spec.Directory.Set(t.spec.Row, t.row)
	t.offBy = err
	if home, all := t.spec.Directory.AllOff(t.spec.Row); all && home.Region == t.row.Region {
		t.onAllOff(ctx)
		return
	} else if all {
		ctx.Send(home.Target, allOff{})
	}
	t.failure = gateway.Omission{Reason: gateway.RegionOff.Reason(), Why: discovery.WhyOff}
	t.class, t.cause = gateway.RegionOff, err.Error()
	t.Become(t.off)
	t.show(status.Off)
	ctx.Send(t.spec.Identity, tried{place: place{t.row.Role, t.row.Region}})
	for _, q := range t.queue {
		t.refuse(ctx, q.Message, q.Sender)
	}
	t.queue = nil
	t.resolveAfter(triedAgain)
}

func (t *target) newClient(ctx actor.Context, m messages.QuotaOpened) apigateway.Client {
	id := federation.Target(m)
	return apigateway.NewClient(t.identity.credentials.Config(id.Region, t.row.Role),
		apigateway.Options{Permits: t.spec.Permits(ctx.Sender(), id), Jitter: t.env.Jitter})
}

// onKeysOpened completes the target: the sender is the writer.
func (t *target) onKeysOpened(ctx actor.Context, m keys.Opened) {
	if t.client == nil || m.Target != t.row.ID() {
		return // opened for an incarnation that panicked, or for keys of another region
	}
	id := t.row.ID()
	if t.discoverer != nil { // of the time before the region was off
		ctx.Stop(t.discoverer)
	}
	t.discoverer = ctx.SpawnPrefix(t.spec.Discoverer(t.row, t.client), "discoverer-")
	t.row.Writer, t.row.Ready, t.row.Off = ctx.Sender(), true, false
	t.again.Stop()
	t.Become(t.ready)
	t.show(status.Ready)
	t.env.Often.Info("AWS account and region are known; their APIs are listed by the next preview or ingest",
		life.LogTarget, id)
	for _, q := range t.queue {
		t.dispatch(ctx, q.Message, q.Sender)
	}
	t.queue = nil
	t.handOver(ctx)
	if t.row.Optional {
		ctx.Send(t.spec.Identity, tried{place: place{t.row.Role, t.row.Region}, on: true})
		t.wake(ctx)
	}
	t.failures = 0
}

// wake has the regions tried again that were off while this one failed because all of them were.
func (t *target) wake(ctx actor.Context) {
	for _, row := range t.spec.Directory.Rows() {
		if t.failures > 0 && t.class == gateway.RegionOff && row.Off && row.Role == t.row.Role {
			ctx.Send(row.Target, resolveAgain{})
		}
	}
}

// onListingEnded notes whether AWS answers this role, where another one of the account could serve instead. Keys are made
// with the role that was answered last.
func (t *target) onListingEnded(ctx actor.Context, m discovery.ListingEnded) {
	class := apigateway.Classify(m.Err)
	switch {
	case class == gateway.RegionUnavailable && t.row.Optional: // it was switched off
		t.onOff(ctx, m.Err)
	case !t.spec.Directory.Shared(t.spec.Row):
	case m.Err == nil:
		t.row.FailedAt = time.Time{}
		t.show(status.Ready)
		ctx.Request(t.spec.Keys, keys.Open{Target: t.row.ID(), Client: t.client})
	case class.NeedsSomebody():
		t.failure, t.row.FailedAt = apigateway.OmissionOf(m.Err), time.Now()
		t.show(status.Failed)
		t.handOver(ctx)
	}
}

// handOver has the keys made with another role, where that is the one of the account that serves.
func (t *target) handOver(ctx actor.Context) {
	if other, found := t.spec.Directory.Find(t.row.ID()); found && other.Role != t.row.Role {
		ctx.Send(other.Target, takeOver{})
	}
}

// show writes the target's row, and notes on the board how it stands. While it is tried again after a failure, the
// failure still stands.
func (t *target) show(state status.TargetState) {
	t.spec.Directory.Set(t.spec.Row, t.row)
	shown := status.Target{
		Region: t.row.Region, Role: t.row.Role, Account: t.row.Account, State: state, Since: t.env.Now(), Order: t.spec.Row,
	}
	if state != status.Ready {
		shown.Failure = t.failure.Why
	}
	t.env.Board.Target(t.spec.Integration, shown)
}

// refuse answers what cannot be served, each in its own kind.
func (t *target) refuse(ctx actor.Context, message any, sender *actor.PID) {
	switch m := message.(type) {
	case messages.ListTarget:
		ctx.Request(sender, messages.TargetListing{
			Request: m.Request, Target: t.row.ID(), Failure: t.failure.Why, Cause: t.cause,
			Away: t.class.Passes(), Refused: t.class.NeedsSomebody(), Off: t.row.Off,
		})
	case messages.ExportAPI:
		for _, d := range m.Documents {
			ctx.Request(sender, messages.APIOmitted{ID: d.ID(), Omission: t.failure, Unwanted: t.row.Off, OfTarget: !t.row.Off})
		}
	case messages.Command:
		ctx.Request(sender, messages.Answer{CommandRef: m.Ref(), Reply: messages.Refused{Reason: t.failure.Why}})
	}
}
