package discovery

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/exports"
	"federation-agent/internal/gateway"
	"federation-agent/internal/status"
	"federation-agent/messages"
)

const (
	// probeEvery is how often an AWS that is out of reach is asked whether it answers again, while documents wait for
	// it. Together with probeWithin it is the most by which an outage delays an ingest beyond its own length.
	probeEvery = 4 * time.Second
	// probeWithin is how long that question may take. AWS answers it in 50 to 150 ms.
	probeWithin = 5 * time.Second
)

// maxReturns is how often a document waits for AWS. If its call fails once more, though AWS has answered in between, it is
// not AWS that is out of reach: that one export never answers.
const maxReturns = 2

// reach says whether AWS can be used for the target. Its zero value is that it can, as far as is known.
//
//	state        | begins when                                 | what follows
//	-------------|---------------------------------------------|------------------------------------------------------
//	in reach     | the start; a probe is answered; nothing     | each call is made
//	             | waits any more; the time is over            |
//	out of reach | an export, or the listing of stages for     | exports wait, each until its own deadline, and at
//	             | one, fails for a reason of the target's     | most gateway.OutOfReachFor; a probe asks again and
//	             | (gateway.Class.OfTarget)                    | again; a listing without a deadline fails at once
//
// Keys are not held back: each call of theirs is tried until its own deadline.
type reach struct {
	since time.Time // zero in reach
	why   string
}

func (r reach) out() bool { return !r.since.IsZero() }

// What the discoverer tells itself of AWS's reach.
type (
	probeDue struct{}
	probed   struct{ err error }
)

// leaveReach notes that AWS is out of reach, and why.
func (d *discoverer) leaveReach(err error) {
	d.reach.why = apigateway.Explain(err)
	if d.reach.out() {
		return
	}
	d.reach.since = time.Now()
	d.env.Log.Warn("AWS is out of reach for this target; its documents wait until it answers again: "+d.reach.why,
		life.LogTarget, d.spec.Target, life.LogError, err)
	d.showReach()
	d.Scope.After(probeEvery, probeDue{})
}

// comeBack has AWS asked for everything again that waits.
func (d *discoverer) comeBack(ctx actor.Context) {
	d.env.Log.Info("AWS is asked for documents again", life.LogTarget, d.spec.Target,
		life.LogTook, time.Since(d.reach.since).Round(time.Second))
	d.reach = reach{}
	d.showReach()
	d.prepare(ctx)
}

func (d *discoverer) showReach() {
	place := status.Place{Account: d.spec.Target.Account, Region: d.spec.Target.Region}
	d.env.Board.OutOfReach(d.spec.Integration, place, d.reach.why, d.env.Now())
}

// onProbeDue asks AWS whether it answers, as long as documents wait for that.
func (d *discoverer) onProbeDue(ctx actor.Context) {
	switch {
	case d.exports.Idle():
		d.comeBack(ctx)
	case time.Since(d.reach.since) >= gateway.OutOfReachFor:
		for _, task := range d.exports.TakeAll() {
			ctx.Request(task.Asker, messages.APIOmitted{ID: task.ID(), Why: d.reach.why, OfTarget: true})
		}
		d.env.Log.Error("AWS stayed out of reach; the documents that waited for it are given up: "+d.reach.why,
			life.LogTarget, d.spec.Target)
		d.comeBack(ctx)
	default:
		client := d.spec.Client
		life.Do(d.Scope, func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(apigateway.WithPriority(ctx, gateway.PriorityIngest), probeWithin)
			defer cancel()
			return apigateway.Probe(ctx, client)
		}, func(err error) any { return probed{err} })
	}
}

func (d *discoverer) onProbed(ctx actor.Context, m probed) {
	if m.err != nil && apigateway.Classify(m.err).OfTarget() {
		d.leaveReach(m.err)
		d.Scope.After(probeEvery, probeDue{})
		return
	}
	d.comeBack(ctx)
}

// hold has a document wait that cannot be had now for a reason of the target's.
func (d *discoverer) hold(ctx actor.Context, task exports.Task[*actor.PID], err error) {
	if task.Returned == maxReturns {
		ctx.Request(task.Asker, messages.APIOmitted{ID: task.ID(), Why: apigateway.Explain(err)})
		return
	}
	d.leaveReach(err)
	d.exports.Return(task)
	if !task.By.IsZero() {
		d.Scope.After(time.Until(task.By)+time.Millisecond, exportsDue{})
	}
}
