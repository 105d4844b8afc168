package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Inspection is what a look at a store's directory shows while an agent may be using it.
type Inspection struct {
	// Dir is the directory that was tried: the store's, or the nearest above it where the store's is not there yet.
	Dir string
	// Held says that a process has the journal at this moment.
	Held bool
	// Free is how many bytes can still be written there, where that is known.
	Free      int64
	FreeKnown bool
	// Err says why an agent could not keep its journal there.
	Err error
}

// inspectBytes is what is written to see whether there is room: the records of some subscriptions.
const inspectBytes = 64 << 10

// Inspect tries whether an agent could keep its journal in a directory, and leaves nothing behind. It takes the lock of
// the journal for a moment if nobody has it, and waits for nobody: a start waits much longer for the lock
// ([DefaultLockWait]).
func Inspect(dir string, volume Volume) Inspection {
	held, err := false, Check(dir)
	if err == nil {
		held, err = journalHeld(filepath.Join(dir, FileName))
	}
	i := InspectRoom(dir, volume)
	i.Held = held
	if err != nil {
		i.Err = err
	}
	return i
}

// InspectRoom is [Inspect] for a directory without a journal, as that of the export cache.
func InspectRoom(dir string, volume Volume) Inspection {
	volume = orSystem(volume)
	i := Inspection{Dir: existing(dir)}
	i.Err = tryWrite(i.Dir, volume)
	i.Free, i.FreeKnown = volume.Free(i.Dir)
	return i
}

// existing is a path, or the nearest above it that is there.
func existing(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	for path = abs; path != filepath.Dir(path); path = filepath.Dir(path) {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return path
}

// journalHeld reports whether a process has the journal. It is an error if this one could not write it.
func journalHeld(path string) (held bool, err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close() // gives the lock up
	if held, err = lockFile(file); err != nil {
		err = fmt.Errorf("locking %s: %w", path, err)
	}
	return held, err
}

func tryWrite(dir string, volume Volume) error {
	file, err := os.CreateTemp(dir, FileName+".try-*")
	if err != nil {
		return err
	}
	if _, err = volume.WriteAt(file, make([]byte, inspectBytes), 0); err == nil {
		err = volume.Sync(file)
	}
	return errors.Join(err, file.Close(), os.Remove(file.Name()))
}
