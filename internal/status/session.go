package status

import "time"

// SessionState says whether there is a session to APIM.
type SessionState string

// The states of a session.
const (
	// Away: there is none; the agent is connecting, or waits before it tries again.
	Away SessionState = "away"
	// Up: APIM accepted the agent.
	Up SessionState = "connected"
	// Ended: there will be no more session: the agent is shutting down, or APIM dismissed it for good.
	Ended SessionState = "ended"
)

// Said is the state as people read it, with the last error: a first session that has not failed yet is on its way.
func (s SessionState) Said(lastError string) string {
	if s == Away && lastError == "" {
		return "connecting"
	}
	return string(s)
}

// Loss is why a session ended that APIM had accepted.
type Loss string

// The reasons.
const (
	// LostClosed: APIM, or something in its place, closed the connection.
	LostClosed Loss = "closed"
	// LostNetwork: the connection broke, or a ping was not answered.
	LostNetwork Loss = "network"
	// LostGoodBye: APIM said good-bye.
	LostGoodBye Loss = "good_bye"
	// LostSilent: no HEALTH_CHECK came any more.
	LostSilent Loss = "silent"
	// LostProtocol: APIM broke the exchange protocol.
	LostProtocol Loss = "protocol"
	// LostTooLarge: APIM's controller takes smaller messages or frames.
	LostTooLarge Loss = "too_large"
	// LostTooSlow: APIM did not read what it was sent.
	LostTooSlow Loss = "too_slow"
	// LostStandstill: the agent's process stood still.
	LostStandstill Loss = "standstill"
	// LostShutdown: the agent ended, or its session failed and was started again.
	LostShutdown Loss = "shutdown"
)

// Losses are all reasons for a lost session.
func Losses() []Loss {
	return []Loss{
		LostClosed, LostNetwork, LostGoodBye, LostSilent, LostProtocol, LostTooLarge, LostTooSlow, LostStandstill,
		LostShutdown,
	}
}

// Session is one integration's session to APIM.
type Session struct {
	State SessionState `json:"state"`
	// Since is when the session came to this state.
	Since time.Time `json:"since"`
	// Endpoint is the configured URL that it is connected to, empty without a session. It contains no user or password:
	// the configuration refuses them.
	Endpoint string `json:"endpoint,omitempty"`
	// Primary is nil as long as APIM has not said.
	Primary *bool `json:"primary,omitempty"`
	// Leaving is true while the agent hands over, or waits for another one that it can hand over to.
	Leaving bool `json:"leaving,omitempty"`
	// Connects is how many sessions APIM has accepted.
	Connects uint64 `json:"connects"`
	// NextTry is when the agent connects again; zero while it has a session, is connecting, or will not.
	NextTry time.Time `json:"nextTryAt,omitzero"`
	// LastError is why there was no session the last time. It stays while there is a session.
	LastError   string    `json:"lastError,omitempty"`
	LastErrorAt time.Time `json:"lastErrorAt,omitzero"`
	// Lost counts the sessions that ended, by reason.
	Lost map[Loss]uint64 `json:"lost,omitempty"`
}

// SessionUp notes that APIM accepted the agent at an endpoint.
func (b *Board) SessionUp(id, endpoint string, at time.Time) {
	b.with(id, func(i *integration) {
		i.Session.State, i.Session.Since, i.Session.Endpoint, i.Session.Primary = Up, at.UTC(), endpoint, nil
		i.Session.NextTry, i.Session.Leaving = time.Time{}, false
		i.Session.Connects++
	})
}

// SessionLeaves notes that a session is handed over: no other process may count on it.
func (b *Board) SessionLeaves(id string) {
	b.with(id, func(i *integration) { i.Session.Leaving = true })
}

// SessionAway notes that there is no session to APIM, or still none, and why.
func (b *Board) SessionAway(id, why string, at time.Time) {
	b.with(id, func(i *integration) {
		if i.Session.State != Away {
			i.Session.State, i.Session.Since = Away, at.UTC()
		}
		i.Session.Endpoint, i.Session.Primary = "", nil
		i.Session.LastError, i.Session.LastErrorAt = why, at.UTC()
	})
}

// SessionLost counts a session that ended.
func (b *Board) SessionLost(id string, why Loss) {
	b.with(id, func(i *integration) { add(&i.Session.Lost, why) })
}

// SessionNext notes when the agent connects again; the zero time means that it is connecting.
func (b *Board) SessionNext(id string, at time.Time) {
	b.with(id, func(i *integration) { i.Session.NextTry = at.UTC() })
}

// SessionEnded notes that there will be no more session.
func (b *Board) SessionEnded(id string, at time.Time) {
	b.with(id, func(i *integration) {
		i.Session.State, i.Session.Since, i.Session.Endpoint, i.Session.Primary = Ended, at.UTC(), "", nil
		i.Session.NextTry = time.Time{}
	})
}

// Primary notes whether APIM made this agent the integration's primary.
func (b *Board) Primary(id string, primary bool) {
	b.with(id, func(i *integration) { i.Session.Primary = &primary })
}
