package awssim

import (
	"encoding/binary"
	"hash/fnv"
)

// Everything that looks random here is a pure function of a seed and a name, never of a shared stream:
// goroutines that wake at one instant run in a different order each time, and a replay must not care.

// hash64 mixes a seed and names into 64 well-spread bits.
func hash64(seed uint64, names ...string) uint64 {
	h := fnv.New64a()
	var word [8]byte
	binary.LittleEndian.PutUint64(word[:], seed)
	h.Write(word[:])
	for _, name := range names {
		h.Write([]byte(name))
		h.Write([]byte{0}) // keeps ("ab","c") apart from ("a","bc")
	}
	return mix(h.Sum64())
}

// mix is the SplitMix64 finaliser: FNV alone leaves the high bits of short names poorly spread.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// unit maps 64 bits to [0, 1).
func unit(x uint64) float64 { return float64(x>>11) / (1 << 53) }

// Alphabets of AWS's identifiers.
const (
	lowerAlphanumeric = "0123456789abcdefghijklmnopqrstuvwxyz"
	upperAlphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	alphanumeric      = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// identifier spells bits as n characters of an alphabet.
func identifier(bits uint64, alphabet string, n int) string {
	out := make([]byte, n)
	for i := range out {
		bits = mix(bits + 0x9e3779b97f4a7c15)
		out[i] = alphabet[bits%uint64(len(alphabet))]
	}
	return string(out)
}
