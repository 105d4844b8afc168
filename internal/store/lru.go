package store

// lru orders slots by use within a bound of bytes. Its entries lie in one slice, linked by index: at 13,200 stages
// the pointers of a usual list and the garbage collector's walk over them would be most of the index.
type lru[T any] struct {
	limit, used int64
	at          map[slotID]int32
	entries     []lruEntry[T]
	free        []int32
	first, last int32 // most and least recently used
}

type lruEntry[T any] struct {
	slot       slotID
	size       int64
	prev, next int32
	value      T
}

const noEntry = int32(-1)

func newLRU[T any](limit int64) *lru[T] {
	return &lru[T]{limit: limit, at: map[slotID]int32{}, first: noEntry, last: noEntry}
}

// get gives what is kept for a slot and makes it the most recently used.
func (l *lru[T]) get(slot slotID) (value T, ok bool) {
	i, ok := l.at[slot]
	if !ok {
		return value, false
	}
	l.unlink(i)
	l.linkFirst(i)
	return l.entries[i].value, true
}

// size is what is kept for a slot, 0 if nothing is. It is no use of it.
func (l *lru[T]) size(slot slotID) int64 {
	if i, ok := l.at[slot]; ok {
		return l.entries[i].size
	}
	return 0
}

// set keeps a value as the most recently used and gives the slots that had to go for it: its own, where it is larger
// than all there may be.
func (l *lru[T]) set(slot slotID, size int64, value T) (out []slotID) {
	l.remove(slot)
	if size > l.limit {
		return []slotID{slot}
	}
	for l.used+size > l.limit {
		oldest := l.entries[l.last].slot
		out = append(out, oldest)
		l.remove(oldest)
	}
	i := int32(len(l.entries))
	if n := len(l.free); n > 0 {
		i, l.free = l.free[n-1], l.free[:n-1]
	} else {
		l.entries = append(l.entries, lruEntry[T]{})
	}
	l.entries[i] = lruEntry[T]{slot: slot, size: size, value: value}
	l.at[slot] = i
	l.used += size
	l.linkFirst(i)
	return out
}

// update changes a slot's value, if it is there, and nothing else.
func (l *lru[T]) update(slot slotID, value T) {
	if i, ok := l.at[slot]; ok {
		l.entries[i].value = value
	}
}

func (l *lru[T]) remove(slot slotID) {
	i, ok := l.at[slot]
	if !ok {
		return
	}
	l.unlink(i)
	l.used -= l.entries[i].size
	l.entries[i] = lruEntry[T]{}
	l.free = append(l.free, i)
	delete(l.at, slot)
}

func (l *lru[T]) unlink(i int32) {
	e := &l.entries[i]
	if e.prev == noEntry {
		l.first = e.next
	} else {
		l.entries[e.prev].next = e.next
	}
	if e.next == noEntry {
		l.last = e.prev
	} else {
		l.entries[e.next].prev = e.prev
	}
}

func (l *lru[T]) linkFirst(i int32) {
	l.entries[i].prev, l.entries[i].next = noEntry, l.first
	if l.first == noEntry {
		l.last = i
	} else {
		l.entries[l.first].prev = i
	}
	l.first = i
}
