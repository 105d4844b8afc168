package chaos

import (
	"context"
	"slices"
	"strings"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table/tablesim"
)

// restore is how the table is deleted, and a new one made of a backup in its place. The run's lock guards it.
type restore struct {
	backups []backup
	of      backup    // the one that was restored
	missing time.Time // since when there is no table; zero: it was never deleted
	done    time.Time // when the new one was there
}

type backup struct {
	at    time.Time
	items tablesim.Backup
	// busy: a key was being made or deleted.
	busy bool
}

// A restore in place takes so long at least that no process may act on what it knew of the table before
// (docs/replicas.md).
const (
	shortestRestore = 9 * time.Second
	longestRestore  = time.Minute
)

// backUp keeps the table as it is now, once an agent has opened it.
func (n *replicas) backUp() {
	if n == nil {
		return
	}
	b := backup{at: time.Now(), items: n.model.Backup()}
	opened := false
	for key, item := range b.items {
		opened = opened || key.Partition == "meta"
		for _, rec := range recordsOf(key, item) {
			settled := slices.Contains([]keys.State{keys.Delivered, keys.Unconfirmed, keys.LostCreate}, rec.State)
			b.busy = b.busy || key.Partition == "keys" && !settled
		}
	}
	if !opened {
		return // a table to which no agent has written yet is a new one wherever it comes back
	}
	n.run.mu.Lock()
	defer n.run.mu.Unlock()
	n.restore.backups = append(n.restore.backups, b)
}

// backUpSoon keeps the table as it is in the middle of what an agent was just asked for.
func (n *replicas) backUpSoon(command string) {
	if n != nil {
		time.AfterFunc(n.run.dice.duration(0, midway, "backup", command), n.backUp)
	}
}

// midway is within which time most keys are made, or deleted.
const midway = 1500 * time.Millisecond

// chosen is the backup that is restored: mostly one in which an old record would do harm.
func (n *replicas) chosen(s step) backup {
	n.run.mu.Lock()
	all := slices.Clone(n.restore.backups)
	n.run.mu.Unlock()
	busy := slices.DeleteFunc(slices.Clone(all), func(b backup) bool { return !b.busy })
	if len(busy) > 0 && n.run.dice.chance(0.8, "busy", s.name()) {
		all = busy
	}
	of, _ := one(n.run, s, "backup", all)
	return of
}

// beginRestore deletes the table. Once a run.
func (n *replicas) beginRestore(s step) {
	r := n.run
	of := n.chosen(s)
	long := r.dice.duration(shortestRestore, longestRestore, "restore", s.name())
	r.mu.Lock()
	again := !n.restore.missing.IsZero()
	if !again {
		n.restore.of, n.restore.missing = of, time.Now()
	}
	r.mu.Unlock()
	if again {
		return
	}
	r.strike("table restored", "the one of +%.3fs, away for %s", of.at.Sub(r.began).Seconds(), long)
	time.AfterFunc(long, n.restoreNow)
}

// restoreNow makes the new table, if the old one is deleted.
func (n *replicas) restoreNow() {
	if n == nil || !n.isMissing() {
		return
	}
	n.run.note("the table is as it was at +%.3fs", n.restore.of.at.Sub(n.run.began).Seconds())
	n.model.Restore(n.restore.of.items, "restored")
	n.run.mu.Lock()
	defer n.run.mu.Unlock()
	n.restore.done = time.Now()
}

func (n *replicas) isMissing() bool {
	n.run.mu.Lock()
	defer n.run.mu.Unlock()
	return !n.restore.missing.IsZero() && n.restore.done.IsZero()
}

// wasRestored reports whether the table had been restored at an instant.
func (n *replicas) wasRestored(at time.Time) bool {
	if n == nil {
		return false
	}
	n.run.mu.Lock()
	defer n.run.mu.Unlock()
	return !n.restore.done.IsZero() && at.After(n.restore.missing)
}

// forgotKey reports whether the restored table cannot know what became of a key: something was written of its subscription
// since the backup.
func (n *replicas) forgotKey(key awssim.APIKey) bool {
	if n == nil || n.restore.done.IsZero() {
		return false
	}
	for _, writes := range n.journal.all() {
		if slices.ContainsFunc(writes, func(w written) bool {
			return strings.Contains(key.Name, w.SubscriptionID) && w.at.After(n.restore.of.at) && !w.at.After(n.restore.done)
		}) {
			return true
		}
	}
	return false
}

// checkRestore: each process says that the table was restored, until somebody accepts that.
func (r *run) checkRestore() {
	n := r.replicas
	if n == nil || n.restore.done.IsZero() {
		return
	}
	for _, s := range r.slots {
		if len(s.life.instance.Table.Notices()) == 0 {
			r.violated("restore-unnoticed", "%s does not know that its table was restored", s.life.name)
		}
	}
	ctx := context.Background()
	people := tablestore.New(n.model.Client(theJudge), func() string { return "accepted" })
	if err := people.Open(ctx); err != nil {
		r.violated("store", "the restored table cannot be read: %v", err)
		return
	}
	if err := people.AcceptRestore(ctx); err != nil {
		r.violated("store", "a restore cannot be accepted: %v", err)
	}
	r.until(time.Now().Add(acceptedWithin))
	for _, s := range r.slots {
		if notices := s.life.instance.Table.Notices(); len(notices) > 0 {
			r.violated("restore-left", "%s still says, though it was accepted: %q", s.life.name, notices)
		}
	}
}

// acceptedWithin is within which time each process reads that a restore was accepted.
const acceptedWithin = 2 * time.Minute
