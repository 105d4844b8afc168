package chaos

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Options say what a run is, beside its seed. The zero value is what the seed draws.
type Options struct {
	// Families limits the faults to these, with commas between them; empty means those that the seed draws.
	Families string
	// Lookup switches agent.keys.lookup on, and gives the agent what it needs. It changes no fault.
	Lookup bool
}

// Violation is a promise that a run saw broken.
type Violation struct {
	// Rule is the promise's short name, the same for all seeds that break it.
	Rule   string
	At     time.Duration // since the run's beginning
	Detail string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s at +%.3fs: %s", v.Rule, v.At.Seconds(), v.Detail)
}

// Report is what a run was and what it saw.
type Report struct {
	Seed       uint64
	Options    Options
	Profile    string
	Violations []Violation
	// Counts says how often each kind of thing happened: actions, faults, and what the checks looked at.
	Counts map[string]int
	// Schedule is what was to happen, Trace what did.
	Schedule, Trace []string
	// Log is what the agents said.
	Log string
	// Simulated is the virtual time that passed.
	Simulated time.Duration
}

// Rules are the broken promises, each once.
func (r Report) Rules() []string {
	seen := map[string]bool{}
	for _, v := range r.Violations {
		seen[v.Rule] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// String is all that is needed to understand a failing seed, but for the agents' log.
func (r Report) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "seed %d, families: %s\n", r.Seed, r.Profile)
	for _, v := range r.Violations {
		fmt.Fprintf(&out, "VIOLATION %s\n", v)
	}
	fmt.Fprintf(&out, "schedule:\n\t%s\ntrace:\n\t%s\n", strings.Join(r.Schedule, "\n\t"), strings.Join(r.Trace, "\n\t"))
	return out.String()
}
