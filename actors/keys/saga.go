package keys

import (
	"context"
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/keys/held"
	"federation-agent/actors/life"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/federation"
	"federation-agent/internal/keys"
	"federation-agent/internal/secret"
	"federation-agent/internal/table"
	"federation-agent/messages"
)

const (
	// fateOverdue is how long an answer's fate may be unknown before the key counts as unconfirmed. The answer leaves
	// within 58 s of its command, or never, and the session tells its fate within its pong deadline.
	fateOverdue = 2 * time.Minute
	// fateLeaving is the same once the writer leaves: it is restarted only after that, and SUBSCRIBEs wait for it.
	fateLeaving = 20 * time.Second
)

// saga makes and deletes the API keys of one subscription, one task after the other. Each step is in the journal
// before it is taken, so whatever ends here, what is left to do can be read there. Parent: writer, which stops it
// once it has nothing to do.
//
// It is a worker and a leaf, so it may wait in Receive: for AWS, and for the fate of its answer. The actor library
// stops no actor in the middle of a Receive. So the saga waits for the answer to a CreateApiKey that is on its way and
// writes it down, whatever happens to its neighbours.
type saga struct {
	env  *life.Env
	spec sagaSpec
	// entry is what the journal has of the subscription.
	entry *held.Entry
	// unanswered is the record of the key that this saga makes, until it answers with it.
	unanswered string
	// answered is the record of the key that this saga answered with last.
	answered string
	// owes is what could not be written down, by the record's id. over: the subscription's end was answered, and the
	// journal does not know; ended is the key that APIM named then.
	owes  map[string]owed
	over  bool
	ended string
	// tries is how many tasks in a row left something to be tried again.
	tries int
	// again is after which time what this task could not delete, or write down, is to be tried again.
	again time.Duration
}

type sagaSpec struct {
	subscription keys.Subscription
	source
	// leaving ends with the writer's incarnation: no attempt at AWS is begun then. env.Life ends with the agent: what
	// is on its way then is cut off.
	leaving context.Context
}

// task is one thing to do. Its sender gets the answer. Writer -> saga.
type task struct {
	// command is a SUBSCRIBE or an UNSUBSCRIBE, order is an operator's. With neither, the saga settles what the journal
	// says is left to do.
	command messages.Command
	order   *Order
	// seek: the subscription's keys are looked for in AWS first. ask: APIM is asked first what became of them.
	seek, ask bool
	// wanted ends when the answer is not needed any more, and when the writer leaves.
	wanted context.Context
	// second: a SUBSCRIBE of the subscription was open when this task came.
	second bool
}

// asks reports whether somebody waits for the answer.
func (t task) asks() bool { return t.command != nil || t.order != nil }

// worked reports that a task is done. Saga -> writer.
type worked struct {
	subscription keys.Subscription
	// again is after which time it is to be settled again, as a key could not be deleted; zero if there is nothing left.
	again time.Duration
	// unsought: AWS did not say whether the keys are there; untold: APIM did not say what became of them.
	unsought, untold bool
}

func sagaProps(env *life.Env, spec sagaSpec) *actor.Props {
	return life.Props(env, life.Worker, func() actor.Actor {
		return &saga{env: env, spec: spec, entry: held.New(env, spec.subscription), owes: map[string]owed{}}
	})
}

func (s *saga) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case task:
		s.onTask(ctx, m)
	default:
		life.Unexpected(s.env, ctx)
	}
}

func (s *saga) onTask(ctx actor.Context, m task) {
	s.again = 0
	unsought, untold := false, false
	switch {
	case m.order != nil:
		s.obey(ctx, *m.order)
	case m.seek:
		unsought = s.seek() != nil
	case m.ask:
		untold = s.ask() != nil
	}
	switch c := m.command.(type) {
	case messages.Subscribe:
		s.subscribe(ctx, m, c)
	case messages.Unsubscribe:
		s.unsubscribe(ctx, m, c)
	default:
		s.settle() // also what an order or a look left to do
	}
	if s.over || len(s.owes) > 0 {
		s.again = max(s.again, life.Backoff(s.tries, retryFloor, owedCap, s.env.Jitter()))
	}
	if s.again == 0 {
		s.tries = 0
	} else {
		s.tries++
	}
	ctx.Request(ctx.Parent(), worked{
		subscription: s.spec.subscription, again: s.again, unsought: unsought, untold: untold,
	})
}

func (s *saga) subscribe(ctx actor.Context, m task, c messages.Subscribe) {
	record, value, err := s.make(ctx, m, c)
	if err != nil {
		about := []any{life.LogTarget, s.target(), life.LogSubscription, s.spec.subscription.ID, life.LogReason, refusal(err)}
		if held.Elsewhere(err) {
			s.env.Log.Info("no API key was made", about...)
		} else {
			life.LogFailure(s.env.Often, err, "no API key was made", about...)
		}
		s.refuse(ctx, c, err)
		return
	}
	s.env.Log.Info("an API key was made", life.LogTarget, s.target(),
		life.LogSubscription, s.spec.subscription.ID, life.LogKey, record.KeyID)
	s.conclude(record, s.answer(ctx, m, record, value))
}

func (s *saga) unsubscribe(ctx actor.Context, m task, c messages.Unsubscribe) {
	if err := s.remove(m, c); err != nil {
		life.LogFailure(s.env.Often, err, "an API key was not deleted: it still opens its API, and nobody tries again. Mend "+
			"the reason, then end the subscription again in APIM", life.LogTarget, s.target(), life.LogSubscription,
			s.spec.subscription.ID, life.LogReason, refusal(err))
		s.refuse(ctx, c, err)
		return
	}
	ctx.Request(ctx.Sender(), messages.Answer{CommandRef: c.CommandRef, Reply: messages.Unsubscribed{}})
}

// answer answers a SUBSCRIBE with its key, and waits for what becomes of that answer.
func (s *saga) answer(ctx actor.Context, m task, record keys.Record, value secret.String) messages.Delivery {
	fate, pid, deaf := life.Listen(ctx.ActorSystem())
	defer deaf()
	ref := federation.KeyRef{Target: s.target(), UsagePlanID: record.UsagePlanID, KeyID: record.KeyID}
	ctx.RequestWithCustomSender(ctx.Sender(), messages.Answer{CommandRef: m.command.Ref(), Reply: messages.Subscribed{
		SubscriptionID: s.spec.subscription.ID, APIKey: value, Metadata: ref.Metadata(),
	}}, pid)
	select {
	case heard := <-fate:
		return deliveryOf(heard)
	case <-m.wanted.Done():
		if s.spec.leaving.Err() == nil {
			return messages.NeverSent // the router has answered for this saga, and passes no second answer on
		}
	case <-time.After(fateOverdue):
		return messages.Unproved
	}
	select { // the writer leaves, and waits for the end of this saga; the fate is told all the same
	case heard := <-fate:
		return deliveryOf(heard)
	case <-s.env.Life.Done():
	case <-time.After(fateLeaving):
	}
	return messages.Unproved
}

func deliveryOf(heard any) messages.Delivery {
	if fate, told := heard.(messages.AnswerFate); told {
		return fate.Delivery
	}
	return messages.NeverSent // a dead letter: no actor took the answer
}

// conclude does what follows from an answer's fate, for the key and for the subscription's older ones.
func (s *saga) conclude(record keys.Record, fate messages.Delivery) {
	if fate == messages.NeverSent {
		s.undo(&record, "its answer never left", time.Time{})
		return
	}
	s.answered, s.unanswered = record.ID, ""
	if fate == messages.Delivered {
		s.owes[record.ID] = owed{read: true}
	}
	s.settle()
}

// settle writes down what only this saga knows, and does what the journal says is left to do, unless another process is at
// it. A process that is not known to live does only the former: the journal's table may have been restored since (see
// tablestore), and says what was true long ago. A sweep does it later.
func (s *saga) settle() {
	_, err := s.entry.Read()
	s.pay(err)
	if s.entry.Stands() != nil {
		return
	}
	if err == nil {
		var free bool
		if free, err = s.entry.Free(); err == nil && !free {
			return
		}
	}
	if err != nil {
		s.env.Lasting.Error("cannot see what is left to do for a subscription", life.LogTarget, s.target(),
			life.LogSubscription, s.spec.subscription.ID, life.LogError, err)
		return
	}
	for _, step := range keys.Decide(s.entry.Records()) {
		if _, unpaid := s.owes[step.Record.ID]; unpaid {
			continue
		}
		switch step.Action {
		case keys.Forget:
			s.forget(step.Record)
		case keys.Delete:
			s.undo(&step.Record, step.Reason, time.Time{})
		case keys.ListUnconfirmed:
			s.listUnconfirmed(&step.Record, step.Reason)
		case keys.ListLostCreate:
			s.listLostCreate(&step.Record, step.Reason)
		}
	}
}

func (s *saga) target() federation.Target {
	return federation.Target{Account: s.spec.subscription.Account, Region: s.spec.subscription.Region}
}

func (s *saga) refuse(ctx actor.Context, c messages.Command, err error) {
	ctx.Request(ctx.Sender(), messages.Answer{CommandRef: c.Ref(), Reply: messages.Refused{Reason: refusal(err)}})
}

// refusal is what APIM's users read of a failure.
func refusal(err error) string {
	if away := table.Away(err); away != nil {
		return away.Explain()
	}
	if call, ok := errors.AsType[*apigateway.Error](err); ok && !errors.Is(err, held.ErrJournal) {
		return call.Doing + ": " + apigateway.Explain(call)
	}
	return err.Error()
}
