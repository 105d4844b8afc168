package controller

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"
)

// closeGrace is how long a harness may take to end once its stdin is closed; it halts without ado, so this is ample.
const closeGrace = 10 * time.Second

// Process is a JVM with the harness of one version. It starts in about a second and can run any number of controllers,
// so that a test pays for it once.
type Process struct {
	version Version
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	ended   chan struct{}

	mu      sync.Mutex
	seq     int64
	pending map[int64]chan answer
	logs    map[string]func(Event)
	err     error
}

type answer struct {
	Result json.RawMessage `json:"result"`
	Error  *javaFailure    `json:"error"`
}

// javaFailure is an exception as the harness tells it: the innermost cause, and the class of what was thrown.
type javaFailure struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Outer   string `json:"outer"`
}

func (f *javaFailure) Error() string { return f.Kind + ": " + f.Message }

// NotInDialectError says that a version does not have the command or reply that was asked for.
type NotInDialectError struct{ What string }

func (e *NotInDialectError) Error() string { return e.What + " does not exist in this dialect" }

// StartProcess builds the harness for a version where needed and starts it. The controllers' own logs go to logs. A
// JDK or a download that cannot be had is a [missing.Error].
func StartProcess(ctx context.Context, version Version, logs io.Writer) (*Process, error) {
	classpath, err := version.classpath(ctx)
	if err != nil {
		return nil, err
	}
	// The compiler and collector that start fastest: a harness lives for seconds.
	cmd := exec.Command("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx768m", "-cp", classpath,
		"federationagent.interop.Harness")
	cmd.Stderr = logs
	// Its logs may be a pipe that a grandchild holds; there is none, but a test must end in any case.
	cmd.WaitDelay = closeGrace
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the harness of %s: %w", version.ID, err)
	}
	p := &Process{
		version: version,
		cmd:     cmd,
		stdin:   stdin,
		ended:   make(chan struct{}),
		pending: map[int64]chan answer{},
		logs:    map[string]func(Event){},
	}
	go p.read(stdout)
	return p, nil
}

// Version is what the process was started for.
func (p *Process) Version() Version { return p.version }

// Close ends the JVM, with its controllers as if the machine had gone.
func (p *Process) Close() error {
	_ = p.stdin.Close()
	select {
	case <-p.ended:
	case <-time.After(closeGrace):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if errors.Is(p.err, io.EOF) {
		return nil
	}
	return p.err
}

// call sends one request and decodes its result into result, which may be nil.
func (p *Process) call(ctx context.Context, request map[string]any, result any) error {
	reply := make(chan answer, 1)
	if err := p.send(request, reply); err != nil {
		return err
	}
	select {
	case a := <-reply:
		if a.Error != nil && a.Error.Kind == "NotInThisDialect" {
			return &NotInDialectError{What: a.Error.Message}
		}
		if a.Error != nil {
			return fmt.Errorf("harness of %s: %v: %w", p.version.ID, request["op"], a.Error)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(a.Result, result)
	case <-p.ended:
		return fmt.Errorf("harness of %s ended during %v", p.version.ID, request["op"])
	case <-ctx.Done():
		return fmt.Errorf("harness of %s: %v: %w", p.version.ID, request["op"], ctx.Err())
	}
}

func (p *Process) send(request map[string]any, reply chan answer) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seq++
	request["seq"] = p.seq
	line, err := json.Marshal(request)
	if err != nil {
		return err
	}
	p.pending[p.seq] = reply
	if _, err := p.stdin.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("harness of %s does not take requests: %w", p.version.ID, err)
	}
	return nil
}

func (p *Process) read(stdout io.Reader) {
	lines := bufio.NewReader(stdout)
	var err error
	for err == nil {
		var line []byte
		if line, err = lines.ReadBytes('\n'); err == nil {
			err = p.take(line)
		}
	}
	// Whatever is still written must not block the JVM from ending.
	_, _ = io.Copy(io.Discard, stdout)
	if waitErr := p.cmd.Wait(); waitErr != nil {
		err = fmt.Errorf("harness of %s: %w", p.version.ID, waitErr)
	}
	p.mu.Lock()
	p.err = err
	p.mu.Unlock()
	close(p.ended)
}

func (p *Process) take(line []byte) error {
	var head struct {
		Event      string `json:"event"`
		Seq        int64  `json:"seq"`
		Controller string `json:"controller"`
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return fmt.Errorf("harness of %s wrote what is not a protocol line: %q: %w", p.version.ID, line, err)
	}
	switch head.Event {
	case "started":
		return nil
	case "answer":
		var a answer
		if err := json.Unmarshal(line, &a); err != nil {
			return err
		}
		p.mu.Lock()
		reply := p.pending[head.Seq]
		delete(p.pending, head.Seq)
		p.mu.Unlock()
		if reply != nil {
			reply <- a
		}
		return nil
	}
	var event Event
	if err := json.Unmarshal(line, &event); err != nil {
		return err
	}
	p.mu.Lock()
	add := p.logs[head.Controller]
	p.mu.Unlock()
	if add != nil {
		add(event)
	}
	return nil
}
