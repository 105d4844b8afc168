package chaos

import (
	"slices"
	"time"

	"federation-agent/internal/sandbox/apimsim"
)

// doneActors are those by which the news goes that APIM took a `done`, and those that restart together with them: a
// panic there may lose it.
func doneActors() []string {
	return append(fateActors(), "ingest", "jobs", "claims", "router", "catalogue", "reconciler", "identity", "target",
		"discoverer")
}

// checkDone: a `done` that APIM took is sent again only where the news of that was lost.
func (r *run) checkDone() {
	ended := map[int]time.Time{}
	for _, e := range r.world.APIM.EndedSessions() {
		ended[e.Conn] = e.At
	}
	r.wire.mu.Lock()
	defer r.wire.mu.Unlock()
	for id, job := range r.wire.jobs {
		var taken *ingestMessage
		for _, m := range job.messages {
			if !m.done {
				continue
			}
			if taken != nil && !m.at.Before(taken.answered.Add(r.crossing(taken.conn, m.conn))) {
				r.count("done after a done that was taken", 1)
				// What a connection that was held up brings later was sent before.
				if !r.doneLost(taken, ended) && !r.wire.heldAt(m.conn, taken.answered) {
					r.violated("done-twice",
						"job %s: done was taken at +%.3fs, nothing kept the agent from hearing of it, and it came again at +%.3fs",
						id, taken.answered.Sub(r.began).Seconds(), m.at.Sub(r.began).Seconds())
				}
			}
			if taken == nil && m.status == apimsim.StatusSucceeded {
				taken = m
			}
		}
	}
}

// crossing is how long after a message was written to an agent by one connection something may come by another that the
// agent sent before it had that message. It needs the wire's lock.
func (r *run) crossing(to, from int) time.Duration {
	sum := time.Duration(0)
	if link := r.wire.conn(to).link; link != nil {
		_, down := r.latencies(link.ID().String())
		sum += down
	}
	if link := r.wire.conn(from).link; link != nil {
		up, _ := r.latencies(link.ID().String())
		sum += up
	}
	return sum
}

// doneLost reports whether the connection, the process or an actor was struck before the news that a `done` was taken
// could be written down, or held up, or whether the disk refused it. It needs the wire's lock.
func (r *run) doneLost(done *ingestMessage, ended map[int]time.Time) bool {
	heard := done.answered.Add(slowestLatency)
	if end, over := ended[done.conn]; over && !end.After(heard) || r.wire.conn(done.conn).struckBy(heard) ||
		r.wire.heldAt(done.conn, heard) || r.disksFailed() {
		return true
	}
	for _, c := range r.wire.commands { // an agent that was told good-bye reads no more
		if c.kind == "GOOD_BYE" && c.conn == done.conn && !c.written.After(heard) {
			return true
		}
	}
	until := heard.Add(proofWritten)
	if r.replicas.seemedGone(done.agent, done.at, until) || r.replicas.forgot(done.agent, "course", done.at, until, doneActors()...) {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.panics, func(p panicked) bool {
		return p.agent == done.agent && slices.Contains(doneActors(), p.kind) && !p.at.Before(done.at.Add(-time.Second)) &&
			!p.at.After(until)
	}) || slices.ContainsFunc(r.lives, func(l *lifetime) bool {
		return l.name == done.agent && !l.ended.IsZero() && !l.ended.Before(done.at) && !l.ended.After(until)
	})
}
