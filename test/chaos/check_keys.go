package chaos

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
)

// fateActors are those whose panic ends the connection by which an answer's delivery is proved.
func fateActors() []string { return []string{"agent", "integration", "session"} }

// keyActors are those whose panic ends a saga, and with it what only that knows.
func keyActors() []string { return []string{"agent", "integration", "keys", "writer", "saga"} }

// fateWindow is how long after an answer news of it may still be on its way.
const fateWindow = 3 * time.Minute

// keyBook is all that is known of keys when everything has come to rest.
type keyBook struct {
	run     *run
	keys    []awssim.APIKey
	records []listed
	subs    map[string]apimsim.Subscription
	ended   map[int]time.Time // connections, by when they ended
}

// listed is a record of the journal, and whose.
type listed struct {
	keys.Record
	slot *slot
}

func (r *run) keyBook() *keyBook {
	b := &keyBook{run: r, keys: r.world.AWS.Keys(), subs: map[string]apimsim.Subscription{}, ended: map[int]time.Time{}}
	for _, s := range r.journals() {
		records, err := s.records()
		if err != nil {
			r.violated("store", "the journal of %s cannot be read: %v", s.name, err)
		}
		for _, rec := range records {
			b.records = append(b.records, listed{rec, s})
		}
	}
	for _, sub := range r.world.APIM.Subscriptions() {
		b.subs[sub.ID] = sub
	}
	for _, e := range r.world.APIM.EndedSessions() {
		b.ended[e.Conn] = e.At
	}
	return b
}

// checkKeys holds AWS's keys, APIM's subscriptions and the journals against each other.
func (r *run) checkKeys() {
	b := r.keyBook()
	lost := map[string]int{} // lost creates by name
	for _, rec := range b.records {
		r.count("journal "+string(rec.State), 1)
		switch rec.State {
		case keys.Delivered:
		case keys.Unconfirmed:
			if why := b.unconfirmedExcuse(rec); why == "" {
				r.violated("unconfirmed", "%s is listed as unconfirmed, and nothing kept its answer's delivery from being proved",
					describe(rec))
			} else {
				r.note("judge %s is unconfirmed: %s", describe(rec), why)
			}
			b.checkSettled(rec)
		case keys.LostCreate:
			lost[rec.KeyName]++
			if _, seek := rec.SeekAt(); seek && r.options.Lookup && !r.profile.has(famClock) {
				r.violated("lost-create-left", "%s is still listed, and AWS may be asked for it: %+v", describe(rec), rec.Sought)
			}
		default:
			r.violated("journal-left", "%s is still %s", describe(rec), rec.State)
		}
	}
	for name, n := range lost {
		if r.disksFailed() {
			break // a record that was finished while its disk refused may come back from it
		}
		if most := b.lostCreates(name); n > most {
			r.violated("lost-create", "%d creates of %q are listed as lost, and %d were not answered", n, name, most)
		}
	}
	for _, key := range b.keys {
		b.checkKey(key, lost)
	}
	r.countSettled()
	r.replicas.checkOwners()
	b.checkAccess()
	b.checkForeign()
	b.checkMade()
}

func describe(rec listed) string {
	return fmt.Sprintf("record %s (subscription %s, key %s, command %s)", rec.ID, rec.SubscriptionID, rec.KeyID,
		rec.CommandID)
}

// checkKey: an attached key belongs to an accepted subscription or is listed; an unattached one is a lost create.
func (b *keyBook) checkKey(key awssim.APIKey, lost map[string]int) {
	r := b.run
	if slices.ContainsFunc(r.foreign, func(f awssim.APIKey) bool { return f.ID == key.ID }) {
		return
	}
	for _, sub := range b.subs {
		if b.currentKey(sub) == key.ID && sub.Status == apimsim.SubscriptionAccepted {
			r.count("keys of accepted subscriptions", 1)
			return
		}
	}
	for _, rec := range b.records {
		if rec.KeyID == key.ID && rec.State == keys.Unconfirmed {
			r.count("keys unconfirmed", 1)
			return
		}
	}
	if r.replicas.forgotKey(key) {
		r.count("keys lost with a table", 1)
		return
	}
	if b.lostToDisk(key.Created) {
		r.count("keys lost to a disk", 1)
		return
	}
	ever := r.cloud.everAttached(key.ID)
	if !ever && lost[key.Name] > 0 {
		lost[key.Name]--
		r.count("keys of lost creates", 1)
		return
	}
	if why := b.outOfReach(key); why != "" {
		r.count("keys that APIM lost: "+why, 1)
		r.note("judge key %s: %s", key.ID, why)
		return
	}
	rule := "key-unattached"
	if len(key.Plans) > 0 {
		rule = "key-attached"
	}
	r.violated(rule, "key %s (%q, plans %v) is in AWS, belongs to no accepted subscription, and no list has it", key.ID,
		key.Name, key.Plans)
}

// currentKey is the key that APIM was told of last for a subscription.
func (b *keyBook) currentKey(sub apimsim.Subscription) string {
	if told := b.run.wire.toldOf(sub.ID); len(told) > 0 {
		return told[len(told)-1]
	}
	return sub.Metadata[keyIDMetadata]
}

// outOfReach is why a key, whose answer reached the controller, is not an accepted subscription's, through no
// fault of the agent's.
func (b *keyBook) outOfReach(key awssim.APIKey) string {
	w := b.run.wire
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.order {
		i := slices.IndexFunc(c.replies, func(s seenReply) bool { return s.keyID == key.ID })
		if i < 0 {
			continue
		}
		for _, p := range b.run.world.APIM.ProblemsOf(apimsim.ProblemOrphanAnswer) {
			if p.Subject == c.subscription {
				return "its subscription was deleted while it was made"
			}
		}
		told := w.told[c.subscription]
		if b.subs[c.subscription].Status == apimsim.SubscriptionDeleted && !w.unsubscribed[c.subscription] &&
			told[len(told)-1] == key.ID {
			// APIM gives back what is accepted, then deletes the plan with what was accepted meanwhile.
			return "its subscription was deleted with its plan, and no UNSUBSCRIBE came"
		}
		if b.madeByAnother(key.ID, c.subscription) {
			return "its subscription was subscribed again on another replica"
		}
		if b.endedByAnother(key.ID, c.subscription) {
			return "its subscription, subscribed twice, was ended on another replica"
		}
	}
	return ""
}

// endedByAnother reports whether another replica than a key's answered its subscription's UNSUBSCRIBE: it knows the key
// that APIM's metadata name, which is the first. It needs the wire's lock.
func (b *keyBook) endedByAnother(keyID, subscription string) bool {
	r := b.run
	i := slices.IndexFunc(b.records, func(rec listed) bool { return rec.KeyID == keyID })
	if r.replicas != nil || i < 0 || len(r.wire.told[subscription]) < 2 {
		return false
	}
	return slices.ContainsFunc(r.wire.order, func(c *sentCommand) bool {
		agent := r.wire.conn(c.conn).agent
		r.mu.Lock()
		defer r.mu.Unlock()
		return c.kind == "UNSUBSCRIBE" && c.subscription == subscription && len(c.replies) > 0 &&
			slices.ContainsFunc(r.lives, func(l *lifetime) bool { return l.name == agent && l.slot != b.records[i].slot })
	})
}

// madeByAnother reports whether a key is in another replica's journal than its subscription's latest: no
// replica knows of the other's. It needs the wire's lock.
func (b *keyBook) madeByAnother(keyID, subscription string) bool {
	told := b.run.wire.told[subscription]
	slotOf := func(id string) *slot {
		for _, rec := range b.records {
			if rec.KeyID == id {
				return rec.slot
			}
		}
		return nil
	}
	mine, latest := slotOf(keyID), slotOf(told[len(told)-1])
	return mine != nil && latest != nil && mine != latest
}

// checkAccess: an accepted subscription's key works, unless AWS's people took it away or APIM asked for its end.
func (b *keyBook) checkAccess() {
	r := b.run
	for _, sub := range b.subs {
		if sub.Status != apimsim.SubscriptionAccepted || r.wire.isUnsubscribed(sub.ID) || r.disksLost() {
			continue
		}
		r.count("accepted subscriptions checked", 1)
		id := b.currentKey(sub)
		i := slices.IndexFunc(b.keys, func(k awssim.APIKey) bool { return k.ID == id })
		if i < 0 {
			r.violated("access-lost", "subscription %s is accepted, and its key %s is gone", sub.ID, id)
			continue
		}
		if len(r.wire.toldOf(sub.ID)) == 1 && b.keys[i].Value.Reveal() != sub.APIKey.Reveal() {
			r.violated("wrong-key", "subscription %s has another value than key %s", sub.ID, id)
		}
		if len(b.keys[i].Plans) == 0 && !r.planGone(sub) {
			r.violated("access-lost", "key %s of the accepted subscription %s is in no plan", id, sub.ID)
		}
	}
}

// planGone reports whether a subscription's usage plan was deleted in AWS.
func (r *run) planGone(sub apimsim.Subscription) bool {
	plan := sub.Metadata["aws-api-gateway-usage-plan-id"]
	for _, scope := range r.scopes() {
		region, err := r.world.AWS.Snapshot(scope)
		if err == nil && sub.Metadata["aws-api-gateway-region"] == scope.Region &&
			sub.Metadata["aws-api-gateway-account-id"] == scope.Account {
			return !slices.ContainsFunc(region.UsagePlans, func(p awssim.UsagePlan) bool { return p.ID == plan })
		}
	}
	return true
}

// checkForeign: other people's keys are as they were.
func (b *keyBook) checkForeign() {
	for _, f := range b.run.foreign {
		if !slices.ContainsFunc(b.keys, func(k awssim.APIKey) bool { return k.ID == f.ID && k.Enabled }) {
			b.run.violated("foreign-key", "key %s is somebody else's, and it is gone", f.ID)
		}
	}
}

// checkMade: one SUBSCRIBE makes one key at most.
func (b *keyBook) checkMade() {
	asked := map[string]int{}
	for _, c := range b.run.wire.sent() {
		if c.kind == "SUBSCRIBE" {
			asked[c.subscription]++
		}
	}
	for name, n := range b.run.cloud.madeByName() {
		for sub, most := range asked {
			if strings.Contains(name, sub) && n > most {
				b.run.violated("key-twice", "%d keys called %q were made, and %d SUBSCRIBEs came for %s", n, name, most, sub)
			}
		}
	}
}

// unconfirmedExcuse is what kept the delivery of a key's answer from being proved; empty if nothing did.
func (b *keyBook) unconfirmedExcuse(rec listed) string {
	for _, later := range b.records {
		if later.slot == rec.slot && later.Subscription() == rec.Subscription() &&
			keys.Compare(rec.Record, later.Record) < 0 && later.State == keys.Unconfirmed {
			if why := b.unconfirmedExcuse(later); why != "" {
				return "its successor: " + why
			}
		}
	}
	if rec.slot.journal.everFailed() {
		return "its disk refused"
	}
	if rec.Contested && b.lostTo(rec) {
		return "another SUBSCRIBE of its subscription was refused before its proof"
	}
	if rec.Restored && b.run.replicas.wasRestored(time.Now()) {
		return "it is of a restored table"
	}
	answered := b.answeredAt(rec)
	agent := agentOf(rec)
	proof := b.proof(rec, answered)
	if why := b.processTrouble(agent, answered, proof.at); why != "" {
		return why
	}
	return proof.missing
}

// agentOf is the process that made a record.
func agentOf(rec listed) string { return rec.ID[:strings.LastIndexByte(rec.ID, '-')] }

// lostTo reports whether a SUBSCRIBE of a record's subscription was not answered with a key, so that APIM may have rejected it.
func (b *keyBook) lostTo(rec listed) bool {
	return slices.ContainsFunc(b.run.wire.sent(), func(c *sentCommand) bool {
		return c.kind == "SUBSCRIBE" && c.subscription == rec.SubscriptionID && c.id != rec.CommandID &&
			(len(c.replies) == 0 || c.replies[0].keyID == "")
	})
}

// answeredAt is when the record's reply was first about to be written.
func (b *keyBook) answeredAt(rec listed) time.Time {
	writes := rec.slot.journal.of(rec.ID)
	for _, w := range writes {
		if w.State == keys.Answered {
			return w.at
		}
	}
	return time.Time{}
}

// processTrouble finds a crash, or a panic that ended the connection, before the proof could be written down.
func (b *keyBook) processTrouble(agent string, from, proof time.Time) string {
	r := b.run
	until := from.Add(fateWindow)
	if !proof.IsZero() {
		until = proof.Add(proofWritten)
	}
	switch {
	case r.replicas.stoodStill(agent, from, until):
		return "its process stood still"
	case r.replicas.forgot(agent, "keys", from, until, keyActors()...):
		return "the table was away until its process, or what it knew, was lost"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.panics {
		if p.agent == agent && slices.Contains(fateActors(), p.kind) && !p.at.Before(from.Add(-time.Minute)) &&
			!p.at.After(until) {
			return "a panic of the " + p.kind
		}
	}
	lost, ended := false, false // an answer that the router had, and the saga that waited to hear of it
	for _, p := range r.panics {
		near := p.agent == agent && !p.at.Before(from) && !p.at.After(until)
		lost, ended = lost || near && p.kind == "router", ended || near && p.kind == "keys"
	}
	if lost && ended {
		return "a panic of the router, and of keys"
	}
	for _, l := range r.lives {
		if l.name == agent && !l.ended.IsZero() && !l.ended.Before(from) && !l.ended.After(until) {
			return "the end of the process"
		}
	}
	return ""
}

// proofWritten is how long the agent may take from a pong to its record.
const proofWritten = time.Second

// proofOf says when an answer's delivery was proved to the agent, or what kept it from being.
type proofOf struct {
	at      time.Time
	missing string
}

func (b *keyBook) proof(rec listed, answered time.Time) proofOf {
	w := b.run.wire
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.commands[rec.CommandID]
	if c == nil {
		return proofOf{}
	}
	conn := w.conn(c.conn)
	end, over := b.ended[c.conn]
	if len(c.replies) == 0 {
		if conn.struckBy(answered.Add(fateWindow)) {
			return proofOf{missing: "a fault of the connection kept the answer from arriving"}
		}
		if over && end.After(answered.Add(-time.Minute)) {
			return proofOf{missing: "the connection ended before the answer came"}
		}
		return proofOf{}
	}
	at, proved := conn.proofAt(c.replies[0].at)
	held := w.heldFor(c.conn, c.written)
	switch {
	case c.written.Sub(b.run.replicas.goesOn(agentOf(rec), conn.greeted)) < keptWithin+slowestLatency:
		return proofOf{missing: "it came with HELLO's answer, so it may have been kept for long"}
	case proved && at.Sub(conn.notBefore(c.written)) > time.Minute-held-2*slowestLatency:
		return proofOf{missing: "the pong came when the controller may have given up"}
	case proved && over && end.Before(at.Add(held+missedPong)) && held > 0:
		return proofOf{missing: "the connection was held up and then given up"}
	case !proved && conn.struckBy(answered.Add(fateWindow)):
		return proofOf{missing: "a fault of the connection kept ping or pong from arriving"}
	case proved && conn.struckBy(at.Add(slowestLatency)):
		return proofOf{missing: "a fault of the connection before the pong had come"}
	case !proved && (conn.noPong || over):
		return proofOf{missing: "no pong was sent"}
	case over && end.Before(at.Add(slowestLatency)):
		return proofOf{missing: "the connection ended before the pong came"}
	}
	return proofOf{at: at}
}

const (
	// keptWithin is how soon behind HELLO's answer the agent takes a command for one that the controller had kept.
	keptWithin = time.Second
	// missedPong is within which time the agent ends a connection whose pong does not come.
	missedPong = 20 * time.Second
)

// slowestLatency is the most that a simulated connection takes one way.
const slowestLatency = 160 * time.Millisecond

// lostCreates is how many creates of a name may be lost: those that got no answer because of a fault.
func (b *keyBook) lostCreates(name string) int {
	r := b.run
	r.cloud.mu.Lock()
	defer r.cloud.mu.Unlock()
	n := 0
	for _, a := range r.cloud.attempts {
		if a.operation != awssim.OpCreateAPIKey || a.key != name || (a.complete && a.status < 500) {
			continue
		}
		r.mu.Lock()
		fault := r.unanswered[name] > 0 || r.diedBefore(a)
		r.mu.Unlock()
		if fault || r.replicas.stoodStill(a.agent, a.start, later(a.start, a.end)) || r.isBadLink(a.links...) || (len(a.links) == 0 && r.profile.has(famAWSNet)) {
			n++
		}
	}
	// One whose process died between the journal and the network left no attempt.
	for _, s := range r.journals() {
		n += s.journal.creatingAtDeath(name, r)
	}
	return n + b.takenOver(name)
}

// takenOver counts the lost creates of a name that another process has listed, though AWS had answered: what their maker
// knew was not heard any more.
func (b *keyBook) takenOver(name string) (n int) {
	r := b.run
	for _, rec := range b.records {
		if r.replicas == nil || rec.State != keys.LostCreate || rec.KeyName != name {
			continue
		}
		if rec.Restored {
			n++
			continue
		}
		maker := rec.ID[:strings.LastIndexByte(rec.ID, '-')]
		for _, w := range r.replicas.journal.of(rec.ID) {
			until := w.at.Add(fateWindow)
			if w.State == keys.Creating && (r.replicas.forgot(maker, "keys", w.at, until, keyActors()...) ||
				r.endedBefore(maker, until)) {
				n++
				break
			}
		}
	}
	return n
}

// diedBefore reports whether an attempt's process died while it was on its way. It needs the run's lock.
func (r *run) diedBefore(a *attempt) bool {
	return slices.ContainsFunc(r.lives, func(l *lifetime) bool {
		return l.name == a.agent && !l.ended.IsZero() && (a.end.IsZero() || !l.ended.After(a.end))
	})
}

// creatingAtDeath counts the records of a name whose process died before it sent anything.
func (j journal) creatingAtDeath(name string, r *run) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for id, writes := range j.writes {
		last := slices.IndexFunc(writes, func(w written) bool { return w.State == keys.Creating })
		if last < 0 || writes[last].KeyName != name {
			continue
		}
		agent := id[:strings.LastIndexByte(id, '-')]
		at := writes[last].at
		sent := slices.ContainsFunc(r.cloud.attempts, func(a *attempt) bool {
			return a.agent == agent && a.operation == awssim.OpCreateAPIKey && a.key == name && !a.start.Before(at) &&
				(!a.complete || a.status >= 500) && (len(a.links) > 0 || r.profile.has(famAWSNet)) // else it never left
		})
		r.mu.Lock()
		died := slices.ContainsFunc(r.lives, func(l *lifetime) bool {
			return l.name == agent && !l.ended.IsZero() && !l.ended.Before(at) && l.ended.Sub(at) < time.Minute
		})
		r.mu.Unlock()
		if died && !sent {
			n++
		}
	}
	return n
}

// lostToDisk reports whether what was done at an instant may be lost with a process whose disk refused.
func (b *keyBook) lostToDisk(at time.Time) bool {
	return !at.IsZero() && slices.ContainsFunc(b.run.slots, func(s *slot) bool { return s.journal.lostBefore(at) })
}

// checkDeletion: once APIM has read a key's answer, the key is deleted only when APIM asks for it, has a newer one, or
// tells that the subscription is over.
func (r *run) checkDeletion(keyID string) {
	if r.disksLost() {
		return // the journal took the key for one that was never answered
	}
	w := r.wire
	w.mu.Lock()
	defer w.mu.Unlock()
	for sub, told := range w.told {
		if told[len(told)-1] == keyID && !w.unsubscribed[sub] && !r.endedInAPIM(sub) {
			r.violated("deleted-after-reply", "key %s is deleted, and APIM was told of it for %s and has not given it back",
				keyID, sub)
		}
	}
}

func (w *wire) toldOf(sub string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.told[sub])
}

func (w *wire) isUnsubscribed(sub string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.unsubscribed[sub]
}

func (w *wire) sent() []*sentCommand {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.order)
}

func (c *cloud) everAttached(keyID string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.plans[keyID]) > 0
}

func (c *cloud) madeByName() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]int{}
	maps.Copy(out, c.made)
	return out
}
