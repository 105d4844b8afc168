package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// table is what is printed of one group: measures with their bars, or a comparison without.
type table struct {
	title   string
	columns []string
	rows    [][]string
	misses  int
}

// measures makes a table of measures.
func measures(title string) table {
	return table{title: title, columns: []string{"measure", "figure", "bar", "reached"}}
}

// row adds one measure. reached says whether the figure is within the bar.
func (t *table) row(measure, figure, bar string, reached bool) {
	t.rows = append(t.rows, []string{measure, figure, bar, t.verdict(reached)})
}

// verdict says whether a bar is reached, and counts it if not.
func (t *table) verdict(reached bool) string {
	if reached {
		return "yes"
	}
	t.misses++
	return "**no**"
}

// judged adds one measure whose bar needs the full size: a quick run prints it and does not judge it.
func (t *table) judged(r *rig, measure, figure, bar string, reached bool) {
	if r.quick {
		t.rows = append(t.rows, []string{measure, figure, bar, notJudged})
		return
	}
	t.row(measure, figure, bar, reached)
}

// notJudged is the verdict of a quick run on a bar that needs the full size.
const notJudged = "not judged: short run"

// told adds a measure that has no bar.
func (t *table) told(measure, figure string) {
	t.rows = append(t.rows, []string{measure, figure, "", ""})
}

func (t *table) missed() int { return t.misses }

// String is the table in Markdown.
func (t table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n### %s\n\n| %s |\n|%s\n", t.title, strings.Join(t.columns, " | "),
		strings.Repeat("---|", len(t.columns)))
	for _, row := range t.rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
	}
	return b.String()
}

// printMachine says what the figures were measured on.
func printMachine(quick bool) {
	model := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	load := ""
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = ", load average at the beginning " + strings.Join(strings.Fields(string(text))[:1], "")
	}
	kind := ""
	if quick {
		kind = " **Short version: the figures prove the rig; bars that need the full size are not judged.**"
	}
	fmt.Printf("%d cores of %s, %s%s.%s\n", runtime.NumCPU(), model, runtime.Version(), load, kind)
}

const mib = 1 << 20

func inMiB(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/mib) }
