// Package memlimit tells Go's runtime how much memory the container may use. Go does not read it itself
// (as of 1.26), so that a burst of large documents could get the container killed for garbage that was
// only waiting to be collected.
package memlimit

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// share is the part of the container's memory that Go's heap and stacks may fill before the collector
// works harder. The rest is for what Go does not count and the kernel does: the journal's mapped pages,
// the buffers of sockets, and what is allocated while a collection is under way.
const share = 0.8

// Variable is Go's own setting; whoever sets it knows better.
const Variable = "GOMEMLIMIT"

// ErrNone means that no limit is set: the process is in no cgroup that has one, or not on Linux.
var ErrNone = errors.New("no memory limit is set for this process")

// Set sets Go's soft memory limit from the cgroup's and returns it, in bytes. Where there is none, or the
// user has set [Variable], it changes nothing and returns 0.
func Set(environ []string) int64 {
	for _, variable := range environ {
		if name, value, _ := strings.Cut(variable, "="); name == Variable && value != "" {
			return 0
		}
	}
	limit, err := OfCgroup(os.DirFS("/"))
	if err != nil {
		return 0
	}
	soft := int64(float64(limit) * share)
	debug.SetMemoryLimit(soft)
	return soft
}

// OfCgroup is the least memory limit, in bytes, of the process's cgroup and those above it, in cgroup v2 or
// v1, read from a file system that is rooted at /. It is [ErrNone] where none is set.
func OfCgroup(root fs.FS) (int64, error) {
	file, err := root.Open("proc/self/cgroup")
	if err != nil {
		return 0, ErrNone
	}
	defer file.Close() //nolint:errcheck // it was only read
	least := int64(0)
	for lines := bufio.NewScanner(file); lines.Scan(); {
		// hierarchy-ID:controller-list:cgroup-path (cgroups(7)); v2 has id 0 and no controllers.
		fields := strings.SplitN(lines.Text(), ":", 3)
		if len(fields) != 3 {
			continue
		}
		mount, name := "", ""
		switch {
		case fields[0] == "0" && fields[1] == "":
			mount, name = "sys/fs/cgroup", "memory.max"
		case containsWord(fields[1], "memory"):
			mount, name = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		default:
			continue
		}
		for group := path.Clean("/" + fields[2]); ; group = path.Dir(group) {
			if limit, ok := read(root, path.Join(mount, group, name)); ok && (least == 0 || limit < least) {
				least = limit
			}
			if group == "/" {
				break
			}
		}
	}
	if least == 0 {
		return 0, ErrNone
	}
	return least, nil
}

func containsWord(list, word string) bool {
	for entry := range strings.SplitSeq(list, ",") {
		if entry == word {
			return true
		}
	}
	return false
}

// unlimited is what cgroup v1 says instead of "max": the largest number of whole pages. Anything near it is none.
const unlimited = 1 << 60

func read(root fs.FS, name string) (int64, bool) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return limit, err == nil && limit > 0 && limit < unlimited // "max" is no number
}
