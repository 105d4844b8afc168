package keys

import (
	"time"

	"federation-agent/actors/life"
	"federation-agent/internal/keys"
	"federation-agent/internal/store"
	"federation-agent/messages"
)

const (
	// sweepEvery is how often the journal is looked through for what nobody sees to: keys whose deletion
	// failed, or whose maker died.
	sweepEvery = 30 * time.Second
	// sweepKeys is how many keys one sweep deletes at most, so that a sweep does not eat the quota.
	sweepKeys = 20
	// fateOverdue is how long an answer's fate may be unknown before the key counts as unconfirmed: the
	// session reports it within its pong deadline.
	fateOverdue = 2 * time.Minute
	// retryFloor and retryCap bound the delay until a deletion that failed is tried again. There is no last
	// try.
	retryFloor = 15 * time.Second
	retryCap   = 10 * time.Minute
)

// keyAnswer is a key on its way to APIM: more than one command may have got the same.
type keyAnswer struct {
	saga         *saga
	subscription string
	since        time.Time
	// handed: the answer was given to the router, so it may have left.
	handed  bool
	pending map[messages.CommandKey]bool
	best    messages.Delivery
}

// keyRetry is a deletion that failed.
type keyRetry struct {
	tries int
	due   time.Time
}

// answering notes that a key is ready to be answered.
func (k *Keymaker) answering(record keys.Record, s *saga) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.answers[record.ID] = &keyAnswer{
		saga: s, subscription: record.SubscriptionID, since: time.Now(),
		pending: map[messages.CommandKey]bool{}, best: messages.NeverSent,
	}
}

// hand notes which commands are about to be answered with a key. It says false where the key has been seen
// to otherwise, and must not be answered.
func (k *Keymaker) hand(record string, commands []messages.CommandRef) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	a := k.answers[record]
	if a == nil {
		return false
	}
	a.handed = true
	for _, c := range commands {
		a.pending[c.Key()] = true
	}
	return true
}

// heard notes the fate of one answer, and gives the record that can be concluded, if any: of several
// answers with the same key the best fate counts, once all are known.
func (k *Keymaker) heard(m messages.AnswerFate) (record string, all bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, a := range k.answers {
		if !a.pending[m.CommandRef.Key()] {
			continue
		}
		delete(a.pending, m.CommandRef.Key())
		a.best = min(a.best, m.Delivery)
		return id, len(a.pending) == 0
	}
	return "", false
}

// conclude does what follows from an answer's fate, once nothing else is being done for its subscription.
// A key that an UNSUBSCRIBE deleted meanwhile needs nothing.
func (k *Keymaker) conclude(id string) {
	k.mu.Lock()
	a := k.answers[id]
	k.mu.Unlock()
	if a == nil {
		return
	}
	defer k.undertake()()
	defer k.begin(a.subscription)()
	fate, first := k.takeAnswer(id)
	if !first {
		return
	}
	record, older, ok := k.recordWithOlder(id, a.subscription)
	if !ok || record.State != keys.Answered {
		return
	}
	switch fate {
	case messages.Delivered:
		if err := k.advance(&record, keys.Delivered, ""); err != nil {
			k.env.Log.Error("cannot write down that a key was delivered", life.LogKey, record.KeyID, life.LogError, err)
			return
		}
		for _, old := range older {
			k.undo(&old, "replaced by key "+record.KeyID, time.Time{})
		}
	case messages.NeverSent:
		k.undo(&record, "its answer never left", time.Time{})
	default:
		k.unconfirmed(record)
		for _, old := range older {
			if old.State == keys.Delivered {
				k.unconfirmed(old)
			}
		}
	}
}

// takeAnswer ends the waiting for an answer's fate, and says which it is.
func (k *Keymaker) takeAnswer(id string) (messages.Delivery, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	a := k.answers[id]
	if a == nil {
		return 0, false
	}
	delete(k.answers, id)
	if len(a.pending) > 0 {
		return min(a.best, messages.Unproved), true
	}
	return a.best, true
}

// recordWithOlder is a record as it stands, and the records of its subscription's older keys.
func (k *Keymaker) recordWithOlder(id, subscription string) (record keys.Record, older []keys.Record, ok bool) {
	records, err := k.keysOf(subscription)
	if err != nil {
		k.env.Log.Error("cannot see to a key", life.LogTarget, k.target, life.LogError, err)
		return record, nil, false
	}
	for i, r := range records {
		if r.ID == id {
			return r, records[:i:i], true
		}
	}
	return record, nil, false
}

// unconfirmed lists a key of which nobody knows whether APIM has it.
func (k *Keymaker) unconfirmed(record keys.Record) {
	if err := k.advance(&record, keys.Unconfirmed, "the delivery of its answer could not be proved"); err != nil {
		k.env.Log.Error("cannot write down an unconfirmed key", life.LogKey, record.KeyID, life.LogError, err)
	}
	k.env.Log.Warn("nobody knows whether APIM has this API key: "+keys.Unconfirmed.Advice(),
		life.LogKey, record.KeyID, life.LogKeyName, record.KeyName, life.LogTarget, k.target, life.LogSubscription, record.SubscriptionID)
}

// sweep sees to what nobody else does: answers of a writer that died, records of a process that died, and
// deletions that failed. stopped ends it early.
func (k *Keymaker) sweep(stopped func() bool) {
	for _, id := range k.stuck(time.Now()) {
		k.conclude(id)
	}
	records, err := k.records(store.Filter{})
	if err != nil {
		k.env.Log.Error("cannot look through the key journal", life.LogTarget, k.target, life.LogError, err)
		return
	}
	deleted := 0
	for _, step := range keys.Decide(k.unattended(records)) {
		if stopped() || deleted >= sweepKeys {
			return
		}
		if step.Action == keys.Delete {
			deleted++
		}
		k.resume(step)
	}
}

// stuck is the answers whose fate nobody will tell any more.
func (k *Keymaker) stuck(now time.Time) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var ids []string
	for id, a := range k.answers {
		neverHanded := !a.handed && a.saga.orphaned()
		unconcluded := a.handed && len(a.pending) == 0 && a.saga.orphaned()
		if neverHanded || unconcluded || now.Sub(a.since) > fateOverdue {
			ids = append(ids, id)
		}
	}
	return ids
}

// unattended is the records of subscriptions that nothing is being done for, and whose deletion is not put
// off.
func (k *Keymaker) unattended(records []keys.Record) []keys.Record {
	k.mu.Lock()
	defer k.mu.Unlock()
	answering := map[string]bool{}
	for _, a := range k.answers {
		answering[a.subscription] = true
	}
	var free []keys.Record
	for _, r := range records {
		if k.subscriptions[r.SubscriptionID] == nil && !answering[r.SubscriptionID] && !time.Now().Before(k.retries[r.ID].due) {
			free = append(free, r)
		}
	}
	return free
}

// resume does what a record needs, unless something was done for its subscription meanwhile.
func (k *Keymaker) resume(step keys.Step) {
	defer k.begin(step.Record.SubscriptionID)()
	record, ok := k.unchanged(step.Record)
	if !ok {
		return
	}
	switch step.Action {
	case keys.Forget:
		k.forget(record)
	case keys.Delete:
		k.undo(&record, step.Reason, time.Time{})
	case keys.ListUnconfirmed:
		k.unconfirmed(record)
	case keys.ListLostCreate:
		k.lostCreate(record, step.Reason)
	}
}

func (k *Keymaker) unchanged(seen keys.Record) (keys.Record, bool) {
	records, err := k.records(store.Filter{SubscriptionID: seen.SubscriptionID})
	if err != nil {
		return keys.Record{}, false
	}
	for _, r := range records {
		if r.ID == seen.ID {
			return r, r.State == seen.State
		}
	}
	return keys.Record{}, false
}

// retryLater puts the next try of a deletion off, longer each time.
func (k *Keymaker) retryLater(id string) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.retries[id]
	delay := life.Backoff(r.tries, retryFloor, retryCap, k.env.Jitter())
	k.retries[id] = keyRetry{tries: r.tries + 1, due: time.Now().Add(delay)}
	return delay.Round(time.Second)
}

// report names at start what an operator should look at.
func (k *Keymaker) report() {
	records, err := k.records(store.Filter{States: []keys.State{keys.Unconfirmed, keys.LostCreate}})
	if err != nil {
		k.env.Log.Error("cannot look through the key journal", life.LogTarget, k.target, life.LogError, err)
		return
	}
	for _, r := range records {
		k.env.Log.Warn("the key journal lists a key to be looked at: "+r.State.Advice(), life.LogState, r.State, life.LogKey, r.KeyID,
			life.LogKeyName, r.KeyName, life.LogTarget, k.target, life.LogSubscription, r.SubscriptionID, life.LogReason, r.Reason)
	}
}
