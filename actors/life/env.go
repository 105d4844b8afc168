// Package life is what every actor stands on: its Props with guard and supervision, its scope for I/O and timers, the
// delays between tries, the names of log fields, and what reaches the actors from outside ([Env]).
package life

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"federation-agent/internal/exports"
	"federation-agent/internal/members"
	"federation-agent/internal/quota"
	"federation-agent/internal/seldom"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
)

// Env is all that reaches the actors from outside. It is injected at the top, so that the whole agent
// runs in a simulation.
type Env struct {
	Log *slog.Logger
	// Dial opens the websocket's TCP connection; nil means the system's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS makes the configuration of one connection to APIM; nil means the system's roots.
	TLS func() *tls.Config
	// AWS carries the calls to AWS; nil means the network.
	AWS aws.HTTPClient
	// Now is the wall clock. It is used for what is written down, never for timers.
	Now func() time.Time
	// NewID makes ids that are unique among all agents: command ids, key records.
	NewID func() string
	// Jitter gives numbers in [0, 1).
	Jitter func() float64

	Keys     store.KeyJournal
	Ingests  store.Ingests
	Listings store.Listings
	Exports  store.ExportCache
	// Sharing is what was seen of stages with the same deployment; nil: each is exported. Start makes it.
	Sharing *exports.Sharing
	// Ledgers has the processes that share a quota keep to it together; nil: this process has it for itself.
	Ledgers quota.Ledgers

	// Board is where the actors note what may be seen of them; nil means one that is not read.
	Board *status.Board

	// Often is the log for what a peer can repeat at will, or what every API may bring: it is counted, not repeated (see
	// [seldom.Floods]). Lasting is the one for faults that last, and befall many targets alike (see [seldom.Faults]).
	// [Env.Logging] makes both.
	Often, Lasting *slog.Logger
	// Member is this process among those that share the journal; nil where it has a journal for itself.
	Member *members.Self
	// Registry is where it shows itself to the others; nil where Member is.
	Registry members.Registry
	// Version is this agent's, and Host its machine's name, as the others see them.
	Version, Host string

	// Tickets numbers the permits and the leases of the whole process. Start makes it.
	Tickets *atomic.Uint64
	// Life ends when the agent is told to stop as it is: a call to AWS that would otherwise be completed is cut off then.
	// Start makes it.
	Life context.Context

	// Faults and Stand are nil but in tests.
	Faults Faults
	// Stand waits while a test has the whole process stand still. Whatever notices that asks here before it looks at a
	// clock.
	Stand func()
}

// Logging has it log there, and makes the logs that count.
func (e *Env) Logging(log *slog.Logger) *Env {
	e.Log, e.Often, e.Lasting = log, seldom.Floods(log), seldom.Faults(log)
	return e
}

// With gives what an integration's actors get: all of their lines name it.
func (e *Env) With(integration string) *Env {
	of := *e
	of.Log, of.Often, of.Lasting = e.Log.With(LogIntegration, integration),
		e.Often.With(LogIntegration, integration), e.Lasting.With(LogIntegration, integration)
	return &of
}

// Faults lets a test make any actor panic on any message: it is called before each, with the actor's id.
type Faults func(actorID string, message any)
