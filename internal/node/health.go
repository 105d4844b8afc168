package node

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"federation-agent/internal/status"
	"federation-agent/internal/words"
)

const (
	// sessionAwayFor is how long all sessions may be away before that is unhealthy. Orchestrators restart an unhealthy
	// process, and a restart repairs neither APIM nor the network. It may repair an unknown fault of this process,
	// which is worth one start in ten minutes.
	sessionAwayFor = 10 * time.Minute
	// silentFor is how long the actors may give no sign of life: four times the longest wait before a failed actor is
	// started again, so that an actor that recovers is not taken for one that hangs.
	silentFor = 2 * time.Minute
	// signWithin is how long one question waits for a sign of life: half of the second after which Kubernetes by
	// default ends a probe.
	signWithin = 500 * time.Millisecond
)

// verdict is one probe's result, as gravitee-node writes it.
type verdict struct {
	Healthy bool   `json:"healthy"`
	Message string `json:"message,omitempty"`
}

// probes are the parts of health. A restart repairs a process that hangs. It repairs neither a full disk nor a tripped
// guard, nor what AWS denies, so these probes stay healthy and only give a message. What an alert needs is in metrics.
func (a *api) probes() map[string]func(context.Context) verdict {
	return map[string]func(context.Context) verdict{
		"actors":     a.actorsAnswer,
		"session":    a.sessionsUp,
		"store":      func(context.Context) verdict { return healthy(a.StoreHealth().Messages...) },
		"plan-guard": a.guardHolds,
		"keys":       a.keysListed,
		"aws":        a.awsUsable,
		"ingest":     a.ingestsComplete,
	}
}

// health answers 200 when all probes asked for are healthy, else 500.
func (a *api) health(w http.ResponseWriter, r *http.Request) {
	all := a.probes()
	names := slices.Collect(maps.Keys(all))
	if asked, some := r.URL.Query()["probes"]; some {
		names = strings.Split(strings.Join(asked, ","), ",")
	}
	a.judge(w, r, all, names)
}

// live is unhealthy only where the process hangs: no other process would find APIM or its token in a better state.
func (a *api) live(w http.ResponseWriter, r *http.Request) {
	a.judge(w, r, a.probes(), []string{"actors"})
}

// ready is unhealthy while the agent cannot serve every integration, and until the table of a shared journal has confirmed
// it once: an update must not replace agents that can use the table by some that cannot. A table that is away later makes
// no agent unready: no other one would be better.
func (a *api) ready(w http.ResponseWriter, r *http.Request) {
	probes := map[string]func(context.Context) verdict{"session": a.sessionsOpen}
	if a.Board.Read().Shared != nil {
		probes["store"] = a.memberConfirmed
	}
	a.judge(w, r, probes, slices.Sorted(maps.Keys(probes)))
}

// judge answers with the verdicts of some probes.
func (a *api) judge(
	w http.ResponseWriter, r *http.Request, all map[string]func(context.Context) verdict, names []string,
) {
	verdicts, code := make(map[string]verdict, len(names)), http.StatusOK
	for _, name := range names {
		v := verdict{Message: "probe not found"}
		if probe, known := all[name]; known {
			v = probe(r.Context())
		}
		if !a.isNamed(r) { // a probe under a public name needs the verdict, and a foreign page learns no more
			v.Message = ""
		}
		verdicts[name] = v
		if !v.Healthy {
			code = http.StatusInternalServerError
		}
	}
	writeJSON(w, code, verdicts)
}

func (a *api) actorsAnswer(ctx context.Context) verdict {
	ctx, cancel := context.WithTimeout(ctx, signWithin)
	defer cancel()
	err := a.Alive(ctx)
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.Now()
	switch {
	case err == nil:
		a.silentSince = time.Time{}
		return healthy()
	case a.silentSince.IsZero():
		a.silentSince = now
	}
	silent := now.Sub(a.silentSince)
	return verdict{Healthy: silent < silentFor, Message: fmt.Sprintf("for %s: %v", words.Span(silent), err)}
}

// sessionsUp is unhealthy only while no integration has a session: a restart for one of them would end the others'.
func (a *api) sessionsUp(context.Context) verdict {
	now, longest, serving := a.Now(), time.Duration(0), false
	var away []string
	for _, i := range a.Board.Read().Integrations {
		serving = serving || i.Session.State == status.Up
		if i.Session.State != status.Away {
			continue
		}
		since := now.Sub(i.Session.Since)
		longest = max(longest, since)
		text := fmt.Sprintf("integration %s has had no session to APIM for %s", i.ID, words.Span(since))
		if i.Session.LastError != "" {
			text += ": " + i.Session.LastError
		}
		away = append(away, text)
	}
	if len(away) > 0 {
		away = append(away, "the agent keeps trying")
	}
	return verdict{Healthy: serving || longest < sessionAwayFor, Message: strings.Join(away, "; ")}
}

// sessionsOpen is healthy while each integration that APIM has not dismissed has a session, and one has.
func (a *api) sessionsOpen(ctx context.Context) verdict {
	open, allOpen := false, true
	for _, i := range a.Board.Read().Integrations {
		open = open || i.Session.State == status.Up
		allOpen = allOpen && i.Session.State != status.Away
	}
	return verdict{Healthy: open && allOpen, Message: a.sessionsUp(ctx).Message}
}

func (a *api) memberConfirmed(context.Context) verdict {
	s := a.Board.Read().Shared
	return verdict{Healthy: !s.ConfirmedAt.IsZero(), Message: s.Failure}
}

func (a *api) guardHolds(context.Context) verdict {
	var held []string
	for _, i := range a.Board.Read().Integrations {
		if len(i.Guard) > 0 {
			held = append(held, fmt.Sprintf("AWS does not list plans of integration %s any more that APIM has (%s)", i.ID,
				strings.Join(i.Guard, "; ")))
		}
	}
	if len(held) > 0 {
		held = append(held, "what is not confirmed yet is left out of ingests until a second listing in five minutes; the "+
			"next ingest after that deletes these plans in APIM with their subscriptions. If that is not meant, put the stages "+
			"back into their usage plans in AWS")
	}
	return healthy(held...)
}

func (a *api) keysListed(ctx context.Context) verdict {
	keys := a.keys(ctx, a.Board.Read())
	if keys.Problem != "" {
		return healthy("the key journal cannot be read: " + keys.Problem)
	}
	var listed []string
	if unconfirmed, lost := len(keys.Unconfirmed), len(keys.LostCreates); unconfirmed+lost > 0 {
		listed = append(listed, fmt.Sprintf("%d unconfirmed keys, %d lost creates: see /_node/federation", unconfirmed, lost))
	}
	if n := len(keys.Unserved); n > 0 {
		k := keys.Unserved[0]
		listed = append(listed, fmt.Sprintf("%d keys to be deleted that nothing configured reaches, first %s in %s: %s: "+
			"see /_node/federation", n, k.ID, words.Place(k.Account, k.Region), k.Do))
	}
	return healthy(listed...)
}

func (a *api) awsUsable(context.Context) verdict {
	var failed []string
	targets := 0
	for _, i := range a.Board.Read().Integrations {
		targets += len(i.Targets)
		for _, t := range i.Targets {
			if t.State == status.Failed {
				failed = append(failed, fmt.Sprintf("%s in %s for %s: %s", cmp.Or(t.Account, t.Role, "the credentials' account"),
					t.Region, words.Span(a.Now().Sub(t.Since)), t.Failure))
			}
		}
	}
	if len(failed) == 0 {
		return healthy()
	}
	return healthy(fmt.Sprintf("%d of %d accounts and regions could not be used the last time that the agent tried: %s",
		len(failed), targets, words.Few(failed, words.Some, "; ")))
}

func (a *api) ingestsComplete(context.Context) verdict {
	var said []string
	for _, i := range a.Board.Read().Integrations {
		if i.UnusedStages != "" {
			said = append(said, "the stage filter of integration "+i.ID+" names stages that no API has: "+i.UnusedStages)
		}
		for _, u := range i.UnusedFilters {
			said = append(said, u.Setting+" of integration "+i.ID+" has entries that do nothing: "+u.Entries)
		}
		last := i.LastIngest
		if last == nil || last.Failure == "" && last.Omitted == 0 {
			continue
		}
		text := fmt.Sprintf("the last ingest of integration %s (job %s, %s) ", i.ID, last.Job,
			words.Ago(a.Now().Sub(last.At)))
		if last.Failure != "" {
			text += "failed: " + last.Failure
		} else {
			text += "succeeded"
		}
		if last.Omitted > 0 {
			text += fmt.Sprintf("; it left out %d APIs that AWS has (%s), see /_node/federation", last.Omitted,
				byReason(last.OmittedBy))
		}
		said = append(said, text)
	}
	return healthy(said...)
}

// byReason writes how many for which reason, the most frequent first.
func byReason(counts map[string]int) string {
	reasons := words.MostFirst(counts)
	for n, reason := range reasons {
		reasons[n] = fmt.Sprintf("%s: %d", reason, counts[reason])
	}
	return strings.Join(reasons, ", ")
}

func healthy(messages ...string) verdict {
	return verdict{Healthy: true, Message: strings.Join(messages, "; ")}
}
