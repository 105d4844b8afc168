// Package process drives programs from outside, above all the built agent: it builds the agent, starts a program, waits
// for what it writes, measures it, and ends it by its pid. Its [Rig] is the built agent against both stand-ins, each a
// process of its own, over a network that delays, cuts and swallows. All tests and commands that need a real process
// share it.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// EndWithin is what Docker gives a container after SIGTERM, so that the agent must end by then.
const EndWithin = 10 * time.Second

// Process is one that this program started, and that it alone ends, by its pid.
type Process struct {
	Stdout, Stderr Output
	Started        time.Time

	cmd   *exec.Cmd
	ended chan struct{}
	err   error // how it ended, once ended is closed
}

// Start starts a program. Where the command has a Stdout or Stderr already, that gets a copy.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = both(&p.Stdout, cmd.Stdout), both(&p.Stderr, cmd.Stderr)
	cmd.WaitDelay = EndWithin // a grandchild may hold its output open
	p.Started = time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

func both(output *Output, other io.Writer) io.Writer {
	if other == nil {
		return output
	}
	return io.MultiWriter(output, other)
}

// StartLogged is Start, with all that the program writes in a file, too.
func StartLogged(cmd *exec.Cmd, file string) (*Process, error) {
	log, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	p, err := Start(cmd)
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	go func() {
		<-p.ended
		_ = log.Close() // the copy in memory is whole
	}()
	return p, nil
}

func (p *Process) pid() int { return p.cmd.Process.Pid }

// Await waits for a line that holds all of the texts, and gives it. out is the process's Stdout or Stderr. Errors: that
// the process ended without it, ctx's.
func (p *Process) Await(ctx context.Context, out *Output, texts ...string) (string, error) {
	for {
		line, found, grown := out.line(texts)
		if found {
			return line, nil
		}
		select {
		case <-grown:
		case <-p.ended:
			if line, found, _ := out.line(texts); found {
				return line, nil
			}
			return "", fmt.Errorf("process %d ended (%s) and did not write %q", p.pid(), p.cmd.ProcessState, texts)
		case <-ctx.Done():
			return "", fmt.Errorf("waiting for process %d to write %q: %w", p.pid(), texts, context.Cause(ctx))
		}
	}
}

// Wait waits for the end. Errors: an [exec.ExitError] for any exit code but 0, ctx's.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.ended:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("waiting for process %d to end: %w", p.pid(), context.Cause(ctx))
	}
}

// ExitCode is that of a process that has ended, -1 of one that a signal ended.
func (p *Process) ExitCode() int {
	<-p.ended
	return p.cmd.ProcessState.ExitCode()
}

// Ended reports whether it has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Signal fails for a process that has ended.
func (p *Process) Signal(s os.Signal) error {
	select {
	case <-p.ended:
		return fmt.Errorf("process %d ended by itself: %s", p.pid(), p.cmd.ProcessState)
	default:
		return p.cmd.Process.Signal(s)
	}
}

// Kill is kill -9. A process that has ended before is an error: nothing here may end by itself.
func (p *Process) Kill() error {
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.ended
	return nil
}

// End asks for an orderly end by SIGTERM. Errors: as of [Process.Reap].
func (p *Process) End() error { return p.EndIn(EndWithin) }

// EndIn is End for a process that has another time than [EndWithin] for it.
func (p *Process) EndIn(within time.Duration) error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return p.reapIn(within)
}

// Reap waits for an end that was asked for. Errors: any exit code but 0; that the process had to be killed, as it did
// not end within [EndWithin].
func (p *Process) Reap() error { return p.reapIn(EndWithin) }

func (p *Process) reapIn(within time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), within, fmt.Errorf("%s have passed", within))
	defer cancel()
	err := p.Wait(ctx)
	if ctx.Err() != nil {
		_ = p.Kill() // it may have ended just now
	}
	return err
}
