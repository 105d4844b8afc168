package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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

// aside is a file that an earlier version moved aside only because it was newer.
type aside struct {
	path string
	rows map[Row]json.RawMessage
}

// firstOfLines is the first schema that an earlier version could find too new.
const firstOfLines = 2

// earlierAside names damaged files that are left from earlier starts, and gives those that are sound: an earlier
// version of the agent did not know their schema, this one does.
func (m *fileMedium) earlierAside() (sound []aside, notices []string) {
	dir := filepath.Dir(m.path)
	names, _ := fs.Glob(os.DirFS(dir), FileName+".corrupt-*")
	names = slices.DeleteFunc(names, func(name string) bool {
		rows := readAside(filepath.Join(dir, name))
		if rows != nil {
			sound = append(sound, aside{filepath.Join(dir, name), rows})
		}
		return rows != nil
	})
	if len(names) == 0 {
		return sound, nil
	}
	return sound, []string{fmt.Sprintf("damaged files of earlier starts are still in %s, check and remove them: %s",
		dir, strings.Join(names, ", "))}
}

// readAside gives the rows of a file without any fault, nil for another one.
func readAside(path string) map[Row]json.RawMessage {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	found, err := readJournal(file)
	if err != nil {
		return nil
	}
	if found.handOver(newState().apply); found.err() != nil || found.schema < firstOfLines {
		return nil
	}
	return found.rows
}

// addTo adds what the journal does not know. What it knows is newer: it was written after the file was moved aside.
func (a aside) addTo(found *content) {
	for row, value := range a.rows {
		if _, known := found.rows[row]; !known {
			found.rows[row] = value
		}
	}
}

// drop removes files whose rows are in the journal now. One that stays would be read again, with what ended since.
func (m *fileMedium) drop(taken []aside) {
	for _, a := range taken {
		m.log.Warn("store: a journal that an earlier version of the agent moved aside was read again",
			"path", a.path, "rows", len(a.rows))
		if err := os.Remove(a.path); err != nil {
			m.log.Error("store: a journal that was read again cannot be removed; remove it", "path", a.path, "error", err)
		}
	}
}
