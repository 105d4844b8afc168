package exports

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
)

// examplesShown is how many APIs that were left out are named: of all, and of those for each reason.
const examplesShown = 5

// LeftOut is the APIs that an ingest job leaves out, and why. Its zero value has none.
type LeftOut struct {
	// Count is how many are left out though AWS has them, By the same by [gateway.Reason].
	Count int
	By    map[string]int
	// Examples are the first few of them, with their reasons in words.
	Examples []string
	alike    map[string]*AlikeOut
}

// AlikeOut is APIs that are left out for the same reason, also those that are deleted in AWS.
type AlikeOut struct {
	// Why is as it was said of the first.
	Why      string
	Level    slog.Level
	Count    int
	Examples []federation.ID
}

// Add leaves an API out that AWS has.
func (l *LeftOut) Add(id federation.ID, o gateway.Omission, level slog.Level) {
	l.Count++
	if l.By == nil {
		l.By = map[string]int{}
	}
	l.By[string(o.Reason)]++
	if len(l.Examples) < examplesShown {
		l.Examples = append(l.Examples, fmt.Sprintf("%s: %s", id, o.Why))
	}
	l.Note(id, o.Why, level)
}

// Note keeps why an API is left out, also one that AWS does not have any more. What tells one API's reason from
// another's is only its name.
func (l *LeftOut) Note(id federation.ID, why string, level slog.Level) {
	if l.alike == nil {
		l.alike = map[string]*AlikeOut{}
	}
	alike := strings.NewReplacer(id.RestAPI, "…", id.Account, "…", id.Region, "…", "/stages/"+id.Stage, "/stages/…").
		Replace(why)
	r := l.alike[alike]
	if r == nil {
		r = &AlikeOut{Why: why, Level: level}
		l.alike[alike] = r
	}
	if r.Count++; r.Count <= examplesShown {
		r.Examples = append(r.Examples, id)
	}
}

// Reasons are all of them, the most frequent first.
func (l *LeftOut) Reasons() []*AlikeOut {
	return slices.SortedFunc(maps.Values(l.alike), func(a, b *AlikeOut) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Why, b.Why))
	})
}
