package chaos

import (
	"fmt"
	"strings"
	"time"

	"federation-agent/internal/federation"
)

// hasAPI reports whether AWS has any stage of a REST API.
func (e estateAt) hasAPI(id federation.ID) bool { return e.apis[withoutStage(id.String())] }

func withoutStage(id string) string { return id[:strings.LastIndexByte(id, ':')] }

// span is a time in which AWS had a stage, or did not have it.
type span struct {
	from, to time.Time
	there    bool
}

// spans are those of a stage from a to b, oldest first.
func (h *estateHistory) spans(id string, a, b time.Time) (out []span) {
	for _, e := range h.between(a, b) {
		from := e.at
		if from.Before(a) {
			from = a
		}
		if n := len(out); n > 0 {
			out[n-1].to = from
			if out[n-1].there == e.exists[id] {
				continue
			}
		}
		out = append(out, span{from: from, there: e.exists[id]})
	}
	if n := len(out); n > 0 {
		out[n-1].to = b
	}
	return out
}

// notGone says why an API must not have been removed at an instant by a process that began at another; empty if two
// looks may have shown it gone.
func (h *estateHistory) notGone(id string, began, at time.Time) string {
	spans := h.spans(id, began, at)
	n := len(spans) - 1
	if n >= 0 && spans[n].there && spans[n].to.Sub(spans[n].from) <= removalAge {
		n-- // it has just come back
	}
	if n < 0 || spans[n].there {
		return "AWS has it, and has had it for long"
	}
	last, first := spans[n].to, spans[n].from
	for ; n >= 2 && spans[n-1].to.Sub(spans[n-1].from) <= unseenFor; n -= 2 {
		first = spans[n-2].from
	}
	if gone := last.Sub(first); gone < federation.SecondLook {
		return fmt.Sprintf("for the process, it was gone in AWS for %s only", gone)
	}
	return ""
}

// lacked reports whether AWS did not have a REST API at any time from a to b.
func (h *estateHistory) lacked(id string, a, b time.Time) bool {
	for _, e := range h.between(a, b) {
		if e.apis[withoutStage(id)] {
			return false
		}
	}
	return true
}

// hadAt reports whether AWS had a stage at an instant.
func (h *estateHistory) hadAt(id string, at time.Time) bool {
	estates := h.between(at, at)
	return len(estates) > 0 && estates[len(estates)-1].exists[id]
}
