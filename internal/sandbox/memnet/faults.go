package memnet

import "time"

// Never is a byte count that is not reached.
const Never = -1

// DefaultBuffer is how many bytes a direction takes before a writer has to wait, about what a kernel does.
const DefaultBuffer = 256 << 10

// Faults say what befalls one direction of a connection. They depend on bytes and time alone, so that equal runs fail
// equally. The zero value cuts at byte 0: start from [NoFaults].
type Faults struct {
	// Latency is what each byte takes to arrive; also the end of a connection, and news of a cut.
	Latency time.Duration
	// Buffer is how many bytes may be written and not yet read before writing blocks; 0 means DefaultBuffer.
	Buffer int
	// CutAfter lets that many bytes arrive, then resets the connection in both directions. What is written beyond them is
	// accepted and lost, as a kernel does, until the reset is noticed.
	CutAfter int64
	// BlackHoleAfter lets that many bytes arrive and swallows all that follows, the connection's end included. The writer
	// notices only that its buffer fills up.
	BlackHoleAfter int64
}

// NoFaults is a direction that delivers everything at once.
func NoFaults() Faults { return Faults{CutAfter: Never, BlackHoleAfter: Never} }

// Plan says what befalls a connection.
type Plan struct {
	// DialError, when not nil, is what dialling yields.
	DialError error
	// DialHangs makes dialling end only with its context.
	DialHangs bool
	// ToListener and ToDialer are the two directions.
	ToListener, ToDialer Faults
}

// NoPlan is a connection without faults.
func NoPlan() Plan { return Plan{ToListener: NoFaults(), ToDialer: NoFaults()} }

// ID names a connection the same way in every run in which each dialer dials an address one at a time.
type ID struct {
	From string // who dials, see [Network.Dialer]
	To   string // the listener's address
	N    int    // 1 for From's first connection to To
}
