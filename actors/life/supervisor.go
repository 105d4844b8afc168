package life

import (
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

const (
	// restartFloor is the delay before the first restart of an actor: long enough that a panic in Started does not spin,
	// short enough to go unnoticed.
	restartFloor = 100 * time.Millisecond
	// restartCap bounds the delay between restarts: an actor that keeps failing is tried twice a minute.
	restartCap = 30 * time.Second
	// restartHealthy is how long an actor must run without a panic for its delay to start over.
	restartHealthy = time.Minute
)

// failures is what the supervisor remembers of one child, or of those that restart together.
type failures struct {
	count   int
	last    time.Time
	pending bool // a restart is due
}

// supervisor restarts a standing child after a delay that doubles from restartFloor to restartCap with jitter, and
// starts over after a healthy minute. It never gives up. A worker is stopped; a part's failure is its parent's.
//
// It belongs to the parent: all its methods run in the parent's turn. While the parent is stopping or restarting, no
// child is restarted: the parent would wait for ever for one that was told to stop and came back.
type supervisor struct {
	env      *Env
	kind     Kind     // of the parent: what a part's failure counts as
	together []string // beginnings of the names of the children that restart together

	parent   *actor.PID // nil between two incarnations of the parent
	life     uint64     // numbers the parent's incarnations
	failures map[string]failures
}

// restartDue tells the parent that the delay before a restart is over.
type restartDue struct {
	life   uint64
	parent actor.Supervisor
	child  *actor.PID
}

func (s *supervisor) begin(parent *actor.PID) {
	s.parent = parent
	s.life++
	for who, f := range s.failures {
		f.pending = false
		s.failures[who] = f
	}
}

func (s *supervisor) end() { s.parent = nil }

// HandleFailure implements actor.SupervisorStrategy.
func (s *supervisor) HandleFailure(
	system *actor.ActorSystem, parent actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, message any,
) {
	c, crashed := reason.(*crash)
	switch {
	case crashed && c.kind == Worker:
		parent.StopChildren(child)
		return
	case s.parent == nil:
		return // the child is told to stop
	case crashed && c.kind == Part:
		parent.EscalateFailure(&crash{kind: s.kind, value: c.value}, message)
		return
	}
	who, now := s.group(child), time.Now()
	f := s.failures[who]
	if f.pending {
		return // the restart that is due is this one's, too
	}
	if now.Sub(f.last) > restartHealthy {
		f.count = 0
	}
	delay := Backoff(f.count, restartFloor, restartCap, s.env.Jitter())
	s.failures[who] = failures{count: f.count + 1, last: now, pending: true}
	s.env.Often.Warn("restarting an actor", logActor, child.Id, LogDelay, delay)
	due, to := restartDue{life: s.life, parent: parent, child: child}, s.parent
	time.AfterFunc(delay, func() { system.Root.Send(to, due) })
}

// restart restarts a child, with all that cannot do without it.
func (s *supervisor) restart(system *actor.ActorSystem, m restartDue) {
	if s.parent == nil || m.life != s.life {
		return
	}
	who := s.group(m.child)
	f := s.failures[who]
	f.pending = false
	s.failures[who] = f
	var together []*actor.PID // the library's list of children is read, never changed
	for _, child := range m.parent.Children() {
		if s.group(child) == who {
			together = append(together, child)
		}
	}
	// What waits in their mailboxes is for the next incarnations; the library sees to it only for the actor that failed.
	// All of them are suspended before the first restarts: else one that still runs would hear that the others' workers
	// end, or would be asked by the next incarnation of another, and take the answer to the grave.
	for _, child := range together {
		if process, lives := system.ProcessRegistry.Get(child); lives {
			process.SendSystemMessage(child, &actor.SuspendMailbox{})
		}
	}
	m.parent.RestartChildren(together...)
}

// group names what restarts with a child: the child alone, or all of those that restart together.
func (s *supervisor) group(child *actor.PID) string {
	name := child.Id[strings.LastIndexByte(child.Id, '/')+1:]
	for _, prefix := range s.together {
		if strings.HasPrefix(name, prefix) {
			return "together"
		}
	}
	return child.Id
}
