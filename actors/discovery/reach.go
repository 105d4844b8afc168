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
	// reachMargin is how long before its deadline a document that waits is given up: its caller, which answers at that
	// deadline, must know by then that a target is missing.
	reachMargin = time.Second
)

// maxReturns is how often a document waits for AWS to answer. If its call fails once more, though AWS has answered in
// between, it is not AWS that is out of reach: that one export fails. A throttle is never one export's fault, so it
// waits on.
const maxReturns = 1

// reach says whether AWS can be used for the target. Its zero value is that it can, as far as is known.
//
//	state        | begins when                                 | what follows
//	-------------|---------------------------------------------|------------------------------------------------------
//	in reach     | the start; a probe is answered; nothing     | each call is made
//	             | waits any more; the time is over            |
//	in doubt     | an export, or the listing of stages for     | exports wait, each until reachMargin before its own
//	             | one, fails as others would ([isOfMany])     | deadline; a probe goes out at once
//	out of reach | that probe, too, fails                      | exports wait, as before, for gateway.OutOfReachFor
//	             |                                             | at most; a probe goes out again and again; a listing
//	             |                                             | without a deadline fails at once; log and status say so
//
// Keys are not held back: each call of theirs is tried until its own deadline.
type reach struct {
	since time.Time // zero in reach
	out   bool
	why   gateway.Omission
	err   error // that why explains
}

// doubtful says that exports wait.
func (r reach) doubtful() bool { return !r.since.IsZero() }

// isOfMany says that a failure is one that other calls would meet as well.
func isOfMany(err error) bool {
	class := apigateway.Classify(err)
	return class.OfTarget() || class.Passes()
}

// What the discoverer tells itself of AWS's reach.
type (
	probeDue struct{}
	probed   struct{ err error }
)

// doubt has AWS asked whether it answers at all.
func (d *discoverer) doubt(err error) {
	d.reach.why, d.reach.err = apigateway.OmissionOf(err), err
	if !d.reach.doubtful() {
		d.reach.since = time.Now()
		d.Scope.Tell(probeDue{})
	}
}

// believe takes AWS to be in reach, and has it asked for everything that waits.
func (d *discoverer) believe(ctx actor.Context) {
	if d.reach.out {
		d.show(d.env.Board.OutOfReach, "")
	}
	d.reach = reach{}
	d.prepare(ctx)
}

// show notes on the board what AWS cannot do, or, with an empty text, that it can again.
func (d *discoverer) show(note func(string, status.Place, string, time.Time), why string) {
	note(d.spec.Integration, status.Place{Account: d.spec.Target.Account, Region: d.spec.Target.Region}, why, d.env.Now())
}

// onProbeDue asks AWS whether it answers, as long as documents wait for that.
func (d *discoverer) onProbeDue(ctx actor.Context) {
	if gone := d.exports.Idle() || time.Since(d.reach.since) >= gateway.OutOfReachFor; gone && d.reach.out {
		d.show(d.env.Board.ListingEnded, d.reach.why.Why) // nobody asks any more, and the last answer was none
	}
	switch {
	case d.exports.Idle():
		d.believe(ctx)
	case time.Since(d.reach.since) >= gateway.OutOfReachFor:
		for _, task := range d.exports.TakeAll() {
			ctx.Request(task.Asker, messages.APIOmitted{ID: task.ID(), Omission: d.reach.why, OfTarget: true})
		}
		life.LogFailure(d.env.Lasting, d.reach.err, "AWS stayed out of reach; the documents that waited for it are given up: "+
			d.reach.why.Why, life.LogTarget, d.spec.Target)
		d.believe(ctx)
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
	switch {
	case d.isOff(m.err):
		d.leaveAllOut(ctx, m.err)
		return
	case m.err != nil && apigateway.Classify(m.err) == gateway.NoPermit:
		d.Scope.After(probeEvery, probeDue{}) // AWS was not asked: the quota pauses, as after a throttle
		return
	case m.err == nil || !isOfMany(m.err):
		if d.reach.out {
			d.env.Log.Info("AWS is in reach again; documents are asked for", life.LogTarget, d.spec.Target,
				life.LogTook, time.Since(d.reach.since).Round(time.Second))
		}
		d.believe(ctx)
		return
	}
	d.reach.why, d.reach.err = apigateway.OmissionOf(m.err), m.err
	if !d.reach.out {
		d.reach.out = true
		life.LogFailure(d.env.Lasting, m.err, "AWS is out of reach for this target; its documents wait until it answers "+
			"again: "+d.reach.why.Why, life.LogTarget, d.spec.Target)
		d.show(d.env.Board.OutOfReach, d.reach.why.Why)
	}
	d.Scope.After(probeEvery, probeDue{})
}

// hold has a document wait that cannot be had now, for a reason that others would meet as well.
func (d *discoverer) hold(ctx actor.Context, task exports.Task[*actor.PID], err error) {
	if d.isOff(err) {
		d.exports.Return(task)
		d.leaveAllOut(ctx, err)
		return
	}
	class := apigateway.Classify(err)
	if task.Returned >= maxReturns && class != gateway.Throttled {
		ctx.Request(task.Asker, messages.APIOmitted{
			ID: task.ID(), Omission: apigateway.OmissionOf(err), OfTarget: class.OfTarget() && class != gateway.Unreachable,
		})
		return
	}
	d.doubt(err)
	d.exports.Return(task)
	if !task.By.IsZero() {
		d.Scope.After(time.Until(task.By)-reachMargin+time.Millisecond, exportsDue{})
	}
}

// leaveAllOut answers for all that waits, as the region has been switched off.
func (d *discoverer) leaveAllOut(ctx actor.Context, err error) {
	ctx.Send(ctx.Parent(), ListingEnded{err})
	for _, task := range d.exports.TakeAll() {
		d.leaveOut(ctx, task, gateway.RegionOff.Reason(), WhyOff)
	}
	d.believe(ctx)
}
