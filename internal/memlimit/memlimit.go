// Package memlimit configures Go's garbage collector for a small container. Go does not read the container's memory
// limit itself (as of 1.26). A burst of large documents could get the container killed for garbage that is not yet
// collected.
package memlimit

import (
	"os"
	"runtime/debug"
)

// share is the part of the container's memory that Go's heap and stacks may fill before the collector works harder. The
// rest is for memory that the kernel counts and Go does not: the journal's mapped pages, the buffers of sockets, and
// what is allocated during a collection.
const share = 0.8

// gcPercent is how much garbage, in percent of the live memory, may be there at the next collection. Go's default of
// 100 saves processor time. Here most memory is documents, large and without pointers, and collecting twice as often
// costs no measurable time: 34 MiB instead of 45 for 13,200 documents of 100 KB, with the same processor time
// (test/load -only memory).
const gcPercent = 50

// Set tunes the collector and sets Go's soft memory limit to a share of the container's limit, which is asked for: in
// bytes, with an error where there is none. It returns the soft limit, in bytes: 0 where there is none. What the user
// set by Go's own variables is kept: whoever sets one has a reason.
func Set(ofContainer func() (uint64, error)) int64 {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return 0
	}
	limit, err := ofContainer()
	if err != nil || limit == 0 {
		return 0
	}
	soft := int64(float64(limit) * share)
	debug.SetMemoryLimit(soft)
	return soft
}

// The parts of [Smallest].
const (
	// base is what the process takes before the first document: 11 MiB, and some for the catalogue and calls.
	base = 16 << 20
	// bothCopies is what a document takes while it is encoded, in quarters of its size: as it came, and encoded.
	bothCopies = 9
)

// Smallest is the smallest memory limit of a container, in bytes, in which documents of the largest size that one
// message takes pass one by one, while each integration holds at most documents bytes of them. Garbage comes in
// addition.
func Smallest(integrations, documents, message int) int64 {
	held := int64(max(documents, message/4*bothCopies)) * int64(integrations)
	return base + held + held*gcPercent/100
}
