package quota

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

// Ledger is what the processes that share a quota have written down of it. Each change is written on the condition that
// nobody has changed it since it was read. Rates and bursts are whole thousandths, so that sums are exact.
type Ledger struct {
	Version Version
	// Lowered is by how much throttles have lowered the rate, in thousandths of it.
	Lowered int64
	// Holders are the processes that have work, by their ids.
	Holders map[string]Holder
	// Kept is how much of the burst each member keeps for its calls for keys, in thousandths of a request, by the member's
	// id: until others think it gone, also without work. What holders are lent is the rest.
	Kept map[string]int64
}

// Version tells the changes of a ledger apart: the number orders them, and no other change has the token. The zero
// Version is that of a ledger that is not there.
type Version struct {
	Number int64
	Token  string
}

// Ledgers keeps the ledger of each account and region, where all processes that share it find it.
type Ledgers interface {
	// Change writes a ledger where nobody has changed it since from. If somebody has, the result is what is there, and
	// taken is false. Error: nobody knows whether it was written.
	Change(ctx context.Context, account, region string, from, to Ledger) (now Ledger, taken bool, err error)
}

// Holder is one process in a [Ledger].
type Holder struct {
	// Count goes up with each change that the process makes. It shows that the process lives.
	Count int64
	// Rate is what the process may use, in thousandths of a request a second.
	Rate int64
	// Want is the rate that it could use, Keys the part of it that is for keys.
	Want, Keys int64
	// MostRate and MostBurst are the whole quota as the process is configured. The least of all holders' is shared out.
	MostRate, MostBurst int64
}

// Clone is a copy.
func (l Ledger) Clone() Ledger {
	l.Holders = maps.Clone(l.Holders)
	if l.Holders == nil {
		l.Holders = map[string]Holder{}
	}
	l.Kept = maps.Clone(l.Kept)
	if l.Kept == nil {
		l.Kept = map[string]int64{}
	}
	return l
}

// HolderOf stands in a holder's id between the id of its process and what tells the process's holders apart.
const HolderOf = "/"

// Without is the ledger once a process has given back all that it has, and whether it has anything.
func (l Ledger) Without(process string) (without Ledger, held bool) {
	without = l.Clone()
	maps.DeleteFunc(without.Holders, func(id string, _ Holder) bool { return strings.HasPrefix(id, process+HolderOf) })
	without.Version = Version{Number: l.Version.Number + 1, Token: process + HolderOf + "leaves"}
	delete(without.Kept, process)
	return without, len(without.Holders) < len(l.Holders) || len(without.Kept) < len(l.Kept)
}

// limits are the rate and the burst that are shared out, throttles apart: the least of what the holders are configured
// for, without what is kept.
func (l Ledger) limits(of Holder) (rate, burst int64) {
	rate, burst = of.MostRate, of.MostBurst
	for _, h := range l.Holders {
		rate, burst = min(rate, h.MostRate), min(burst, h.MostBurst)
	}
	for _, kept := range l.Kept {
		burst -= kept
	}
	return rate, max(0, burst)
}

// keeps is how much a member may keep: a SUBSCRIBE's calls or a seventh of the burst, in whole requests, while all
// together keep no more than half of it.
func (l Ledger) keeps(id string, of Holder) int64 {
	_, lent := l.limits(of)
	all := lent
	for _, kept := range l.Kept {
		all += kept
	}
	keeps := min(aSubscribesCalls*whole, all/7, lent+l.Kept[id]-all/2)
	return max(0, keeps/whole*whole)
}

// given is the sum of the holders' rates.
func (l Ledger) given() (sum int64) {
	for _, h := range l.Holders {
		sum += h.Rate
	}
	return sum
}

// whole is the number of thousandths in a whole.
const whole = 1000

// leastOf is the least rate that is of use: its part of the burst is one request.
func leastOf(rate, burst int64) int64 { return rate * whole / max(whole, burst) }

// split is the rate that is due to a holder. The wants for keys are met first, but for the least rate that each of the
// rest keeps, so that no request waits for ever. No want is met by more while another one is met by less. What nobody
// wants is divided evenly, so that each may at once use a little more than it has asked for.
func (l Ledger) split(id string, rate, least int64) int64 {
	ids := slices.Sorted(maps.Keys(l.Holders))
	urgent, rest := make([]int64, len(ids)), make([]int64, len(ids))
	kept := int64(0)
	for n, id := range ids {
		h := l.Holders[id]
		urgent[n], rest[n] = h.Keys, h.Want-h.Keys
		kept += min(rest[n], least)
	}
	left := rate
	for _, wants := range [][]int64{urgent, rest} {
		amount := left - kept
		kept = 0
		for n, part := range level(wants, max(0, amount)) {
			wants[n] = part
			left -= part
		}
	}
	n := slices.Index(ids, id)
	return urgent[n] + rest[n] + max(0, left)/int64(len(ids))
}

// level divides an amount so that each gets what it wants, or as much as any other one that does not.
func level(wants []int64, amount int64) []int64 {
	parts := make([]int64, len(wants))
	order := make([]int, len(wants))
	for n := range order {
		order[n] = n
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(wants[a] - wants[b]) })
	for done, n := range order {
		parts[n] = min(wants[n], amount/int64(len(order)-done))
		amount -= parts[n]
	}
	return parts
}

// Lease is what a [Budget] may use until a time.
type Lease struct {
	// Rate is in requests a second, Burst in requests.
	Rate, Burst float64
	Until       time.Time
	// Soon is the rate that may be expected within seconds. It is for judging how long a request would wait.
	Soon float64
	// Sole says that no other process has a lease.
	Sole bool
	// Tokens come with the lease: the part of the quota that nobody had while the ledger did not change. They are given
	// once.
	Tokens float64
}

// Demand is what calls want of a [Budget].
type Demand struct {
	// Waiting requests have no permit yet; WaitingKeys of them are for keys.
	Waiting, WaitingKeys int
	// Running attempts hold a permit.
	Running int
	// Granted is the number of permits since the budget began, GrantedKeys those for keys.
	Granted, GrantedKeys int
	LastGranted          time.Time
	// Tokens are those that calls could take at once.
	Tokens float64
}
