package keys

import (
	"errors"
	"fmt"
	"slices"
	"time"

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
	// apiKeyPlan is the only subscription type that AWS API Gateway knows keys for.
	apiKeyPlan = "API_KEY"
)

// The making of a key, step by step.

// make makes a key and attaches it to its plan, ready to be answered. Whatever fails behind CreateApiKey, the key is
// deleted again before the error is returned, or its deletion is in the journal.
func (s *saga) make(m task, c messages.Subscribe) (record keys.Record, value secret.String, err error) {
	if c.Type != "" && c.Type != apiKeyPlan {
		return record, value, fmt.Errorf(
			"AWS API Gateway usage plans know API keys only, and this subscription is of type %s", c.Type)
	}
	if c.PlanID == "" {
		return record, value, errors.New("the subscription names no plan (planId): ingest the API again")
	}
	others, err := s.records()
	if err != nil {
		return record, value, err
	}
	if m.wanted.Err() != nil {
		return record, value, quota.ErrUnwanted
	}
	if m.second && slices.ContainsFunc(others, func(r keys.Record) bool { return r.ID == s.answered }) {
		return record, value, errors.New(
			"another SUBSCRIBE of the same subscription came before this one and was answered with an API key")
	}
	record = keys.Record{
		ID: s.env.NewID(), Integration: s.spec.subscription.Integration, Account: s.spec.subscription.Account,
		Region: s.spec.subscription.Region, SubscriptionID: c.SubscriptionID, APIID: c.APIID, UsagePlanID: c.PlanID,
		KeyName: federation.KeyName(c.ApplicationName, c.SubscriptionID), CommandID: c.ID,
		CreatedAt: keys.After(others, s.env.Now()),
	}
	if err := s.write(&record, keys.Intent, ""); err != nil {
		return record, value, fmt.Errorf("%w; no key is made that could be forgotten", err)
	}
	value, err = s.create(m, c, &record)
	if record.KeyID == "" {
		return record, value, s.notCreated(&record, err)
	}
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

// create calls CreateApiKey. The record has the key's id then, if AWS gave one.
func (s *saga) create(m task, c messages.Subscribe, record *keys.Record) (secret.String, error) {
	ctx := apigateway.WithLatest(s.calls(), c.AnswerBy.Add(-createMargin))
	ctx = quota.WithPermitRules(ctx, quota.PermitRules{
		Wanted:  m.wanted,
		Granted: func() error { return s.write(record, keys.Creating, "") },
		// A crash while the next attempt is waited for leaves no key behind, and none that an operator should look for.
		Undone: func() { _ = s.write(record, keys.Intent, "") },
	})
	description := federation.KeyDescription(c.SubscriptionID, c.ApplicationID)
	id, value, err := apigateway.CreateKey(ctx, s.spec.client, record.KeyName, description)
	if id == "" {
		return value, err
	}
	record.KeyID = id
	return value, errors.Join(err, s.write(record, keys.Created, ""))
}

// attach puts a key into its plan, and has it ready to be answered.
func (s *saga) attach(m task, record *keys.Record) error {
	ctx := apigateway.WithLatest(s.calls(), m.command.Ref().AnswerBy.Add(-attachMargin))
	ctx = quota.WithPermitRules(ctx, quota.PermitRules{Wanted: m.wanted})
	if err := apigateway.AttachKey(ctx, s.spec.client, record.UsagePlanID, record.KeyID); err != nil {
		return err
	}
	if err := s.write(record, keys.Attached, ""); err != nil {
		return err
	}
	if m.wanted.Err() != nil {
		return quota.ErrUnwanted
	}
	return s.write(record, keys.Answered, "")
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
