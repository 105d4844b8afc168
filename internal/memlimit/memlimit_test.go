package memlimit_test

import (
	"errors"
	"runtime/debug"
	"testing"
	"testing/fstest"

	"federation-agent/internal/memlimit"
)

func TestTheLeastLimitOfAllCgroupsAboveCounts(t *testing.T) {
	const v2 = "0::/pod/container\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  int64 // 0: none
	}{
		"a container sees its own cgroup as the root": {
			map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "134217728\n"}, 128 << 20,
		},
		"no limit": {
			map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 0,
		},
		"the pod's limit holds for its container": {
			map[string]string{
				"proc/self/cgroup": v2, "sys/fs/cgroup/pod/container/memory.max": "max\n",
				"sys/fs/cgroup/pod/memory.max": "1000000\n",
			}, 1_000_000,
		},
		"the container's is lower than the pod's": {
			map[string]string{
				"proc/self/cgroup": v2, "sys/fs/cgroup/pod/container/memory.max": "500000",
				"sys/fs/cgroup/pod/memory.max": "1000000",
			}, 500_000,
		},
		"version 1": {
			map[string]string{
				"proc/self/cgroup": "12:cpu,cpuacct:/a\n7:memory:/a\n",
				"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "2000000\n",
				"sys/fs/cgroup/memory/memory.limit_in_bytes":   "9223372036854771712\n",
			}, 2_000_000,
		},
		"version 1 without a limit": {
			map[string]string{
				"proc/self/cgroup": "7:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
			}, 0,
		},
		"lines that make no sense": {
			map[string]string{"proc/self/cgroup": "x\n0::\n", "sys/fs/cgroup/memory.max": "-5\n"}, 0,
		},
		"not Linux": {map[string]string{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			root := fstest.MapFS{}
			for path, text := range c.files {
				root[path] = &fstest.MapFile{Data: []byte(text)}
			}
			got, err := memlimit.OfCgroup(root)
			if got != c.want || (c.want == 0) != errors.Is(err, memlimit.ErrNone) {
				t.Errorf("got %d, %v; want %d", got, err, c.want)
			}
		})
	}
}

// container is what a process in a container of 100 MB sees.
func container() fstest.MapFS {
	return fstest.MapFS{
		"proc/self/cgroup":         {Data: []byte("0::/\n")},
		"sys/fs/cgroup/memory.max": {Data: []byte("100000000\n")},
	}
}

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
	if got := memlimit.Set(
		[]string{"PATH=/", memlimit.LimitVariable + "=40MiB", memlimit.PercentVariable + "=70"},
		container(),
	); got != 0 {
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
	if soft := memlimit.Set(
		[]string{memlimit.LimitVariable + "=", memlimit.PercentVariable + "="},
		container(),
	); soft != want {
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
	before := debug.SetMemoryLimit(-1)
	if soft := memlimit.Set(nil, fstest.MapFS{}); soft != 0 || debug.SetMemoryLimit(-1) != before {
		t.Errorf("said %d; the limit went from %d to %d", soft, before, debug.SetMemoryLimit(-1))
	}
}
