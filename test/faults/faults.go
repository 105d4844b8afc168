// Package faults reads the table of faults in docs/operations.md: what an operator sees of each, and where. Tests cause
// each fault and look for the quoted words, so that the table stays true.
package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// Row is one fault.
type Row struct {
	Fault string
	// Said are the words in backticks, by column.
	Said map[string][]string
}

// first is the first column's heading.
const first = "fault"

var quoted = regexp.MustCompile("`([^`]+)`")

// Rows reads the table. Error: it cannot be found.
func Rows() ([]Row, error) {
	_, file, _, _ := runtime.Caller(0)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(file), "..", "..", "docs", "operations.md"))
	if err != nil {
		return nil, err
	}
	var columns []string
	var rows []Row
	for line := range strings.Lines(string(text)) {
		cells := cellsOf(line)
		switch {
		case len(cells) > 1 && cells[0] == first:
			columns = cells
		case len(cells) == 0:
			if len(rows) > 0 {
				return rows, nil
			}
			columns = nil
		case columns != nil && !strings.HasPrefix(cells[0], "--"):
			if len(cells) != len(columns) {
				return nil, fmt.Errorf("the row of %q has %d cells, and %d columns", cells[0], len(cells), len(columns))
			}
			row := Row{Fault: cells[0], Said: map[string][]string{}}
			for n, cell := range cells {
				for _, words := range quoted.FindAllStringSubmatch(cell, -1) {
					row.Said[columns[n]] = append(row.Said[columns[n]], words[1])
				}
			}
			rows = append(rows, row)
		}
	}
	return nil, fmt.Errorf("docs/operations.md has no table whose first column is %q", first)
}

func cellsOf(line string) []string {
	inner, is := strings.CutPrefix(strings.TrimSpace(line), "|")
	if !is {
		return nil
	}
	cells := strings.Split(strings.TrimSuffix(inner, "|"), "|")
	for n := range cells {
		cells[n] = strings.TrimSpace(cells[n])
	}
	return cells
}
