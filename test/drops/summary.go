package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/test/process"
)

// summary is all that was seen.
type summary struct {
	drops    []drop
	met      map[string]bool
	jobs     []apimsim.JobView
	keys     process.Count
	problems []apimsim.Problem
	log      string // the agent's

	before, after footprint
	// Counted when a process is ended, so the former are those of an agent whose sessions nobody dropped.
	goroutinesBefore, goroutinesAfter map[string]int
	sessions                          int
}

// footprint is what the kernel knows that a process holds.
type footprint struct {
	process.Memory
	descriptors int // open files and sockets
}

func footprintOf(agent *process.Process) (footprint, error) {
	memory, err := agent.Memory()
	if err != nil {
		return footprint{}, err
	}
	descriptors, err := agent.Descriptors()
	return footprint{memory, descriptors}, err
}

// mayGrow is by how much the memory of a process at rest may differ: the Go runtime gives freed memory back bit by bit.
const mayGrow = 0.25

// The agent's log, where nothing else tells.
const (
	logConnected  = `msg="connected to APIM"`
	logCannotDial = `msg="cannot connect to APIM`
	logPanic      = "this is a bug"
)

// expected are the problems that a drop causes: a command without an answer, a job whose START_INGEST was answered
// into the void, an end of a job that is said twice as its reply was lost.
func expected() []apimsim.ProblemCode {
	return []apimsim.ProblemCode{
		apimsim.ProblemRejected, apimsim.ProblemUnsubscribe, apimsim.ProblemStartFailed, apimsim.ProblemDiscoveryFailed,
		apimsim.ProblemBatchDropped, apimsim.ProblemAfterDone,
	}
}

func (s *summary) print() {
	byKind := map[kind][]time.Duration{}
	var all []time.Duration
	for _, d := range s.drops {
		byKind[d.kind] = append(byKind[d.kind], d.took)
		all = append(all, d.took)
	}
	fmt.Printf("\n%-46s %5s   %s\n", "drops", "", "to Connected again: median, worst")
	for _, k := range slices.Sorted(maps.Keys(byKind)) {
		fmt.Printf("  %-44s %5d   %s\n", k, len(byKind[k]), spread(byKind[k]))
	}
	fmt.Printf("  %-44s %5d   %s\n", "all", len(all), spread(all))
	fmt.Printf("%-46s %5d\n", "log lines about upgrades that were refused", strings.Count(s.log, logCannotDial))
	fmt.Printf("%-46s %5d\n", "sessions", s.connected())
	fmt.Print(s.keys)
	fmt.Printf("%-46s %5d\n", "ingest jobs in APIM", len(s.jobs))
	fmt.Printf("  %-44s %5d\n", "open when their session was dropped", len(s.met))
	fmt.Printf("  %-44s %5d\n", "ended as success", s.succeeded())
	fmt.Printf("%-46s %5d\n", "INGESTs for a job that APIM never stored", s.problemsOf(apimsim.ProblemBatchDropped))
	fmt.Printf("%-46s %5d\n", "INGESTs after a job's end", s.problemsOf(apimsim.ProblemAfterDone))
	fmt.Printf("%-46s %8s %8s\n", "the process, at rest", "before", "after")
	fmt.Printf("  %-44s %8.1f %8.1f\n", "resident, MiB", mib(s.before.Resident), mib(s.after.Resident))
	fmt.Printf("  %-44s %8.1f %8.1f\n", "  of it anonymous, MiB", mib(s.before.Anonymous), mib(s.after.Anonymous))
	fmt.Printf("  %-44s %8d %8d\n", "open descriptors", s.before.descriptors, s.after.descriptors)
	fmt.Printf("  %-44s %8d %8d\n", "goroutines (before: of another process)", total(s.goroutinesBefore),
		total(s.goroutinesAfter))
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

func (s *summary) connected() int { return strings.Count(s.log, logConnected) }

func (s *summary) succeeded() int {
	n := 0
	for _, j := range s.jobs {
		if j.Status == apimsim.JobSuccess {
			n++
		}
	}
	return n
}

func (s *summary) problemsOf(code apimsim.ProblemCode) int {
	n := 0
	for _, p := range s.problems {
		if p.Code == code {
			n++
		}
	}
	return n
}

func total(goroutines map[string]int) int {
	n := 0
	for _, count := range goroutines {
		n += count
	}
	return n
}

func spread(took []time.Duration) string {
	if len(took) == 0 {
		return "-"
	}
	sorted := slices.Sorted(slices.Values(took))
	return fmt.Sprintf("%6.1f s %6.1f s", sorted[len(sorted)/2].Seconds(), sorted[len(sorted)-1].Seconds())
}

// wrong says which invariant does not hold.
func (s *summary) wrong() error {
	wrong := []error{s.keys.Wrong()}
	fault := func(format string, values ...any) { wrong = append(wrong, fmt.Errorf(format, values...)) }
	if got, want := s.connected(), s.sessions+len(s.drops); got != want {
		fault("%d sessions, want %d: one is lost for each drop, and no other", got, want)
	}
	for _, j := range s.jobs {
		if j.Status != apimsim.JobSuccess {
			fault("ingest job %s ended as %s", j.ID, j.Status)
		}
	}
	for _, p := range s.problems {
		if !slices.Contains(expected(), p.Code) {
			fault("APIM found %s: %s %s", p.Code, p.Subject, p.Detail)
		}
	}
	if n := strings.Count(s.log, logPanic); n > 0 {
		fault("the agent's log says %q %d times", logPanic, n)
	}
	if s.after.descriptors > s.before.descriptors {
		fault("open descriptors grew from %d to %d", s.before.descriptors, s.after.descriptors)
	}
	if float64(s.after.Resident) > float64(s.before.Resident)*(1+mayGrow) {
		fault("resident memory grew from %.1f to %.1f MiB", mib(s.before.Resident), mib(s.after.Resident))
	}
	for _, maker := range slices.Sorted(maps.Keys(s.goroutinesAfter)) {
		if before, after := s.goroutinesBefore[maker], s.goroutinesAfter[maker]; after > before {
			fault("goroutines made by %s grew from %d to %d", maker, before, after)
		}
	}
	return errors.Join(wrong...)
}
