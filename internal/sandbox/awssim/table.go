package awssim

import "sort"

// table keeps values by id and in the order of their making, so that a page's position stays good while
// others add and remove. It is not safe for concurrent use. Values are replaced, never changed in place.
type table[T any] struct {
	last uint64
	rows []*row[T]
	byID map[string]*row[T]
}

type row[T any] struct {
	seq   uint64
	id    string
	value *T
}

func (t *table[T]) get(id string) (*T, bool) {
	r, ok := t.byID[id]
	if !ok {
		return nil, false
	}
	return r.value, true
}

// put adds a value, or replaces the one of that id where it stands.
func (t *table[T]) put(id string, value *T) {
	if r, ok := t.byID[id]; ok {
		r.value = value
		return
	}
	if t.byID == nil {
		t.byID = map[string]*row[T]{}
	}
	t.last++
	r := &row[T]{seq: t.last, id: id, value: value}
	t.byID[id] = r
	t.rows = append(t.rows, r)
}

func (t *table[T]) remove(id string) bool {
	r, ok := t.byID[id]
	if !ok {
		return false
	}
	delete(t.byID, id)
	i := sort.Search(len(t.rows), func(i int) bool { return t.rows[i].seq >= r.seq })
	t.rows = append(t.rows[:i], t.rows[i+1:]...)
	return true
}

func (t *table[T]) len() int { return len(t.rows) }

// values gives all, oldest first.
func (t *table[T]) values() []*T {
	out := make([]*T, len(t.rows))
	for i, r := range t.rows {
		out[i] = r.value
	}
	return out
}

// order says from which end a listing reads.
type order bool

const (
	oldestFirst order = false
	newestFirst order = true
)

// page gives up to limit values that come after the row numbered `after` (0: from the start) and match, and
// the number to go on from, 0 where nothing is left.
func (t *table[T]) page(after uint64, limit int, o order, match func(*T) bool) (items []*T, next uint64) {
	items = []*T{}
	var lastSeq uint64
	for n := range t.rows {
		r := t.rows[n]
		if o == newestFirst {
			r = t.rows[len(t.rows)-1-n]
		}
		if after != 0 && (o == oldestFirst && r.seq <= after || o == newestFirst && r.seq >= after) {
			continue
		}
		if !match(r.value) {
			continue
		}
		if len(items) == limit {
			return items, lastSeq
		}
		items = append(items, r.value)
		lastSeq = r.seq
	}
	return items, 0
}
