package config

import (
	"fmt"
	"strings"
)

// Fault is one reason why the agent does not start.
type Fault struct {
	// Variable is what the user has to change, as the user spelled it. Where it is missing, it is the
	// environment variable that sets it. A YAML key has its file and line before it.
	Variable string
	// Text says what is wrong. It contains no secret.
	Text string
	// Example is a whole assignment that would be accepted; empty where none can be given.
	Example string
}

// Error gives the fault as one line.
func (f Fault) Error() string {
	if f.Example == "" {
		return f.Variable + ": " + f.Text
	}
	return fmt.Sprintf("%s: %s (for example %s)", f.Variable, f.Text, f.Example)
}

// Faults are all faults of one configuration. It is the error of [Load] and [Config.Validate].
type Faults []Fault

// Error lists every fault on its own line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As reach a single [Fault].
func (f Faults) Unwrap() []error {
	errs := make([]error, len(f))
	for i, fault := range f {
		errs[i] = fault
	}
	return errs
}

// maxShown is the longest value that a message repeats, in bytes. Regions, types and durations are shorter; tokens and
// secret keys, which users paste into the wrong variable, are longer.
const maxShown = 32

// show quotes a value unless it may be a secret in the wrong variable.
func show(value string) string {
	if len(value) > maxShown {
		return fmt.Sprintf("a value of %d characters", len([]rune(value)))
	}
	return fmt.Sprintf("%q", value)
}
