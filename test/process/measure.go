package process

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What this file reads is in /proc, which only Linux has.

// Memory is what Linux says of a process, in bytes.
type Memory struct {
	// Anonymous is RssAnon: resident, and backed by no file.
	Anonymous int64
	// Resident is VmRSS, HighWater VmHWM: its highest so far.
	Resident, HighWater int64
}

// Memory reads /proc/PID/status.
func (p *Process) Memory() (Memory, error) {
	file, err := os.Open(p.proc("status"))
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

// Descriptors counts open files and sockets.
func (p *Process) Descriptors() (int, error) {
	open, err := os.ReadDir(p.proc("fd"))
	return len(open), err
}

// clockTick is USER_HZ, the unit of /proc/PID/stat: 100 a second on all that Go runs on.
const clockTick = 10 * time.Millisecond

// ProcessorTime is user and system time so far, to a clock tick.
func (p *Process) ProcessorTime() (time.Duration, error) {
	text, err := os.ReadFile(p.proc("stat"))
	if err != nil {
		return 0, err
	}
	// The name in brackets may hold spaces: fields are counted behind it. utime and stime are 14 and 15.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

func (p *Process) proc(name string) string {
	return fmt.Sprintf("/proc/%d/%s", p.pid(), name)
}

// Goroutines ends the process by SIGQUIT, to which Go's runtime answers with the stacks of all goroutines, and counts
// them by the function that made them.
func (p *Process) Goroutines() (map[string]int, error) {
	if err := p.Signal(syscall.SIGQUIT); err != nil {
		return nil, err
	}
	<-p.ended
	_, dump, found := strings.Cut(p.Stderr.String(), "SIGQUIT: quit")
	if !found {
		return nil, fmt.Errorf("process %d left no stacks", p.pid())
	}
	made := map[string]int{}
	for _, stack := range regexp.MustCompile(`(?m)^goroutine [1-9]`).Split(dump, -1)[1:] {
		maker := "the runtime"
		if _, by, found := strings.Cut(stack, "\ncreated by "); found {
			maker, _, _ = strings.Cut(by, "\n")
			maker, _, _ = strings.Cut(maker, " in goroutine")
		}
		made[maker]++
	}
	return made, nil
}
