package apimsim

// HappeningKind names what an operator of APIM could watch happen.
type HappeningKind int

// The kinds.
const (
	// HappeningUpgrade is a request for a websocket, accepted or not.
	HappeningUpgrade HappeningKind = iota + 1
	// HappeningHello is a HELLO, accepted or not.
	HappeningHello
	// HappeningAgents is a change of an integration's agents: one more, one less, or another primary.
	HappeningAgents
)

// Happening is one of them. Which fields are set follows from its kind.
type Happening struct {
	Kind HappeningKind
	// Upgrade numbers the requests for a websocket from 1, refused ones included. Upgrades and HELLOs carry it.
	Upgrade int
	// Conn is the connection's number; 0 for an upgrade that was refused.
	Conn int
	// Accepted is the verdict on an upgrade or a HELLO.
	Accepted    bool
	Integration string
	Provider    string
	// Agents are those that take commands, longest connected first.
	Agents []Agent
}

func (a *APIM) happened(h Happening) {
	if a.opts.OnHappening == nil {
		return
	}
	a.happenings.Lock()
	defer a.happenings.Unlock()
	a.opts.OnHappening(h)
}

// agentsChanged tells of an integration's agents as they are now: the lock keeps what is told in order.
func (a *APIM) agentsChanged(integrationID string) {
	if a.opts.OnHappening == nil || integrationID == "" {
		return
	}
	a.happenings.Lock()
	defer a.happenings.Unlock()
	h := Happening{Kind: HappeningAgents, Integration: integrationID}
	a.mu.Lock()
	for _, s := range a.sessionsOfLocked(integrationID) {
		h.Agents = append(h.Agents, a.agentLocked(s))
	}
	a.mu.Unlock()
	a.opts.OnHappening(h)
}
