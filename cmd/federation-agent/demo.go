package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"federation-agent/internal/sandbox/demo"
)

// demoFlags are the demonstration's own.
type demoFlags struct {
	sandbox sandboxFlags
	once    bool
	json    bool
	verbose bool
}

func demoCommand(p process) *cobra.Command {
	var flags demoFlags
	command := &cobra.Command{
		Use:   "demo",
		Short: "Shows the agent at work against stand-ins for APIM and AWS",
		Long: `Starts both stand-ins on the loopback interface, runs the real agent against them over real sockets, and
plays APIM's user: preview, ingest, subscribe, call the API with the new key, unsubscribe. Quota and
latencies are those of AWS unless told otherwise.

It stays up afterwards until Ctrl-C, so that one can look around. Exit code 0: every step went well; 1: the
one named did not.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return runDemo(p, &flags) },
	}
	command.Flags().BoolVar(&flags.once, "once", false, "end after the last step")
	command.Flags().BoolVar(&flags.json, "json", false, "print a summary for machines on the standard output, the story on the standard error")
	command.Flags().BoolVar(&flags.verbose, "verbose", false, "the agent's log goes to the standard error instead of a file that is kept until the next demo")
	flags.sandbox.add(command, "127.0.0.1:0", "127.0.0.1:0")
	return command
}

func runDemo(p process, flags *demoFlags) error {
	sandbox, err := startSandbox(&flags.sandbox) // first: a bad flag leaves nothing behind
	if err != nil {
		return err
	}
	defer sandbox.Close() // the demonstration is over then, and its outcome known
	directory, err := os.MkdirTemp("", "federation-agent-demo-")
	if err != nil {
		return &exitError{code: exitInternal, text: "making a directory for the demo: " + err.Error()}
	}
	summary, err := demonstrate(p, flags, sandbox, directory)
	if gone := os.RemoveAll(directory); gone != nil && err == nil {
		err = &exitError{code: exitInternal, text: "removing the demo's directory: " + gone.Error()}
	}
	if summary != nil && flags.json {
		encoder := json.NewEncoder(p.stdout)
		encoder.SetIndent("", "  ")
		err = errors.Join(err, encoder.Encode(summary))
	}
	return err
}

// demonstrate plays the demonstration; the directory takes the agent's journal.
func demonstrate(p process, flags *demoFlags, sandbox *demo.Sandbox, directory string) (*demo.Summary, error) {
	restore := ownEnvironment(p.environ, sandbox)
	defer restore()
	cfg, _, err := load(demoEnviron(sandbox, directory), nil)
	if err != nil {
		return nil, err
	}
	log, logName, err := demoLog(p, flags)
	if err != nil {
		return nil, err
	}

	narrator := narratorFor(p, flags.json)
	narrator.Title("Federation agent " + thisBuild().Version + " against stand-ins for Gravitee APIM and AWS API Gateway")
	narrator.Line("  APIM %-8s %s/", flags.sandbox.version, sandbox.APIMURL())
	narrator.Line("  AWS           %s  %s", sandbox.AWSURL(), sandbox.Census())
	narrator.Line("  Agent's log   %s", logName)
	narrator.Line("")
	agent, err := startAgent(cfg, newLogger(log, cfg.Agent.Log))
	if err != nil {
		return nil, err
	}
	ctx, interrupted := untilSignal(p.signals)
	defer interrupted()
	summary := demo.Play(ctx, sandbox, agent.Done(), narrator)
	if !flags.once && summary.OK {
		narrator.Table(summary)
		narrator.Line("\nStill running: %s/ is APIM's page. Ctrl-C ends it.", sandbox.APIMURL())
		select {
		case <-ctx.Done():
		case <-agent.Done():
		}
	}
	summary = demo.End(summary, sandbox, agent.drain, narrator)
	agent.close()
	if !summary.Interrupted && (flags.once || !summary.OK) { // what was cut off is no result
		narrator.Table(summary)
	}
	switch {
	case summary.Interrupted:
		return &summary, &exitError{code: exitInternal, text: "the demo was interrupted at " + summary.Steps[len(summary.Steps)-2].Name}
	case !summary.OK:
		return &summary, &exitError{code: exitInternal, text: "the demo failed at " + summary.Failure + "\n" + lastLines(logName)}
	}
	return &summary, nil
}

// demoLog is where the agent's own log goes. Its file outlives the demo, whose last words point at it, until the next demo.
func demoLog(p process, flags *demoFlags) (io.Writer, string, error) {
	if flags.verbose {
		return p.stderr, "below", nil
	}
	file, err := cachedLog()
	if err != nil {
		// No home, as in a container, or none that can be written: such a place is not kept for long.
		file, err = os.CreateTemp("", "federation-agent-demo-*.log")
	}
	if err != nil {
		return nil, "", &exitError{code: exitInternal, text: "opening the agent's log: " + err.Error()}
	}
	return file, file.Name(), nil
}

// cachedLog makes the one log of demos anew in the user's cache directory. The last demo's is removed and not written over:
// that demo may still run.
func cachedLog() (*os.File, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	name := filepath.Join(cache, "federation-agent", "demo.log")
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, err
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
}

// demoEnviron is all that the agent is configured with.
func demoEnviron(s *demo.Sandbox, directory string) []string {
	settings := append(s.Settings(),
		demo.Setting{Name: "gravitee_agent_store_path", Value: filepath.Join(directory, "journal")},
		demo.Setting{Name: "gravitee_agent_log_level", Value: "debug"},
		demo.Setting{Name: nodeEnabled, Value: "false"}) // APIM's page is what one looks at here
	if roles := s.Roles(); roles.Value != "" {
		settings = append(settings, roles)
	}
	environ := make([]string, len(settings))
	for i, setting := range settings {
		environ[i] = setting.Name + "=" + setting.Value
	}
	return environ
}

// ownEnvironment leads the AWS SDK, which reads the process's environment and no other, to the stand-in, and
// keeps it from whatever the user's own AWS setup says. What it gives puts everything back.
func ownEnvironment(environ []string, s *demo.Sandbox) (restore func()) {
	theirs := map[string]string{}
	for _, entry := range environ {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			theirs[name] = value
			_ = os.Unsetenv(name) // fails for no name that the environment gave
		}
	}
	ours := map[string]string{
		demo.AWSEndpointVariable: s.AWSURL(), "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	}
	for name, value := range ours {
		_ = os.Setenv(name, value) // fails for no name like these
	}
	return func() {
		for name := range ours {
			_ = os.Unsetenv(name) // as above
		}
		for name, value := range theirs {
			_ = os.Setenv(name, value) // as above
		}
	}
}

// untilSignal is a context that the first signal ends.
func untilSignal(signals <-chan os.Signal) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		select {
		case <-signals:
			cancel(demo.ErrInterrupted)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// shownLines is how much of a log's end is shown where the demo failed.
const shownLines = 10

// lastLines is the end of the agent's log; empty where it went elsewhere.
func lastLines(name string) string {
	text, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return "The end of " + name + ":\n" + strings.Join(lines[max(0, len(lines)-shownLines):], "\n")
}
