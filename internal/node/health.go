package node

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"federation-agent/internal/status"
	"federation-agent/internal/store"
)

const (
	// sessionAwayFor is how long every session may be away before that is unhealthy. Orchestrators restart what is
	// unhealthy, and a restart brings back neither APIM nor the network. As a last resort, against a fault of this process
	// that nobody has thought of, it is worth one start in ten minutes.
	sessionAwayFor = 10 * time.Minute
	// silentFor is how long the actors may give no sign of life: four times the longest wait before a failed actor is
	// started again, so that one that fails and mends itself is not taken for one that hangs.
	silentFor = 2 * time.Minute
	// signWithin is how long one question waits for a sign of life: half of the second after which Kubernetes gives
	// a probe up unless told otherwise.
	signWithin = 500 * time.Millisecond
)

// verdict is one probe's result, as gravitee-node writes it.
type verdict struct {
	Healthy bool   `json:"healthy"`
	Message string `json:"message,omitempty"`
}

// probes are what health consists of. A restart mends a process that hangs; it mends neither a full disk nor a tripped
// guard, so these only tell.
func (a *api) probes() map[string]func(context.Context) verdict {
	return map[string]func(context.Context) verdict{
		"actors":     a.actorsAnswer,
		"session":    a.sessionsUp,
		"store":      a.storePromises,
		"plan-guard": a.guardHolds,
		"keys":       a.keysListed,
	}
}

// health answers 200 when all probes asked for are healthy, else 500.
func (a *api) health(w http.ResponseWriter, r *http.Request) {
	all := a.probes()
	var names []string
	if asked, some := r.URL.Query()["probes"]; some {
		names = strings.Split(strings.Join(asked, ","), ",")
	} else {
		for name := range all {
			names = append(names, name)
		}
	}
	verdicts, code := make(map[string]verdict, len(names)), http.StatusOK
	for _, name := range names {
		v := verdict{Message: "probe not found"}
		if probe, known := all[name]; known {
			v = probe(r.Context())
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
		return verdict{Healthy: true}
	case a.silentSince.IsZero():
		a.silentSince = now
	}
	silent := now.Sub(a.silentSince)
	return verdict{Healthy: silent < silentFor, Message: fmt.Sprintf("for %s: %v", silent.Round(time.Second), err)}
}

// sessionsUp is unhealthy only while no integration has a session: a restart for one of them would cost the others theirs.
func (a *api) sessionsUp(context.Context) verdict {
	now, longest, serving := a.Now(), time.Duration(0), false
	var away []string
	for _, i := range a.Board.Read().Integrations {
		switch i.Session.State {
		case status.Up:
			serving = true
		case status.Away:
			since := now.Sub(i.Session.Since)
			longest = max(longest, since)
			text := fmt.Sprintf("integration %s has had no session to APIM for %s", i.ID, since.Round(time.Second))
			if i.Session.LastError != "" {
				text += ": " + i.Session.LastError
			}
			away = append(away, text)
		case status.Ended:
		}
	}
	v := verdict{Healthy: serving || longest < sessionAwayFor}
	if len(away) > 0 {
		v.Message = strings.Join(away, "; ") + "; the agent keeps trying"
	}
	return v
}

func (a *api) storePromises(context.Context) verdict {
	return verdict{Healthy: true, Message: strings.Join(a.StoreHealth().Messages, "; ")}
}

func (a *api) guardHolds(context.Context) verdict {
	var held []string
	for _, i := range a.Board.Read().Integrations {
		if len(i.Guard) > 0 {
			held = append(held, fmt.Sprintf("ingests of integration %s are refused, as they would delete plans and their subscriptions (%s)",
				i.ID, strings.Join(i.Guard, "; ")))
		}
	}
	if len(held) == 0 {
		return verdict{Healthy: true}
	}
	return verdict{Healthy: true, Message: strings.Join(held, "; ") + "; " + guardAdvice}
}

// guardAdvice is what to do about a tripped guard.
const guardAdvice = "if it is meant, start the ingest again in a minute; else look at the usage plans in AWS"

func (a *api) keysListed(context.Context) verdict {
	records, err := a.Keys.Records(store.Filter{States: listed()})
	if err != nil {
		return verdict{Healthy: true, Message: "the key journal cannot be read: " + err.Error()}
	}
	states := map[store.KeyState]int{}
	for _, r := range records {
		states[r.State]++
	}
	if len(records) == 0 {
		return verdict{Healthy: true}
	}
	return verdict{Healthy: true, Message: fmt.Sprintf("to be looked at, see /_node/federation: %d unconfirmed keys, %d lost creates",
		states[store.StateUnconfirmed], states[store.StateLostCreate])}
}

// listed are the states of keys that somebody has to look at.
func listed() []store.KeyState {
	return []store.KeyState{store.StateUnconfirmed, store.StateLostCreate}
}
