package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"federation-agent/actors/life"
	"federation-agent/actors/quota"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/keys"
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

// Keymakers is one integration's keymakers, one for each account and region.
type Keymakers struct {
	mu   sync.Mutex
	Made map[federation.Target]*Keymaker
}

// NewKeymakers gives an integration's, of which there are none yet.
func NewKeymakers() *Keymakers { return &Keymakers{Made: map[federation.Target]*Keymaker{}} }

// Of gives a target's keymaker, which works with this client from now on.
func (k *Keymakers) Of(env *life.Env, integration string, target federation.Target, client apigateway.Client) *Keymaker {
	k.mu.Lock()
	defer k.mu.Unlock()
	maker := k.Made[target]
	if maker == nil {
		maker = &Keymaker{
			env: env, integration: integration, target: target,
			subscriptions: turns{}, answers: map[string]*keyAnswer{}, retries: map[string]keyRetry{},
		}
		k.Made[target] = maker
	}
	maker.mu.Lock()
	defer maker.mu.Unlock()
	maker.client = client
	return maker
}

// AtWork says that a key is being made or deleted for a command, or that the fate of one's answer is awaited or acted
// on, by whichever incarnation it was begun. A sweep is none of it: the next process goes on with that.
func (k *Keymakers) AtWork() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, maker := range k.Made {
		if maker.atWork() {
			return true
		}
	}
	return false
}

// Keymaker does the writers' work, step by step, in goroutines that outlive the actors' incarnations: a
// CreateApiKey that is on its way must be heard out, or its key is lost. That is why it outlives them, too.
//
// Whatever is done for a subscription is done by one goroutine at a time, by whichever incarnation it was
// begun.
type Keymaker struct {
	env         *life.Env
	integration string
	target      federation.Target

	mu            sync.Mutex // guards all below
	client        apigateway.Client
	subscriptions turns
	// undertaken is how many commands and fates are being seen to.
	undertaken int
	// answers is the keys whose answer is on its way to APIM, by record id.
	answers map[string]*keyAnswer
	// retries is the deletions that failed, by record id.
	retries map[string]keyRetry
}

// saga is the making of one key, as seen by who asked for it.
type saga struct {
	// wanted ends when nobody waits for the key any more, or the writer that began it is gone.
	wanted  context.Context
	abandon context.CancelFunc
	writer  *life.Scope
}

func newSaga(writer *life.Scope) *saga {
	s := &saga{writer: writer}
	s.wanted, s.abandon = context.WithCancel(writer.Ctx)
	return s
}

// unwanted says that what is made must be undone.
func (s *saga) unwanted() bool { return s.wanted.Err() != nil }

// orphaned says that the writer that began it is gone.
func (s *saga) orphaned() bool { return !s.writer.Alive() }

// madeKey is a key that is made, attached, and ready to be answered.
type madeKey struct {
	record   string
	value    secret.String
	metadata map[string]string
}

// make makes a key and attaches it to its plan. Whatever fails after CreateApiKey, the key is deleted
// again before the error is returned, or its deletion is in the journal.
func (k *Keymaker) make(s *saga, c messages.Subscribe) (madeKey, error) {
	if c.Type != "" && c.Type != apiKeyPlan {
		return madeKey{}, fmt.Errorf("AWS API Gateway usage plans know API keys only, and this subscription is of type %s", c.Type)
	}
	if c.PlanID == "" {
		return madeKey{}, errors.New("the subscription names no plan (planId): ingest the API again")
	}
	defer k.begin(c.SubscriptionID)()
	if s.unwanted() {
		return madeKey{}, quota.ErrUnwanted
	}
	older, err := k.keysOf(c.SubscriptionID)
	if err != nil {
		return madeKey{}, err
	}
	now := keys.After(older, k.env.Now())
	record := keys.Record{
		ID: k.env.NewID(), Integration: k.integration, Account: k.target.Account, Region: k.target.Region,
		SubscriptionID: c.SubscriptionID, APIID: c.APIID, UsagePlanID: c.PlanID,
		KeyName: federation.KeyName(c.ApplicationName, c.SubscriptionID), CommandID: c.ID,
		State: keys.Intent, CreatedAt: now, UpdatedAt: now,
	}
	return k.steps(s, c, record)
}

// steps is the making itself: each step is written down before it is taken.
func (k *Keymaker) steps(s *saga, c messages.Subscribe, record keys.Record) (madeKey, error) {
	if err := k.env.Keys.Put(record); err != nil {
		return madeKey{}, fmt.Errorf("%w; no key is made that could be forgotten", journalError(err))
	}
	ctx, client := apigateway.WithPriority(context.Background(), gateway.PriorityKeys), k.aws()

	creating := quota.WithPermitRules(ctx, quota.PermitRules{
		By: c.AnswerBy.Add(-createMargin), Wanted: s.wanted,
		Granted: func() error { return k.advance(&record, keys.Creating, "") },
		Undone:  func() { k.refused(&record) },
	})
	id, value, err := apigateway.CreateKey(creating, client, record.KeyName, federation.KeyDescription(c.SubscriptionID, c.ApplicationID))
	if id == "" {
		return madeKey{}, k.notCreated(record, err)
	}
	record.KeyID = id
	if putErr := k.advance(&record, keys.Created, ""); err == nil {
		err = putErr
	}
	if err == nil && s.unwanted() {
		err = quota.ErrUnwanted
	}
	if err == nil {
		attaching := quota.WithPermitRules(ctx, quota.PermitRules{By: c.AnswerBy.Add(-attachMargin), Wanted: s.wanted})
		err = apigateway.AttachKey(attaching, client, record.UsagePlanID, id)
	}
	if err == nil {
		err = k.advance(&record, keys.Attached, "")
	}
	if err == nil && s.unwanted() {
		err = quota.ErrUnwanted
	}
	if err == nil {
		err = k.advance(&record, keys.Answered, "")
	}
	if err != nil {
		by := c.AnswerBy // the ERROR that follows must go out in time
		if s.unwanted() {
			by = time.Time{}
		}
		k.undo(&record, err.Error(), by)
		return madeKey{}, err
	}
	k.answering(record, s)
	ref := federation.KeyRef{Target: k.target, UsagePlanID: record.UsagePlanID, KeyID: id}
	return madeKey{record: record.ID, value: value, metadata: ref.Metadata()}, nil
}

// refused notes that an attempt at CreateApiKey made nothing: a crash while the next one is waited for leaves
// no key behind, and none that an operator should look for.
func (k *Keymaker) refused(record *keys.Record) {
	if err := k.advance(record, keys.Intent, ""); err != nil {
		k.env.Log.Warn("cannot write down that AWS refused to make a key; should the agent end now, it will be listed as a lost create",
			life.LogKeyName, record.KeyName, life.LogError, err)
	}
}

// notCreated ends a record without a key: AWS refused, or nobody knows.
func (k *Keymaker) notCreated(record keys.Record, err error) error {
	if apigateway.Classify(err) != gateway.AnswerLost {
		k.forget(record)
		return err
	}
	k.lostCreate(record, err.Error())
	return err
}

// lostCreate lists a key that may have been made and is attached to nothing.
func (k *Keymaker) lostCreate(record keys.Record, why string) {
	if err := k.advance(&record, keys.LostCreate, why); err != nil {
		k.env.Log.Error("cannot write down a lost create", life.LogKeyName, record.KeyName, life.LogError, err)
	}
	k.env.Log.Error("the answer to CreateApiKey was lost: AWS may have made a key that opens nothing; "+keys.LostCreate.Advice(),
		life.LogKeyName, record.KeyName, life.LogTarget, k.target, life.LogSubscription, record.SubscriptionID, life.LogReason, why)
}

// remove deletes a subscription's keys: the one its metadata name, and those that the journal knows.
// A key that is gone already is a success; so is a repeat.
func (k *Keymaker) remove(c messages.Unsubscribe) error {
	defer k.begin(c.SubscriptionID)()
	records, err := k.records(store.Filter{SubscriptionID: c.SubscriptionID})
	if err != nil {
		return err
	}
	records = slices.DeleteFunc(records, func(r keys.Record) bool { return r.KeyID == "" })
	var ids []string
	ref, unnamed := federation.KeyRefOf(c.Metadata)
	if unnamed == nil {
		ids = append(ids, ref.KeyID)
	}
	for _, r := range records {
		if !slices.Contains(ids, r.KeyID) {
			ids = append(ids, r.KeyID)
		}
	}
	if len(ids) == 0 {
		return fmt.Errorf("%w; delete it in the API Gateway console: it bears the subscription's id in its name", unnamed)
	}
	ctx, cancel := k.deleting(c.AnswerBy)
	defer cancel()
	var failures []error
	for _, id := range ids {
		if err := apigateway.DeleteKey(ctx, k.aws(), id); err != nil {
			failures = append(failures, err)
		}
	}
	if len(failures) > 0 {
		return errors.Join(failures...)
	}
	for _, r := range records {
		k.forget(r)
	}
	return nil
}

// undo deletes a key, until by at the latest; what does not work now is left to the sweep.
func (k *Keymaker) undo(record *keys.Record, why string, by time.Time) {
	if record.State != keys.Deleting {
		if err := k.advance(record, keys.Deleting, why); err != nil {
			k.env.Log.Error("cannot write down that a key is to be deleted; deleting it all the same",
				life.LogKey, record.KeyID, life.LogError, err)
		}
	}
	ctx, cancel := k.deleting(by)
	defer cancel()
	if err := apigateway.DeleteKey(ctx, k.aws(), record.KeyID); err != nil {
		k.env.Log.Warn("cannot delete an API key yet; trying again until it is gone: "+apigateway.Explain(err),
			life.LogKey, record.KeyID, life.LogTarget, k.target, life.LogDelay, k.retryLater(record.ID), life.LogError, err)
		return
	}
	k.forget(*record)
}

// deleting is the context of a DeleteApiKey: until by, if there is such a time, and begun only while the
// agent lives.
func (k *Keymaker) deleting(by time.Time) (context.Context, context.CancelFunc) {
	ctx := quota.WithPermitRules(apigateway.WithPriority(context.Background(), gateway.PriorityKeys), quota.PermitRules{Wanted: k.env.Life})
	if by.IsZero() {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, by)
}

// keysOf is the records of the keys that a subscription may be using, the oldest first.
func (k *Keymaker) keysOf(subscription string) ([]keys.Record, error) {
	return k.records(store.Filter{
		SubscriptionID: subscription,
		States:         []keys.State{keys.Answered, keys.Delivered, keys.Unconfirmed},
	})
}

// records is what the journal has of this target.
func (k *Keymaker) records(f store.Filter) ([]keys.Record, error) {
	f.Integration, f.Account, f.Region = k.integration, k.target.Account, k.target.Region
	records, err := k.env.Keys.Records(f)
	if err != nil {
		return nil, fmt.Errorf("reading the key journal: %w", err)
	}
	return records, nil
}

// advance writes a record's next state down.
func (k *Keymaker) advance(record *keys.Record, state keys.State, reason string) error {
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

func (k *Keymaker) forget(record keys.Record) {
	if err := k.env.Keys.Remove(record.ID); err != nil {
		k.env.Log.Error("cannot remove a record from the key journal", life.LogKey, record.KeyID, life.LogError, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.retries, record.ID)
}

func (k *Keymaker) aws() apigateway.Client {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.client
}

// begin waits for a subscription's turn; call what it gives when done.
func (k *Keymaker) begin(subscription string) (end func()) {
	k.mu.Lock()
	turn := k.subscriptions.ask(subscription)
	k.mu.Unlock()
	<-turn
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.subscriptions.pass(subscription)
	}
}

// undertake notes work that an orderly end waits for; call what it gives when that is done.
func (k *Keymaker) undertake() (done func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.undertaken++
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.undertaken--
	}
}

func (k *Keymaker) atWork() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.undertaken > 0 || len(k.answers) > 0
}

// turns are who has the turn, and who waits for it, by subscription. It is no mutex, because that would
// hold up the clock of a simulation.
type turns map[string][]chan struct{}

// ask gives a channel that is closed when it is the asker's turn.
func (t turns) ask(subscription string) <-chan struct{} {
	turn := make(chan struct{})
	t[subscription] = append(t[subscription], turn)
	if len(t[subscription]) == 1 {
		close(turn)
	}
	return turn
}

// pass ends the first one's turn.
func (t turns) pass(subscription string) {
	rest := t[subscription][1:]
	if len(rest) == 0 {
		delete(t, subscription)
		return
	}
	t[subscription] = rest
	close(rest[0])
}

func journalError(err error) error {
	return fmt.Errorf("writing the key journal: %w", err)
}
