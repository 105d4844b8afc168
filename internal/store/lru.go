package store

// lru keeps values within a bound of bytes; the least recently used go first. It looks for that one among all: at
// 13,200 stages that takes half a millisecond, and a value comes with a call to AWS, which allows ten a second.
type lru[T any] struct {
	limit, used int64
	uses        uint64
	entries     map[slotID]lruEntry[T]
}

type lruEntry[T any] struct {
	size    int64
	lastUse uint64
	value   T
}

func newLRU[T any](limit int64) *lru[T] {
	return &lru[T]{limit: limit, entries: map[slotID]lruEntry[T]{}}
}

// get gives what is kept for a slot and makes it the most recently used.
func (l *lru[T]) get(slot slotID) (value T, ok bool) {
	e, ok := l.entries[slot]
	if ok {
		l.uses++
		e.lastUse = l.uses
		l.entries[slot] = e
	}
	return e.value, ok
}

// size is what is kept for a slot, 0 if nothing is. It is no use of it.
func (l *lru[T]) size(slot slotID) int64 { return l.entries[slot].size }

// set keeps a value as the most recently used and gives the slots that had to go for it: its own, where it is larger
// than all there may be.
func (l *lru[T]) set(slot slotID, size int64, value T) (out []slotID) {
	l.remove(slot)
	if size > l.limit {
		return []slotID{slot}
	}
	for l.used+size > l.limit {
		oldest := l.leastRecentlyUsed()
		out = append(out, oldest)
		l.remove(oldest)
	}
	l.uses++
	l.used += size
	l.entries[slot] = lruEntry[T]{size: size, lastUse: l.uses, value: value}
	return out
}

func (l *lru[T]) leastRecentlyUsed() (oldest slotID) {
	first := l.uses + 1
	for slot, e := range l.entries {
		if e.lastUse < first {
			oldest, first = slot, e.lastUse
		}
	}
	return oldest
}

func (l *lru[T]) remove(slot slotID) {
	l.used -= l.entries[slot].size
	delete(l.entries, slot)
}
