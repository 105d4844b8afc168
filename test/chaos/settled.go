package chaos

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/sandbox/apimsim"
)

const (
	// oldestView is how old what REST shows of a subscription may be: another node's database may lag, and an answer that
	// was read may wait to be stored. It is longer than the agent waits before it asks.
	oldestView = 10 * time.Minute
	// lagsInCalm is how long after the faults it still does so: most keys are asked about only then.
	lagsInCalm = 10 * time.Minute
	// settledWithin is how long an unconfirmed key may be listed that APIM can tell about, once nothing hinders it: it is
	// asked about after two minutes, ten minutes after that, and not for ten minutes after a question that failed.
	settledWithin = 24 * time.Minute
)

// views is how APIM had subscriptions, over time. The wire's lock guards it.
type views map[string][]view

// view is a subscription since an instant.
type view struct {
	at       time.Time
	status   string
	metadata map[string]string
}

// look notes what has changed. It is called at each message, so a change may be noted late, and an old view be older.
func (v views) look(subs []apimsim.Subscription) {
	for _, sub := range subs {
		seen := v[sub.ID]
		if n := len(seen); n > 0 && seen[n-1].status == sub.Status && maps.Equal(seen[n-1].metadata, sub.Metadata) {
			continue
		}
		v[sub.ID] = append(seen, view{time.Now(), sub.Status, sub.Metadata})
	}
}

// lookAt has the wire remember how APIM has its subscriptions now.
func (r *run) lookAt(m apimsim.Message) {
	if r.rest && r.world != nil {
		subs := r.world.APIM.Subscriptions()
		r.wire.mu.Lock()
		r.wire.views.look(subs)
		r.wire.mu.Unlock()
	}
	r.wire.onMessage(m)
}

// viewAt is how APIM had a subscription at an instant, or at first where that was later; false if it has had none.
func (r *run) viewAt(id string, at time.Time) (found view, known bool) {
	r.wire.mu.Lock()
	defer r.wire.mu.Unlock()
	for n, v := range r.wire.views[id] {
		if n == 0 || !v.at.After(at) {
			found, known = v, true
		}
	}
	return found, known
}

// lags reports whether REST may still show what is old.
func (r *run) lags() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calmed.IsZero() || time.Since(r.calmed) < lagsInCalm
}

// lagging has APIM's REST API show subscriptions as they were a while ago: state and metadata of one moment.
func (r *run) lagging(next http.Handler) http.Handler {
	nth := newCounter()
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, id, one := strings.Cut(q.URL.Path, "/subscriptions/")
		name := fmt.Sprint(id, " ", nth.next(id))
		if !one || !r.lags() || !r.dice.chance(0.5, "old view", name) {
			next.ServeHTTP(w, q)
			return
		}
		was, known := r.viewAt(id, time.Now().Add(-r.dice.duration(0, oldestView, "age of view", name)))
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, q)
		body := answer.Body.Bytes()
		var shown map[string]any
		if known && answer.Code == http.StatusOK && json.Unmarshal(body, &shown) == nil {
			if shown["status"] != was.status {
				r.count("old views of subscriptions", 1)
			}
			shown["status"], shown["metadata"] = was.status, was.metadata
			if len(was.metadata) == 0 { // APIM leaves out what there is not
				delete(shown, "metadata")
			}
			body, _ = json.Marshal(shown) // of texts
		}
		maps.Copy(w.Header(), answer.Header())
		w.Header().Del("Content-Length")
		w.WriteHeader(answer.Code)
		_, _ = w.Write(body)
	})
}

// mayReadAll has the token's account read all subscriptions.
func (r *run) mayReadAll() {
	if r.rest {
		r.world.APIM.Allow(restToken, apimsim.Account{Admin: true})
	}
}

// endedInAPIM reports whether APIM takes no answer for a subscription any more, and shows that.
func (r *run) endedInAPIM(id string) bool {
	return r.rest && slices.ContainsFunc(r.world.APIM.Subscriptions(), func(sub apimsim.Subscription) bool {
		return sub.ID == id && (sub.Status == apimsim.SubscriptionRejected || sub.Status == apimsim.SubscriptionClosed)
	})
}

// countSettled counts the keys that APIM's word has settled.
func (r *run) countSettled() {
	for _, s := range r.journals() {
		for _, writes := range s.journal.all() {
			for n, w := range writes {
				if n > 0 && writes[n-1].State == keys.Unconfirmed && strings.HasPrefix(w.Reason, "APIM has the subscription") &&
					w.State != keys.Unconfirmed {
					r.count("unconfirmed keys settled by APIM's word: "+string(w.State), 1)
				}
			}
		}
	}
}

// checkSettled: an unconfirmed key that APIM can tell about is settled.
func (b *keyBook) checkSettled(rec listed) {
	r := b.run
	if !r.rest || r.profile.hasAny(famClock, famSettings) || time.Since(rec.UpdatedAt) < settledWithin {
		return
	}
	sub := b.subs[rec.SubscriptionID]
	if !slices.ContainsFunc(r.world.APIM.APIs(), func(a apimsim.API) bool { return a.ID == sub.APIID }) {
		return
	}
	later := slices.ContainsFunc(b.records, func(other listed) bool {
		return other.SubscriptionID == rec.SubscriptionID && keys.Compare(rec.Record, other.Record) < 0
	})
	switch sub.Status {
	case apimsim.SubscriptionAccepted:
		if later || sub.Metadata[keyIDMetadata] != rec.KeyID {
			r.count("keys of which APIM's word proves nothing", 1)
			return
		}
	case apimsim.SubscriptionRejected, apimsim.SubscriptionClosed:
	default:
		return
	}
	r.violated("unsettled", "%s is listed as unconfirmed, and APIM tells what became of it: %s, with key %s (%s)",
		describe(rec), sub.Status, sub.Metadata[keyIDMetadata], rec.LastError)
}
