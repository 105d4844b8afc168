package chaos

import (
	"context"
	"slices"
	"strings"
	"time"

	"federation-agent/internal/federation"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/test/world"
)

// checkReplies: a command whose session lived for its 60 s was answered.
func (r *run) checkReplies() {
	ended := map[int]time.Time{}
	for _, e := range r.world.APIM.EndedSessions() {
		ended[e.Conn] = e.At
	}
	now := time.Now()
	for _, c := range r.wire.sent() {
		if c.kind == "GOOD_BYE" || c.kind == "" {
			continue
		}
		r.count("commands written", 1)
		if len(c.replies) > 0 {
			r.count("commands answered", 1)
			continue
		}
		r.wire.mu.Lock()
		conn := *r.wire.conn(c.conn)
		// One that is held up ends for the controller when that is over.
		until := c.written.Add(time.Minute + time.Second + r.wire.heldFor(c.conn, c.written))
		r.wire.mu.Unlock()
		end, over := ended[c.conn]
		if (over && !end.After(until)) || now.Before(until) || conn.struckBy(until) || r.endedBefore(conn.agent, until) {
			continue
		}
		r.violated("reply-missing", "%s %s was written to connection %d at +%.3fs, the session lived on, and no answer came",
			c.kind, c.id, c.conn, c.written.Sub(r.began).Seconds())
	}
}

// endedBefore reports whether a process had ended at an instant.
func (r *run) endedBefore(agent string, at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.lives,
		func(l *lifetime) bool { return l.name == agent && !l.ended.IsZero() && !l.ended.After(at) })
}

// neverRight are the problems that APIM may see under no fault.
func neverRight() []apimsim.ProblemCode {
	return []apimsim.ProblemCode{
		apimsim.ProblemLegacyProtocol, apimsim.ProblemTextMessage, apimsim.ProblemFrameTooLarge,
		apimsim.ProblemMessageTooLarge,
		apimsim.ProblemUnreadable, apimsim.ProblemSecondHello, apimsim.ProblemPrimaryRefused,
		apimsim.ProblemGoodByeAnswered, apimsim.ProblemStrayReply, apimsim.ProblemWrongChannel,
		apimsim.ProblemNullAPIs, apimsim.ProblemAPIFailed, apimsim.ProblemRandomIdentity, apimsim.ProblemPageSkipped,
		apimsim.ProblemWrongJob, apimsim.ProblemNoKey, apimsim.ProblemSecretShown, apimsim.ProblemKeyTooLong,
	}
}

// checkProblems looks at what APIM found wrong.
func (r *run) checkProblems() {
	jobs := map[string]apimsim.Job{}
	for _, j := range r.world.APIM.Jobs() {
		jobs[j.ID] = j
	}
	for _, p := range r.world.APIM.Problems() {
		r.count("problem "+string(p.Code), 1)
		switch {
		case strings.HasSuffix(p.Subject, garbageID), r.mayBeTooLarge(p.Code):
		case slices.Contains(neverRight(), p.Code):
			r.violated("protocol", "%s: %s %s", p.Code, p.Subject, p.Detail)
		case p.Code == apimsim.ProblemBatchDropped:
			// One that APIM got to know after all came too early; others are of jobs whose start it gave up.
			// Where START_INGEST's answer was held up, another connection has carried the INGEST meanwhile.
			if j, known := jobs[p.Subject]; known && p.At.Before(j.CreatedAt) && !r.wire.heldUp(p.Subject) {
				r.violated("ingest-early", "an INGEST of job %s came %s before APIM had the job", p.Subject, j.CreatedAt.Sub(p.At))
			}
		case p.Code == apimsim.ProblemPlanDeleted:
			r.checkPlanDeleted(p)
		}
	}
}

// checkPlanDeleted: a plan that APIM deleted was gone in AWS.
func (r *run) checkPlanDeleted(p apimsim.Problem) {
	api, plan, _ := strings.Cut(p.Subject, " plan ")
	// A job is APIM's for as long as each of its batches comes within five minutes of the last.
	estates := r.estate.between(p.At.Add(-listingAge-2*apimsim.DefaultJobTimeout), p.At)
	if !everUnlinked(estates, api, plan) {
		r.violated("plan-lost", "plan %s of API %s was deleted in APIM (%s), and AWS had it all the time", plan, api,
			p.Detail)
	}
	if len(r.slots) > 1 && r.replicas == nil || r.disksFailed() || r.replicas.wasRestored(p.At) {
		return // another replica sent it, or what was sent is forgotten: the guard is blind
	}
	if since := r.estate.goneSince(api, plan); p.At.Sub(since) < federation.SecondLook {
		r.violated("removal-unseen", "plan %s of API %s was deleted in APIM %s after it was first gone in AWS", plan, api,
			p.At.Sub(since))
	}
}

// checkJobs: a job that ended as a success has sent, or named, all that it was asked for.
func (r *run) checkJobs() {
	for _, job := range r.world.APIM.Jobs() {
		seen := r.wire.job(job.ID)
		if job.Total > 0 && job.Status != apimsim.JobSuccess && len(r.profile) == 1 && r.profile.has(famAway) {
			r.violated("job-given-up", "job %s ended %s, and AWS was away for no more than %s at a time", job.ID, job.Status,
				longestAway)
		}
		if job.Status != apimsim.JobSuccess || seen == nil || job.Total == 0 || seen.doneAt.IsZero() {
			continue
		}
		r.count("jobs that succeeded", 1)
		from := seen.command.written.Add(-listingAge)
		there := slices.DeleteFunc(lasting(r.estate.between(from, seen.doneAt)), func(id string) bool {
			return !r.configured(id, from, seen.doneAt)
		})
		asked := seen.command.apiIDs
		if len(asked) == 0 {
			asked = there
		}
		stored := map[string]bool{}
		for _, m := range seen.messages {
			if m.status != apimsim.StatusError {
				for _, id := range m.apis {
					stored[id] = true
				}
			}
		}
		for _, id := range asked {
			named := r.world.Log.Has("job="+job.ID, id)
			switch {
			case stored[id] || r.wire.storedByAnother(seen, id): // of two jobs, the one with the newer listing sends an API
			case r.unsentIsRight(id):
			case !named:
				r.violated("job-incomplete", "job %s ended as a success without API %s, and no log line names it", job.ID, id)
			// APIM refuses an API, or a worker panics: that is no target's fault. Whatever else fails is one.
			case r.world.Log.Has("job="+job.ID, id, "takes no message as large as this API"):
			case slices.Contains(there, id) &&
				!r.profile.hasAny(famListings, famEdits, famMass, famStale, famIngest, famPanics):
				r.violated("job-partial", "job %s ended as a success without API %s, which nothing befell but a fault of its target",
					job.ID, id)
			}
		}
	}
}

// storedByAnother reports whether APIM took an API from another job while this one ran. One of several replicas may send a
// batch long after it has noted in the table that it does: the other job leaves its APIs out from then on.
func (w *wire) storedByAnother(job *ingestJob, id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, other := range w.jobs {
		for _, m := range other.messages {
			if other != job && m.status != apimsim.StatusError && slices.Contains(m.apis, id) &&
				m.at.After(job.command.written) && (w.run.replicas != nil || !m.at.After(job.doneAt)) {
				return true
			}
		}
	}
	return false
}

func regionOf(id string) string {
	parsed, _ := federation.ParseID(id) // it is of the estate
	return parsed.Region
}

// heldUp reports whether the connection by which a job was asked for was held up.
func (w *wire) heldUp(job string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	j := w.jobs[job]
	return j != nil && w.heldFor(j.command.conn, j.command.written) > 0
}

func (w *wire) job(id string) *ingestJob {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.jobs[id]
}

// checkJobsLeft: nothing goes on when everything has come to rest.
func (r *run) checkJobsLeft() {
	for _, s := range r.journals() {
		if s.journal.everFailed() {
			continue // what was deleted while the disk did not open comes back, and is found too old at the next start
		}
		jobs, err := s.ingests().Running(context.Background(), world.Integration)
		if err != nil {
			r.violated("store", "the jobs of %s cannot be read: %v", s.name, err)
		}
		for _, j := range jobs {
			r.violated("job-left", "job %s is still in the store of %s", j.JobID, s.name)
		}
	}
}

// checkSecrets: no secret is in a text.
func (r *run) checkSecrets(where, text string) {
	for _, secret := range r.secrets() {
		if strings.Contains(text, secret) {
			r.violated("secret", "%s holds a secret that begins with %q", where, secret[:4])
			return
		}
	}
}

// checkLog: no secret, and no panic but those that were injected.
func (r *run) checkLog() {
	r.checkSecrets("the log", r.world.Log.String())
	for line := range strings.SplitSeq(r.world.Log.String(), "\n") {
		if strings.Contains(line, "panicked") && !strings.Contains(line, "injected: ") {
			r.violated("panic", "%s", line)
		}
	}
	r.wire.mu.Lock()
	errors := strings.Join(r.wire.errors, "\n")
	r.wire.mu.Unlock()
	r.checkSecrets("an error text", errors)
}
