package memlimit_test

import (
	"errors"
	"runtime/debug"
	"testing"

	"federation-agent/internal/memlimit"
)

// container is the limit of a container of 100 MB.
func container() (uint64, error) { return 100_000_000, nil }

// nowhere is a process that no container limits.
func nowhere() (uint64, error) { return 0, errors.New("memory is not limited") }

// restore puts the collector back as it was when the test ends.
func restore(t *testing.T) {
	limit, percent := debug.SetMemoryLimit(-1), debug.SetGCPercent(100)
	t.Cleanup(func() {
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	})
}

// percent reads the collector's setting: Go has no way but to change it.
func percent() int {
	now := debug.SetGCPercent(100)
	debug.SetGCPercent(now)
	return now
}

func TestWhoeverSetsGosOwnVariablesKnowsBetter(t *testing.T) {
	restore(t)
	before := debug.SetMemoryLimit(-1)
	t.Setenv("GOMEMLIMIT", "40MiB")
	t.Setenv("GOGC", "70")
	if got := memlimit.Set(container); got != 0 {
		t.Errorf("set %d", got)
	}
	if after := debug.SetMemoryLimit(-1); after != before {
		t.Errorf("the limit went from %d to %d", before, after)
	}
	if now := percent(); now != 100 {
		t.Errorf("the collector's percentage went from 100 to %d", now)
	}
}

func TestTheSoftLimitIsEightyPercentOfTheContainersAndAnEmptyVariableIsNone(t *testing.T) {
	restore(t)
	const want = 80_000_000
	t.Setenv("GOMEMLIMIT", "")
	t.Setenv("GOGC", "")
	if soft := memlimit.Set(container); soft != want {
		t.Errorf("said %d, want %d", soft, want)
	}
	if now := debug.SetMemoryLimit(-1); now != want {
		t.Errorf("the limit is %d, want %d", now, want)
	}
	if now := percent(); now >= 100 {
		t.Errorf("the collector's percentage is %d, not below Go's own", now)
	}
}

func TestWithoutAContainersLimitGosOwnStays(t *testing.T) {
	restore(t)
	t.Setenv("GOMEMLIMIT", "")
	before := debug.SetMemoryLimit(-1)
	if soft := memlimit.Set(nowhere); soft != 0 || debug.SetMemoryLimit(-1) != before {
		t.Errorf("said %d; the limit went from %d to %d", soft, before, debug.SetMemoryLimit(-1))
	}
}

func TestTheSmallestLimitFollowsFromTheSettings(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct{ integrations, documents, message, want int }{
		{1, 8 * mib, 12 * mib, (16 + 27 + 27/2) * mib}, // the largest document, twice
		{1, 64 * mib, 12 * mib, (16 + 64 + 32) * mib},
		{3, 8 * mib, 2 * mib, (16 + 24 + 12) * mib},
	} {
		if got := memlimit.Smallest(c.integrations, c.documents, c.message); got/mib != int64(c.want/mib) {
			t.Errorf("%+v: %d MiB", c, got/mib)
		}
	}
}
