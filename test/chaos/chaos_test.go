package chaos

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"federation-agent/test/world"
)

var (
	seeds   = flag.Int("seeds", 24, "how many seeds TestChaos runs")
	from    = flag.Uint64("from", 1, "the first of them")
	only    = flag.String("families", "", "only these families of faults, with commas between them")
	lookup  = flag.Bool("lookup", false, "let the agent look for keys in AWS (agent.keys.lookup)")
	replays = flag.Int("replays", 1, "how often each seed runs; with more than one, how equally it fails is shown")
	showLog = flag.Bool("log", false, "show the agents' log of a failing seed")
	stop    = flag.Bool("stop", false, "run no further seed once one has failed")
	showOK  = flag.Bool("show", false, "show the schedule and the trace of a seed that does not fail, too")
)

func TestMain(m *testing.M) {
	// Most of what worlds allocate lives shortly. Their heaps stay small with a quarter of the collections, too.
	debug.SetGCPercent(400)
	for name, value := range world.Environment() { // worlds run in parallel, and may not set it themselves
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// progressEvery is after how many runs a long search says how far it is.
const progressEvery = 250

// TestChaos searches for a seed that breaks a promise.
func TestChaos(t *testing.T) {
	sum := newSum()
	var failed atomic.Bool
	t.Run("seeds", func(t *testing.T) {
		for n := range *seeds {
			seed := *from + uint64(n)
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				if *stop && failed.Load() {
					t.Skip("another seed has failed")
				}
				defer func() {
					if t.Failed() && !failed.Swap(true) {
						t.Logf("seeds run until the first that failed: %d", sum.done())
					}
				}()
				for range *replays {
					report := Run(t, seed, Options{Families: *only, Lookup: *lookup})
					sum.add(report)
					show(t, report)
					if done := sum.done(); done%progressEvery == 0 {
						fmt.Fprintf(os.Stderr, "%d of %d runs\n", done, *seeds**replays) // a log would come with the last seed
					}
				}
			})
		}
	})
	t.Log(sum)
}

// fewSeeds is how many seeds are run with what is off by default: the long search is -lookup.
const fewSeeds = 8

// TestChaosWhereKeysMayBeLookedFor is a small part of what task chaos searches with -lookup.
func TestChaosWhereKeysMayBeLookedFor(t *testing.T) {
	for seed := range uint64(fewSeeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			show(t, Run(t, seed, Options{Families: "keys,awsnet,crashes,panics", Lookup: true}))
		})
	}
}

// show fails the test for what a seed broke, with all that is needed to understand it.
func show(t *testing.T, report Report) {
	t.Helper()
	if len(report.Violations) == 0 {
		if *showOK {
			t.Log(report)
		}
		return
	}
	if *replays > 1 {
		t.Errorf("seed %d: %v", report.Seed, report.Rules())
		return
	}
	t.Errorf("%s\nagain: go test ./test/chaos -run TestChaos -seeds=1 -from=%d", report, report.Seed)
	if *showLog {
		t.Log(report.Log)
	}
}

// sum adds runs up.
type sum struct {
	mu     sync.Mutex
	runs   int
	failed map[string]int
	first  map[string]uint64
	counts map[string]int // things that happened
	met    map[string]int // runs in which they did
}

func newSum() *sum {
	return &sum{failed: map[string]int{}, first: map[string]uint64{}, counts: map[string]int{}, met: map[string]int{}}
}

func (s *sum) add(r Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs++
	for _, rule := range r.Rules() {
		s.failed[rule]++
		if first, known := s.first[rule]; !known || r.Seed < first {
			s.first[rule] = r.Seed
		}
	}
	for what, n := range r.Counts {
		s.counts[what] += n
		s.met[what]++
	}
	s.counts["virtual minutes"] += int(r.Simulated.Minutes())
}

// done is how many runs there were.
func (s *sum) done() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.runs
}

// String is the table of what was met, and what was broken.
func (s *sum) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d runs, %d virtual hours\n%10s %10s  %s\n", s.runs, s.counts["virtual minutes"]/60, "schedules",
		"times", "what")
	for _, what := range slices.Sorted(maps.Keys(s.met)) {
		fmt.Fprintf(&out, "%10d %10d  %s\n", s.met[what], s.counts[what], what)
	}
	if len(s.failed) == 0 {
		out.WriteString("0 violations\n")
	}
	for _, rule := range slices.Sorted(maps.Keys(s.failed)) {
		fmt.Fprintf(&out, "VIOLATED %s in %d runs, first in seed %d\n", rule, s.failed[rule], s.first[rule])
	}
	return out.String()
}
