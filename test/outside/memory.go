package outside

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Memory is what Linux says of a process, in bytes.
type Memory struct {
	// Anonymous is RssAnon: resident, and backed by no file.
	Anonymous int64
	// Resident is VmRSS, HighWater VmHWM: its highest so far.
	Resident  int64
	HighWater int64
}

// ReadMemory reads /proc/PID/status, which only Linux has.
func ReadMemory(pid int) (Memory, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Memory{}, err
	}
	defer file.Close()
	var m Memory
	fields := map[string]*int64{"RssAnon": &m.Anonymous, "VmRSS": &m.Resident, "VmHWM": &m.HighWater}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		if into := fields[name]; into != nil {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			if err != nil {
				return Memory{}, err
			}
			*into = kib << 10
		}
	}
	return m, nil
}
