package acceptance

import (
	"bytes"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/store/storetest"
	"federation-agent/test/world"
)

const opSubscription = "GET /apis/{apiId}/subscriptions/{subscriptionId}"

// member makes the token's account a member of each API, too: that of the integration alone may not read the
// subscriptions of APIs that somebody else's ingest has brought.
func member(w *world.World) {
	account := apimsim.Account{Owns: []string{world.Integration}}
	for _, a := range w.APIM.APIs() {
		account.Manages = append(account.Manages, a.ID)
	}
	w.APIM.Allow(restToken, account)
}

// acceptedUnproved gives a key that APIM has, and of which the agent does not know that, because it was killed before it
// wrote that down; and the agent that was started then.
func acceptedUnproved(t *testing.T, w *world.World) *world.Instance {
	t.Helper()
	agent, api := ingested(w)
	member(w)
	onceWritten(w, keys.Delivered, func() storetest.Outcome { return storetest.Outcome{Crash: true} })
	if sub := subscribe(w, api); sub.Status != apimsim.SubscriptionAccepted {
		t.Fatalf("the subscription is %s", sub.Status)
	}
	pass(time.Second)
	agent.Crash()
	w.Disk.Decide(nil)
	next := w.StartAgent()
	pass(time.Minute)
	leaves(t, w, next, 1, keys.Unconfirmed)
	return next
}

// asks is how often APIM was asked for subscriptions.
func asks(w *world.World) int {
	n := 0
	return requests(w, &n)[opSubscription]
}

func TestAnUnconfirmedKeyThatAPIMHasAcceptedIsDeliveredAndWorks(t *testing.T) {
	run(t, withREST(world.Options{}), func(t *testing.T, w *world.World) {
		agent := acceptedUnproved(t, w)
		if !w.Log.Has(agent.Name, "level=WARN", "nobody knows whether APIM has this API key: the agent asks APIM") {
			t.Error("the log does not say that the agent asks")
		}
		calls := len(w.AWS.Calls(0))
		pass(2 * time.Minute)
		leaves(t, w, agent, 1, keys.Delivered)
		sub := w.APIM.Subscriptions()[0]
		if status := invoke(w, w.APIM.APIs()[0], sub.APIKey.Reveal()); status != 200 {
			t.Errorf("a call with the key: %d", status)
		}
		if !w.Log.Has(agent.Name, "level=INFO", "APIM tells what became of an unconfirmed API key", "state=delivered", sub.ID) {
			t.Error("the log does not say so")
		}
		pass(24 * time.Hour)
		if n := asks(w); n != 1 || len(w.AWS.Calls(0)) != calls {
			t.Errorf("APIM was asked %d times for it, AWS %d times", n, len(w.AWS.Calls(0))-calls)
		}
	})
}

func TestAnUnconfirmedKeyThatAPIMHasNotIsDeleted(t *testing.T) {
	run(t, withREST(world.Options{}), func(t *testing.T, w *world.World) {
		agent := unconfirmed(t, w, nil)
		member(w)
		if _, err := order(t, agent, keys.Order{Wanted: keys.Acknowledge, Seen: keys.Unconfirmed}); err != nil {
			t.Fatal(err)
		}
		pass(30 * time.Second)
		if r := onlyRecord(t, agent); !r.IsAcknowledged() {
			t.Error("the acknowledgement is gone, and nothing has changed")
		}
		pass(time.Minute)
		leaves(t, w, agent, 0, "")
		if !w.Log.Has(agent.Name, "APIM tells what became of an unconfirmed API key", "state=deleting", "REJECTED") {
			t.Error("the log does not say so")
		}
	})
}

// rewriting changes a text in APIM's answers below a path.
func rewriting(path, from, to string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.URL.Path, path) {
				next.ServeHTTP(w, r)
				return
			}
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			body := bytes.ReplaceAll(answer.Body.Bytes(), []byte(from), []byte(to))
			maps.Copy(w.Header(), answer.Header())
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			w.WriteHeader(answer.Code)
			_, _ = w.Write(body)
		})
	}
}

// What the stand-in's API has no way to make, its answer says.
func TestAnUnconfirmedKeyFollowsTheStateThatAPIMShows(t *testing.T) {
	for name, c := range map[string]struct {
		from, to string // in the answer
		keys     int
		then     keys.State
	}{
		"closed":      {`"ACCEPTED"`, `"CLOSED"`, 0, ""},
		"paused":      {`"ACCEPTED"`, `"PAUSED"`, 1, keys.Delivered},
		"pending":     {`"ACCEPTED"`, `"PENDING"`, 1, keys.Unconfirmed},
		"another key": {`"aws-api-key-id":"`, `"aws-api-key-id":"another-`, 1, keys.Unconfirmed},
		"no key":      {`"aws-api-key-id"`, `"something-else"`, 1, keys.Unconfirmed},
	} {
		t.Run(name, func(t *testing.T) {
			o := withREST(world.Options{})
			o.APIM.Before = rewriting("/subscriptions/", c.from, c.to)
			run(t, o, func(t *testing.T, w *world.World) {
				agent := acceptedUnproved(t, w)
				pass(30 * time.Minute)
				leaves(t, w, agent, c.keys, c.then)
			})
		})
	}
}

// A wrong environment, a token that may not, and an APIM that is away never have a key deleted, whatever it would be.
func TestWithoutAnAnswerAnUnconfirmedKeyStaysAndTheReasonIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world.Options)
		mend   func(*world.World)
		says   string
	}{
		"another environment's id": {func(o *world.Options) {
			o.Settings["gravitee_agent_apim_environmentId"] = "other"
			o.APIM.Integrations = []apimsim.Integration{
				{ID: world.Integration, Env: "DEFAULT"}, {ID: "another-integration", Env: "other"},
			}
		}, nil, "agent.apim.environmentId"},
		"the environment's readable name": {func(o *world.Options) {
			o.Settings["gravitee_agent_apim_environmentId"] = "default"
			o.APIM.Readable = map[string]string{"DEFAULT": "default"}
		}, nil, "agent.apim.environmentId"},
		"the token is no member of the API": {func(*world.Options) {}, member, "403"},
	} {
		t.Run(name, func(t *testing.T) {
			o := withREST(world.Options{})
			c.change(&o)
			run(t, o, func(t *testing.T, w *world.World) {
				agent := unconfirmed(t, w, nil)
				if c.mend == nil {
					member(w)
				}
				pass(2 * time.Hour)
				leaves(t, w, agent, 1, keys.Unconfirmed)
				if why := onlyRecord(t, agent).LastError; !strings.Contains(why, c.says) {
					t.Errorf("the journal says %q", why)
				}
				if !w.Log.Has(agent.Name, "level=WARN", "cannot settle unconfirmed API keys", c.says) {
					t.Error("the log does not say why")
				}
				if n := asks(w); n < 10 || n > 12 {
					t.Errorf("APIM was asked %d times in two hours", n)
				}
				agent.Crash()
				next := w.StartAgent()
				pass(time.Second)
				if !w.Log.Has(next.Name, "that need attention: the agent asks APIM", "could not settle the key yet", c.says) {
					t.Error("the next start does not say why it needs somebody")
				}
				if c.mend != nil {
					c.mend(w)
					pass(11 * time.Minute)
					leaves(t, w, next, 0, "")
				}
			})
		})
	}
}

func TestAnAPIMThatIsAwayIsAskedAgainWhenItIsBack(t *testing.T) {
	var away atomic.Bool
	o := withREST(world.Options{})
	o.APIM.Script = &apimsim.Script{REST: func(r apimsim.RESTRequest) apimsim.RESTFault {
		return apimsim.RESTFault{CutBefore: away.Load() && r.Operation == opSubscription}
	}}
	run(t, o, func(t *testing.T, w *world.World) {
		away.Store(true)
		agent := acceptedUnproved(t, w)
		pass(time.Hour)
		leaves(t, w, agent, 1, keys.Unconfirmed)
		away.Store(false)
		pass(11 * time.Minute)
		leaves(t, w, agent, 1, keys.Delivered)
	})
}

// The process is killed once it has written down that APIM does not have the key, or before that: the next one goes on.
func TestAKeyIsSettledThoughTheProcessIsKilledOverIt(t *testing.T) {
	for _, written := range []bool{false, true} {
		run(t, withREST(world.Options{}), func(t *testing.T, w *world.World) {
			agent := unconfirmed(t, w, nil)
			member(w)
			killed := onceWritten(w, keys.Deleting, func() storetest.Outcome {
				w.Network.Fence(agent.Name)
				return storetest.Outcome{Crash: true, Written: written}
			})
			w.Await("the kill", killed.Load)
			agent.Crash()
			w.Disk.Decide(nil)
			if n := len(w.AWS.Keys()); n != 1 {
				t.Fatalf("%d keys are there", n)
			}
			next := w.StartAgent()
			pass(time.Minute)
			leaves(t, w, next, 0, "")
			if n := asks(w); written && n != 1 || !written && n != 2 {
				t.Errorf("APIM was asked %d times", n)
			}
		})
	}
}

// That APIM does not know a subscription proves nothing: its answer is the same if the environment's id is wrong.
func TestAKeyOfASubscriptionThatAPIMDoesNotKnowStays(t *testing.T) {
	run(t, withREST(world.Options{}), func(t *testing.T, w *world.World) {
		agent := unconfirmed(t, w, nil)
		member(w)
		r := onlyRecord(t, agent)
		agent.Crash()
		next := w.StartAgentWith(world.AgentOptions{})
		gone := r
		gone.ID, gone.SubscriptionID = "another", "no-such-subscription"
		must(t, storetest.Remove(next.Store, r.ID))
		must(t, storetest.Put(next.Store, gone))
		pass(20 * time.Minute)
		leaves(t, w, next, 1, keys.Unconfirmed)
		if why := onlyRecord(t, next).LastError; !strings.Contains(why, "somebody has deleted the plan or the API there") {
			t.Errorf("the journal says %q", why)
		}
	})
}
