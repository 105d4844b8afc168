package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// notVouchedFor is what follows from losing rows, in an operator's words.
const notVouchedFor = "what is missing can no longer be guaranteed: keys that were being made or deleted may be " +
	"left in AWS and not be listed here (look for keys of the agent's naming that no subscription has), ingests that " +
	"ran are not resumed, and the plan-loss guard does not know the plans sent before"

// maxAside bounds how many damaged files are kept. On a disk that damages each file, the last one is overwritten.
const maxAside = 20

// setAside renames a damaged or foreign file and puts a new one in its place, with all rows that can be read.
func (m *fileMedium) setAside(found *content) (notices []string, err error) {
	aside := m.asideName()
	if err := m.rewrite(found.rows, aside); err != nil {
		return nil, fmt.Errorf("%s cannot be used (%w): %w", m.path, found.err(), err)
	}
	return []string{fmt.Sprintf("%s cannot be used (%v) and was moved aside to %s; "+
		"%d of its rows can be read and are used; %s", m.path, found.err(), aside, len(found.rows), notVouchedFor)}, nil
}

func (m *fileMedium) asideName() string {
	for n := 1; ; n++ {
		name := fmt.Sprintf("%s.corrupt-%d", m.path, n)
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) || n == maxAside {
			return name
		}
	}
}

// earlierAside names damaged files that are left from earlier starts.
func (m *fileMedium) earlierAside() []string {
	dir := filepath.Dir(m.path)
	names, _ := fs.Glob(os.DirFS(dir), FileName+".corrupt-*")
	if len(names) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("damaged files of earlier starts are still in %s, check and remove them: %s",
		dir, strings.Join(names, ", "))}
}
