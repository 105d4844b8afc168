package apimsim

import (
	"fmt"
)

// onHello accepts or refuses an agent. A refused one may say HELLO again on the same socket.
func (s *session) onHello(c inCommand) {
	a := s.apim
	id := c.hello.targetID
	a.mu.Lock()
	a.hellos[id]++
	attempt, again := a.hellos[id], s.active
	i, exists := a.integrations[id]
	fault := HelloFault{}
	if a.refusals.hellos > 0 {
		a.refusals.hellos--
		fault.Refuse = a.refusals.text
	}
	a.mu.Unlock()
	if f := a.opts.Script.Hello; f != nil && fault.Refuse == "" {
		fault = f(attempt, id)
	}
	if fault.Ignore || !a.pause(fault.Delay, s.gone) {
		return
	}
	refusal := fault.Refuse
	switch {
	case refusal != "":
	case !exists:
		refusal = fmt.Sprintf("Integration [id=%s] not found", id)
	case i.Provider != c.hello.provider:
		refusal = fmt.Sprintf("Integration [id=%s] does not match. Expected provider [provider=%s]", id, i.Provider)
	}
	if refusal != "" {
		a.happened(Happening{
			Kind: HappeningHello, Upgrade: s.upgrade, Conn: s.conn, Integration: id, Provider: c.hello.provider,
		})
		a.opts.Log.Warn("HELLO refused", "integration", id, "reason", refusal)
		s.reply(outReply{CommandID: c.id, Type: typeHello, CommandStatus: StatusError, ErrorDetails: refusal})
		return
	}
	a.happened(Happening{
		Kind: HappeningHello, Upgrade: s.upgrade, Conn: s.conn, Accepted: true, Integration: id, Provider: c.hello.provider,
	})
	s.reply(outReply{
		CommandID: c.id, Type: typeHello, CommandStatus: StatusSucceeded, Payload: helloReplyPayload{TargetID: id},
	})
	if again {
		a.problem(Problem{Code: ProblemSecondHello, Integration: id})
		return
	}
	a.register(s, id)
}

// register makes a greeted session take commands, and starts what accompanies it.
func (a *APIM) register(s *session, integrationID string) {
	a.mu.Lock()
	s.integrationID, s.active, s.registered = integrationID, true, true
	a.mu.Unlock()
	a.opts.Log.Info("agent connected", "integration", integrationID, "conn", s.conn)
	a.handOver(s, integrationID)
	a.spawn(s.keepAlive)
	a.spawn(func() { a.watchHealth(s) })
	a.elect(integrationID)
	a.agentsChanged(integrationID)
}
