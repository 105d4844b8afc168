package store

// lru keeps values within a bound of bytes; the least recently used value goes first. It is looked for among all: with
// 13,200 stages that takes half a millisecond, and each value costs a call to AWS, which allows ten a second.
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

// size is what is kept for a slot, 0 if nothing is. It does not count as a use.
func (l *lru[T]) size(slot slotID) int64 { return l.entries[slot].size }

// set keeps a value as the most recently used one, and gives the slots that were dropped for it: its own, if the value
// is larger than the bound.
func (l *lru[T]) set(slot slotID, size int64, value T) (out []slotID) {
	l.remove(slot)
	if size > l.limit {
		return []slotID{slot}
	}
	out = l.shrink(l.limit - size)
	l.uses++
	l.used += size
	l.entries[slot] = lruEntry[T]{size: size, lastUse: l.uses, value: value}
	return out
}

// shrink drops the least recently used values until at most so many bytes are left.
func (l *lru[T]) shrink(most int64) (out []slotID) {
	for l.used > max(most, 0) {
		oldest := l.leastRecentlyUsed()
		out = append(out, oldest)
		l.remove(oldest)
	}
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
