package messages

import "time"

// Drain asks for an orderly end by a deadline: refuse new work, finish or answer what is open, close.
// Agent -> integration -> session, router, ingest jobs, targets.
type Drain struct{ By time.Time }

// Drained tells that nothing is open any more. Router, session -> integration -> agent.
type Drained struct{}
