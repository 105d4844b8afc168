package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"federation-agent/config"
	"federation-agent/internal/sandbox/demo"
)

func demoCommand(p process) *cobra.Command {
	var flags demo.Flags
	program := demo.Program{
		Version: thisBuild().Version, Environ: p.environ, Stdout: p.stdout, Stderr: p.stderr, StartAgent: startDemoAgent,
	}
	command := &cobra.Command{
		Use:   "demo",
		Short: "Shows the agent at work against stand-ins for APIM and AWS",
		Long: `Starts both stand-ins on the loopback interface, runs the real agent against them over real sockets, and
acts as APIM's user: preview, ingest, subscribe, call the API with the new key, unsubscribe. Quota and
latencies are those of AWS unless flags change them.

Afterwards it keeps running until Ctrl-C, so that you can look around.
Exit code 0: every step succeeded. 1: the step that is named failed, or it was interrupted. 2: a wrong flag.`,
		Example: `  federation-agent demo
  federation-agent demo --once --json
  federation-agent demo --estate uniform --apis 600 --once`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return runDemo(p, &flags, program) },
	}
	command.Flags().BoolVar(&program.Once, "once", false, "end after the last step")
	command.Flags().BoolVar(&program.JSON, "json", false,
		"print a summary for programs on the standard output, the narration on the standard error")
	command.Flags().BoolVar(&program.Verbose, "verbose", false,
		"write the agent's log to the standard error instead of a file that is kept until the next demo")
	flags.Declare(command.Flags(), "127.0.0.1:0", "127.0.0.1:0")
	offerStandIns(command)
	return command
}

func runDemo(p process, flags *demo.Flags, program demo.Program) error {
	sandbox, err := flags.Start() // first: a bad flag leaves nothing behind
	if err != nil {
		return exit(exitConfiguration, "%v", err)
	}
	defer sandbox.Close() // the demonstration has ended then, and its result is known
	ctx, interrupt := context.WithCancelCause(context.Background())
	defer interrupt(nil)
	go func() { // without a signal it ends with the process, which is soon
		<-p.signals
		interrupt(demo.ErrInterrupted)
	}()
	err = demo.Run(ctx, sandbox, program)
	if _, ours := errors.AsType[*exitError](err); err == nil || ours {
		return err
	}
	return exit(exitInternal, "%v", err)
}

func startDemoAgent(environ []string, log io.Writer) (demo.Agent, error) {
	src := config.Sources{Environ: environ}
	cfg, _, err := load(src)
	if err != nil {
		return demo.Agent{}, err
	}
	agent, err := startAgent(cfg, src, newLogger(log, cfg.Agent.Log))
	if err != nil {
		return demo.Agent{}, err
	}
	return demo.Agent{
		Done: agent.Done(), Page: "http://" + agent.address.String() + "/", Drain: agent.drain, Close: agent.close,
	}, nil
}
