// Package targets is the one place that says who serves which account in which region.
package targets

import (
	"sync/atomic"
	"time"

	"federation-agent/internal/federation"
)

// Row is one configured target: a region with a role, or with the configured credentials where there is no role.
// P is how an actor is addressed.
type Row[P any] struct {
	Region, Role string
	// Account is empty while AWS has not told it. It outlives a failure: an account does not change.
	Account string
	// Target is the actor that finds out whose account it is, lists and exports. It holds what is sent to it until it
	// knows.
	Target P
	// Ready says that the account is known and Writer serves: who makes and deletes its keys.
	Ready  bool
	Writer P
	// Optional says that nobody has named the region, so that it may be off for the account. Off says that it is.
	Optional, Off bool
	// FailedAt is when AWS last refused what was asked with this role, if nothing has been answered since.
	FailedAt time.Time
}

// triedAgain is when a role that failed is asked first again, where another one of its account serves meanwhile.
const triedAgain = 5 * time.Minute

// ID is the target's account and region; the account may be empty.
func (r Row[P]) ID() federation.Target {
	return federation.Target{Account: r.Account, Region: r.Region}
}

// MayBe says that the row is, or may turn out to be, that target.
func (r Row[P]) MayBe(t federation.Target) bool {
	return r.Region == t.Region && (r.Account == t.Account || r.Account == "")
}

// ForKeys is who makes and deletes keys; the target itself, as long as it is not ready.
func (r Row[P]) ForKeys() P {
	if r.Ready {
		return r.Writer
	}
	return r.Target
}

// Directory holds an integration's targets in the order of the configuration. Each row has one writer, its target;
// router, catalogue, ingests and reconciler read. A row is replaced as a whole, so that nobody reads half of a change.
type Directory[P any] struct{ rows []atomic.Pointer[Row[P]] }

// New gives a directory of the given rows.
func New[P any](rows ...Row[P]) *Directory[P] {
	d := &Directory[P]{rows: make([]atomic.Pointer[Row[P]], len(rows))}
	for n := range rows {
		d.rows[n].Store(&rows[n])
	}
	return d
}

// Row is the nth target.
func (d *Directory[P]) Row(n int) Row[P] { return *d.rows[n].Load() }

// Set replaces the nth target's row. Only that target calls it.
func (d *Directory[P]) Set(n int, row Row[P]) { d.rows[n].Store(&row) }

// Rows is all targets.
func (d *Directory[P]) Rows() []Row[P] {
	rows := make([]Row[P], len(d.rows))
	for n := range d.rows {
		rows[n] = d.Row(n)
	}
	return rows
}

// Seats are the rows by account and region. In each the first serves, and the others stand by, in the order in which
// they take over: that of the configuration, those behind the others that have failed a short while ago. So two roles
// of one account are asked once. A row whose account is not known has a seat of its own.
func (d *Directory[P]) Seats(now time.Time) (seats [][]Row[P]) {
	rows, taken := d.Rows(), map[federation.Target]int{}
	for _, late := range []bool{false, true} {
		for _, row := range rows {
			if late != (!row.FailedAt.IsZero() && now.Sub(row.FailedAt) < triedAgain) {
				continue
			}
			if seat, there := taken[row.ID()]; there && row.Account != "" {
				seats[seat] = append(seats[seat], row)
				continue
			}
			taken[row.ID()] = len(seats)
			seats = append(seats, []Row[P]{row})
		}
	}
	return seats
}

// Shared says that another row is the nth's account and region, too.
func (d *Directory[P]) Shared(n int) bool {
	own := d.Row(n).ID()
	for other, row := range d.Rows() {
		if other != n && own.Account != "" && row.ID() == own {
			return true
		}
	}
	return false
}

// First is the first row of a known account and region.
func (d *Directory[P]) First(t federation.Target) (first Row[P], found bool) {
	for n := range d.rows {
		if row := d.Row(n); row.ID() == t && t.Account != "" {
			return row, true
		}
	}
	return first, false
}

// AllOff says that the nth row's role was answered in none of its regions. Home is the first of them.
func (d *Directory[P]) AllOff(n int) (home Row[P], all bool) {
	own, found := d.Row(n), false
	for _, row := range d.Rows() {
		switch {
		case row.Role != own.Role:
		case !row.Off:
			return home, false
		case !found:
			home, found = row, true
		}
	}
	return home, true
}

// Find is the first row that is, or may turn out to be, that target. Of two roles of one account it is one that has not
// failed, if there is one.
func (d *Directory[P]) Find(t federation.Target) (found Row[P], ok bool) {
	best := 0
	for _, row := range d.Rows() {
		fitness := 0
		switch {
		case row.ID() == t && row.Ready && row.FailedAt.IsZero():
			return row, true
		case row.ID() == t && row.Ready:
			fitness = 2
		case row.MayBe(t):
			fitness = 1
		}
		if fitness > best {
			found, ok, best = row, true, fitness
		}
	}
	return found, ok
}
