package messages

import "time"

// Drain asks for an orderly end by a deadline: refuse new work, finish or answer what is open, close.
// Agent -> integration -> ingest jobs and router, then session, then target -> writer.
type Drain struct{ By time.Time }

// Drained tells that nothing is open any more. Router, session, target, writer -> integration.
type Drained struct{}
