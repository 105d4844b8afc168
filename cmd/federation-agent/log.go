package main

// The names of log fields that only the program itself writes; the others are those of the actors, in package life.
const (
	logAccounts     = "accounts"
	logAddress      = "address"
	logCommit       = "commit"
	logGo           = "go"
	logIngestsLeft  = "ingests_left"
	logIntegrations = "integrations"
	logLimit        = "soft_limit"
	logContainer    = "container_limit"
	logLeast        = "at_least"
	logPath         = "path"
	logRegions      = "regions"
	logSignal       = "signal"
	logTable        = "table"
	logTimeout      = "timeout"
	logVersion      = "version"
)
