package config

import "fmt"

// Fault is one reason why the agent does not start. [Load] joins all of them with [errors.Join].
type Fault struct {
	// Variable is what the user has to change, as the user spelled it. Where it is missing, it is the
	// environment variable that sets it. A YAML key has its file and line before it.
	Variable string
	// Key is that of the setting; empty where the fault is about something else, such as a file or an unknown name.
	Key string
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
