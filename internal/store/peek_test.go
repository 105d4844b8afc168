package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"federation-agent/internal/store"
	"federation-agent/internal/store/storetest"
)

func TestAPeekReadsBesideAnAgentAndWritesNothing(t *testing.T) {
	dir := t.TempDir()
	empty, err := store.Peek(dir)
	if err != nil {
		t.Fatal(err)
	}
	if plans, err := storetest.PlansOf(empty, "i"); err != nil || len(plans) > 0 {
		t.Errorf("%v, %v", plans, err)
	}
	agent, health := store.Open(dir, store.Options{})
	if !health.Durable {
		t.Fatal(health)
	}
	sent := func(plan string) {
		t.Helper()
		if err := storetest.Note(agent, "i", map[string][]string{"a": {plan}}); err != nil {
			t.Fatal(err)
		}
	}
	sent("gold")
	beside, err := store.Peek(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := storetest.Note(beside, "i", map[string][]string{"b": {"silver"}}); err != nil {
		t.Error(err)
	}
	plans, err := storetest.PlansOf(beside, "i")
	if err != nil || len(plans) != 2 || plans["a"][0] != "gold" {
		t.Errorf("%v, %v", plans, err)
	}
	if err := beside.Close(); err != nil {
		t.Error(err)
	}
	sent("bronze") // the agent has its journal as before
	if err := agent.Close(); err != nil {
		t.Error(err)
	}
	again, err := store.Peek(dir)
	if err != nil {
		t.Fatal(err)
	}
	if plans, err := storetest.PlansOf(again, "i"); err != nil || len(plans) != 1 || plans["a"][0] != "bronze" {
		t.Errorf("%v, %v", plans, err)
	}
}

func TestAPeekSaysWhatItCannotRead(t *testing.T) {
	for name, c := range map[string]struct {
		text  string
		newer bool
	}{
		"of a newer version": {"federation-agent journal, schema 7, 000000000000 lines\n", true},
		"damaged":            {"federation-agent journal, schema 2, 000000000009 lines\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, store.FileName)
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := store.Peek(dir); err == nil || errors.Is(err, store.ErrNewer) != c.newer {
				t.Error(err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
				t.Errorf("%v, %v", left, err)
			}
		})
	}
}
