package main

import "fmt"

// Exit codes. An orchestrator may restart the agent after each of them, except exitDismissed, which it may want to
// treat as the end.
const (
	exitOrderly       = 0
	exitInternal      = 1
	exitConfiguration = 2
	exitDismissed     = 3
	// exitSignal plus the signal's number is what a shell expects of a process that a signal ended.
	exitSignal = 128
)

const exitCodes = `Exit codes:
  0  done, and all is well; the agent: ended in order, after SIGTERM or SIGINT
  1  something needs attention, was interrupted, or failed; the agent: it ended by itself, or not in order
  2  configuration fault (all are printed), a wrong command or flag, a port that is in use, or a journal of a
     newer version: nothing was started
  3  the agent was dismissed for good: APIM said good-bye without reconnect to every integration
  A second signal ends the process at once, with 128 + the signal's number.
  What they mean for each command stands in its --help, and in docs/operations.md.`

// exitError ends the process with a code. Its text, if any, goes to the standard error.
type exitError struct {
	code int
	text string
}

// Error implements error.
func (e *exitError) Error() string { return e.text }

func exit(code int, format string, args ...any) error {
	return &exitError{code: code, text: fmt.Sprintf(format, args...)}
}
