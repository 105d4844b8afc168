package node

import (
	"fmt"
	"strings"

	"federation-agent/internal/status"
)

// attention is one thing that needs somebody.
type attention struct {
	What string `json:"what"`
	Why  string `json:"why,omitempty"`
	Do   string `json:"do"`
	// Section is where the page tells more.
	Section string `json:"-"`
}

// needs lists everything that waits for a person, the most urgent first: what serves nobody, then what is at risk, then
// what is to be cleaned up. What mends itself is not in it before it has failed.
func needs(r report) []attention {
	found := []attention{}
	add := func(section, what, why, do string) {
		found = append(found, attention{What: what, Why: why, Do: do, Section: section})
	}
	for _, i := range r.Serving {
		switch s := i.Session; {
		case s.State == status.Ended:
			add("sessions", "APIM has dismissed integration "+i.ID, s.LastError,
				"see in APIM whether the integration still exists; start the agent again if it does")
		case s.State == status.Away && s.LastError != "":
			add("sessions", "No session to APIM for integration "+i.ID, s.LastError,
				"what the reason says; the agent keeps trying")
		}
	}
	if !r.Store.Durable {
		add("about", "New data does not outlive this process", strings.Join(r.Store.Messages, " "),
			"see to the disk or the volume, as the reason says")
	} else if len(r.Store.Messages) > 0 {
		add("about", "The store has something to say", strings.Join(r.Store.Messages, " "), "what the reason says")
	}
	if r.Keys.Problem != "" {
		add("keys", "The key journal cannot be read", r.Keys.Problem, "see to the disk or the volume")
	}
	for _, i := range r.Serving {
		for _, t := range i.Targets {
			if why := troubleOf(t); why != "" {
				add("targets", "AWS cannot be used in "+strings.TrimSpace(t.Account+" "+t.Region), why,
					"what the reason says; the agent tries again by itself")
			}
		}
		if len(i.Guard) > 0 {
			add("ingests", "AWS does not list plans of integration "+i.ID+" any more that APIM has",
				strings.Join(i.Guard, "; "),
				"if that is not meant, put the stages back into their usage plans in AWS. What is not confirmed yet is left "+
					"out of ingests until a second listing in five minutes. The next ingest after that deletes these plans in "+
					"APIM with their subscriptions")
		}
		if last := i.LastIngest; last != nil && last.Failure != "" {
			add("ingests", "The last ingest of integration "+i.ID+" failed", last.Failure, "ingest again after that is mended")
		}
		if last := i.LastIngest; last != nil && last.Failure == "" && last.Omitted > 0 {
			add("ingests", "The last ingest left out "+count(last.Omitted, "API"), "",
				"see the reasons, mend them in AWS, and ingest again")
		}
	}
	for _, list := range []struct {
		what string
		keys []keyReport
	}{
		{"Unconfirmed keys", r.Keys.Unconfirmed},
		{"Lost creates", r.Keys.LostCreates},
		{"Keys to be deleted that nothing configured reaches", r.Keys.Unserved},
	} {
		if len(list.keys) > 0 {
			add("keys", fmt.Sprintf("%s: %d", list.what, len(list.keys)), "", list.keys[0].Do)
		}
	}
	return found
}

// troubleOf says why a target cannot be used, as its last call to AWS showed; empty where it can.
func troubleOf(t status.Target) string {
	switch {
	case t.State == status.Failed:
		return t.Failure
	case t.OutOfReach != "":
		return t.OutOfReach
	}
	return t.Listed.Failure
}
