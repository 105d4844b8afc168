package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"federation-agent/test/process"
)

// rig is what all groups share: the binaries and a folder.
type rig struct {
	quick   bool
	dir     string
	discard func() // of dir, in the end
	agent   string // the built agent
	self    string // this program
	runs    atomic.Int64
}

func newRig(ctx context.Context, quick bool, dir string) (*rig, error) {
	r := &rig{quick: quick}
	var err error
	if r.dir, r.discard, err = process.Folder(dir); err != nil {
		return nil, err
	}
	if r.self, err = os.Executable(); err == nil {
		r.agent, err = process.Build(ctx, r.dir)
	}
	if err != nil {
		r.discard()
		return nil, err
	}
	return r, nil
}

// pick is the full figure, or the short one in a quick run.
func pick[T any](r *rig, full, short T) T {
	if r.quick {
		return short
	}
	return full
}

// folder makes a folder for one process's store and log.
func (r *rig) folder(name string) (string, error) {
	dir := filepath.Join(r.dir, name+"-"+strconv.FormatInt(r.runs.Add(1), 10))
	return dir, os.MkdirAll(dir, 0o755)
}

// standIns is a running process of the stand-ins.
type standIns struct {
	client
	*process.StandIns
}

// startStandIns starts a process of them. cpu, unless negative, is the only core that it may use.
func (r *rig) startStandIns(ctx context.Context, spec standInSpec, cpu int) (s *standIns, err error) {
	s = &standIns{}
	s.StandIns, err = process.StartStandIns(ctx, onCore(cpu, r.self, standInsCommand), spec, &s.client)
	return s, err
}

// onCore makes a command that runs on one core only, or anywhere if cpu is negative.
func onCore(cpu int, name string, args ...string) *exec.Cmd {
	if cpu < 0 {
		return exec.Command(name, args...)
	}
	// taskset becomes the command itself: the process id stays.
	return exec.Command("taskset", append([]string{"-c", strconv.Itoa(cpu), name}, args...)...)
}
