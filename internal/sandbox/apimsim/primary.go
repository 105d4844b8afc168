package apimsim

import "slices"

// elect makes the longest connected agent the primary if the last one has left. The real controller
// draws at random; a fixed rule lets a schedule be replayed. A second agent that comes while there is
// a primary hears nothing: its flag stays false.
func (a *APIM) elect(integrationID string) {
	if integrationID == "" {
		return
	}
	a.mu.Lock()
	candidates := a.sessionsOfLocked(integrationID)
	current := a.primary[integrationID]
	if slices.Contains(candidates, current) {
		a.mu.Unlock()
		return
	}
	if len(candidates) == 0 {
		delete(a.primary, integrationID)
		a.mu.Unlock()
		return
	}
	elected := candidates[0]
	a.primary[integrationID] = elected
	a.mu.Unlock()

	// One election after the other, each command answered before the next, as read. The others are those of the
	// moment of the election: who comes while they are told is told nothing.
	a.lane("primary " + integrationID).push(func() {
		a.tellPrimary(elected, true)
		for _, s := range candidates[1:] {
			a.tellPrimary(s, false)
		}
	})
}

func (a *APIM) tellPrimary(s *session, primary bool) {
	reply, err := a.sendTo(a.ctx, s, command{kind: typePrimary, payload: primaryPayload{Primary: primary}})
	if err == nil && reply.Status == StatusError {
		a.problem(Problem{Code: ProblemPrimaryRefused, Integration: s.integrationID, Detail: reply.ErrorDetails})
	}
}
