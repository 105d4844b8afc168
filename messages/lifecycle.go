package messages

import "time"

// Drain asks for an orderly end by a deadline: refuse new work, finish or answer what is open, close. It comes again
// until everything has ended, as an actor that was restarted meanwhile has forgotten it. Agent -> integration -> ingest
// jobs and router, then session, then target -> writer.
type Drain struct {
	// From is until when each integration may be handed over first, to another process that shares the journal; the zero
	// time where none is.
	From time.Time
	By   time.Time
}

// HandOver asks a session to have APIM turn to another process, once one is ready. It comes again until it is answered by
// [HandedOver]. Integration -> session.
type HandOver struct{}

// HandedOver tells that no new command comes by the session: APIM has turned away from it, or it is gone. Session ->
// integration.
type HandedOver struct{}

// AreYouThere asks for a sign of life: node API -> agent, which answers [AgentThere] -> every integration -> its
// session, which answers [SessionThere].
type AreYouThere struct{}

// AgentThere is the agent's sign of life. Agent -> the asker.
type AgentThere struct {
	// Integrations is how many were asked on: as many sessions are to answer.
	Integrations int
}

// SessionThere is a session's sign of life, whether or not it is connected. Session -> the asker.
type SessionThere struct{}

// Drained tells that nothing is open any more. Ingest jobs, router, session, target, writer -> integration. A writer says so once it
// has begun or dropped what came before: whether that has come to its end, the integration knows itself.
type Drained struct{}
