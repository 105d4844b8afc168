package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/sandbox/demo"
)

// asMain makes the test binary the program itself: exit codes and signals are a process's.
const asMain = "FEDERATION_AGENT_TEST_AS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// patience bounds every wait: far beyond what anything here takes, on a machine that is busy with others.
const patience = 30 * time.Second

// child is the program in a process of its own.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout *watched
	log    *watched
	ended  chan struct{}
}

// start starts the program with these variables and no others.
func start(t *testing.T, environ []string, args ...string) *child {
	t.Helper()
	c := &child{t: t, stdout: newWatched(), log: newWatched(), ended: make(chan struct{})}
	c.cmd = exec.Command(os.Args[0], args...)
	c.cmd.Env = append([]string{asMain + "=1", "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(), "AWS_EC2_METADATA_DISABLED=true", nodeEnabled + "=false"}, environ...)
	c.cmd.Stdout, c.cmd.Stderr = c.stdout, c.log
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = c.cmd.Wait() // the state says it all
		close(c.ended)
	}()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill() // it has ended, as a rule
		<-c.ended
	})
	return c
}

func (c *child) signal(s os.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatalf("%v\n%s", err, c.log)
	}
}

// exit waits for the end and gives the exit code.
func (c *child) exit() int {
	c.t.Helper()
	select {
	case <-c.ended:
		return c.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		c.t.Fatalf("the program does not end\n%s", c.log)
		return -1
	}
}

// says waits until a line of the standard error holds all of the texts, prints until one of the standard
// output does.
func (c *child) says(texts ...string)   { c.t.Helper(); c.wait(c.log, texts) }
func (c *child) prints(texts ...string) { c.t.Helper(); c.wait(c.stdout, texts) }

func (c *child) wait(out *watched, texts []string) {
	c.t.Helper()
	deadline := time.After(patience)
	for {
		grown := out.next()
		if out.has(texts) {
			return
		}
		select {
		case <-grown:
		case <-c.ended:
			if !out.has(texts) {
				c.t.Fatalf("ended without saying %q\n%s", texts, out)
			}
		case <-deadline:
			c.t.Fatalf("does not say %q\n%s", texts, out)
		}
	}
}

// watched is a text that wakes its readers when it grows.
type watched struct {
	mu    sync.Mutex
	text  strings.Builder
	grown chan struct{}
}

func newWatched() *watched { return &watched{grown: make(chan struct{})} }

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.grown)
	w.grown = make(chan struct{})
	return w.text.Write(p)
}

func (w *watched) next() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.grown
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func (w *watched) has(texts []string) bool {
	for line := range strings.Lines(w.String()) {
		missing := false
		for _, text := range texts {
			missing = missing || !strings.Contains(line, text)
		}
		if !missing {
			return true
		}
	}
	return false
}

// newSandbox starts stand-ins that are fast, with 6 APIs of 2 stages in one account and region.
func newSandbox(t *testing.T, change func(*demo.Options)) *demo.Sandbox {
	t.Helper()
	o := demo.Options{
		APIMAddress: "127.0.0.1:0", AWSAddress: "127.0.0.1:0", Quota: awssim.Quota{Scale: 50},
		Estate: awssim.UniformEstate(awssim.UniformOptions{APIs: 6, StagesPerAPI: 2, Plans: 2}),
	}
	if change != nil {
		change(&o)
	}
	s, err := demo.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// settings are the sandbox's, with further ones behind them; the last of a name counts.
func settings(t *testing.T, s *demo.Sandbox, more ...string) []string {
	environ := []string{"gravitee_agent_store_path=" + t.TempDir()}
	for _, setting := range s.Settings() {
		environ = append(environ, setting.Name+"="+setting.Value)
	}
	return append(environ, more...)
}

func await(t *testing.T, s *demo.Sandbox, what string, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errors.New("it never came to that"))
	defer cancel()
	if err := s.Await(ctx, so); err != nil {
		t.Fatalf("waiting for %s: %v", what, err)
	}
}

func connected(t *testing.T, s *demo.Sandbox) {
	t.Helper()
	await(t, s, "the agent's HELLO", func() bool { return len(s.APIM.Agents()) > 0 })
}

// ingested has APIM ingest everything.
func ingested(t *testing.T, s *demo.Sandbox) {
	t.Helper()
	job, err := s.APIM.StartIngest(t.Context(), demo.DefaultIntegrationID, nil)
	if err != nil {
		t.Fatal(err)
	}
	await(t, s, "the ingest", func() bool {
		now, err := s.APIM.Job(job.ID)
		return err == nil && now.Status == apimsim.JobSuccess
	})
}
