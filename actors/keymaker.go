package actors

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"federation-agent/internal/apigateway"
	"federation-agent/internal/federation"
	"federation-agent/internal/secret"
	"federation-agent/internal/store"
	"federation-agent/messages"
)

const (
	// createMargin is how long before a command's deadline the last CreateApiKey may start: attaching the
	// key, or undoing it, needs time too.
	createMargin = 8 * time.Second
	// attachMargin is the same for CreateUsagePlanKey.
	attachMargin = 3 * time.Second
	// apiKeyPlan is the only subscription type that AWS API Gateway knows keys for.
	apiKeyPlan = "API_KEY"
)

// keymaker does the writer's work, step by step, in goroutines that outlive the writer's incarnations: a
// CreateApiKey that is on its way must be heard out, or its key is lost.
type keymaker struct {
	env         *Env
	integration string
	target      federation.Target
	client      apigateway.Client

	mu sync.Mutex
	// held is the records that somebody sees to, by id.
	held map[string]*saga
}

// saga is the making of one key.
type saga struct {
	// abandoned: nobody waits for it any more.
	abandoned atomic.Bool
	// orphaned: the writer that began it is gone.
	orphaned func() bool
	running  atomic.Bool
}

// unwanted says that what is made must be undone.
func (s *saga) unwanted() bool { return s.abandoned.Load() || s.orphaned() }

// alive says that somebody sees to the saga's record: it is being made, or its writer waits for its fate.
func (s *saga) alive() bool { return s.running.Load() || !s.orphaned() }

// madeKey is a key that is made, attached, and on its way to APIM.
type madeKey struct {
	record   store.KeyRecord
	value    secret.String
	metadata map[string]string
}

func newKeymaker(env *Env, integration string, target federation.Target, client apigateway.Client) *keymaker {
	return &keymaker{env: env, integration: integration, target: target, client: client, held: map[string]*saga{}}
}

// errUnwanted ends the making of a key that nobody waits for.
var errUnwanted = errors.New("nobody waits for the key any more")

// make makes a key and attaches it to its plan. Whatever fails after CreateApiKey, the key is deleted
// again before the error is returned, or its deletion is in the journal.
func (k *keymaker) make(s *saga, c messages.Subscribe) (madeKey, error) {
	if c.Type != "" && c.Type != apiKeyPlan {
		return madeKey{}, fmt.Errorf("AWS API Gateway usage plans know API keys only, and this subscription is of type %s", c.Type)
	}
	if c.PlanID == "" {
		return madeKey{}, errors.New("the subscription names no plan (planId): ingest the API again")
	}
	now := k.env.Now()
	record := store.KeyRecord{
		ID: k.env.NewID(), Integration: k.integration, Account: k.target.Account, Region: k.target.Region,
		SubscriptionID: c.SubscriptionID, APIID: c.APIID, UsagePlanID: c.PlanID,
		KeyName: federation.KeyName(c.ApplicationName, c.SubscriptionID), CommandID: c.ID,
		State: store.StateIntent, CreatedAt: now, UpdatedAt: now, Replaces: k.predecessor(c.SubscriptionID),
	}
	s.running.Store(true)
	defer s.running.Store(false)
	k.hold(record.ID, s)
	made, err := k.steps(s, c, record)
	if err != nil {
		k.release(record.ID)
	}
	return made, err
}

// steps is the making itself: each step is written down before it is taken.
func (k *keymaker) steps(s *saga, c messages.Subscribe, record store.KeyRecord) (madeKey, error) {
	if err := k.env.Keys.Put(record); err != nil {
		return madeKey{}, journalError(err)
	}
	ctx := apigateway.WithPriority(context.Background(), apigateway.PriorityKeys)

	creating := withPermitRules(ctx, permitRules{by: c.AnswerBy.Add(-createMargin), granted: func() error {
		if s.unwanted() {
			return errUnwanted
		}
		return k.advance(&record, store.StateCreating, "")
	}})
	id, value, err := apigateway.CreateKey(creating, k.client, record.KeyName, federation.KeyDescription(c.SubscriptionID))
	if id == "" {
		return madeKey{}, k.notCreated(record, err)
	}
	record.KeyID = id
	if putErr := k.advance(&record, store.StateCreated, ""); putErr != nil && err == nil {
		err = putErr
	}
	if err == nil && s.unwanted() {
		err = errUnwanted
	}
	if err == nil {
		attaching := withPermitRules(ctx, permitRules{by: c.AnswerBy.Add(-attachMargin)})
		err = apigateway.AttachKey(attaching, k.client, record.UsagePlanID, id)
	}
	if err == nil {
		err = k.advance(&record, store.StateAttached, "")
	}
	if err == nil && s.unwanted() {
		err = errUnwanted
	}
	if err == nil {
		err = k.advance(&record, store.StateAnswered, "")
	}
	if err != nil {
		k.undo(&record, err.Error(), c.AnswerBy)
		return madeKey{}, err
	}
	return madeKey{record: record, value: value, metadata: federation.KeyRef{Target: k.target, UsagePlanID: record.UsagePlanID, KeyID: id}.Metadata()}, nil
}

// notCreated ends a record without a key: AWS refused, or nobody knows.
func (k *keymaker) notCreated(record store.KeyRecord, err error) error {
	lost := apigateway.Classify(err) == apigateway.AnswerLost
	if !lost {
		k.forget(record)
		return err
	}
	if putErr := k.advance(&record, store.StateLostCreate, err.Error()); putErr != nil {
		k.env.Log.Error("cannot write down a lost create", logKeyName, record.KeyName, logError, putErr)
	}
	k.env.Log.Error("the answer to CreateApiKey was lost: AWS may have made a key that opens nothing; "+
		"look for it by its name in the API Gateway console and delete it",
		logKeyName, record.KeyName, logTarget, k.target, logSubscription, record.SubscriptionID)
	return err
}

// remove deletes a subscription's keys: the one its metadata name, and those that the journal knows.
// A key that is gone already is a success; so is a repeat.
func (k *keymaker) remove(c messages.Unsubscribe) error {
	ids := map[string]bool{}
	ref, unnamed := federation.KeyRefOf(c.Metadata)
	if unnamed == nil {
		ids[ref.KeyID] = true
	}
	records, err := k.env.Keys.Records(store.Filter{
		Integration: k.integration, Account: k.target.Account, Region: k.target.Region, SubscriptionID: c.SubscriptionID,
	})
	if err != nil {
		return journalError(err)
	}
	for _, r := range records {
		if r.KeyID != "" {
			ids[r.KeyID] = true
		}
	}
	if len(ids) == 0 {
		return fmt.Errorf("%w; delete it in the API Gateway console: it bears the subscription's id in its name", unnamed)
	}
	ctx, cancel := context.WithDeadline(apigateway.WithPriority(context.Background(), apigateway.PriorityKeys), c.AnswerBy)
	defer cancel()
	var failures []error
	for id := range ids {
		if err := apigateway.DeleteKey(ctx, k.client, id); err != nil {
			failures = append(failures, err)
		}
	}
	if len(failures) > 0 {
		return errors.Join(failures...)
	}
	for _, r := range records {
		if r.KeyID != "" {
			k.forget(r)
		}
	}
	return nil
}

// conclude writes down what became of an answer, and does what follows from it.
func (k *keymaker) conclude(record store.KeyRecord, d messages.Delivery) {
	defer k.release(record.ID)
	switch d {
	case messages.Delivered:
		if err := k.advance(&record, store.StateDelivered, ""); err != nil {
			k.env.Log.Error("cannot write down that a key was delivered", logKey, record.KeyID, logError, err)
		}
		if old, ok := k.record(record.Replaces); ok {
			k.undo(&old, "replaced by key "+record.KeyID, time.Time{})
		}
	case messages.NeverSent:
		k.undo(&record, "its answer never left", time.Time{})
	default:
		k.unconfirmed(record)
		if old, ok := k.record(record.Replaces); ok {
			k.unconfirmed(old)
		}
	}
}

// unconfirmed lists a key of which nobody knows whether APIM has it.
func (k *keymaker) unconfirmed(record store.KeyRecord) {
	if err := k.advance(&record, store.StateUnconfirmed, "the delivery of its answer could not be proved"); err != nil {
		k.env.Log.Error("cannot write down an unconfirmed key", logKey, record.KeyID, logError, err)
	}
	k.env.Log.Warn("nobody knows whether APIM has this API key: see in APIM whether the subscription is accepted; "+
		"if it is not, delete the key in the API Gateway console",
		logKey, record.KeyID, logKeyName, record.KeyName, logTarget, k.target, logSubscription, record.SubscriptionID)
}

// undo deletes a key, until by at the latest; what does not work now is left to the journal's sweep.
func (k *keymaker) undo(record *store.KeyRecord, why string, by time.Time) {
	if err := k.advance(record, store.StateDeleting, why); err != nil {
		k.env.Log.Error("cannot write down that a key is to be deleted; deleting it all the same",
			logKey, record.KeyID, logError, err)
	}
	ctx := apigateway.WithPriority(context.Background(), apigateway.PriorityKeys)
	if !by.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, by)
		defer cancel()
	}
	if err := apigateway.DeleteKey(ctx, k.client, record.KeyID); err != nil {
		k.env.Log.Warn("cannot delete an API key yet; trying again until it is gone: "+apigateway.Explain(err),
			logKey, record.KeyID, logTarget, k.target, logError, err)
		return
	}
	k.forget(*record)
}

// sweep sees to the records that nobody holds: those of a process or an incarnation that died, and
// deletions that failed.
func (k *keymaker) sweep(now time.Time) {
	records, err := k.env.Keys.Records(store.Filter{Integration: k.integration, Account: k.target.Account, Region: k.target.Region})
	if err != nil {
		k.env.Log.Error("cannot read the key journal", logTarget, k.target, logError, err)
		return
	}
	deleted := 0
	for _, step := range store.Resume(k.unheld(records, now)) {
		record := step.Record
		switch step.Action {
		case store.ActionForget:
			k.forget(record)
		case store.ActionDelete:
			if deleted++; deleted <= sweepKeys {
				k.undo(&record, cmp.Or(record.Reason, "its making was interrupted"), time.Time{})
			}
		case store.ActionListUnconfirmed:
			if record.State != store.StateUnconfirmed {
				k.unconfirmed(record)
			}
		case store.ActionListLostCreate:
			if record.State != store.StateLostCreate {
				_ = k.notCreated(record, &apigateway.Error{
					Doing: "creating an API key", Class: apigateway.AnswerLost,
					Err: errors.New("the agent ended before AWS answered"),
				})
			}
		}
	}
}

// unheld is the records that nobody sees to. A record that a held one replaces is that one's matter too.
func (k *keymaker) unheld(records []store.KeyRecord, now time.Time) []store.KeyRecord {
	k.mu.Lock()
	defer k.mu.Unlock()
	taken := map[string]bool{}
	for _, r := range records {
		s := k.held[r.ID]
		if s == nil {
			continue
		}
		if !s.alive() || (r.State == store.StateAnswered && now.Sub(r.UpdatedAt) > fateOverdue) {
			delete(k.held, r.ID)
			continue
		}
		taken[r.ID], taken[r.Replaces] = true, true
	}
	return slices.DeleteFunc(records, func(r store.KeyRecord) bool { return taken[r.ID] })
}

// report names at start what an operator should look at.
func (k *keymaker) report() {
	records, err := k.env.Keys.Records(store.Filter{
		Integration: k.integration, Account: k.target.Account, Region: k.target.Region,
		States: []store.KeyState{store.StateUnconfirmed, store.StateLostCreate},
	})
	if err != nil {
		k.env.Log.Error("cannot read the key journal", logTarget, k.target, logError, err)
		return
	}
	for _, r := range records {
		k.env.Log.Warn("the key journal lists a key to be looked at", logState, r.State, logKey, r.KeyID,
			logKeyName, r.KeyName, logTarget, k.target, logSubscription, r.SubscriptionID, logReason, r.Reason)
	}
}

// predecessor is the record of the key that the subscription has already, empty if it has none.
func (k *keymaker) predecessor(subscription string) string {
	records, err := k.env.Keys.Records(store.Filter{
		Integration: k.integration, Account: k.target.Account, Region: k.target.Region, SubscriptionID: subscription,
		States: []store.KeyState{store.StateAnswered, store.StateDelivered, store.StateUnconfirmed},
	})
	if err != nil || len(records) == 0 {
		return ""
	}
	return records[len(records)-1].ID
}

func (k *keymaker) record(id string) (store.KeyRecord, bool) {
	if id == "" {
		return store.KeyRecord{}, false
	}
	records, err := k.env.Keys.Records(store.Filter{Integration: k.integration, Account: k.target.Account, Region: k.target.Region})
	if err != nil {
		return store.KeyRecord{}, false
	}
	i := slices.IndexFunc(records, func(r store.KeyRecord) bool { return r.ID == id })
	if i < 0 {
		return store.KeyRecord{}, false
	}
	return records[i], true
}

// advance writes a record's next state down.
func (k *keymaker) advance(record *store.KeyRecord, state store.KeyState, reason string) error {
	next := *record
	next.State, next.UpdatedAt = state, k.env.Now()
	if reason != "" {
		next.Reason = reason
	}
	if err := k.env.Keys.Put(next); err != nil {
		return journalError(err)
	}
	*record = next
	return nil
}

func (k *keymaker) forget(record store.KeyRecord) {
	if err := k.env.Keys.Remove(record.ID); err != nil {
		k.env.Log.Error("cannot remove a record from the key journal", logKey, record.KeyID, logError, err)
	}
	k.release(record.ID)
}

func (k *keymaker) hold(id string, s *saga) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held[id] = s
}

func (k *keymaker) release(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.held, id)
}

func journalError(err error) error {
	return fmt.Errorf("writing the key journal: %w; no key is made that could be forgotten", err)
}
