package demo

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Narrator tells somebody how a demonstration goes. On a terminal its progress lines are drawn over; else
// each is a line of its own, and only when something has moved.
type Narrator struct {
	Out io.Writer
	// Live is whether lines can be drawn over, Colour whether there is colour.
	Live   bool
	Colour bool

	drawn bool
}

// Colours of a terminal.
const (
	green = "32"
	red   = "31"
	dim   = "2"
	bold  = "1"
)

func (n *Narrator) paint(code, text string) string {
	if !n.Colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Line tells one line.
func (n *Narrator) Line(format string, args ...any) {
	n.erase()
	fmt.Fprintf(n.Out, format+"\n", args...)
}

// Title tells a line that stands out.
func (n *Narrator) Title(text string) { n.Line("%s", n.paint(bold, text)) }

// erase takes the last progress line away.
func (n *Narrator) erase() {
	if n.drawn {
		fmt.Fprint(n.Out, "\r\x1b[K")
		n.drawn = false
	}
}

// markWidth and nameWidth keep the details of all steps in one column.
const (
	markWidth = 6
	nameWidth = 13
)

// Busy tells on a terminal what a step is waiting for; elsewhere its end says enough.
func (n *Narrator) Busy(name, detail string) {
	if n.Live {
		n.draw(name, detail)
	}
}

// Progress tells how far a step is.
func (n *Narrator) Progress(name, detail string) {
	if n.Live {
		n.draw(name, detail)
		return
	}
	n.Line("  %-*s %-*s%s", markWidth, "...", nameWidth, name, detail)
}

func (n *Narrator) draw(name, detail string) {
	n.erase()
	fmt.Fprintf(n.Out, "  %-*s %-*s%s", markWidth, "...", nameWidth, name, detail)
	n.drawn = true
}

// Step tells how a step ended.
func (n *Narrator) Step(s Step) {
	mark := n.paint(green, "ok    ")
	switch {
	case s.Interrupted:
		mark = n.paint(dim, "ended ")
	case !s.OK:
		mark = n.paint(red, "FAILED")
	}
	n.Line("  %s %-*s%s %s", mark, nameWidth, s.Name, s.Detail, n.paint(dim, fmt.Sprintf("(%.1f s)", s.Seconds)))
}

// barWidth is in characters.
const barWidth = 16

// bar draws how much of a whole is done.
func bar(done, total int) string {
	filled := 0
	if total > 0 {
		filled = min(barWidth, done*barWidth/total)
	}
	return "[" + strings.Repeat("#", filled) + strings.Repeat(".", barWidth-filled) + "]"
}

// Table tells the figures of the end.
func (n *Narrator) Table(s Summary) {
	n.Line("")
	rows := tabwriter.NewWriter(n.Out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(rows, "  %s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("Found", "%s", foundText(s))
	row("Ingested", "%d, %s", s.Ingested, documentsText(s))
	row("Keys", "%d created, %d deleted, %d left", s.KeysCreated, s.KeysDeleted, s.KeysLeft)
	row("Problems", "%d noticed by APIM", len(s.Problems))
	row("Time", "%.1f s", s.Seconds)
	_ = rows.Flush() // a reader who left needs no table

	n.Line("")
	calls := tabwriter.NewWriter(n.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(calls, "  AWS account\tregion\tcalls\tbusiest second\taverage\tquota\t429s\t")
	for _, u := range s.Usage {
		fmt.Fprintf(calls, "  %s\t%s\t%d\t%d\t%.1f/s\t%s\t%d\t\n", u.Account, u.Region, u.Calls, u.Busiest, u.Average,
			quotaText(u), u.Throttled)
	}
	_ = calls.Flush()
	n.explainBusiest(s.Usage)
	if s.QuotaScale != 1 {
		n.Line("  Not AWS's own quota: %s.", scaleText(s.QuotaScale))
	}
	for _, problem := range s.Problems {
		n.Line("  APIM noticed: %s", problem)
	}
}

// explainBusiest says why a second above the rate keeps to the quota all the same:
// AWS's token bucket lets a burst through.
func (n *Narrator) explainBusiest(list []Usage) {
	for _, u := range list {
		if busiest := float64(u.Busiest); u.Rate > 0 && busiest > u.Rate && u.Busiest <= u.Burst {
			n.Line("  (%d in the busiest second is within the burst of %d; %g/s is the average that is allowed)", u.Busiest,
				u.Burst, u.Rate)
			return
		}
	}
}

// foundText says how many stages were found, and why not all that there are.
func foundText(s Summary) string {
	text := fmt.Sprintf("%s, all that are in a usage plan", plural(s.Found, "stage"))
	if s.Found != s.Expected {
		text = fmt.Sprintf("%d of %d stages in a usage plan", s.Found, s.Expected)
	}
	if s.Partial {
		text += " (only a part was found in time)"
	}
	if none := s.Stages - s.Expected; none > 0 {
		text += fmt.Sprintf("; %d of %d are in none", none, s.Stages)
	}
	return text
}

// documentsText says how many have a document, and that the others cannot have one: an API is ingested all the same.
func documentsText(s Summary) string {
	text := fmt.Sprintf("%d of them with their OpenAPI document", s.Documents)
	if without := s.Ingested - s.Documents; without > 0 {
		text += fmt.Sprintf("; AWS cannot export the other %d as they are, and the agent's log says why", without)
	}
	return text
}

func quotaText(u Usage) string {
	if u.Rate == 0 {
		return "off"
	}
	return fmt.Sprintf("%g/s, burst %d", u.Rate, u.Burst)
}

func scaleText(scale float64) string {
	if scale == 0 {
		return "it was switched off"
	}
	return fmt.Sprintf("it was scaled by %g", scale)
}
