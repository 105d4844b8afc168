package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// peekTries is how often a journal is read that is being written meanwhile: a commit takes a millisecond.
const peekTries = 3

// Peek reads the journal in dir, beside an agent that may be using it. It takes no lock and writes nothing: what is
// written to the store that it gives stays in memory. Where there is no journal, the store is empty. Errors: the journal
// is damaged or cannot be read; [ErrNewer].
func Peek(dir string) (*FileStore, error) {
	found, err := &content{}, error(nil)
	for range peekTries {
		if found, err = peek(filepath.Join(dir, FileName)); err == nil || errors.Is(err, ErrNewer) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.Join(dir, FileName), err)
	}
	store, _ := NewFileStore(peeked{found}, Options{})
	return store, nil
}

func peek(path string) (*content, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &content{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	found, err := readJournal(file)
	if err != nil {
		return nil, err
	}
	return found, found.err()
}

// Memory gives a store without a disk.
func Memory() *FileStore {
	store, _ := NewFileStore(peeked{&content{}}, Options{})
	return store
}

// Held reports whether a process has the journal in dir at this moment; false also where that cannot be told. It takes
// the lock for a moment if nobody has it: a start waits much longer for it ([DefaultLockWait]).
func Held(dir string) bool {
	held, err := journalHeld(filepath.Join(dir, FileName))
	return err == nil && held
}

// peeked is the [Medium] of [Peek].
type peeked struct{ found *content }

// Open implements [Medium].
func (p peeked) Open(take func(Change) error) ([]string, error) {
	p.found.handOver(take)
	return nil, p.found.err()
}

// Commit implements [Medium].
func (peeked) Commit([]Change) error { return nil }

// Close implements [Medium].
func (peeked) Close() error { return nil }
