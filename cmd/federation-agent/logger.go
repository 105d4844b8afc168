package main

import (
	"io"
	"log/slog"
	"time"

	actors "federation-agent/actors/agent"
	"federation-agent/config"
	"federation-agent/internal/apigateway"
)

// newLogger makes the program's log.
func newLogger(w io.Writer, cfg config.Log) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.Level}
	if cfg.Format == "json" {
		options.ReplaceAttr = spellDurations
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// spellDurations makes durations in JSON read as they do in text: slog's own JSON has bare nanoseconds.
func spellDurations(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// logStart says what starts, without secrets.
func logStart(log *slog.Logger, cfg config.Config, warnings []config.Warning) {
	b := thisBuild()
	log.Info("federation agent starts", logVersion, b.Version, logCommit, b.Commit, logGo, b.Go, logIntegrations, len(cfg.Providers))
	for _, p := range cfg.Providers {
		log.Info("serving an integration", logIntegration, p.IntegrationID, logRegions, p.Regions, logAccounts, accountsOf(p))
	}
	for _, w := range warnings {
		log.Warn("configuration: " + w.String())
	}
}

// logEnd is the last line after a signal. ingestsLeft are written down, for the next process to go on with.
func logEnd(log *slog.Logger, ending actors.Ending, took time.Duration, ingestsLeft int) {
	rest := []any{logTook, took.Round(time.Millisecond), logIngestsLeft, ingestsLeft}
	switch ending {
	case actors.Drained, actors.Dismissed:
		log.Info("ended in order", rest...)
	case actors.Disorderly, actors.Failed:
		log.Warn("cut short; the next process sees to what is left", rest...)
	}
}

// accountsOf names the accounts that a provider's roles are in.
func accountsOf(p config.Provider) []string {
	if len(p.RoleARNs) == 0 {
		return []string{"the credentials' own"}
	}
	accounts := make([]string, 0, len(p.RoleARNs))
	for _, role := range p.RoleARNs {
		if account, _, ok := apigateway.AccountOfRole(role); ok {
			role = account
		}
		accounts = append(accounts, role)
	}
	return accounts
}
