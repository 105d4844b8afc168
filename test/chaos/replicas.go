package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/memnet"
	"federation-agent/internal/store"
	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table"
	"federation-agent/internal/table/tablesim"
)

// replicas are several agents with one journal, which is in a table, and one quota. Nothing of one is on a disk: one that
// is started again has what the table has.
type replicas struct {
	run   *run
	model *tablesim.Model
	// store reads the table without a fault, for the judge.
	store *tablestore.Store
	// journal is what was written to the table, by whomever.
	journal journal
	calls   *counter

	// frozen are the times in which processes stood still, away those in which the table failed them, or was late.
	frozen, away hindrances
	// writing are the times in which they wrote to the journal of keys, lent those in which a part of a quota was confirmed.
	writing, lent hindrances
	restore       restore
}

const (
	// longestFreeze and shortestFreeze bound how long a replica stands still.
	longestFreeze  = 90 * time.Second
	shortestFreeze = time.Second
	// tableTakes bounds what a call of the table takes that nothing befalls, tableSlow one that is late.
	tableTakes = 20 * time.Millisecond
	tableSlow  = 4 * time.Second
	// tableGivesUp is when the agent's client gives up a call that is not answered.
	tableGivesUp = 5 * time.Second
	// longestCut and shortestCut bound how long a partition lasts.
	longestCut  = 120 * time.Second
	shortestCut = time.Second
)

// newReplicas makes the table, where a seed has several replicas.
func (r *run) newReplicas() {
	if !r.profile.has(famReplicas) {
		return
	}
	n := &replicas{run: r, journal: newJournal(), calls: newCounter(), frozen: hindrances{}, away: hindrances{}, writing: hindrances{}, lent: hindrances{}}
	n.model = tablesim.New(n.befall)
	n.model.Observe(n.onWrite)
	n.store = tablestore.New(n.model.Client(theJudge), func() string { return theJudge })
	r.replicas = n
}

// theJudge is the judge's name at the table.
const theJudge = "judge"

// names are those of the slots beside the first.
func (n *replicas) names() []string {
	if n == nil {
		return nil
	}
	return []string{"second", "third"}[:n.run.dice.between(1, 2, "replicas")]
}

// onWrite notes what was written of keys. It is called with the model's lock.
func (n *replicas) onWrite(c tablesim.Call, before, after table.Item) {
	r := n.run
	for name, value := range after {
		r.checkSecrets("an item of the table", c.Key.Sort+name+value.Text()+string(value.Bytes()))
	}
	if c.Key.Partition != "keys" {
		return
	}
	was, is := recordsOf(c.Key, before), recordsOf(c.Key, after)
	n.journal.mu.Lock()
	defer n.journal.mu.Unlock()
	for id, rec := range is {
		if old, there := was[id]; !there || old != rec {
			r.note("table %s: key %s of %s is %s (owner %q)", c.Client, id, rec.SubscriptionID, rec.State, after["owner"].Text())
			n.journal.writes[id] = append(n.journal.writes[id], written{Record: rec, at: time.Now()})
		}
	}
	for id, rec := range was {
		if _, there := is[id]; !there {
			r.note("table %s: key %s of %s is removed (owner %q)", c.Client, id, rec.SubscriptionID, after["owner"].Text())
			n.journal.writes[id] = append(n.journal.writes[id], written{Record: rec, at: time.Now(), removed: true})
		}
	}
}

// recordsOf reads what the judge needs of an entry, by the ids of its records.
func recordsOf(key table.Key, item table.Item) map[string]keys.Record {
	all := map[string]keys.Record{}
	for name, value := range item {
		id, isState := strings.CutSuffix(strings.TrimPrefix(name, "k."), ".state")
		if !isState || !strings.HasPrefix(name, "k.") {
			continue
		}
		of := func(field string) string { return item["k."+id+"."+field].Text() }
		parts := strings.Split(strings.TrimSuffix(key.Sort, "/"), "/")
		all[id] = keys.Record{
			ID: id, SubscriptionID: parts[len(parts)-1], State: keys.State(value.Text()), KeyName: of("name"),
			KeyID: of("key"), CommandID: of("command"), Reason: of("reason"),
		}
	}
	return all
}

// records are all that the table has of keys.
func (n *replicas) records() ([]keys.Record, error) {
	entries, err := n.store.Entries(context.Background(), store.Filter{}, false)
	return store.RecordsOf(entries), err
}

// checkOwners: nobody has an entry when everything has come to rest.
func (n *replicas) checkOwners() {
	if n == nil {
		return
	}
	all, err := n.store.Entries(context.Background(), store.Filter{}, false)
	if err != nil {
		n.run.violated("store", "the table cannot be read: %v", err)
	}
	for _, e := range all {
		if e.Owner != "" {
			n.run.violated("owner-left", "the entry of subscription %s is still %s's", e.Of.ID, e.Owner)
		}
	}
}

// nameOf is an event's stable name: the nth call of its kind.
func (n *replicas) nameOf(c tablesim.Call) string {
	kind := fmt.Sprint(c.Client, " ", c.Op, " ", c.Key.Partition)
	return fmt.Sprint(kind, " ", n.calls.next(kind))
}

// befall says what becomes of a call.
func (n *replicas) befall(ctx context.Context, c tablesim.Call) tablesim.Fault {
	if c.Client == theJudge {
		return tablesim.None
	}
	r, name := n.run, n.nameOf(c)
	n.pass(ctx, r.dice.duration(time.Millisecond, tableTakes, "table takes", name))
	if n.isMissing() {
		n.hinder(n.away, c.Client, c.Key.Partition, 0)
		return tablesim.Missing
	}
	if r.calm.Load() {
		return tablesim.None
	}
	if c.Index && r.dice.chance(r.profile.of(famReplicas, 0.2), "index", name) {
		r.strike("table's index is behind", "%s", name)
		return tablesim.Stale
	}
	if !r.dice.chance(r.profile.of(famReplicas, 0.03), "table", name) {
		return tablesim.None
	}
	kind, long := r.dice.below(5, "table kind", name), time.Duration(0)
	var fault tablesim.Fault
	switch kind {
	case 0:
		r.strike("table throttled", "%s", name)
		fault = tablesim.Throttled
	case 1:
		long = r.dice.duration(100*time.Millisecond, tableSlow, "table slow", name)
		r.strike("table slow", "%s by %s", name, long)
	case 2:
		long = r.dice.duration(0, tableGivesUp, "table gives up", name)
		r.strike("table lost before", "%s", name)
		fault = tablesim.LostBefore
	case 3:
		r.strike("table lost after", "%s", name)
		fault = tablesim.LostAfter
	case 4:
		r.strike("table written twice", "%s", name)
		fault = tablesim.Twice
	}
	n.hinder(n.away, c.Client, c.Key.Partition, long)
	n.pass(ctx, long)
	return fault
}

// pass lets time pass, unless the caller gives up before.
func (n *replicas) pass(ctx context.Context, long time.Duration) {
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// errCut is what a call of a table hears that cannot be reached.
var errCut = errors.New("the table is out of reach")

// reach is a table as one process reaches it, or not.
type reach struct {
	table.Items

	of   *replicas
	life *lifetime
}

// Get implements [table.Items].
func (t reach) Get(ctx context.Context, key table.Key) (item table.Item, err error) {
	err = t.do(ctx, "get "+key.Partition, errCut, func() error {
		item, err = t.Items.Get(ctx, key)
		return err
	})
	return item, err
}

// Query implements [table.Items].
func (t reach) Query(ctx context.Context, q table.Query) (found []table.Found, err error) {
	err = t.do(ctx, "query "+q.Partition, errCut, func() error {
		found, err = t.Items.Query(ctx, q)
		return err
	})
	return found, err
}

// Describe implements [table.Items].
func (t reach) Describe(ctx context.Context) (is table.Description, err error) {
	err = t.do(ctx, "describe", errCut, func() error {
		is, err = t.Items.Describe(ctx)
		return err
	})
	return is, err
}

// Update implements [table.Items].
func (t reach) Update(ctx context.Context, key table.Key, change table.Change) error {
	began := time.Now()
	err := t.do(ctx, "update "+key.Partition, table.ErrUnknown, func() error { return t.Items.Update(ctx, key, change) })
	switch {
	case key.Partition == "keys":
		t.of.lasted(t.of.writing, t.life.name, "keys", began)
	case key.Partition == "quota" && err == nil:
		t.of.lasted(t.of.lent, t.life.name, strings.TrimSuffix(key.Sort, "/"), began)
	}
	return err
}

// Delete implements [table.Items].
func (t reach) Delete(ctx context.Context, key table.Key, on table.Condition) error {
	return t.do(ctx, "delete "+key.Partition, table.ErrUnknown, func() error { return t.Items.Delete(ctx, key, on) })
}

// do does a call, unless the process is cut off from the table, and has the process freeze or die before and behind it.
func (t reach) do(ctx context.Context, what string, cut error, call func() error) error {
	l, r := t.life, t.of.run
	name := fmt.Sprint(l.name, " ", what, " ", t.of.calls.next(l.name+" reach "+what))
	t.halt("before "+name, what)
	if l.cutOff("table") {
		t.of.pass(ctx, r.dice.duration(0, tableGivesUp, "cut", name))
		return cut
	}
	err := call()
	t.halt("after "+name, what)
	return err
}

// halt has the process freeze, or die, at a call about keys.
func (t reach) halt(name, what string) {
	if strings.HasSuffix(what, " keys") || strings.HasSuffix(what, " course") {
		t.life.halt("at the table", name, 0.01)
	}
}

// halt has a process freeze, or die, at an event.
func (l *lifetime) halt(where, name string, p float64) {
	r := l.slot.run
	if r.replicas == nil || r.calm.Load() || l.instance == nil || !r.dice.chance(r.profile.of(famReplicas, p), "halt", name) {
		return
	}
	if r.dice.chance(0.4, "dies", name) {
		if l.crash() {
			r.strike("replica crashes "+where, "%s", name)
		}
		return
	}
	if r.dice.chance(0.3, "is cut off", name) {
		l.cutOffTable(where, name)
		return
	}
	l.freeze(where, name)
	l.instance.Gate.Wait()
}

// cutOffTable keeps a process from the table from now on.
func (l *lifetime) cutOffTable(where, name string) {
	r := l.slot.run
	long := shortestCut * time.Duration(r.dice.logarithmic(int(longestCut/shortestCut), "cut", name))
	r.mu.Lock()
	l.slot.cuts["table"] = cut{until: time.Now().Add(long)}
	r.mu.Unlock()
	r.strike("replica cut off from the table "+where, "%s for %s", name, long)
	r.replicas.hinder(r.replicas.away, l.name, "", long)
}

// nth numbers events of a kind.
func (n *replicas) nth(kind string) int { return n.calls.next(kind) }

// lifeOf is the process of this name, among those that share a journal.
func (r *run) lifeOf(agent string) *lifetime {
	if r.replicas == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lives {
		if l.name == agent {
			return l
		}
	}
	return nil
}

// freeze has a process stand still for a while.
func (l *lifetime) freeze(where, name string) {
	r := l.slot.run
	steps := int(longestFreeze / shortestFreeze)
	long := shortestFreeze * time.Duration(r.dice.logarithmic(steps, "freeze", name))
	now := time.Now()
	r.mu.Lock()
	if l.crashed || !l.ended.IsZero() || l.instance == nil || l.frozenUntil.After(now) {
		r.mu.Unlock()
		return
	}
	l.frozenUntil = now.Add(long)
	instance := l.instance
	r.mu.Unlock()
	r.strike("replica frozen "+where, "%s, %s for %s", l.name, name, long)
	r.replicas.hinder(r.replicas.frozen, l.name, "", long)
	for _, link := range l.links("apim") {
		r.wire.onHold(link, long, true)
	}
	instance.Gate.Freeze()
	time.AfterFunc(long, func() {
		r.note("%s goes on", l.name)
		instance.Gate.Thaw()
	})
}

// cut is a partition between a process and a side.
type cut struct {
	until time.Time
}

// cutOff reports whether a process does not reach a side.
func (l *lifetime) cutOff(side string) bool {
	r := l.slot.run
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.calm.Load() && time.Now().Before(l.slot.cuts[side].until)
}

// partition cuts one replica off from a side.
func (r *run) partition(s step) {
	slot, _ := one(r, s, "slot", r.slots)
	side := []string{"table", "table", "aws", "apim"}[r.dice.below(4, "side", s.name())]
	long := shortestCut * time.Duration(r.dice.logarithmic(int(longestCut/shortestCut), "cut", s.name()))
	r.mu.Lock()
	slot.cuts[side] = cut{until: time.Now().Add(long)}
	r.mu.Unlock()
	r.strike("partition of a replica and "+side, "%s for %s", slot.name, long)
	if side == "table" {
		r.replicas.hinder(r.replicas.away, slot.life.name, "", long)
		return
	}
	for _, link := range slot.life.links(side) {
		r.badLink(link.ID().String())
		link.BlackHole()
	}
}

// partitioned has a connection hang that is dialed across a partition.
func (r *run) partitioned(id memnet.ID, plan *memnet.Plan) {
	side, _, _ := strings.Cut(id.To, ".")
	for _, s := range r.slots {
		if l := s.current(); l != nil && l.name == id.From && l.cutOff(side) {
			plan.DialHangs = true
			r.badLink(id.String())
		}
	}
}

// What a cluster of APIM's nodes does with several agents, by seed.
const (
	oneNode    = iota // all commands go to the same agent, the primary or not
	twoNodes          // each command goes to any agent
	twoPatient        // so it does, and a command that finds no agent waits for one
	clusters
)

func (r *run) cluster() int {
	if r.replicas == nil {
		return oneNode
	}
	return r.dice.below(clusters, "cluster")
}

// channel is the agent that gets a command, the longest connected first.
func (r *run) channel(_ string, nth, channels int) int {
	switch {
	case r.cluster() != oneNode:
		return r.dice.below(channels, "channel", fmt.Sprint(nth))
	case r.dice.chance(0.5, "youngest"):
		return channels - 1
	}
	return 0
}

// keeps says that a command waits for an agent where none is there.
func (r *run) keeps(_, kind string) bool {
	if r.cluster() != twoPatient || r.calm.Load() {
		return false
	}
	r.count("commands kept until an agent comes", 1)
	return true
}

// acceptTwice has two people accept one subscription, within the time of a SUBSCRIBE.
func (r *run) acceptTwice(s step) {
	api, ok := one(r, s, "api", withPlans(r.world.APIM.APIs()))
	if !ok {
		return
	}
	plan, _ := one(r, s, "plan", api.Plans)
	gap := r.dice.duration(0, time.Second, "gap", s.name())
	if r.dice.chance(0.3, "long gap", s.name()) {
		gap = r.dice.duration(0, 50*time.Second, "gap", s.name())
	}
	r.start(func(ctx context.Context) {
		sub, answers, err := r.world.APIM.AcceptTwice(ctx, api.ID, plan.ID, "App "+fmt.Sprint(s.n), apimsim.RouteAny, apimsim.RouteAny, gap)
		r.note("done %s: %s %s %v %v", s.name(), sub.ID, sub.Status, answers, err)
		r.count("subscription accepted twice: "+sub.Status, 1)
	})
}

// Subscriptions that begin while nothing hinders anybody, and within which time: each process looks every half minute for what
// others have left.
const (
	sharedSubscriptions = 8
	sharedWithin        = 40 * time.Second
)

// checkSharing: when nothing hinders them, replicas keep their hands off what another one is at. So each subscription is
// accepted, also one that is accepted twice.
func (r *run) checkSharing() {
	part := r.part()
	api, err := r.world.APIM.API(part)
	expected, _ := r.expected() // one that cannot be read is told elsewhere
	if r.replicas == nil || part == "" || err != nil || len(api.Plans) == 0 {
		return
	}
	plan, _, _ := strings.Cut(expected[part].plans[0], "|")
	for n := range sharedSubscriptions {
		name := fmt.Sprint("shared ", n)
		r.start(func(ctx context.Context) {
			time.Sleep(r.dice.duration(0, sharedWithin, name))
			var sub apimsim.Subscription
			var err error
			if n%2 == 0 {
				sub, err = r.world.APIM.Subscribe(ctx, api.ID, plan, name, "")
			} else {
				gap := r.dice.duration(0, time.Second, "gap", name)
				sub, _, err = r.world.APIM.AcceptTwice(ctx, api.ID, plan, name, apimsim.RouteAny, apimsim.RouteAny, gap)
			}
			r.count("subscriptions while nothing hinders replicas", 1)
			if err != nil || sub.Status != apimsim.SubscriptionAccepted {
				r.violated("service", "subscription %s to plan %s of %s, beside others, is %s: %s, %v", sub.ID, plan, part, sub.Status,
					sub.Reason, err)
			}
		})
	}
	r.commands.Wait()
}
