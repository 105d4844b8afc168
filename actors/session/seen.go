package session

import "time"

const (
	// seenFor is how long an id is remembered: longer than the controller waits for an answer (60 s).
	seenFor = 2 * time.Minute
	// seenMost bounds how many are remembered, whatever a controller sends.
	seenMost = 20_000
)

// seen is the ids of the commands that came by one connection, so that a command that comes twice gets one reply.
type seen struct {
	at    map[string]time.Time
	order []string
}

// first notes an id; it is false for one that came before.
func (s *seen) first(id string, now time.Time) bool {
	for len(s.order) > 0 && (len(s.order) >= seenMost || now.Sub(s.at[s.order[0]]) > seenFor) {
		delete(s.at, s.order[0])
		s.order = s.order[1:]
	}
	if _, known := s.at[id]; known {
		return false
	}
	if s.at == nil {
		s.at = map[string]time.Time{}
	}
	s.at[id] = now
	s.order = append(s.order, id)
	return true
}
