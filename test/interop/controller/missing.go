package controller

import (
	"errors"
	"fmt"
	"os"
	"testing"
)

// MissingError says that what a test needs is not on this machine, and how to get it. It is not a defect of ours.
type MissingError struct {
	What string
	// Install is the command that mends it.
	Install string
	Err     error
}

func (e *MissingError) Error() string {
	text := fmt.Sprintf("%s is missing; to install it: %s", e.What, e.Install)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *MissingError) Unwrap() error { return e.Err }

// Require ends the test where err is not nil. What is merely missing skips it on a developer's machine but fails it in
// CI (CI=true), where a silent skip would pass for a proof.
func Require(t testing.TB, err error) {
	t.Helper()
	var missing *MissingError
	switch {
	case err == nil:
	case errors.As(err, &missing) && os.Getenv("CI") != "true":
		t.Skip(missing.Error())
	default:
		t.Fatal(err)
	}
}
