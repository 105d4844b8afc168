package main

import (
	"fmt"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	actors "federation-agent/actors/agent"
	"federation-agent/internal/memlimit"
)

func runCommand(p process) *cobra.Command {
	var files []string
	command := &cobra.Command{
		Use:   "run",
		Short: "Runs the agent (the default)",
		Long:  "Runs the agent until SIGTERM or SIGINT, then ends it in order within gravitee_agent_shutdown_timeout.\n\n" + exitCodes,
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return run(p, files) },
	}
	configFlag(command, &files)
	return command
}

func configFlag(command *cobra.Command, files *[]string) {
	command.Flags().StringArrayVar(files, "config", nil,
		"gravitee.yml `FILE[,FILE]`, later ones override; the environment overrides all of them")
}

func run(p process, files []string) error {
	cfg, warnings, err := load(p.environ, files)
	if err != nil {
		return err
	}
	log := newLogger(p.stderr, cfg.Agent.Log)
	logStart(log, cfg, warnings)
	if soft := memlimit.Set(p.environ, os.DirFS("/")); soft > 0 {
		log.Info("keeping below the memory limit of the container", logLimit, soft)
	}
	agent, err := startAgent(cfg, log)
	if err != nil {
		return err
	}
	select {
	case <-agent.Done():
	case s := <-p.signals:
		log.Info("ending in order; a second signal ends at once", logSignal, s.String(), logTimeout, agent.timeout)
		began := time.Now()
		if err := drainUnless(p.signals, agent, log); err != nil {
			return err
		}
		left := agent.ingestsLeft(cfg.Providers)
		agent.close()
		logEnd(log, agent.Ending(), time.Since(began), left)
		return ended(agent.Ending())
	}
	agent.close()
	return ended(agent.Ending())
}

// drainUnless drains, unless a second signal comes.
func drainUnless(signals <-chan os.Signal, agent *agentProcess, log *slog.Logger) error {
	drained := make(chan error, 1)
	go func() { drained <- agent.drain() }()
	select {
	case err := <-drained:
		if err != nil {
			return &exitError{code: exitInternal, text: fmt.Sprintf("the agent did not end in time: %v", err)}
		}
		return nil
	case s := <-signals:
		log.Warn("a second signal: ending at once", logSignal, s.String())
		return &exitError{code: signalCode(s)}
	}
}

func signalCode(s os.Signal) int {
	if number, ok := s.(syscall.Signal); ok {
		return exitSignal + int(number)
	}
	return exitInternal
}

func ended(e actors.Ending) error {
	switch e {
	case actors.Drained:
		return nil
	case actors.Dismissed:
		return &exitError{code: exitDismissed, text: "APIM dismissed every integration of this agent for good"}
	}
	return &exitError{code: exitInternal, text: "the agent ended without being asked to, or not in order; its log says more"}
}
