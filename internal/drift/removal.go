package drift

import (
	"fmt"
	"time"

	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
)

// How says what becomes of an API in APIM that AWS has deleted. Its values are those of the setting.
type How string

// What may become of it.
const (
	// LeaveIt: it is reported, and stays.
	LeaveIt How = "report"
	// Unpublish hides it from the portal, which a person can undo.
	Unpublish How = "unpublish"
	// Delete deletes it for good, with its plans and subscriptions.
	Delete How = "delete"
)

// Policy is what the settings say of APIs that AWS has deleted.
type Policy struct {
	How How
	// AtMost is how many may be gone at a time. If there are more, none is touched: most likely AWS is asked wrongly.
	AtMost int
	// WithSubscriptions lets also those be removed that have subscriptions.
	WithSubscriptions bool
}

// Looks are when APIs were first seen gone, by id: when AWS had answered all that showed it, as what it said may be as
// young as that. Nothing is removed on the word of one listing, see [Looks.See].
type Looks map[string]time.Time

// Removable are APIs that were sent and that AWS has deleted, in the order of ids.
type Removable struct {
	// Confirmed were seen gone by two listings, the second of which began at least [federation.SecondLook] after the
	// first was complete. Once have been seen so by one.
	Confirmed, Once []Item
}

// See takes a report in, which must come from listings that are made anew; AWS had answered all of it by then. An API
// that AWS has again begins anew. A target that could not be listed says nothing, so what was seen of it before still
// counts. A report in doubt shows nothing, and makes all begin anew.
func (l Looks) See(in Input, r Report, complete time.Time) (out Removable) {
	began := map[federation.Target]time.Time{}
	for _, of := range in.Found.Listings {
		if _, twice := began[of.Target]; of.Complete && !twice {
			began[of.Target] = of.StartedAt
		}
	}
	linked := map[federation.ID]bool{} // by usage plans; of a stage among them only the answer to its export tells
	for _, e := range in.Found.Whole {
		linked[e.ID()] = true
	}
	gone := map[string]bool{}
	if r.Doubt != "" {
		clear(l)
		return Removable{}
	}
	for _, item := range r.Items[Gone] {
		id, err := federation.ParseID(item.ID)
		at, listed := began[id.Target()]
		_, sent := in.Sent[item.ID]
		if err != nil || !listed || !sent || linked[id] && in.Omissions[id].Reason != gateway.NotFound.Reason() {
			continue
		}
		gone[item.ID] = true
		if _, seen := l[item.ID]; !seen {
			l[item.ID] = complete
		}
		if at.Sub(l[item.ID]) >= federation.SecondLook {
			out.Confirmed = append(out.Confirmed, item)
		} else {
			out.Once = append(out.Once, item)
		}
	}
	for text := range l {
		id, _ := federation.ParseID(text)
		if _, listed := began[id.Target()]; listed && !gone[text] {
			delete(l, text)
		}
	}
	return out
}

// Standing is how APIM has an API right before it is removed.
type Standing struct {
	// Missing: APIM does not have it any more. All else is empty then.
	Missing bool
	// Integration is the one that it was ingested by, empty for an API of another origin.
	Integration string
	// Lifecycle is its state in APIM's words.
	Lifecycle string
	// Active is how many subscriptions are pending, accepted or paused.
	Active int
}

// Decision says whether an API may be removed.
type Decision string

// The decisions.
const (
	// Remove: it may be.
	Remove Decision = "remove"
	// Keep: it stays as it is, until what keeps it is over.
	Keep Decision = "keep"
	// Done: there is nothing to do, now or later.
	Done Decision = "done"
)

// Judge says whether an API of an integration may be removed, and why not.
func (p Policy) Judge(integration string, s Standing) (Decision, string) {
	switch {
	case s.Missing:
		return Done, "APIM does not have it any more"
	case s.Integration != integration:
		return Keep, "APIM has not ingested it by this integration"
	case p.How == Unpublish && (s.Lifecycle == "CREATED" || s.Lifecycle == "UNPUBLISHED"):
		return Done, "it is not published"
	case p.How == Unpublish && s.Lifecycle != "PUBLISHED": // from DEPRECATED and ARCHIVED nothing leads anywhere
		return Done, "it is " + s.Lifecycle + ", from which APIM does not unpublish"
	case s.Active > 0 && !p.WithSubscriptions:
		return Keep, fmt.Sprintf("it has subscriptions: %d", s.Active)
	case p.How == Unpublish || p.How == Delete:
		return Remove, ""
	}
	return Keep, "the agent only reports it"
}
