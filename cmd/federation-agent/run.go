package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	cgroup "github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/spf13/cobra"

	actors "federation-agent/actors/agent"
	"federation-agent/config"
	"federation-agent/internal/memlimit"
)

// runName is the subcommand that runs the agent, as no subcommand does.
const runName = "run"

func runCommand(p process) *cobra.Command {
	command := &cobra.Command{
		Use:   runName,
		Short: "Runs the agent (the default)",
		Long: "Runs the agent until SIGTERM or SIGINT, then ends in order within gravitee_agent_shutdown_timeout.\n" +
			"Where the journal is a table, it first hands over to another replica, which may take as long as\n" +
			"gravitee_agent_shutdown_handover says.\n\n" +
			exitCodes,
		Example: `  federation-agent run
  federation-agent run --config /etc/federation-agent/gravitee.yml
  gravitee_agent_log_level=debug federation-agent run`,
	}
	return configured(p, command, func(cfg config.Config, warnings []string) error {
		files, err := command.Flags().GetStringArray(configFlag)
		if err != nil {
			return err
		}
		return run(p, cfg, config.Sources{Environ: p.environ, Files: files}, warnings)
	})
}

func run(p process, cfg config.Config, src config.Sources, warnings []string) error {
	book := newLogger(p.stderr, cfg.Agent.Log)
	log := book.Logger
	logStart(log, cfg, warnings)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	if soft := memlimit.Set(cgroup.FromCgroup); soft > 0 {
		log.Info("keeping below the memory limit of the container", logLimit, soft)
	}
	warnOfLittleMemory(log, cfg, cgroup.FromCgroup)
	watching, stop := context.WithCancel(context.Background())
	defer stop()
	go p.secrets.Watch(watching, log)
	agent, err := startAgent(cfg, src, book)
	if err != nil {
		return err
	}
	defer time.AfterFunc(settled, debug.FreeOSMemory).Stop()
	s := signalled(p.signals, hangups, agent.Done(), log)
	if s == nil {
		agent.close()
	} else {
		log.Info("ending in order; a second signal ends at once", logSignal, s.String(),
			logTimeout, agent.shutdown.Handover+agent.shutdown.Timeout)
		began := time.Now()
		if err := drainUnless(p.signals, agent.drain, log); err != nil {
			return err
		}
		left := agent.ingestsLeft(cfg.Providers)
		agent.close()
		logEnd(log, agent.Ending(), time.Since(began), left)
	}
	return ended(agent.Ending())
}

// warnOfLittleMemory says before the kernel does it that the container is too small for what the settings allow. The
// settings stay as they are: smaller documents pass in less.
func warnOfLittleMemory(log *slog.Logger, cfg config.Config, ofContainer func() (uint64, error)) {
	limit, err := ofContainer()
	message, documents := cfg.Connector.MaxMessageSize, cfg.Agent.Ingest.MemoryBytes
	least := memlimit.Smallest(len(cfg.Providers), documents, message)
	if err != nil || limit >= uint64(least) {
		return
	}
	log.Warn("the container's memory limit is small for the settings: large documents may get the agent killed; "+
		"give it more, or lower maxWebSocketMessageSize and agent.ingest.memoryBytes", logContainer, limit, logLeast, least)
}

// signalled waits for a signal that ends the agent. It gives nil if the agent ends without.
func signalled(signals, hangups <-chan os.Signal, done <-chan struct{}, log *slog.Logger) os.Signal {
	for {
		select {
		case <-done:
			return nil
		case s := <-signals:
			return s
		case <-hangups:
			log.Info("SIGHUP changes nothing: secrets and certificates in files are read again without it, and settings only " +
				"at a start")
		}
	}
}

// settled is when the start is over. It needs more memory than an agent at rest, and the runtime gives back what is free
// only little by little.
const settled = 5 * time.Second

// sameSignal is for how long another signal is taken for the first one: a terminal sends it to the program and to what
// started it, which passes it on, and some orchestrators send it twice.
const sameSignal = time.Second

// drainUnless drains, unless a second signal comes.
func drainUnless(signals <-chan os.Signal, drain func() error, log *slog.Logger) error {
	drained, began := make(chan error, 1), time.Now()
	go func() { drained <- drain() }()
	for {
		select {
		case err := <-drained:
			if err != nil {
				return exit(exitInternal, "the agent did not end in time: %v", err)
			}
			return nil
		case s := <-signals:
			if time.Since(began) < sameSignal {
				log.Info("the same signal once more, within a second; it changes nothing", logSignal, s.String())
				continue
			}
			log.Warn("a second signal: ending at once", logSignal, s.String())
			return &exitError{code: codeOf(s)}
		}
	}
}

// codeOf is the exit code of a process that a signal ended.
func codeOf(s os.Signal) int {
	number, _ := s.(syscall.Signal) // every signal that Go delivers is one
	return exitSignal + int(number)
}

func ended(e actors.Ending) error {
	switch e {
	case actors.Drained:
		return nil
	case actors.Dismissed:
		return exit(exitDismissed, "APIM dismissed every integration of this agent for good")
	case actors.Failed, actors.Disorderly:
	}
	return exit(exitInternal, "the agent ended by itself, or not in order; see its log")
}
