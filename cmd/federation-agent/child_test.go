package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/sandbox/demo"
	"federation-agent/test/leaks"
	driven "federation-agent/test/process"
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
	*driven.Process
	t *testing.T
}

// start starts the program with these variables and no others.
func start(t *testing.T, environ []string, args ...string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append([]string{
		asMain + "=1", "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(), "AWS_EC2_METADATA_DISABLED=true",
		nodeEnabled + "=false",
	}, environ...)
	p, err := driven.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	c := &child{Process: p, t: t}
	everySecret.AddSettings(environ)
	t.Cleanup(func() {
		served := c.served()
		_ = p.Kill() // it has ended, as a rule
		c.keepsItsSecrets(served, args)
	})
	return c
}

// everySecret are those of all tests: no program may write one of another's either.
var everySecret leaks.Secrets

// sandboxes are those that run. The keys that they make are secrets, too.
var sandboxes sync.Map

// keepsItsSecrets looks for secrets in what the program has written, and in what its node API served before it ended.
func (c *child) keepsItsSecrets(served string, args []string) {
	if len(args) > 0 && (args[0] == "sandbox" || args[0] == "demo") {
		return // they tell what opens their own stand-ins
	}
	sandboxes.Range(func(s, _ any) bool {
		for _, key := range s.(*demo.Sandbox).AWS.Keys() {
			everySecret.Add("value of an API key", key.Value.Reveal())
		}
		return true
	})
	for where, text := range map[string]string{
		"its log": c.log(), "its output": c.Stdout.String(), "its node API": served,
	} {
		if found := everySecret.In(text); found != nil {
			c.t.Errorf("%s holds secrets: %s", where, strings.Join(found, ", "))
		}
	}
}

// served is all that the node API shows, if the program still runs and has one that lets the tests' user in.
func (c *child) served() string {
	_, line, found := strings.Cut(c.log(), `msg="the node API is served: open to`)
	_, address, _ := strings.Cut(line, "address=")
	if address, _, _ = strings.Cut(address, "\n"); !found {
		return ""
	}
	client := http.Client{Timeout: patience}
	return leaks.Served(http.HandlerFunc(func(w http.ResponseWriter, asked *http.Request) {
		request, err := http.NewRequest(http.MethodGet, "http://"+strings.TrimSpace(address)+asked.URL.String(), nil)
		if err != nil {
			return
		}
		request.Header.Set("Accept", asked.Header.Get("Accept"))
		request.SetBasicAuth("admin", nodePassword)
		answer, err := client.Do(request)
		if err != nil {
			return // it has just ended, or speaks TLS
		}
		defer answer.Body.Close()
		_, _ = io.Copy(w, answer.Body)
	}), "")
}

func (c *child) signal(s os.Signal) {
	c.t.Helper()
	if err := c.Signal(s); err != nil {
		c.t.Fatalf("%v\n%s", err, c.log())
	}
}

// signalUntil signals again and again, until a line of the standard error holds the text.
func (c *child) signalUntil(s os.Signal, text string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for again := time.Tick(100 * time.Millisecond); !strings.Contains(c.log(), text); <-again {
		if err := c.Signal(s); err != nil || ctx.Err() != nil {
			c.t.Fatalf("%v\n%s", err, c.log())
		}
	}
}

// exit waits for the end and gives the exit code.
func (c *child) exit() int {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = c.Wait(ctx) // the code says it all
	if ctx.Err() != nil {
		c.t.Fatalf("the program does not end\n%s", c.log())
	}
	return c.ExitCode()
}

func (c *child) log() string { return c.Stderr.String() }

// says waits until a line of the standard error holds all of the texts, prints until one of the standard
// output does. Both give that line.
func (c *child) says(texts ...string) string   { c.t.Helper(); return c.await(&c.Stderr, texts) }
func (c *child) prints(texts ...string) string { c.t.Helper(); return c.await(&c.Stdout, texts) }

func (c *child) await(out *driven.Output, texts []string) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	line, err := c.Await(ctx, out, texts...)
	if err != nil {
		c.t.Fatalf("%v\n%s", err, out)
	}
	return line
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
	sandboxes.Store(s, true)
	t.Cleanup(func() {
		sandboxes.Delete(s)
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
