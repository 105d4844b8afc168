package main

import "testing"

func TestCasesHaveDistinctNames(t *testing.T) {
	names := map[string]bool{}
	for _, c := range cases() {
		if names[c.name] {
			t.Errorf("%s is there twice, and one would overwrite the other", c.name)
		}
		names[c.name] = true
	}
}
