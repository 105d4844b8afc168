package keys

import (
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/keys/held"
	"federation-agent/actors/life"
	"federation-agent/actors/quota"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/keys"
	"federation-agent/internal/secret"
	"federation-agent/messages"
)

const (
	// createMargin is how long before a command's deadline the last CreateApiKey may start: attaching the key, or
	// deleting it again, needs time too.
	createMargin = 8 * time.Second
	// attachMargin is the same for CreateUsagePlanKey.
	attachMargin = 3 * time.Second
	// listingMargin is how long before a command's deadline its plan must be checked. Two lists take less than a second,
	// and 100 keys at a time, which AWS's own limit for CreateApiKey spreads over half a minute, need the rest.
	listingMargin = 40 * time.Second
)

// The making of a key, step by step.

// make makes a key and attaches it to its plan, ready to be answered. Whatever fails behind CreateApiKey, the key is
// deleted again before the error is returned, or its deletion is in the journal.
func (s *saga) make(
	ctx actor.Context, m task, c messages.Subscribe,
) (record keys.Record, value secret.String, err error) {
	if err := federation.CheckSubscription(c.Type, c.PlanID); err != nil {
		return record, value, err
	}
	turn := held.Turn{Wanted: m.wanted, AnswerBy: c.AnswerBy, Settle: s.settle, List: s.listUnconfirmed}
	if err := s.entry.Ready(&turn); err != nil {
		return record, value, err
	}
	if err := s.entry.Await(turn); err != nil {
		return record, value, err
	}
	if m.wanted.Err() != nil {
		return record, value, quota.ErrUnwanted
	}
	if m.second && s.entry.Has(s.answered) {
		return record, value, held.ErrAnswered
	}
	if err := s.check(ctx, m, c); err != nil {
		return record, value, err
	}
	record = s.spec.subscription.Record(s.env.NewID())
	record.APIID, record.UsagePlanID, record.CommandID = c.APIID, c.PlanID, c.ID
	record.KeyName = federation.KeyName(c.ApplicationName, c.SubscriptionID)
	s.unanswered = record.ID
	s.entry.Until(c.AnswerBy.Add(-createMargin))
	defer s.entry.Until(time.Time{})
	if err := s.entry.Begin(turn, &record); err != nil {
		return record, value, err
	}
	value, err = s.create(m, c, &record)
	if record.KeyID == "" {
		return record, value, s.notCreated(&record, err)
	}
	s.entry.Until(c.AnswerBy)
	if err == nil {
		err = s.attach(m, &record)
	}
	if err != nil {
		by := c.AnswerBy // the ERROR that follows must go out in time
		if m.wanted.Err() != nil {
			by = time.Time{}
		}
		s.undo(&record, err.Error(), by)
	}
	return record, value, err
}

// check asks whether a key of the plan would open the API now: since the ingest that told APIM so, a stage may have
// left its plan. SUBSCRIBEs at the same time share the listing. One that fails, or is not ready in time, refuses
// nothing.
func (s *saga) check(ctx actor.Context, m task, c messages.Subscribe) error {
	api, err := federation.ParseRef(c.APIID)
	if err != nil {
		return err
	}
	only := api.ID
	if api.Bare() {
		only = federation.ID{RestAPI: api.RestAPI}
	}
	by := c.AnswerBy.Add(-listingMargin)
	heard, address, deaf := life.Listen(ctx.ActorSystem())
	defer deaf()
	ctx.RequestWithCustomSender(s.spec.target, messages.ListTarget{
		Only: []federation.ID{only}, Again: true, By: by, Priority: gateway.PriorityKeys,
	}, address)
	var listing messages.TargetListing
	select {
	case answer := <-heard:
		listing, _ = answer.(messages.TargetListing) // a dead letter is none
	case <-time.After(time.Until(by)):
	case <-m.wanted.Done():
		return quota.ErrUnwanted
	}
	if !listing.Complete {
		s.env.Often.Warn("AWS was not listed in time to see whether the plan still contains the API; its key is made all "+
			"the same", life.LogTarget, s.target(), life.LogSubscription, c.SubscriptionID, life.LogReason, listing.Failure)
		return nil
	}
	return federation.CheckPlan(api, c.PlanID, listing.APIs, listing.Plans)
}

// create calls CreateApiKey. The record has the key's id then, if AWS gave one.
func (s *saga) create(m task, c messages.Subscribe, record *keys.Record) (secret.String, error) {
	ctx := apigateway.WithLatest(s.calls(), c.AnswerBy.Add(-createMargin))
	ctx = quota.WithPermitRules(ctx, quota.PermitRules{
		Wanted:  m.wanted,
		Granted: func() error { return s.entry.Write(record, keys.Creating, "") },
		// A crash while the next attempt is waited for leaves no key behind, and none that an operator should look for.
		Undone: func() { _ = s.entry.Write(record, keys.Intent, "") },
	})
	description := federation.KeyDescription(c.SubscriptionID, c.ApplicationID, record.ID)
	id, value, err := apigateway.CreateKey(ctx, s.spec.client, record.KeyName, description)
	if id == "" {
		return value, err
	}
	record.KeyID = id
	s.env.Board.KeyMade(record.Integration)
	return value, errors.Join(err, s.entry.Write(record, keys.Created, ""))
}

// attach puts a key into its plan, and has it ready to be answered.
func (s *saga) attach(m task, record *keys.Record) error {
	ctx := apigateway.WithLatest(s.calls(), m.command.Ref().AnswerBy.Add(-attachMargin))
	ctx = quota.WithPermitRules(ctx, quota.PermitRules{Wanted: m.wanted, Granted: s.entry.Stands})
	if err := apigateway.AttachKey(ctx, s.spec.client, record.UsagePlanID, record.KeyID); err != nil {
		return err
	}
	if err := s.entry.Write(record, keys.Attached, ""); err != nil {
		return err
	}
	if m.wanted.Err() != nil {
		return quota.ErrUnwanted
	}
	return s.entry.Write(record, keys.Answered, "")
}

// notCreated ends a record without a key: AWS refused, or the outcome is unknown.
func (s *saga) notCreated(record *keys.Record, err error) error {
	if apigateway.Classify(err) != gateway.AnswerLost {
		s.forget(*record)
		return err
	}
	s.listLostCreate(record, err.Error())
	return err
}
