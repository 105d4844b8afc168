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
const notVouchedFor = "what is missing can no longer be vouched for: keys that were being made or deleted may be left in AWS " +
	"without being listed here (look for keys of the agent's naming that no subscription has), ingests that ran are not " +
	"resumed, and the plan-loss guard does not know the plans sent before"

// maxAside bounds the damaged files kept: on a disk that damages each one, the last is overwritten.
const maxAside = 20

// setAside puts a damaged or foreign file out of the way and a new one in its place, with all rows that could be read.
func (m *fileMedium) setAside(found *content) (notices []string, err error) {
	aside := m.asideName()
	if err := m.rewrite(found.rows, aside); err != nil {
		return nil, fmt.Errorf("%s cannot be used (%w): %w", m.path, found.err(), err)
	}
	return []string{fmt.Sprintf("%s could not be used (%v) and was moved aside to %s; %d of its rows could be read and are used; %s",
		m.path, found.err(), aside, len(found.rows), notVouchedFor)}, nil
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
	names, err := filepath.Glob(escapeGlob(m.path) + ".corrupt-*")
	if err != nil || len(names) == 0 {
		return nil
	}
	return []string{"damaged files of earlier starts are still there, remove them when you have looked at them: " +
		strings.Join(names, ", ")}
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
