package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"federation-agent/test/outside"
)

// Process is one that this program started, and that it alone ends, by its pid.
type Process struct {
	cmd  *exec.Cmd
	done chan error
	log  string // file
}

func start(cmd *exec.Cmd) (*Process, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, done: make(chan error, 1)}
	go func() { p.done <- cmd.Wait() }()
	return p, nil
}

// Kill is kill -9. A process that has ended before is an error: nothing here may end by itself.
func (p *Process) Kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	return nil
}

// End asks for an orderly end. Errors: any exit code but 0.
func (p *Process) End() error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	return <-p.done
}

func (p *Process) signal(s syscall.Signal) error {
	select {
	case err := <-p.done:
		return fmt.Errorf("process %d ended by itself: %w", p.cmd.Process.Pid, err)
	default:
	}
	return p.cmd.Process.Signal(s)
}

// Log is what the process has written so far.
func (p *Process) Log() (string, error) {
	text, err := os.ReadFile(p.log)
	return string(text), err
}

// Footprint is what the kernel knows that a process holds.
type Footprint struct {
	outside.Memory
	// Descriptors counts open files and sockets.
	Descriptors int
}

// Footprint needs Linux's /proc.
func (p *Process) Footprint() (Footprint, error) {
	pid := p.cmd.Process.Pid
	memory, err := outside.ReadMemory(pid)
	if err != nil {
		return Footprint{}, err
	}
	open, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "fd"))
	return Footprint{Memory: memory, Descriptors: len(open)}, err
}

// Goroutines ends the process by SIGQUIT, to which Go's runtime answers with the stacks of all goroutines, and counts
// them by the function that made them.
func (p *Process) Goroutines() (map[string]int, error) {
	if err := p.signal(syscall.SIGQUIT); err != nil {
		return nil, err
	}
	<-p.done
	text, err := p.Log()
	if err != nil {
		return nil, err
	}
	_, dump, found := strings.Cut(text, "SIGQUIT: quit")
	if !found {
		return nil, fmt.Errorf("process %d left no stacks", p.cmd.Process.Pid)
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
