package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"federation-agent/internal/keys"
)

// state is all that a [FileStore] knows. It changes only through apply, whose input is what goes to the disk. So what
// is read before a restart and after it cannot differ.
type state struct {
	keys     table[keys.Record]     // by record
	jobs     table[jobHeader]       // by integration and job
	acks     table[jobAck]          // by integration, job and number
	listings table[[]RememberedAPI] // by integration and target
	plans    table[[]string]        // by integration and API
	claims   table[[]string]        // by integration and API
	taken    table[string]          // by integration and API

	nextAck uint64 // above the number of every acknowledgement so far

	// recordsOf has the rows of the key records by subscription, and versions when they last changed, by a count of all
	// changes. Neither is on disk.
	recordsOf map[keys.Subscription]map[string]bool
	versions  map[keys.Subscription]int64
	changes   int64
}

func newState() *state {
	st := &state{
		keys:     newTable[keys.Record](tableKeys, 1),
		jobs:     newTable[jobHeader](tableJobs, 2),
		acks:     newTable[jobAck](tableAcks, 3),
		listings: newTable[[]RememberedAPI](tableListings, 2),
		plans:    newTable[[]string](tablePlans, 2),
		claims:   newTable[[]string](tableClaims, 2),
		taken:    newTable[string](tableTaken, 2),

		recordsOf: map[keys.Subscription]map[string]bool{}, versions: map[keys.Subscription]int64{},
	}
	st.keys.accept = acceptKey
	st.acks.accept = st.acceptAck
	return st
}

func acceptKey(ids []string, rec keys.Record) error {
	if rec.ID != ids[0] || !rec.State.Valid() {
		return fmt.Errorf("%w: key record %q has the id %q and the state %q", errDamagedRow, ids[0], rec.ID, rec.State)
	}
	return nil
}

func (st *state) acceptAck(ids []string, _ jobAck) error {
	number, err := strconv.ParseUint(ids[2], 16, 32)
	if err != nil {
		return fmt.Errorf("%w: %q does not number an acknowledgement", errDamagedRow, ids[2])
	}
	st.nextAck = max(st.nextAck, number+1)
	return nil
}

// apply sets or deletes one row. An error leaves the state as it was.
func (st *state) apply(c Change) error {
	switch c.Table {
	case tableKeys:
		return st.applyKey(c)
	case tableJobs:
		return st.jobs.apply(c)
	case tableAcks:
		return st.acks.apply(c)
	case tableListings:
		return st.listings.apply(c)
	case tablePlans:
		return st.plans.apply(c)
	case tableClaims:
		return st.claims.apply(c)
	case tableTaken:
		return st.taken.apply(c)
	}
	return fmt.Errorf("%w: there is no table %q", errDamagedRow, c.Table)
}

// applyKey sets or deletes a key's record, and moves its subscription's version.
func (st *state) applyKey(c Change) error {
	before, was := st.keys.byKey[c.Key]
	if err := st.keys.apply(c); err != nil {
		return err
	}
	st.changes++
	if was {
		of := before.Subscription()
		if delete(st.recordsOf[of], c.Key); len(st.recordsOf[of]) == 0 {
			delete(st.recordsOf, of)
			delete(st.versions, of)
		} else {
			st.versions[of] = st.changes
		}
	}
	if after, is := st.keys.byKey[c.Key]; is {
		of := after.Subscription()
		if st.recordsOf[of] == nil {
			st.recordsOf[of] = map[string]bool{}
		}
		st.recordsOf[of][c.Key], st.versions[of] = true, st.changes
	}
	return nil
}

// rows gives everything as it stands on disk.
func (st *state) rows() (map[Row]json.RawMessage, error) {
	all := map[Row]json.RawMessage{}
	return all, errors.Join(st.keys.addTo(all), st.jobs.addTo(all), st.acks.addTo(all), st.listings.addTo(all),
		st.plans.addTo(all), st.claims.addTo(all), st.taken.addTo(all))
}

// table holds the rows of one kind by their keys.
type table[T any] struct {
	name   Table
	ids    int // how many ids make a key
	byKey  map[string]T
	accept func(ids []string, value T) error // refuses a row that cannot be; nil: none
}

func newTable[T any](name Table, ids int) table[T] {
	return table[T]{name: name, ids: ids, byKey: map[string]T{}}
}

func (t table[T]) apply(c Change) error {
	ids, err := splitRowKey(c.Key, t.ids)
	if err != nil {
		return err
	}
	if c.Value == nil {
		delete(t.byKey, c.Key)
		return nil
	}
	var value T
	if err := json.Unmarshal(c.Value, &value); err != nil {
		return fmt.Errorf("%w: %s %q: %w", errDamagedRow, c.Table, c.Key, err)
	}
	if t.accept != nil {
		if err := t.accept(ids, value); err != nil {
			return err
		}
	}
	t.byKey[c.Key] = value
	return nil
}

func (t table[T]) addTo(rows map[Row]json.RawMessage) error {
	for key, value := range t.byKey {
		change, err := encodeRow(Row{t.name, key}, value)
		if err != nil {
			return err
		}
		rows[change.Row] = change.Value
	}
	return nil
}

// set gives the change that sets a row.
func (t table[T]) set(value T, ids ...string) ([]Change, error) {
	for _, id := range ids {
		if err := checkID(t.name, id); err != nil {
			return nil, err
		}
	}
	change, err := encodeRow(Row{t.name, rowKey(ids...)}, value)
	return []Change{change}, err
}

// remove gives the change that removes a row, none if it is not there.
func (t table[T]) remove(ids ...string) []Change {
	if _, ok := t.get(ids...); !ok {
		return nil
	}
	return []Change{{Row: Row{t.name, rowKey(ids...)}}}
}

func (t table[T]) get(ids ...string) (T, bool) {
	value, ok := t.byKey[rowKey(ids...)]
	return value, ok
}

// under gives the rows with keys of these ids and one more id, by that id, in the order of their keys.
func (t table[T]) under(ids ...string) iter.Seq2[string, T] {
	prefix := rowKey(ids...) + "/"
	var keys []string
	for key := range t.byKey {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return func(yield func(string, T) bool) {
		for _, key := range keys {
			if all, err := splitRowKey(key, t.ids); err == nil && !yield(all[len(ids)], t.byKey[key]) {
				return
			}
		}
	}
}
