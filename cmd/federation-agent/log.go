package main

// The names of log fields. The actors use the same ones, so that a search or an alert finds both.
const (
	logAccounts     = "accounts"
	logAddress      = "address"
	logBytes        = "bytes"
	logCommit       = "commit"
	logError        = "error"
	logGo           = "go"
	logIngestsLeft  = "ingests_left"
	logIntegration  = "integration"
	logIntegrations = "integrations"
	logLimit        = "soft_limit"
	logPath         = "path"
	logRegions      = "regions"
	logSignal       = "signal"
	logTimeout      = "timeout"
	logTook         = "took"
	logVersion      = "version"
)
