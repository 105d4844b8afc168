package reconcile

import (
	"fmt"
	"strings"
	"time"

	"federation-agent/actors/life"
	"federation-agent/internal/drift"
	"federation-agent/internal/status"
	"federation-agent/internal/words"
)

// shownItems is how many APIs of a kind the board has: the counts are of all.
const shownItems = 20

// report notes how AWS and APIM differ, and says it once. Level WARN asks for somebody: no ingest mends that AWS has
// deleted what APIM shows. The same APIs ask once.
func (r *reconciler) report(d drift.Report) {
	r.env.Board.Drifted(r.spec.Integration, shown(d, r.env))
	var gone []string
	for _, item := range d.Items[drift.Gone] {
		gone = append(gone, item.ID)
	}
	line := []any{life.LogKnown, d.InAPIM, life.LogDrift, inWords(d)}
	if len(d.Unlisted) > 0 {
		line = append(line, life.LogLeft, words.Few(d.Unlisted, words.Some, "; "))
	}
	if len(gone) > 0 {
		line = append(line, life.LogExamples, words.Few(gone, words.Many, ", "))
	}
	if r.round.kind == scheduled {
		line = append(line, life.LogBy, "a scheduled round")
		if !r.due.IsZero() {
			line = append(line, life.LogNext, r.due.UTC().Truncate(time.Second))
		}
	}
	if said := strings.Join(gone, " "); said != r.told && said != "" && !r.removes() {
		r.told = said
		r.env.Log.Warn("AWS has deleted APIs that APIM still shows: delete them in APIM if they are gone for good", line...)
		return
	}
	r.env.Log.Info("AWS and APIM are compared", line...)
}

// inWords is as in "2 new, 1 gone".
func inWords(d drift.Report) string {
	var parts []string
	for _, kind := range drift.Kinds() {
		if n := len(d.Items[kind]); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, kind))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func kinds() (names []string) {
	for _, kind := range drift.Kinds() {
		names = append(names, string(kind))
	}
	return names
}

func shown(d drift.Report, env *life.Env) status.Drift {
	out := status.Drift{
		At: env.Now(), InAPIM: d.InAPIM, Counts: map[string]int{}, Examples: map[string][]status.DriftItem{},
		Unlisted: d.Unlisted, Doubt: d.Doubt,
	}
	for _, kind := range drift.Kinds() {
		items := d.Items[kind]
		out.Counts[string(kind)] = len(items)
		for _, item := range items[:min(len(items), shownItems)] {
			out.Examples[string(kind)] = append(out.Examples[string(kind)], status.DriftItem(item))
		}
	}
	return out
}
