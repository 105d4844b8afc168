// Package missing is what a test does where something that it needs is not on this machine: it is skipped where a
// developer works, and fails in CI, where a silent skip would pass for a proof.
package missing

import (
	"errors"
	"fmt"
	"os"
	"testing"
)

// Error says that what a test needs is not on this machine, and how to get it. It is not a defect of ours.
type Error struct {
	What string
	// Install is the command, or the change of the machine, that mends it.
	Install string
	Err     error
}

func (e *Error) Error() string {
	text := fmt.Sprintf("%s is missing; to install it: %s", e.What, e.Install)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Require ends the test where err is not nil. An [Error] skips it, but fails it where CI is set in the environment.
func Require(t testing.TB, err error) {
	t.Helper()
	var missing *Error
	switch {
	case err == nil:
	case errors.As(err, &missing) && os.Getenv("CI") == "":
		t.Skip(missing.Error())
	default:
		t.Fatal(err)
	}
}
