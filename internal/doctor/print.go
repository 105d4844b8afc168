package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// PrintJSON writes the results for programs.
func PrintJSON(w io.Writer, results []Result) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(struct {
		Healthy bool     `json:"healthy"`
		Checks  []Result `json:"checks"`
	}{Healthy(results), results})
}

// The widths of the columns, in characters: a line has 120, unless a word is longer than its column. An integration's id
// fits into the first.
const (
	widthOfCheck  = 36
	widthOfResult = 39
	widthOfRemedy = 41
)

// colours of the verdicts.
var colours = map[Verdict]string{Good: "\x1b[32m", Attention: "\x1b[1;31m", NotTried: "\x1b[33m"}

// Look is how a table looks.
type Look struct {
	// Wrapped: its cells are broken between words. Else each check is one line, which can be searched and copied.
	Wrapped bool
	// Coloured: the verdicts have colours.
	Coloured bool
}

// PrintTable writes the results for people: check, result and remedy. No word is broken: it may have to be copied.
func PrintTable(w io.Writer, results []Result, look Look) error {
	var out strings.Builder
	line := func(check, result, remedy string) {
		text := fmt.Sprintf("%-*s  %s%s", widthOfCheck, check, result, strings.Repeat(" ",
			max(widthOfResult-utf8.RuneCountInString(result), 0))+"  "+remedy)
		out.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	line("CHECK", "RESULT", "REMEDY")
	count := map[Verdict]int{}
	for _, r := range results {
		count[r.Verdict]++
		cells := [3][]string{{r.Check + " " + r.About}, {label(r.Verdict) + ": " + r.Text}, {r.Remedy}}
		if look.Wrapped {
			check := wrap(r.Check+" "+r.About, widthOfCheck)
			if len(check) > 1 {
				check = append([]string{r.Check}, wrap(r.About, widthOfCheck)...)
			}
			cells = [3][]string{
				check, wrap(label(r.Verdict)+": "+r.Text, widthOfResult), wrap(r.Remedy, widthOfRemedy),
			}
		}
		from := out.Len()
		for i := range max(len(cells[0]), len(cells[1]), len(cells[2])) {
			line(at(cells[0], i), at(cells[1], i), at(cells[2], i))
		}
		if look.Coloured {
			row := out.String()
			out.Reset()
			out.WriteString(row[:from] + strings.Replace(row[from:], label(r.Verdict),
				colours[r.Verdict]+label(r.Verdict)+"\x1b[0m", 1))
		}
	}
	fmt.Fprintf(&out, "\n%d ok, %d need attention, %d not tried\n", count[Good], count[Attention], count[NotTried])
	_, err := io.WriteString(w, out.String())
	return err
}

// label is what the eye finds.
func label(v Verdict) string {
	if v == Attention {
		return "ATTENTION"
	}
	return string(v)
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

// wrap breaks a text between words into lines of a width. A longer word, such as an ARN, has a line of its own.
func wrap(text string, width int) (lines []string) {
	current := ""
	for word := range strings.FieldsSeq(text) {
		if joined := strings.TrimSpace(current + " " + word); current == "" || utf8.RuneCountInString(joined) <= width {
			current = joined
			continue
		}
		lines = append(lines, current)
		current = word
	}
	if current != "" {
		lines = append(lines, current)
	}
	return lines
}
