package chaos

import (
	"math"
	"time"
)

// dice draws numbers that depend on the seed and on names alone.
type dice uint64

// bits is FNV-1a over the names, each ended by a byte that no name holds, and a final mix.
func (d dice) bits(names ...string) uint64 {
	h := uint64(14695981039346656037) ^ uint64(d)*0x9e3779b97f4a7c15
	for _, name := range names {
		for i := range len(name) {
			h = (h ^ uint64(name[i])) * 1099511628211
		}
		h = (h ^ 0xff) * 1099511628211
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// unit is in [0, 1).
func (d dice) unit(names ...string) float64 {
	return float64(d.bits(names...)>>11) / (1 << 53)
}

func (d dice) chance(p float64, names ...string) bool { return p > 0 && d.unit(names...) < p }

// below is in [0, n).
func (d dice) below(n int, names ...string) int { return int(d.bits(names...) % uint64(n)) }

// between is in [lo, hi].
func (d dice) between(lo, hi int, names ...string) int { return lo + d.below(hi-lo+1, names...) }

func (d dice) duration(lo, hi time.Duration, names ...string) time.Duration {
	return lo + time.Duration(d.unit(names...)*float64(hi-lo))
}

// logarithmic is in [1, most], small numbers as likely as large ones: a byte in a header is as interesting
// as one in a document.
func (d dice) logarithmic(most int, names ...string) int {
	return int(math.Exp(d.unit(names...) * math.Log(float64(most))))
}
