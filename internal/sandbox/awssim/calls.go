package awssim

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// Outcome says how an attempt ended, as seen from AWS.
type Outcome string

// Outcomes. An attempt in progress has none.
const (
	// OutcomeAnswered: an answer was written, an error perhaps. Whether the client read it is not known here.
	OutcomeAnswered Outcome = "answered"
	// OutcomeCut: nothing was done and the connection was closed.
	OutcomeCut Outcome = "cut"
	// OutcomeLost: the operation was done and its answer withheld or cut short, by a fault or since the client had left.
	OutcomeLost Outcome = "lost"
	// OutcomeAbandoned: the client left, or the server closed, before anything was done.
	OutcomeAbandoned Outcome = "abandoned"
)

// Call is one attempt in the log. It holds no key value and no token.
type Call struct {
	// Seq numbers the attempts in the order of their arrival, from 1.
	Seq   int64         `json:"seq"`
	Start time.Time     `json:"start"`
	Took  time.Duration `json:"took"`
	Event
	AccessKeyID string `json:"accessKeyId"`
	// Principal is the ARN of the user, or of the role without its session's name; empty if unknown.
	Principal string  `json:"principal,omitempty"`
	Outcome   Outcome `json:"outcome,omitempty"`
	// Status and Code are what was answered, or would have been. 0 where nothing was done.
	Status int    `json:"status,omitempty"`
	Code   string `json:"code,omitempty"`
	// KeyID is the API key made, attached or deleted.
	KeyID string `json:"keyId,omitempty"`
	// Fault is the injected fault's kind; FaultKind "" with a delay is not shown.
	Fault FaultKind `json:"fault,omitempty"`
	// Throttled tells that the quota refused it, not a fault.
	Throttled bool `json:"throttled,omitempty"`
}

// Count is one line of the counters: how many attempts ended so.
type Count struct {
	Account   string `json:"account"`
	Region    string `json:"region"`
	Operation string `json:"operation"`
	// Status is 0 for attempts that got no answer because nothing was done.
	Status int   `json:"status"`
	Count  int64 `json:"count"`
}

// defaultLogSize bounds the log of attempts: some 300 bytes each, so at most about 30 MB.
const defaultLogSize = 100_000

// callLog counts all attempts and remembers the last ones.
type callLog struct {
	mu        sync.Mutex
	last      int64
	floor     int64  // calls up to this Seq were forgotten
	ring      []Call // Call of Seq s stands at (s-1) % size
	size      int
	series    map[string]int
	counts    map[Count]int64
	throttled map[string]int64
	onCall    func(Call)
}

func newCallLog(size int, onCall func(Call)) *callLog {
	if size <= 0 {
		size = defaultLogSize
	}
	return &callLog{
		size: size, onCall: onCall, series: map[string]int{}, counts: map[Count]int64{}, throttled: map[string]int64{},
	}
}

// number gives the event its count among its like. The series are kept for as long as the server lives:
// they are bounded by what exists in the estate and by the names of the keys ever asked for.
func (l *callLog) number(e Event) Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := e.series()
	l.series[name]++
	e.N = l.series[name]
	return e
}

func (l *callLog) begin(c Call) Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	c.Seq = l.last
	if len(l.ring) < l.size {
		l.ring = append(l.ring, c)
	} else {
		l.ring[(c.Seq-1)%int64(l.size)] = c
	}
	return c
}

func (l *callLog) end(c Call) {
	c.Took = time.Since(c.Start)
	l.mu.Lock()
	if at := (c.Seq - 1) % int64(l.size); l.ring[at].Seq == c.Seq {
		l.ring[at] = c
	}
	l.counts[Count{Account: c.Account, Region: c.Region, Operation: c.Operation, Status: c.Status}]++
	if c.Throttled {
		l.throttled[c.Principal]++
	}
	l.mu.Unlock()
	if l.onCall != nil {
		l.onCall(c)
	}
}

// since gives the remembered calls with a greater Seq, oldest first.
func (l *callLog) since(seq int64) []Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := max(seq+1, l.floor+1, l.last-int64(len(l.ring))+1)
	out := make([]Call, 0, max(0, l.last-first+1))
	for s := first; s <= l.last; s++ {
		out = append(out, l.ring[(s-1)%int64(l.size)])
	}
	return out
}

func (l *callLog) snapshot() []Count {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]Count, 0, len(l.counts))
	for c, n := range l.counts {
		c.Count = n
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Region, b.Region),
			cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Status, b.Status))
	})
	return out
}

func (l *callLog) throttledBy() map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.throttled)
}

// reset forgets calls and counters; the events' counts go on, lest a pure fault strike twice.
func (l *callLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.floor = l.last
	clear(l.counts)
	clear(l.throttled)
}
