package store

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// FileName is the store's file in its directory. Earlier versions had a bbolt file of this name. The name is the
	// same, and so is the lock on the file, so that two versions of the agent never use a directory at the same time.
	FileName = "federation-agent.db"

	// DefaultLockWait bounds how long a start waits for the lock of another process. It is enough for a predecessor's
	// last writes. From a process that takes longer the file is taken over later; the start does not wait for that.
	DefaultLockWait = 2 * time.Second

	// lockPoll is the time between two tries of the lock: flock has no wait with a deadline.
	lockPoll = 20 * time.Millisecond

	// rewriteSlack is how far a file may grow beyond twice its size after the last rewrite. With it, a small file is
	// rewritten once in some thousand writes.
	rewriteSlack = 1 << 20
)

// fileMedium is the [Medium] in a file that this process has locked (see readJournal for its format). A commit appends
// one line and calls fsync. A rewrite drops the lines that later ones made obsolete.
type fileMedium struct {
	path     string
	lockWait time.Duration
	log      *slog.Logger
	openFile func(string, int, fs.FileMode) (*os.File, error) // os.OpenFile, but in tests
	giveWay  func() int64                                     // see [Options]; nil: there is nothing that can
	volume   Volume

	file      *os.File // open and locked; nil: not open
	size      int64    // of the file
	lines     int      // in the file, without its head
	rewriteAt int64    // a larger file is rewritten
	reserved  bool     // the file that keeps room for the journal is there
	unsynced  bool     // an fsync failed: what can be read of the file may not be on disk, so it must be rewritten
}

// Open opens the store in dir, which is made if it is not there. It never fails: the Health says what is wrong, and the
// store works in memory until the disk can be used.
func Open(dir string, opts Options) (*FileStore, Health) {
	return NewFileStore(FileMedium(dir, opts), opts)
}

// FileMedium is the medium of [Open].
func FileMedium(dir string, opts Options) Medium {
	return &fileMedium{
		path: filepath.Join(dir, FileName), lockWait: cmp.Or(opts.LockWait, DefaultLockWait), openFile: os.OpenFile,
		giveWay: opts.GiveWay, volume: orSystem(opts.Volume), log: cmp.Or(opts.Logger, slog.New(slog.DiscardHandler)),
	}
}

// Bytes is how large the journal in dir is on disk, 0 if there is none.
func Bytes(dir string) int64 {
	info, err := os.Stat(filepath.Join(dir, FileName))
	if err != nil {
		return 0
	}
	return info.Size()
}

// Check says whether this version of the agent can read the journal in dir. It waits for no other process. Errors:
// [ErrNewer]; all else shows in the health of the store that [Open] gives.
func Check(dir string) error {
	path := filepath.Join(dir, FileName)
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	beginning := make([]byte, headBytes)
	n, _ := io.ReadFull(file, beginning)
	if err := newer(beginning[:n]); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Open implements [Medium].
func (m *fileMedium) Open(take func(Change) error) (notices []string, err error) {
	if err := m.Close(); err != nil {
		return nil, fmt.Errorf("closing %s: %w", m.path, err)
	}
	if err := os.MkdirAll(filepath.Dir(m.path), 0o700); err != nil {
		return nil, m.readOnly(take, err)
	}
	err = m.withRoom(m.lock)
	if errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission) {
		return nil, m.readOnly(take, err)
	}
	if err != nil {
		return nil, err
	}
	again, notices := m.earlierAside()
	lost, err := m.load(take, again)
	if err != nil {
		err = errors.Join(err, m.Close())
	}
	return append(notices, lost...), err
}

// lock opens the file, made if it is not there, and waits for its lock.
func (m *fileMedium) lock() error {
	for giveUp := time.Now().Add(m.lockWait); ; <-time.After(lockPoll) {
		file, err := m.openFile(m.path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return fmt.Errorf("opening %s: %w", m.path, err)
		}
		held, err := lockFile(file)
		// The process that had the lock may have put another file in this one's place.
		if _, current := m.inPlace(file); err == nil && !held && current {
			m.file = file
			return nil
		}
		_ = file.Close() // it was not written to
		switch {
		case err != nil:
			return fmt.Errorf("locking %s: %w", m.path, err)
		case time.Now().After(giveUp):
			return fmt.Errorf("%w (%s): only one agent may use a store directory at a time", ErrLocked, m.path)
		}
	}
}

// inPlace reports whether an open file is still the one of this name, and how large it is. For nil it reports false.
func (m *fileMedium) inPlace(file *os.File) (size int64, current bool) {
	open, err := file.Stat()
	if err != nil {
		return 0, false
	}
	named, err := os.Stat(m.path)
	return open.Size(), err == nil && os.SameFile(open, named)
}

// load hands over the rows of the open file, and those that files moved aside have beyond it, and readies it for
// writing.
func (m *fileMedium) load(take func(Change) error, again []aside) (notices []string, err error) {
	found, err := readJournal(m.file)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", m.path, err)
	}
	for _, a := range again {
		a.addTo(found)
	}
	found.handOver(take)
	switch {
	case found.err() != nil:
		notices, err = m.setAside(found)
	case found.schema != schema || m.unsynced || len(again) > 0:
		// An empty file, one of an earlier version, one that may not be on disk, or one that has more rows now.
		err = m.rewrite(found.rows, "")
	default:
		return nil, m.ready(found)
	}
	if err == nil {
		m.drop(again)
	}
	return notices, err
}

// ready makes a file that is as it should be ready for writing.
func (m *fileMedium) ready(found *content) (err error) {
	if found.tornOff {
		m.log.Warn("store: the last write was cut off; it was never reported as done", "path", m.path)
		err = m.file.Truncate(found.size)
	}
	m.size, m.lines = found.size, found.lines
	m.reserve()
	m.rewriteAt = m.rewriteBy(rewriteSlack)
	// The process that put the file here may have stopped before the name was on disk.
	return errors.Join(err, syncDir(filepath.Dir(m.path)))
}

// readOnly hands over the rows of a file that cannot be written, so that the agent acts upon what it says.
func (m *fileMedium) readOnly(take func(Change) error, cause error) error {
	cause = fmt.Errorf("%s cannot be written: %w", m.path, cause)
	file, err := os.Open(m.path)
	if err != nil {
		return cause
	}
	defer file.Close()
	found, err := readJournal(file)
	if err == nil {
		found.handOver(take)
		err = found.err()
	}
	if err != nil {
		return fmt.Errorf("%w; nor can all of it be read: %w", cause, err)
	}
	return cause
}

// Commit implements [Medium].
func (m *fileMedium) Commit(changes []Change) error {
	if size, current := m.inPlace(m.file); !current || size != m.size {
		return fmt.Errorf("%s is not open, or another process removed, replaced or cut it", m.path)
	}
	line, err := encodeLines(changes)
	if err != nil {
		return err
	}
	if err := m.withRoom(func() error {
		_, lineErr := m.volume.WriteAt(m.file, line, m.size)
		_, headErr := m.volume.WriteAt(m.file, head(m.lines+1), 0)
		return errors.Join(lineErr, headErr)
	}); err != nil {
		return err
	}
	if err := m.volume.Sync(m.file); err != nil {
		m.unsynced = true
		return err
	}
	m.size += int64(len(line))
	m.lines++
	if m.size > m.rewriteAt {
		return m.compact()
	}
	return nil
}

// compact rewrites the file without obsolete lines. If there is no room for a second file, the first one keeps growing.
// Errors: the file is damaged or cannot be read.
func (m *fileMedium) compact() error {
	found, err := readJournal(m.file)
	if err == nil {
		err = found.err()
	}
	if err != nil {
		return fmt.Errorf("rewriting %s: %w", m.path, err)
	}
	if err := m.rewrite(found.rows, ""); err != nil {
		m.rewriteAt = 2 * m.size
		if !m.reserved {
			m.rewriteAt = m.size + reserveAgain
		}
		m.log.Warn("store: the journal keeps growing, because it cannot be rewritten without obsolete lines", "error", err)
	}
	return nil
}

// rewrite puts a file with these rows in the place of the open one, which gets the name keep, if that is not empty.
// The new file is on disk before it gets the name, so a stop at any point loses neither. After an error the old file is
// open as before, or none is.
func (m *fileMedium) rewrite(rows map[Row]json.RawMessage, keep string) error {
	commits := make([][]Change, 0, len(rows)+1)
	for row, value := range rows {
		commits = append(commits, []Change{{row, value}})
	}
	// A line without changes comes last: damage to a last line is taken for a write that was cut off, and no row may be
	// lost like that.
	lines, err := encodeLines(append(commits, nil)...)
	if err != nil {
		return err
	}
	content := append(head(len(rows)+1), lines...)
	var fresh *os.File
	err = m.withRoom(func() error {
		if fresh != nil {
			_ = fresh.Close() // it had no room
		}
		fresh, err = m.writeFresh(content)
		return err
	})
	if err == nil && keep != "" && os.Link(m.path, keep) != nil {
		err = os.Rename(m.path, keep) // this file system has no second names: no file is in place for a moment
	}
	if err == nil {
		err = os.Rename(fresh.Name(), m.path)
	}
	if err != nil {
		if fresh != nil {
			err = errors.Join(err, fresh.Close(), os.Remove(fresh.Name()))
		}
		return fmt.Errorf("rewriting %s: %w", m.path, err)
	}
	old := m.file
	m.file, m.size, m.lines, m.unsynced = fresh, int64(len(content)), len(rows)+1, false
	m.reserve()
	m.rewriteAt = m.rewriteBy(2*m.size + rewriteSlack)
	if err := errors.Join(old.Close(), syncDir(filepath.Dir(m.path))); err != nil {
		return errors.Join(err, m.Close())
	}
	return nil
}

// writeFresh makes the file that takes the journal's place. It is locked and on disk.
func (m *fileMedium) writeFresh(content []byte) (*os.File, error) {
	fresh, err := m.openFile(m.path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	_, lockErr := lockFile(fresh)
	_, writeErr := m.volume.WriteAt(fresh, content, 0)
	return fresh, errors.Join(lockErr, writeErr, m.volume.Sync(fresh))
}

// Close implements [Medium].
func (m *fileMedium) Close() error {
	if m.file == nil {
		return nil
	}
	file := m.file
	m.file = nil
	return file.Close()
}

// syncDir brings a new name in a directory to the disk. A file system that cannot do that says EINVAL; then there is no
// better way.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	return nil
}
