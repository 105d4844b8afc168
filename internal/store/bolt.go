package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	// FileName is the store's file in its directory.
	FileName = "federation-agent.db"

	// DefaultLockWait bounds how long a start waits for another process's lock on the file. It outlasts a predecessor
	// that is on its last writes; one that takes longer is taken over from later, without holding this start up.
	DefaultLockWait = 2 * time.Second

	// schema is the version of tables and rows. A file of a newer one is not touched: it is moved aside.
	schema = "1"

	metaBucket      = "meta"
	applicationName = "federation-agent"
)

// boltMedium is the [Medium] in a bbolt file. Each commit is one transaction, which bbolt syncs (fdatasync) before it
// returns: an unsynced one could, by a power cut, take the key journal along, so there is none.
type boltMedium struct {
	path     string
	lockWait time.Duration
	openFile func(string, int, fs.FileMode) (*os.File, error) // os.OpenFile, but in tests
	maxBytes int                                              // the file's bound, 0: none; tests fill a disk with it

	db     *bbolt.DB
	file   *os.File // the file that db works on
	broken bool     // db panicked and may hold its own locks: it is abandoned, only its file is unlocked and closed
	worked bool     // db has committed something
	gaveUp error    // what db panicked with before it worked: it cannot work on this file, however whole the file looks
}

// Open gives the store kept in dir, which is made if it is not there. It never fails: what is wrong is in the Health,
// and the store works in memory until the disk can be used.
func Open(dir string, opts Options) (*FileStore, Health) {
	wait := opts.LockWait
	if wait == 0 {
		wait = DefaultLockWait
	}
	return NewFileStore(&boltMedium{path: filepath.Join(dir, FileName), lockWait: wait, openFile: os.OpenFile}, opts)
}

// guarded turns what bbolt does on a damaged file or a failing disk (panics, faults in its memory map) into errors.
func guarded(work func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%w: %v", errPanicked, cause)
		}
	}()
	return work()
}

var errPanicked = errors.New("the database gave up")

// Open implements [Medium].
func (m *boltMedium) Open(take func(Change) error) (notices []string, err error) {
	if err := m.release(); err != nil {
		return nil, fmt.Errorf("closing %s: %w", m.path, err)
	}
	if err := os.MkdirAll(filepath.Dir(m.path), 0o700); err != nil {
		return m.readOnly(take, err)
	}
	damage, err := m.open(take)
	if isReadOnly(err) {
		return m.readOnly(take, err)
	}
	if m.gaveUp != nil && len(damage) == 0 && (err == nil || errors.Is(err, errPanicked)) {
		damage, err = []string{m.gaveUp.Error()}, m.release()
	}
	if err == nil && len(damage) > 0 {
		notice, err := m.setAside(damage)
		if err != nil {
			return []string{notice}, err
		}
		notices, m.gaveUp = append(notices, notice), nil
		if damage, err = m.open(take); err != nil || len(damage) > 0 {
			return notices, fmt.Errorf("opening %s anew: %w %v", m.path, err, damage)
		}
	}
	if err != nil {
		return notices, err
	}
	return append(notices, m.earlierAside(notices)...), nil
}

// open locks the file, checks it, hands over its rows and readies it for writing. With damage, the file is closed again.
func (m *boltMedium) open(take func(Change) error) (damage []string, err error) {
	_, statErr := os.Stat(m.path)
	isNew := errors.Is(statErr, fs.ErrNotExist)
	if damage, err := m.checkHead(); err != nil || len(damage) > 0 {
		return damage, err
	}
	err = guarded(func() (err error) {
		m.db, err = bbolt.Open(m.path, 0o600, &bbolt.Options{
			Timeout: m.lockWait, MaxSize: m.maxBytes, NoStatistics: true,
			OpenFile: func(name string, flag int, mode fs.FileMode) (file *os.File, err error) {
				m.file, err = m.openFile(name, flag, mode)
				return m.file, err
			},
		})
		return err
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		m.db = nil
		return nil, fmt.Errorf("%w (%s): only one agent may use a store directory at a time", ErrLocked, m.path)
	case errors.Is(err, errPanicked), errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		m.broken = true
		return []string{err.Error()}, m.release()
	case err != nil:
		m.db = nil
		return nil, fmt.Errorf("opening %s: %w", m.path, err)
	}
	damage, err = m.load(take)
	if err != nil || len(damage) > 0 {
		return damage, errors.Join(err, m.release())
	}
	if err := m.ready(); err != nil {
		return nil, errors.Join(fmt.Errorf("writing %s: %w", m.path, err), m.release())
	}
	if isNew {
		return nil, syncDir(filepath.Dir(m.path))
	}
	return nil, nil
}

// checkHead looks at the file before bbolt does, which would fail beyond recovery on some. It is looked at under a
// lock of its own only where it is damaged: an intact file may belong to another process.
func (m *boltMedium) checkHead() (damage []string, err error) {
	file, err := os.Open(m.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", m.path, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", m.path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("opening %s: it is no regular file", m.path)
	}
	if info.Size() == 0 {
		return nil, nil // bbolt made it and was stopped before its first byte: nothing was ever in it
	}
	reader, err := newBoltReader(file, info.Size())
	if err != nil {
		damage = []string{err.Error()}
	} else {
		damage = reader.damage
	}
	if len(damage) > 0 && lockedByAnother(file) {
		return nil, fmt.Errorf("%w (%s), and the file is damaged: %s", ErrLocked, m.path, strings.Join(damage, "; "))
	}
	return damage, nil
}

// load hands over the rows of the locked file.
func (m *boltMedium) load(take func(Change) error) (damage []string, err error) {
	info, err := m.file.Stat()
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", m.path, err)
	}
	reader, err := newBoltReader(m.file, info.Size())
	if err != nil {
		return []string{err.Error()}, nil //nolint:nilerr // damage is a result, not a failure
	}
	if err := readRows(reader, take); err != nil {
		return []string{err.Error()}, nil //nolint:nilerr // damage is a result, not a failure
	}
	reader.checkFreelist()
	return reader.damage, nil
}

// readRows hands over every row that can be read; what cannot is in the reader's damage. [errNotOurs] when the file
// is of another program or a newer schema: then no row is touched.
func readRows(reader *boltReader, take func(Change) error) error {
	heads := reader.buckets()
	if len(heads) == 0 {
		return nil // made, and stopped before its first transaction; or damaged, and said so
	}
	about := map[string]string{}
	if head, ok := heads[metaBucket]; ok {
		reader.bucket(head, func(item boltItem) { about[string(item.key)] = string(item.value) })
	}
	if len(reader.damage) == 0 || len(about) > 0 {
		if about["application"] != applicationName {
			return fmt.Errorf("%w: another program's database", errNotOurs)
		}
		if about["schema"] != schema {
			return fmt.Errorf("%w: it has schema %q, this version knows %q", errNotOurs, about["schema"], schema)
		}
	}
	for _, table := range tables() {
		head, ok := heads[string(table)]
		if !ok {
			reader.damaged("table %s is missing", table)
			continue
		}
		reader.bucket(head, func(item boltItem) {
			if err := take(Change{Row: Row{table, string(item.key)}, Value: append([]byte{}, item.value...)}); err != nil {
				reader.damaged("%v", err)
			}
		})
	}
	return nil
}

// ready makes the tables of a new file.
func (m *boltMedium) ready() error {
	isReady := false
	err := m.guarded(func() error {
		return m.db.View(func(tx *bbolt.Tx) error {
			isReady = tx.Bucket([]byte(metaBucket)) != nil
			return nil
		})
	})
	if err != nil || isReady {
		return err
	}
	return m.guarded(func() error {
		return m.db.Update(func(tx *bbolt.Tx) error {
			for _, table := range tables() {
				if _, err := tx.CreateBucketIfNotExists([]byte(table)); err != nil {
					return err
				}
			}
			about, err := tx.CreateBucketIfNotExists([]byte(metaBucket))
			if err != nil {
				return err
			}
			return errors.Join(about.Put([]byte("application"), []byte(applicationName)), about.Put([]byte("schema"), []byte(schema)))
		})
	})
}

// Commit implements [Medium].
func (m *boltMedium) Commit(changes []Change) error {
	if m.db == nil {
		return fmt.Errorf("%s is not open", m.path)
	}
	err := m.guarded(func() error {
		return m.db.Update(func(tx *bbolt.Tx) error {
			for _, c := range changes {
				bucket := tx.Bucket([]byte(c.Table))
				if bucket == nil {
					return fmt.Errorf("there is no table %q", c.Table)
				}
				var err error
				if c.Value == nil {
					err = bucket.Delete([]byte(c.Key))
				} else {
					err = bucket.Put([]byte(c.Key), c.Value)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
	m.worked = m.worked || err == nil
	return err
}

func (m *boltMedium) guarded(work func() error) error {
	err := guarded(work)
	if errors.Is(err, errPanicked) {
		m.broken = true
		if !m.worked {
			m.gaveUp = err
		}
	}
	return err
}

// Close implements [Medium].
func (m *boltMedium) Close() error { return m.release() }

// release closes the file and with it gives up its lock.
func (m *boltMedium) release() error {
	db, file, broken := m.db, m.file, m.broken
	m.db, m.file, m.broken, m.worked = nil, nil, false, false
	switch {
	case broken && file != nil:
		if err := errors.Join(unlock(file), file.Close()); err != nil && !errors.Is(err, os.ErrClosed) && !errors.Is(err, syscall.EBADF) {
			return err
		}
	case db != nil && !broken:
		return guarded(db.Close)
	}
	return nil
}

func isReadOnly(err error) bool {
	return errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission)
}

// readOnly reads what can be read of a file that cannot be written, so that at least what it knows is acted upon.
func (m *boltMedium) readOnly(take func(Change) error, cause error) ([]string, error) {
	cause = fmt.Errorf("%s cannot be written: %w", m.path, cause)
	file, err := os.Open(m.path)
	if err != nil {
		return nil, cause
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return nil, cause
	}
	reader, err := newBoltReader(file, info.Size())
	if err == nil {
		err = readRows(reader, take)
	}
	if err != nil {
		return nil, fmt.Errorf("%w; nor can it be read: %w", cause, err)
	}
	if len(reader.damage) > 0 {
		return nil, fmt.Errorf("%w; and it is damaged: %s", cause, strings.Join(reader.damage, "; "))
	}
	return nil, cause
}
