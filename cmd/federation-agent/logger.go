package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	actors "federation-agent/actors/agent"
	"federation-agent/actors/life"
	"federation-agent/config"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/logbook"
)

// newLogger makes the program's log.
func newLogger(w io.Writer, cfg config.Log) *logbook.Book {
	return logbook.New(w, cfg.Format == "json", cfg.Level)
}

// complain writes why the program ends. What starts the agent has it in the log's form, each line as one of the log,
// whatever else is wrong with the configuration; what a person calls has it as text.
func complain(p process, command *cobra.Command, text string) {
	if text == "" {
		return
	}
	isAgent := !command.HasParent() || command.Name() == runName
	files, _ := command.Flags().GetStringArray(configFlag) // none where the command line cannot be read
	form := config.Explanation{}
	if isAgent {
		form, _ = config.Explain(config.Sources{Environ: p.environ, Files: files}, false)
	}
	log := newLogger(p.stderr, form.Config.Agent.Log)
	if !isAgent || form.Config.Agent.Log.Format != "json" {
		fmt.Fprintln(p.stderr, text)
		return
	}
	for line := range strings.Lines(text) {
		level := slog.LevelError
		if strings.HasPrefix(line, "warning: ") {
			level = slog.LevelWarn
		}
		log.Log(context.Background(), level, strings.TrimSpace(line))
	}
}

// logStart says what starts, without secrets.
func logStart(log *slog.Logger, cfg config.Config, warnings []string) {
	b := thisBuild()
	log.Info("federation agent starts",
		logVersion, b.Version, logCommit, b.Commit, logGo, b.Go, logIntegrations, len(cfg.Providers))
	for _, p := range cfg.Providers {
		log.Info("serving an integration",
			life.LogIntegration, p.IntegrationID,
			logRegions, config.RegionsOf(cfg.Accesses(p), config.Access.RegionNames), logAccounts, accountsOf(cfg.Accesses(p)))
	}
	for _, n := range cfg.Notes {
		log.Info("configuration: " + n)
	}
	logRoutes(log, cfg)
	for _, w := range warnings {
		log.Warn("configuration: " + w)
	}
}

// logEnd is the last line after a signal. ingestsLeft are on the disk, for the next process to resume.
func logEnd(log *slog.Logger, ending actors.Ending, took time.Duration, ingestsLeft int) {
	rest := []any{life.LogTook, took.Round(time.Millisecond), logIngestsLeft, ingestsLeft}
	if ending == actors.Drained || ending == actors.Dismissed {
		log.Info("ended in order", rest...)
		return
	}
	log.Warn("cut short; the next process handles what is left", rest...)
}

// accountsOf names accounts.
func accountsOf(all []config.Access) (accounts []string) {
	for _, a := range all {
		name := cmp.Or(apigateway.AccountOfRole(a.Role), a.Role, "the credentials' own")
		if !slices.Contains(accounts, name) {
			accounts = append(accounts, name)
		}
	}
	return accounts
}
