package main

import (
	"cmp"
	"io"
	"log/slog"
	"time"

	actors "federation-agent/actors/agent"
	"federation-agent/actors/life"
	"federation-agent/config"
	"federation-agent/internal/apigateway"
)

// newLogger makes the program's log.
func newLogger(w io.Writer, cfg config.Log) *slog.Logger {
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: cfg.Level, ReplaceAttr: spellDurations}))
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: cfg.Level}))
}

// spellDurations writes durations in JSON as in text: slog's own JSON has nanoseconds without a unit.
func spellDurations(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// logStart says what starts, without secrets.
func logStart(log *slog.Logger, cfg config.Config, warnings []string) {
	b := thisBuild()
	log.Info("federation agent starts",
		logVersion, b.Version, logCommit, b.Commit, logGo, b.Go, logIntegrations, len(cfg.Providers))
	for _, p := range cfg.Providers {
		log.Info("serving an integration",
			life.LogIntegration, p.IntegrationID, logRegions, p.Regions, logAccounts, accountsOf(p))
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

// accountsOf names the accounts of a provider's roles.
func accountsOf(p config.Provider) []string {
	if len(p.RoleARNs) == 0 {
		return []string{"the credentials' own"}
	}
	accounts := make([]string, 0, len(p.RoleARNs))
	for _, role := range p.RoleARNs {
		accounts = append(accounts, cmp.Or(apigateway.AccountOfRole(role), role))
	}
	return accounts
}
