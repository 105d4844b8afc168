package exports

import (
	"fmt"
	"slices"

	"federation-agent/internal/federation"
	"federation-agent/internal/words"
)

// TooLarge is why an API is left out for which no message has room.
const TooLarge = "APIM's controller takes no message as large as this API, even without its document"

// Missing is what an ingest job cannot send though AWS has it. It decides whether the job may end with `done`, which
// follows from whose fault that is, see [gateway.Class.OfTarget].
type Missing struct {
	again    map[federation.ID]bool
	unlisted map[federation.Target]unlisted
	targets  map[federation.Target]*tally
}

// unlisted is why a target could not be listed, and whether that may pass by itself.
type unlisted struct {
	why  string
	away bool
}

// tally is how a target's APIs fared.
type tally struct {
	ready, failed int
	why           string // of the last failure
	ofTarget      bool   // one failure was the target's
}

// NewMissing makes one that misses nothing.
func NewMissing() Missing {
	return Missing{
		again: map[federation.ID]bool{}, unlisted: map[federation.Target]unlisted{},
		targets: map[federation.Target]*tally{},
	}
}

// Again says whether an API that is not available is to be tried once more: the first time only.
func (m *Missing) Again(id federation.ID) bool {
	first := !m.again[id]
	m.again[id] = true
	return first
}

// Ready counts an API that is ready to be sent.
func (m *Missing) Ready(id federation.ID) { m.of(id).ready++ }

// Unready takes back that an API is ready.
func (m *Missing) Unready(id federation.ID) { m.of(id).ready-- }

// Refused counts an API that was ready, and that APIM refuses.
func (m *Missing) Refused(id federation.ID, why string) {
	m.Unready(id)
	m.Failed(id, why, false)
}

// Failed counts an API that could not be made ready. ofTarget says that this is the target's fault.
func (m *Missing) Failed(id federation.ID, why string, ofTarget bool) {
	t := m.of(id)
	t.failed++
	t.why, t.ofTarget = why, t.ofTarget || ofTarget
}

func (m *Missing) of(id federation.ID) *tally {
	t := m.targets[id.Target()]
	if t == nil {
		t = &tally{}
		m.targets[id.Target()] = t
	}
	return t
}

// Unlisted notes that a target could not be listed. away says that this may pass by itself.
func (m *Missing) Unlisted(t federation.Target, why string, away bool) {
	m.unlisted[t] = unlisted{why: why, away: away}
}

// Listed notes that a target was listed after all. It is false for one that was listed before. Its account may have
// been unknown until then, where AWS was out of reach from the start.
func (m *Missing) Listed(t federation.Target) bool {
	for _, known := range []federation.Target{t, {Region: t.Region}} {
		if _, was := m.unlisted[known]; was {
			delete(m.unlisted, known)
			return true
		}
	}
	return false
}

// AnyUnlisted says that the listing of a target is missing.
func (m *Missing) AnyUnlisted() bool { return len(m.unlisted) > 0 }

// AnyAway says that the listing of a target is missing, and may still come.
func (m *Missing) AnyAway() bool {
	for _, u := range m.unlisted {
		if u.away {
			return true
		}
	}
	return false
}

// NotDone is why the job must not end with `done`; empty if it may. APIM would show a success to its users, who do not
// see the agent's log.
func (m *Missing) NotDone() string {
	var why []string
	for target, u := range m.unlisted {
		why = append(why, fmt.Sprintf("%s could not be listed: %s", target.LogValue(), u.why))
	}
	for target, t := range m.targets {
		switch {
		case t.ofTarget:
			why = append(why, fmt.Sprintf("%d APIs of %s are missing: %s", t.failed, target, t.why))
		case t.failed > 0 && t.ready == 0:
			why = append(why, fmt.Sprintf("all %d APIs of %s were left out; the last one: %s", t.failed, target, t.why))
		}
	}
	slices.Sort(why)
	return words.Few(why, words.Some, "; ")
}
