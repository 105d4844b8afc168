package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"federation-agent/internal/sandbox/demo"
)

// demoFlags are the demonstration's own.
type demoFlags struct {
	sandboxFlags
	once, json, verbose bool
}

func demoCommand(p process) *cobra.Command {
	var flags demoFlags
	command := &cobra.Command{
		Use:   "demo",
		Short: "Shows the agent at work against stand-ins for APIM and AWS",
		Long: `Starts both stand-ins on the loopback interface, runs the real agent against them over real sockets, and
acts as APIM's user: preview, ingest, subscribe, call the API with the new key, unsubscribe. Quota and
latencies are those of AWS unless flags change them.

Afterwards it keeps running until Ctrl-C, so that you can look around. Exit code 0: every step succeeded;
1: the step that is named failed.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return runDemo(p, &flags) },
	}
	command.Flags().BoolVar(&flags.once, "once", false, "end after the last step")
	command.Flags().BoolVar(&flags.json, "json", false,
		"print a summary for programs on the standard output, the narration on the standard error")
	command.Flags().BoolVar(&flags.verbose, "verbose", false,
		"write the agent's log to the standard error instead of a file that is kept until the next demo")
	flags.add(command, "127.0.0.1:0", "127.0.0.1:0")
	return command
}

func runDemo(p process, flags *demoFlags) error {
	sandbox, err := startSandbox(&flags.sandboxFlags) // first: a bad flag leaves nothing behind
	if err != nil {
		return err
	}
	defer sandbox.Close() // the demonstration has ended then, and its result is known
	directory, err := os.MkdirTemp("", "federation-agent-demo-")
	if err != nil {
		return exit(exitInternal, "making a directory for the demo: %v", err)
	}
	summary, err := demonstrate(p, flags, sandbox, directory)
	if left := os.RemoveAll(directory); left != nil && err == nil {
		err = exit(exitInternal, "removing the demo's directory: %v", left)
	}
	if summary != nil && flags.json {
		encoder := json.NewEncoder(p.stdout)
		encoder.SetIndent("", "  ")
		err = errors.Join(err, encoder.Encode(summary))
	}
	return err
}

// demonstrate runs the demonstration. The agent's journal is in the directory.
func demonstrate(p process, flags *demoFlags, sandbox *demo.Sandbox, directory string) (*demo.Summary, error) {
	replaceAWSEnvironment(p.environ, sandbox)
	cfg, _, err := load(demoEnviron(sandbox, directory), nil)
	if err != nil {
		return nil, err
	}
	log, logName := p.stderr, "below"
	if !flags.verbose {
		file, err := demoLog()
		if err != nil {
			return nil, exit(exitInternal, "opening the agent's log: %v", err)
		}
		log, logName = file, file.Name()
	}
	narrator := narratorFor(p, flags.json)
	narrator.Title("Federation agent " + thisBuild().Version + " with stand-ins for Gravitee APIM and AWS API Gateway")
	narrator.Line("  APIM %-8s %s/", flags.Version, sandbox.APIMURL())
	narrator.Line("  AWS           %s  %s", sandbox.AWSURL(), sandbox.Census())
	narrator.Line("  Agent's log   %s", logName)
	narrator.Line("")
	agent, err := startAgent(cfg, newLogger(log, cfg.Agent.Log))
	if err != nil {
		return nil, err
	}
	ctx, interrupt := context.WithCancelCause(context.Background())
	defer interrupt(nil)
	go func() { // without a signal it ends with the process, which is soon
		<-p.signals
		interrupt(demo.ErrInterrupted)
	}()
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
	if !summary.Interrupted && (flags.once || !summary.OK) { // an interrupted demonstration has no result
		narrator.Table(summary)
	}
	switch {
	case summary.Interrupted:
		return &summary, exit(exitInternal, "the demo was interrupted at %s", summary.Steps[len(summary.Steps)-2].Name)
	case !summary.OK:
		return &summary, exit(exitInternal, "the demo failed at %s\n%s", summary.Failure, lastLines(logName))
	}
	return &summary, nil
}

// narratorFor narrates on the standard output, or on the standard error where the standard output is for programs.
func narratorFor(p process, programs bool) *demo.Narrator {
	out := p.stdout
	if programs {
		out = p.stderr
	}
	file, isFile := out.(*os.File)
	live := isFile && term.IsTerminal(int(file.Fd()))
	return &demo.Narrator{Out: out, Live: live, Colour: live && os.Getenv("NO_COLOR") == ""} // https://no-color.org
}

// demoLog makes the file of the agent's own log. There is only one, in the user's cache directory, and it is kept until
// the next demo. That removes the file and does not overwrite it, because the last demo may still run.
func demoLog() (*os.File, error) {
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

// demoEnviron is the whole configuration of the agent.
func demoEnviron(s *demo.Sandbox, directory string) (environ []string) {
	settings := append(s.Settings(),
		demo.Setting{Name: "gravitee_agent_store_path", Value: filepath.Join(directory, "journal")},
		demo.Setting{Name: "gravitee_agent_log_level", Value: "debug"},
		demo.Setting{Name: nodeEnabled, Value: "false"}, // the page to look at is APIM's
		s.Roles())
	for _, setting := range settings {
		environ = append(environ, setting.Name+"="+setting.Value)
	}
	return environ
}

// replaceAWSEnvironment sends the AWS SDK, which reads only the environment of its process, to the stand-in, and
// removes the user's own AWS settings. Nothing puts them back: the process ends with the demonstration.
func replaceAWSEnvironment(environ []string, s *demo.Sandbox) {
	for _, entry := range environ {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "AWS_") {
			_ = os.Unsetenv(name) // does not fail for a name that the environment gave
		}
	}
	for name, value := range map[string]string{
		demo.AWSEndpointVariable: s.AWSURL(), "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
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
