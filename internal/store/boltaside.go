package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// notVouchedFor is what follows from losing rows, in an operator's words.
const notVouchedFor = "what is missing can no longer be vouched for: keys that were being made or deleted may be left in AWS without " +
	"being listed here (look for keys of the agent's naming that no subscription has), ingests that ran are not gone on with, " +
	"and the plan-loss guard does not know the plans sent before"

// setAside puts a damaged or foreign file out of the way and a new one in its place, with all rows that could
// be read. The new file is complete before it takes the name, so that a stop at any point loses neither.
func (m *boltMedium) setAside(damage []string) (notice string, err error) {
	why := strings.Join(damage, "; ")
	rows := m.salvage()
	fresh := m.path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return why, fmt.Errorf("replacing the damaged %s: %w", m.path, err)
	}
	next := &boltMedium{path: fresh, lockWait: m.lockWait, openFile: m.openFile, maxBytes: m.maxBytes}
	damage, err = next.open(func(Change) error { return nil })
	if err == nil && len(damage) > 0 {
		err = errors.New(strings.Join(damage, "; "))
	}
	if err == nil {
		err = next.Commit(rows)
	}
	if err = errors.Join(err, next.release()); err != nil {
		return why, fmt.Errorf("replacing the damaged %s: %w", m.path, err)
	}
	aside := m.asideName()
	// A second name first, where the file system has them: then there is no moment without a file in place.
	if os.Link(m.path, aside) != nil {
		if err := os.Rename(m.path, aside); err != nil {
			return why, fmt.Errorf("moving the damaged %s aside: %w", m.path, err)
		}
	}
	if err := os.Rename(fresh, m.path); err != nil {
		return why, fmt.Errorf("replacing the damaged %s: %w", m.path, err)
	}
	notice = fmt.Sprintf("%s could not be used (%s) and was moved aside to %s; %d of its rows could be read and go on being used; %s",
		m.path, why, aside, len(rows), notVouchedFor)
	return notice, syncDir(filepath.Dir(m.path))
}

// salvage gives the rows of the damaged file that are whole beyond doubt: each has its own checksum.
func (m *boltMedium) salvage() []Change {
	file, err := os.Open(m.path)
	if err != nil {
		return nil
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil
	}
	reader, err := newBoltReader(file, info.Size())
	if err != nil {
		return nil
	}
	var rows []Change
	known := newState()
	if readRows(reader, func(c Change) error {
		err := known.apply(c)
		if err == nil {
			rows = append(rows, c)
		}
		return err
	}) != nil {
		return nil
	}
	return rows
}

func (m *boltMedium) asideName() string {
	for n := 1; ; n++ {
		name := fmt.Sprintf("%s.corrupt-%d", m.path, n)
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) || n == maxAside {
			return name
		}
	}
}

// maxAside bounds the damaged files kept: on a disk that damages each one, the last is overwritten.
const maxAside = 20

// earlierAside names damaged files that still lie about from earlier starts.
func (m *boltMedium) earlierAside(said []string) []string {
	names, err := filepath.Glob(escapeGlob(m.path) + ".corrupt-*")
	if err != nil {
		return nil
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return slices.ContainsFunc(said, func(notice string) bool { return strings.Contains(notice, name) })
	})
	if len(names) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("damaged files of earlier starts are still there, remove them once they were looked at: %s", strings.Join(names, ", "))}
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// syncDir brings a new name in a directory to disk. A file system that cannot do that (it says EINVAL) has no
// better to offer.
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
