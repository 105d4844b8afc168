package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"
)

// Program is what a demonstration takes from the program that gives it.
type Program struct {
	Version        string
	Environ        []string
	Stdout, Stderr io.Writer
	// StartAgent starts the agent with no configuration but the environment, and has it log to the writer.
	StartAgent func(environ []string, log io.Writer) (Agent, error)

	// Once is whether the demonstration ends after its last step.
	Once bool
	// JSON is whether the summary goes to Stdout for programs, and the narration to Stderr.
	JSON bool
	// Verbose is whether the agent's log goes to Stderr and not to a file that is kept until the next demonstration.
	Verbose bool
}

// Agent is the agent that a demonstration shows.
type Agent struct {
	// Done is closed when the agent ends.
	Done <-chan struct{}
	// Page is where its status page is.
	Page string
	// Drain asks the agent to end in order and waits for it; Close frees what it held.
	Drain func() error
	Close func()
}

// Run gives the demonstration, until the context ends with [ErrInterrupted]. Errors: that of StartAgent as it is; the
// step that failed or was interrupted; a file that cannot be written.
func Run(ctx context.Context, sandbox *Sandbox, p Program) error {
	directory, err := os.MkdirTemp("", "federation-agent-demo-")
	if err != nil {
		return fmt.Errorf("making a directory for the demo: %w", err)
	}
	summary, err := demonstrate(ctx, sandbox, p, directory)
	if left := os.RemoveAll(directory); left != nil && err == nil {
		err = fmt.Errorf("removing the demo's directory: %w", left)
	}
	if summary != nil && p.JSON {
		encoder := json.NewEncoder(p.Stdout)
		encoder.SetIndent("", "  ")
		err = errors.Join(err, encoder.Encode(summary))
	}
	return err
}

// demonstrate gives the demonstration; nil where the agent was not started. The agent's journal is in the directory.
func demonstrate(ctx context.Context, sandbox *Sandbox, p Program, directory string) (*Summary, error) {
	log, logName := p.Stderr, "below"
	if !p.Verbose {
		file, err := agentLog()
		if err != nil {
			return nil, fmt.Errorf("opening the agent's log: %w", err)
		}
		log, logName = file, file.Name()
	}
	narrator := narratorFor(p)
	narrator.Title("Federation agent " + p.Version + " with stand-ins for Gravitee APIM and AWS API Gateway")
	narrator.Line("  APIM %-8s %s/", sandbox.options.Version, sandbox.APIMURL())
	narrator.Line("  AWS           %s  %s", sandbox.AWSURL(), sandbox.Census())
	narrator.Line("  Agent's log   %s", logName)
	replaceAWSEnvironment(p.Environ, sandbox)
	agent, err := p.StartAgent(agentEnviron(sandbox, directory), log)
	if err != nil {
		return nil, err
	}
	narrator.Line("  Agent's page  %s", agent.Page)
	narrator.Line("")
	summary := Play(ctx, sandbox, agent.Done, narrator)
	if !p.Once && summary.OK {
		narrator.Table(summary)
		narrator.Line("\nStill running: %s/ is APIM's page, %s is the agent's. Ctrl-C ends it.",
			sandbox.APIMURL(), agent.Page)
		select {
		case <-ctx.Done():
		case <-agent.Done:
		}
	}
	summary = End(summary, sandbox, agent.Drain, narrator)
	agent.Close()
	if !summary.Interrupted && (p.Once || !summary.OK) { // an interrupted demonstration has no result
		narrator.Table(summary)
	}
	switch {
	case summary.Interrupted:
		return &summary, fmt.Errorf("the demo was interrupted at %s", summary.Steps[len(summary.Steps)-2].Name)
	case !summary.OK:
		return &summary, fmt.Errorf("the demo failed at %s\n%s", summary.Failure, lastLines(logName))
	}
	return &summary, nil
}

// narratorFor narrates on the standard output, or on the standard error where the standard output is for programs.
func narratorFor(p Program) *Narrator {
	out := p.Stdout
	if p.JSON {
		out = p.Stderr
	}
	file, isFile := out.(*os.File)
	live := isFile && term.IsTerminal(int(file.Fd()))
	return &Narrator{Out: out, Live: live, Colour: live && os.Getenv("NO_COLOR") == ""} // https://no-color.org
}

// agentLog makes the file of the agent's own log. There is only one, in the user's cache directory, and it is kept
// until the next demo. That removes the file and does not overwrite it, because the last demo may still run.
func agentLog() (*os.File, error) {
	if cache, err := os.UserCacheDir(); err == nil {
		name := filepath.Join(cache, "federation-agent", "demo.log")
		_ = os.MkdirAll(filepath.Dir(name), 0o700) // if this or the next line fails, the file cannot be made either
		_ = os.Remove(name)
		if file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err == nil {
			return file, nil
		}
	}
	// There is no home directory that can be written, as in a container.
	return os.CreateTemp("", "federation-agent-demo-*.log")
}

// agentEnviron is the whole configuration of the agent.
func agentEnviron(s *Sandbox, directory string) (environ []string) {
	settings := append(s.Settings(),
		Setting{storePath, filepath.Join(directory, "journal")},
		Setting{"gravitee_agent_log_level", "debug"},
		Setting{"gravitee_services_core_http_port", "0"},
		Setting{"gravitee_services_core_http_authentication_type", "none"},
		s.Roles())
	for _, setting := range settings {
		environ = append(environ, setting.Name+"="+setting.Value)
	}
	return environ
}

// replaceAWSEnvironment sends the AWS SDK, which reads only the environment of its process, to the stand-in, and
// removes the user's own AWS settings. Nothing puts them back: the process ends with the demonstration.
func replaceAWSEnvironment(environ []string, s *Sandbox) {
	for _, entry := range environ {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			_ = os.Unsetenv(name) // does not fail for a name that the environment gave
		}
	}
	for name, value := range map[string]string{
		AWSEndpointVariable: s.AWSURL(), "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		_ = os.Setenv(name, value) // does not fail for such a name
	}
}

// shownLines is how many lines of the agent's log are shown where the demo failed.
const shownLines = 10

// lastLines is the end of the agent's log; empty where it is not in a file.
func lastLines(name string) string {
	text, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return "The end of " + name + ":\n" + strings.Join(lines[max(0, len(lines)-shownLines):], "\n")
}
