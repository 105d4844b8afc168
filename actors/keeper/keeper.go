// Package keeper is the actor that answers for the API keys that no writer of their own serves.
package keeper

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	keyactors "federation-agent/actors/keys"
	"federation-agent/actors/life"
	"federation-agent/internal/keys"
	"federation-agent/internal/store"
)

// keepEvery is how often the journal is read for what no writer serves.
const keepEvery = 30 * time.Second

// keeper answers for the records that no writer of their own serves, because their integration, account or region is
// not configured any more: it hands them to the one who reaches them ([keys.Serves]), and names the others in the log
// and on the board. What another process of those that share the journal is at work on is that one's. Parent: agent.
type keeper struct {
	life.Scoped
	env   *life.Env
	kept  *kept
	looks keys.Looks

	reading, again bool // the journal is being read, and is to be read once more
	// late: the targets had their time to find out whose account they are.
	late bool
	// named is what was said of each record, so that it is said once.
	named map[string]note
}

// kept is what outlives a restart of the keeper.
type kept struct {
	// configured is all credentials: as configured, and behind them the regions that were reached.
	configured []keys.Credentials
	opened     map[keys.Place]keyactors.Serves
}

// Left tells that an integration has ended for good. Agent -> keeper.
type Left struct{ Integration string }

// What the keeper tells itself.
type (
	keepDue struct{}
	found   struct {
		records []keys.Record
		err     error
	}
	noted struct {
		handed []handed
		err    error
	}
	handed struct {
		to   *actor.PID
		what any
	}
)

// byHand is what an operator can do about a key that the agent cannot delete.
const byHand = "delete the key in the API Gateway console and acknowledge it here (federation-agent keys ack)"

// note is what is said of a record.
type note struct {
	server keys.Server
	// gone: the record's integration is not configured any more.
	gone bool
}

// says is the log's line, and what an operator reads of one of the keys.
func (n note) says() (line, do string) {
	what := "the account and region"
	if n.gone {
		what = "an integration with the account and region"
	}
	switch n.server {
	case keys.Awaited:
		return "AWS cannot be used yet with the credentials that may reach API keys which are to be deleted",
			"see why AWS cannot be used in this account or region, or " + byHand
	case keys.Nobody:
		return "no configured credentials reach API keys which are to be deleted",
			"configure " + what + " again, or " + byHand
	case keys.Own, keys.Neighbour, keys.Kin:
	}
	return "API keys whose integration, account or region is not configured any more are being deleted, " +
		"with other credentials of their account", ""
}

// Props makes the keeper. The configured credentials have no account where only AWS can tell it.
func Props(env *life.Env, configured []keys.Credentials, looks keys.Looks) *actor.Props {
	memory := &kept{configured: configured, opened: map[keys.Place]keyactors.Serves{}}
	return life.Props(env, life.Standing, func() actor.Actor {
		return &keeper{env: env, kept: memory, looks: looks, named: map[string]note{}}
	})
}

func (k *keeper) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		k.Scope.After(keepEvery, keepDue{})
		k.read(k.attention)
	case keyactors.Serves:
		k.onServes(m)
	case Left:
		k.onLeft(m)
	case keyactors.Order:
		k.onOrder(ctx, m)
	case keepDue:
		k.late = true
		k.Scope.After(keepEvery, keepDue{})
		k.read(nil)
	case found:
		k.onFound(m)
	case noted:
		k.onNoted(ctx, m)
	case carriedOut:
		k.onCarriedOut(ctx, m)
	default:
		life.Unexpected(k.env, ctx)
	}
}

// read reads what the journal has left to do or to see, and has a first look at it in the reading goroutine.
func (k *keeper) read(look func([]keys.Record)) {
	if k.reading {
		k.again = true
		return
	}
	k.reading = true
	env := k.env
	life.Pipe(k.Scope, func(ctx context.Context) ([]keys.Record, error) {
		entries, err := env.Keys.Entries(ctx, store.Filter{}, true)
		if look != nil {
			look(store.RecordsOf(entries))
		}
		return store.RecordsOf(slices.DeleteFunc(entries, func(e store.Entry) bool {
			return env.Member.Others(time.Now(), e.Owner)
		})), err
	}, func(records []keys.Record, err error) any { return found{records, err} })
}

// attention names what an operator must look at, as the journal had it at the start.
func (k *keeper) attention(records []keys.Record) {
	listed := map[string][]keys.Record{}
	for _, r := range records {
		if do, alone := r.Advice(k.looks, k.env.Now()); r.NeedsSomebody() && !alone {
			listed[do] = append(listed[do], r)
		}
	}
	for do, of := range listed {
		k.env.Log.Error("the key journal lists keys that need attention: "+do, life.LogState, of[0].State,
			life.LogKeys, len(of), life.LogExamples, keys.Examples(of))
	}
}

// onServes knows one more place that is served. It comes before the writer makes anything, so before the journal can
// have a record of it.
func (k *keeper) onServes(m keyactors.Serves) {
	if k.kept.opened[m.Place] == m {
		return
	}
	known := false
	for n, c := range k.kept.configured {
		if c.Integration == m.Integration && c.Region == m.Region && (c.Account == "" || c.Account == m.Account) {
			k.kept.configured[n], known = keys.Credentials{Place: m.Place, Usable: true}, true
		}
	}
	if !known { // it was reached
		k.kept.configured = append(k.kept.configured, keys.Credentials{Place: m.Place, Usable: true})
	}
	k.kept.opened[m.Place] = m
	k.read(nil)
}

// onLeft forgets an integration: others may delete what it left.
func (k *keeper) onLeft(m Left) {
	k.kept.configured = slices.DeleteFunc(k.kept.configured, func(c keys.Credentials) bool {
		return c.Integration == m.Integration
	})
	maps.DeleteFunc(k.kept.opened, func(p keys.Place, _ keyactors.Serves) bool { return p.Integration == m.Integration })
	k.read(nil)
}

// onFound names what nobody can do, has what needs no call to AWS written down, and then the rest handed out.
func (k *keeper) onFound(m found) {
	if m.err != nil {
		k.env.Lasting.Error("cannot read the key journal", life.LogError, m.err)
		k.reading = false // what is named stays so until the journal can be read
		return
	}
	adopted, notes, newly := map[keys.Place][]string{}, map[string]note{}, map[note][]keys.Record{}
	var foreign []keys.Step
	var hand []handed
	for _, step := range keys.Decide(m.records) {
		r := step.Record
		who, with := keys.Serves(r.Place(), k.kept.configured)
		if who == keys.Own || who == keys.Awaited && !k.late {
			continue
		}
		foreign = append(foreign, step)
		if step.Action != keys.Delete {
			continue
		}
		n := note{server: who, gone: !slices.ContainsFunc(k.kept.configured, func(c keys.Credentials) bool {
			return c.Integration == r.Integration
		})}
		notes[r.ID] = n
		if k.named[r.ID] != n {
			newly[n] = append(newly[n], r)
		}
		switch by := k.kept.opened[with.Place]; who {
		case keys.Neighbour:
			if !slices.Contains(adopted[with.Place], r.Integration) {
				adopted[with.Place] = append(adopted[with.Place], r.Integration)
			}
		case keys.Kin:
			hand = append(hand, handed{by.Target, keyactors.Reach{Region: r.Region}})
		case keys.Own, keys.Awaited, keys.Nobody:
		}
	}
	for place, integrations := range adopted {
		hand = append(hand, handed{k.kept.opened[place].Writer, keyactors.Adopt{Integrations: integrations}})
	}
	k.show(notes, newly)
	life.Do(k.Scope, func(ctx context.Context) error { return k.note(ctx, foreign) },
		func(err error) any { return noted{hand, err} })
}

// show notes on the board what nobody can do now, and logs what was not yet said, in a line a reason.
func (k *keeper) show(notes map[string]note, newly map[note][]keys.Record) {
	do := map[string]string{}
	for id, n := range notes {
		if _, advice := n.says(); advice != "" {
			do[id] = advice
		}
	}
	k.env.Board.Unserved(do)
	k.named = notes
	for n, records := range newly {
		line, advice := n.says()
		level := slog.LevelInfo
		if advice != "" {
			level, line = slog.LevelWarn, line+": "+advice
		}
		if n.server == keys.Nobody { // the others wait for somebody who is asked already
			level = slog.LevelError
		}
		k.env.Log.Log(context.Background(), level, line, life.LogKeys, len(records), life.LogExamples, keys.Examples(records))
	}
}

// note writes down what is decided of records that have no writer of their own. So they are in the lists that operators
// read, also while nobody can do anything about them. A process that is not known to live does it later: the journal may
// be another one by now.
func (k *keeper) note(ctx context.Context, steps []keys.Step) error {
	if !k.env.Member.Stands(time.Now()) {
		return nil
	}
	var all error
	for _, step := range steps {
		var err error
		switch r, keep := step.Noted(k.env.Now()); {
		case !keep:
			err = k.change(ctx, step.Record, nil)
		case r.State != step.Record.State:
			err = k.change(ctx, step.Record, &r)
		}
		if !errors.Is(err, store.ErrMoved) { // else somebody was faster, and the next look sees what is left
			all = errors.Join(all, err)
		}
	}
	return all
}

// change writes another record in place of one; see [store.Replace]. An entry whose owner is gone it takes over.
func (k *keeper) change(ctx context.Context, from keys.Record, to *keys.Record) error {
	entry, err := k.env.Keys.Entry(ctx, from.Subscription())
	if err != nil {
		return err
	}
	return k.replace(ctx, entry, from, to)
}

func (k *keeper) replace(ctx context.Context, entry store.Entry, from keys.Record, to *keys.Record) (err error) {
	me := k.env.Member
	if entry.Owner != "" && !me.Others(time.Now(), entry.Owner) {
		entry, err = store.TakeOver(ctx, k.env.Keys, me.ID(), entry)
	}
	if err == nil {
		_, err = store.Replace(ctx, k.env.Keys, me.ID(), entry, from, to)
	}
	return err
}

func (k *keeper) onNoted(ctx actor.Context, m noted) {
	if m.err != nil {
		k.env.Lasting.Error("cannot write the states of keys that nothing configured serves to the journal",
			life.LogError, m.err)
	}
	for _, h := range m.handed {
		ctx.Send(h.to, h.what)
	}
	k.reading = false
	if k.again {
		k.again = false
		k.read(nil)
	}
}
