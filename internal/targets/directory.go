// Package targets is the one place that says who serves which account in which region.
package targets

import (
	"sync/atomic"

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
}

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
// router, catalogue, ingests and refresher read. A row is replaced as a whole, so that nobody reads half of a change.
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

// Find is the first row that is, or may turn out to be, that target. Two roles of one account serve alike.
func (d *Directory[P]) Find(t federation.Target) (found Row[P], ok bool) {
	for _, row := range d.Rows() {
		switch {
		case row.ID() == t && row.Ready:
			return row, true
		case !ok && row.MayBe(t):
			found, ok = row, true
		}
	}
	return found, ok
}
