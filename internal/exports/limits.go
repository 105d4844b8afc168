package exports

import "cmp"

// PeerLimits are what is known of the largest message that a controller takes, in bytes; 0 while nothing is. It does not
// say what its limit is: it closes the connection (1009).
type PeerLimits struct {
	Batch int // the largest batch that is tried
	API   int // the largest API that is tried
	taken int // the largest batch that was taken
}

// Next is the largest batch that a next ingest tries; 0 while there is no such limit. What was taken surely fits, and how
// APIs meet in batches depends on how long their documents take.
func (l PeerLimits) Next() int {
	if l.Batch > 0 && l.taken > 0 {
		return min(l.Batch, l.taken)
	}
	return l.Batch
}

// Fits says whether an API may be small enough for the controller, as far as is known.
func (l PeerLimits) Fits(api API) bool { return l.API == 0 || len(api.JSON) <= l.API }

// Taken learns from a batch that was taken, and says whether it is worth to be remembered.
func (l *PeerLimits) Taken(size int) bool {
	if size <= l.taken {
		return false
	}
	l.taken = size
	return true
}

// With is what two ingests have learnt together.
func (l PeerLimits) With(other PeerLimits) PeerLimits {
	least := func(a, b int) int {
		if a == 0 || b == 0 {
			return max(a, b)
		}
		return min(a, b)
	}
	return PeerLimits{
		Batch: least(l.Batch, other.Batch), API: least(l.API, other.API), taken: max(l.taken, other.taken),
	}
}

// TooLarge learns from a batch that was not taken. If it was one API alone, first is that API's size.
func (l *PeerLimits) TooLarge(size int, alone bool, first int) {
	l.Batch = max(1, min(size/2, cmp.Or(l.Batch, size)))
	if alone {
		l.API = min(first-1, cmp.Or(l.API, first))
	}
}
