package storetest_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"federation-agent/internal/store"
	"federation-agent/internal/store/storetest"
)

func TestMemoryBehavesAsAStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Subject {
		withoutDisk, _ := store.NewFileStore(noDisk{}, store.Options{})
		return storetest.Subject{Store: withoutDisk}
	})
}

// noDisk is a medium that never works.
type noDisk struct{}

var errNoDisk = errors.New("there is no disk")

func (noDisk) Open(func(store.Change) error) ([]string, error) { return nil, errNoDisk }
func (noDisk) Commit([]store.Change) error                     { return errNoDisk }
func (noDisk) Close() error                                    { return nil }

func TestTheModelBehavesAsAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		model := &storetest.Model{}
		current, _ := model.Open(store.Options{})
		return storetest.Subject{Store: current, Reopen: func(crash bool) *store.FileStore {
			if !crash {
				if err := current.Close(); err != nil {
					t.Fatal(err)
				}
			}
			current, _ = model.Open(store.Options{})
			if health := current.Health(); !health.Durable || len(health.Messages) > 0 {
				t.Fatalf("health: %+v", health)
			}
			return current
		}}
	})
}

func TestTheFileBehavesAsAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		dir := t.TempDir()
		current := openFile(t, dir)
		t.Cleanup(func() { _ = current.Close() })
		return storetest.Subject{Store: current, Reopen: func(crash bool) *store.FileStore {
			if crash {
				// What a kill leaves is the file as it stands.
				current.Fence()
				dir = copyFile(t, dir)
			}
			if err := current.Close(); err != nil {
				t.Fatal(err)
			}
			current = openFile(t, dir)
			return current
		}}
	})
}

func openFile(t *testing.T, dir string) *store.FileStore {
	t.Helper()
	s, health := store.Open(dir, store.Options{})
	if !health.Durable || len(health.Messages) > 0 {
		t.Fatalf("health: %+v", health)
	}
	return s
}

func copyFile(t *testing.T, dir string) string {
	t.Helper()
	from, err := os.Open(filepath.Join(dir, store.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	next := t.TempDir()
	to, err := os.Create(filepath.Join(next, store.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	return next
}
