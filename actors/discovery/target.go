package discovery

import (
	"context"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/aws/aws-sdk-go-v2/aws"

	"federation-agent/actors/life"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/status"
	"federation-agent/messages"
)

const (
	// resolveWithin bounds how long finding credentials and account may take.
	resolveWithin = 30 * time.Second
	// resolveFloor and resolveCap bound the delay until a target that could not be reached is tried again.
	resolveFloor = 5 * time.Second
	resolveCap   = 5 * time.Minute
	// resolveStale is how old a failure may be to be given as an answer: after that a command tries again.
	resolveStale = 5 * time.Second
)

// target is one account in one region, with one integration's credentials: it finds out which account it
// is, opens the account's quota, and has a discoverer and a writer. Parent: integration.
//
// Its states: resolving -> ready, or resolving -> failed -> resolving …; a target that fails never stops
// the others.
type target struct {
	life.Scoped
	actor.Behavior
	env     *life.Env
	spec    TargetSpec
	account string

	client     aws.Config
	resolved   bool // account and client are known
	discoverer *actor.PID
	writer     *actor.PID
	queue      []queuedMessage
	failure    string
	failedAt   time.Time
	failures   int
	// again is the one timer that makes it resolve anew.
	again *time.Timer
}

// TargetSpec is what a target is made of.
type TargetSpec struct {
	Integration string
	Region      string
	RoleARN     string
	// account is known from the role's ARN, else empty.
	Account string
	// fallbackAccount is configured for where STS cannot be reached.
	FallbackAccount string
	Credentials     *CredentialsSource
	Permits         func(quota *actor.PID, target federation.Target) apigateway.Permits
	Agent           *actor.PID
	Discoverer      func(federation.Target, apigateway.Client) *actor.Props
	Writer          func(federation.Target, apigateway.Client) *actor.Props
}

type queuedMessage struct {
	message any
	sender  *actor.PID
}

func TargetProps(env *life.Env, spec TargetSpec) *actor.Props {
	return life.Props(env, life.Standing, func() actor.Actor {
		t := &target{Behavior: actor.NewBehavior(), env: env, spec: spec, account: spec.Account}
		t.Become(t.resolving)
		return t
	})
}

// What the target tells itself.
type (
	targetResolved struct {
		account string
		config  aws.Config
		err     error
	}
	resolveAgain struct{}
)

// Receive implements actor.Actor: the behaviour does.
func (t *target) Receive(ctx actor.Context) { t.Behavior.Receive(ctx) }

// resolving: finding credentials, account and quota; what comes meanwhile waits.
func (t *target) resolving(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		t.resolve()
	case targetResolved:
		t.onResolved(ctx, m)
	case messages.QuotaOpened:
		t.onQuotaOpened(ctx)
	case messages.ListTarget, messages.ExportAPI, messages.Subscribe, messages.Unsubscribe, messages.Abandoned, messages.AnswerFate:
		t.queue = append(t.queue, queuedMessage{message: m, sender: ctx.Sender()})
	case messages.Drain:
		ctx.Request(ctx.Sender(), messages.Drained{}) // Respond would name no sender
	case messages.TellAccount:
		// All are told once it is known.
	case resolveAgain:
		t.resolve()
	default:
		life.Unexpected(t.env, ctx)
	}
}

// failed: AWS cannot be used with these credentials in this region, for now.
func (t *target) failed(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case resolveAgain:
		t.Become(t.resolving)
		t.resolve()
	case messages.ListTarget, messages.ExportAPI, messages.Subscribe, messages.Unsubscribe:
		if time.Since(t.failedAt) < resolveStale {
			t.refuse(ctx, queuedMessage{message: m, sender: ctx.Sender()})
			return
		}
		t.queue = append(t.queue, queuedMessage{message: m, sender: ctx.Sender()})
		t.Become(t.resolving)
		t.resolve()
	case messages.AnswerFate:
		t.queue = append(t.queue, queuedMessage{message: m, sender: ctx.Sender()})
	case messages.Drain:
		ctx.Request(ctx.Sender(), messages.Drained{}) // Respond would name no sender
	case messages.Abandoned:
		// Its command was refused, or was lost with the incarnation before.
	case messages.TellAccount:
		// All are told once it is known.
	default:
		life.Unexpected(t.env, ctx)
	}
}

// ready: the children serve.
func (t *target) ready(ctx actor.Context) {
	t.dispatch(ctx, queuedMessage{message: ctx.Message(), sender: ctx.Sender()})
}

func (t *target) dispatch(ctx actor.Context, q queuedMessage) {
	switch m := q.message.(type) {
	case messages.ListTarget, messages.ExportAPI:
		ctx.RequestWithCustomSender(t.discoverer, m, q.sender)
	case messages.Subscribe:
		t.toWriter(ctx, m, m.APIID, q.sender)
	case messages.Unsubscribe:
		t.toWriter(ctx, m, m.APIID, q.sender)
	case messages.Abandoned, messages.AnswerFate, messages.Drain:
		ctx.RequestWithCustomSender(t.writer, m, q.sender)
	case messages.TellAccount:
		ctx.Request(q.sender, messages.TargetResolved{Target: t.target()})
	case resolveAgain, messages.QuotaOpened:
		// Of an attempt that was overtaken.
	default:
		life.Unexpected(t.env, ctx)
	}
}

// toWriter passes a command on, if it is for this account: one that came while the account was unknown
// may not be.
func (t *target) toWriter(ctx actor.Context, c messages.Command, apiID string, sender *actor.PID) {
	if id, err := federation.ParseRef(apiID); err == nil && !id.Bare() && id.ID.Target() != t.target() {
		ctx.Request(sender, messages.Answer{CommandRef: c.Ref(), Reply: messages.Refused{Reason: fmt.Sprintf(
			"API %s is of account %s, and the configured credentials are of account %s", apiID, id.ID.Account, t.account)}})
		return
	}
	ctx.RequestWithCustomSender(t.writer, c, sender)
}

func (t *target) target() federation.Target {
	return federation.Target{Account: t.account, Region: t.spec.Region}
}

// resolve finds credentials and account, off the actor's own goroutine: files are read and STS is asked.
func (t *target) resolve() {
	spec, env := t.spec, t.env
	t.show(status.Resolving)
	t.resolveAfter(2 * resolveWithin) // should the quota's answer get lost, the whole is tried again
	life.Pipe(t.Scope, func(ctx context.Context) (targetResolved, error) {
		ctx, cancel := context.WithTimeout(ctx, resolveWithin)
		defer cancel()
		credentials, err := spec.Credentials.get(ctx)
		if err != nil {
			return targetResolved{}, err
		}
		r := targetResolved{account: spec.Account, config: credentials.Config(spec.Region, spec.RoleARN)}
		if r.account != "" {
			return r, nil
		}
		r.account, err = spec.Credentials.account(ctx, spec.Region, spec.RoleARN)
		// Any other error says something of the credentials, which the configured account must not hide.
		if apigateway.Classify(err) == gateway.Unreachable && spec.FallbackAccount != "" {
			env.Log.Warn("cannot ask STS for the account; taking the configured one",
				life.LogRegion, spec.Region, life.LogAccount, spec.FallbackAccount, life.LogError, err)
			r.account, err = spec.FallbackAccount, nil
		}
		return r, err
	}, func(r targetResolved, err error) any {
		r.err = err
		return r
	})
}

// resolveAfter replaces the timer: of two that ran side by side each would start two more.
func (t *target) resolveAfter(d time.Duration) {
	if t.again != nil {
		t.again.Stop()
	}
	t.again = t.Scope.After(d, resolveAgain{})
}

func (t *target) onResolved(ctx actor.Context, m targetResolved) {
	if m.err != nil {
		t.onFailed(ctx, m.err)
		return
	}
	t.failures = 0
	t.account, t.client, t.resolved = m.account, m.config, true
	ctx.Request(t.spec.Agent, messages.OpenQuota{Account: t.account, Region: t.spec.Region})
}

func (t *target) onFailed(ctx actor.Context, err error) {
	t.failure, t.failedAt = apigateway.Explain(err), time.Now()
	delay := life.Backoff(t.failures, resolveFloor, resolveCap, t.env.Jitter())
	t.failures++
	t.env.Log.Error("AWS cannot be used in this region: "+t.failure,
		life.LogRegion, t.spec.Region, life.LogRole, t.spec.RoleARN, life.LogError, err, life.LogDelay, delay.Round(time.Second))
	t.Become(t.failed)
	t.show(status.Failed)
	for _, q := range t.takeQueue() {
		t.refuse(ctx, q)
	}
	t.resolveAfter(delay)
}

// onQuotaOpened completes the target: the sender is the account's quota.
func (t *target) onQuotaOpened(ctx actor.Context) {
	if !t.resolved {
		return // asked for by an incarnation that panicked; this one asks for its own
	}
	client := apigateway.NewClient(t.client, apigateway.Options{Permits: t.spec.Permits(ctx.Sender(), t.target()), Jitter: t.env.Jitter})
	t.discoverer = ctx.SpawnPrefix(t.spec.Discoverer(t.target(), client), "discoverer-")
	t.writer = ctx.SpawnPrefix(t.spec.Writer(t.target(), client), "writer-")
	t.again.Stop()
	t.Become(t.ready)
	t.show(status.Ready)
	ctx.Request(ctx.Parent(), messages.TargetResolved{Target: t.target()})
	t.env.Log.Info("AWS account and region are known; their APIs are listed by the next discovery or ingest", life.LogTarget, t.target())
	for _, q := range t.takeQueue() {
		t.dispatch(ctx, q)
	}
}

func (t *target) takeQueue() []queuedMessage {
	queue := t.queue
	t.queue = nil
	return queue
}

// show notes how the target stands. While it is tried again after a failure, the failure still stands.
func (t *target) show(state status.TargetState) {
	shown := status.Target{Region: t.spec.Region, Role: t.spec.RoleARN, Account: t.account, State: state, Since: t.env.Now()}
	if state != status.Ready {
		shown.Failure = t.failure
	}
	t.env.Board.Target(t.spec.Integration, shown)
}

// refuse answers what cannot be served, each in its own kind.
func (t *target) refuse(ctx actor.Context, q queuedMessage) {
	switch m := q.message.(type) {
	case messages.ListTarget:
		ctx.Request(q.sender, messages.TargetListing{Request: m.Request, Target: t.target(), Failure: t.failure})
	case messages.ExportAPI:
		for _, e := range m.Entries {
			ctx.Request(q.sender, messages.APIOmitted{ID: e.ID(), Why: t.failure})
		}
	case messages.AnswerFate:
		t.queue = append(t.queue, q) // the writer, when there is one, must know
	case messages.Command:
		ctx.Request(q.sender, messages.Answer{CommandRef: m.Ref(), Reply: messages.Refused{Reason: t.failure}})
	}
}
