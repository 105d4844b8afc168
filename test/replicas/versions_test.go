package main

import (
	"testing"

	"federation-agent/test/process"
)

// The next versions are made of this one, so a change of this one may have to change how.
func TestTheNextVersionsFitTheSource(t *testing.T) {
	for name, edits := range map[string][]process.Edit{nextVersion: nextEdits(), afterVersion: afterEdits()} {
		if _, err := process.Overlay(t.TempDir(), "../..", edits); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
