package acceptance

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/sandbox/memnet"
	"federation-agent/internal/secret"
	"federation-agent/test/world"
)

func TestASubscriptionGetsAnEnabledNamedAttachedKeyThatWorksAndMetadataWithoutSecrets(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		_, api := ingested(w)
		sub := accepted(w, api)
		keys := w.AWS.Keys()
		if len(keys) != 1 || !keys[0].Enabled || len(keys[0].Plans) != 1 ||
			keys[0].Plans[0].UsagePlan != api.Plans[0].ProviderID ||
			!strings.Contains(keys[0].Name, "Shop") || !strings.Contains(keys[0].Name, sub.ID) {
			t.Fatalf("keys: %+v", keys)
		}
		if status := invoke(w, api, sub.APIKey.Reveal()); status != 200 {
			t.Errorf("a call with the new key: %d", status)
		}
		if invoke(w, api, "") == 200 {
			t.Error("the API is open, so that shows nothing")
		}
		for name, value := range sub.Metadata {
			if value == keys[0].Value.Reveal() || value == "" {
				t.Errorf("metadata %s", name)
			}
		}
		if sub.Metadata["aws-api-key-id"] != keys[0].ID {
			t.Errorf("metadata: %v", sub.Metadata)
		}
		if p := w.APIM.ProblemsOf(apimsim.ProblemSecretShown); len(p) > 0 {
			t.Error(p)
		}
		if err := w.APIM.Unsubscribe(context.Background(), sub.ID); err != nil || len(w.AWS.Keys()) > 0 {
			t.Errorf("after UNSUBSCRIBE %v, keys %v", err, w.AWS.Keys())
		}
	})
}

func TestAFailureAfterCreateApiKeyDeletesTheKeyBeforeTheERROR(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		w.AWS.Script().Add(awssim.Rule{
			Operation: awssim.OpCreateUsagePlanKey,
			Fault:     awssim.Answer(404, awssim.CodeNotFound, "Invalid Usage Plan ID specified"),
		})
		sub := subscribe(w, api)
		if sub.Status != apimsim.SubscriptionRejected || !strings.Contains(sub.Reason, "usage plan") {
			t.Errorf("%s: %s", sub.Status, sub.Reason)
		}
		if keys := w.AWS.Keys(); len(keys) > 0 {
			t.Errorf("when the ERROR came these keys were there: %v", keys)
		}
		if j := journal(t, agent); len(j) > 0 {
			t.Errorf("journal: %v", j)
		}
	})
}

func TestAKeyThatCannotBeUndoneYetIsDeletedLaterHoweverLongItTakes(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		w.AWS.Script().Add(
			awssim.Rule{Operation: awssim.OpCreateUsagePlanKey, Fault: awssim.Answer(400, awssim.CodeBadRequest, "no")},
			awssim.Rule{Operation: awssim.OpDeleteAPIKey, Fault: awssim.Answer(403, awssim.CodeAccessDenied, "no")})
		if sub := subscribe(w, api); sub.Status != apimsim.SubscriptionRejected {
			t.Errorf("%s", sub.Status)
		}
		pass(6 * time.Hour)
		if n := w.AWS.CallCount(awssim.OpDeleteAPIKey); n < 30 || n > 90 {
			t.Errorf("%d tries in six hours, want patience", n)
		}
		agent.Crash()
		w.AWS.Script().Clear()
		next := w.StartAgent()
		w.Await("the key to be gone", func() bool { return len(w.AWS.Keys()) == 0 })
		pass(time.Second)
		if j := journal(t, next); len(j) > 0 {
			t.Errorf("journal: %v", j)
		}
	})
}

func TestAConflictThatIsNotTryAgainLaterMeansAttachedAlready(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		// The first attempt attaches, its answer is lost; the second finds the key attached.
		w.AWS.Script().Add(awssim.Rule{
			Operation: awssim.OpCreateUsagePlanKey, N: 1, Fault: awssim.Of(awssim.FaultLoseAnswer),
		})
		sub := accepted(w, api)
		if invoke(w, api, sub.APIKey.Reveal()) != 200 {
			t.Error("the key does not work")
		}
		// "Try again later" is no such conflict: it is tried again.
		w.AWS.Script().Clear()
		w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpCreateUsagePlanKey, Times: 2,
			Fault: awssim.Answer(409, awssim.CodeConflict,
				"Unable to complete operation due to concurrent modification. Please try again later.")})
		sub = accepted(w, api)
		if invoke(w, api, sub.APIKey.Reveal()) != 200 {
			t.Error("the key is not attached, but was answered")
		}
		refused := uint64(0)
		for call, n := range agent.Board.Read().Calls {
			if call.Operation == awssim.OpCreateUsagePlanKey && call.Result == "conflict_retryable" {
				refused += n
			}
		}
		if refused != 2 {
			t.Errorf("%d conflicts are counted", refused)
		}
		keysAreSubscriptions(t, w)
	})
}

func TestSubscriptionsOfOtherTypesAreRefusedWithAReason(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		_, api := ingested(w)
		for _, kind := range []string{apimsim.SubscriptionOAuth, apimsim.SubscriptionJWT} {
			sub, err := w.APIM.Subscribe(context.Background(), api.ID, api.Plans[0].ID, "Shop", kind)
			if err != nil || sub.Status != apimsim.SubscriptionRejected || !strings.Contains(sub.Reason, "type "+kind) {
				t.Errorf("%s: %+v %v", kind, sub, err)
			}
		}
		if n := w.AWS.CallCount(awssim.OpCreateAPIKey); n > 0 {
			t.Errorf("%d CreateApiKey calls", n)
		}
	})
}

func TestACreateApiKeyWhoseAnswerIsLostIsNeverRepeatedAndIsListed(t *testing.T) {
	for _, kind := range []awssim.FaultKind{awssim.FaultLoseAnswer, awssim.FaultHangAfter} {
		t.Run(string(kind), func(t *testing.T) {
			run(t, world.Options{}, func(t *testing.T, w *world.World) {
				agent, api := ingested(w)
				w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpCreateAPIKey, Fault: awssim.Of(kind)})
				if sub := subscribe(w, api); sub.Status != apimsim.SubscriptionRejected {
					t.Errorf("%s", sub.Status)
				}
				pass(time.Hour)
				if n := w.AWS.CallCount(awssim.OpCreateAPIKey); n != 1 {
					t.Errorf("CreateApiKey was sent %d times", n)
				}
				if j := journal(t, agent); j[keys.LostCreate] != 1 || len(j) != 1 {
					t.Errorf("journal: %v", j)
				}
				if !w.Log.Has("level=ERROR", "CreateApiKey was lost", w.AWS.Keys()[0].Name) {
					t.Error("the log does not name the key")
				}
			})
		})
	}
}

func TestAThrottledCreateApiKeyIsRepeated(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		_, api := ingested(w)
		w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpCreateAPIKey, Times: 2, Fault: awssim.Throttling(time.Second)})
		accepted(w, api)
		keysAreSubscriptions(t, w)
	})
}

// repeat sends a SUBSCRIBE as APIM would, without APIM's own book-keeping.
func repeat(w *world.World, api apimsim.API, id string) (status, key, keyID string) {
	w.T.Helper()
	reply, err := w.APIM.SendCommand(context.Background(), world.Integration, "SUBSCRIBE", map[string]any{
		"apiId": api.ProviderID, "subscription": map[string]any{
			"graviteeSubscriptionId": id, "graviteeApplicationName": "Shop", "type": "API_KEY",
			"metadata": map[string]string{"planId": api.Plans[0].ProviderID},
		},
	})
	if err != nil {
		w.T.Fatal(err)
	}
	var payload struct {
		Subscription struct {
			APIKey   string            `json:"apiKey"`
			Metadata map[string]string `json:"metadata"`
		} `json:"subscription"`
	}
	_ = json.Unmarshal(reply.Payload, &payload)
	return reply.Status, payload.Subscription.APIKey, payload.Subscription.Metadata["aws-api-key-id"]
}

func unsubscribe(w *world.World, apiID, id string, metadata map[string]string) apimsim.Reply {
	w.T.Helper()
	reply, err := w.APIM.SendCommand(context.Background(), world.Integration, "UNSUBSCRIBE", map[string]any{
		"apiId": apiID, "subscription": map[string]any{"graviteeSubscriptionId": id, "metadata": metadata},
	})
	if err != nil {
		w.T.Fatal(err)
	}
	return reply
}

// Each answer with a key would add one in APIM, and an ERROR before the first answer would reject the subscription.
func TestTheSameSUBSCRIBEAgainWhileTheFirstIsRunningIsRefusedOnceTheFirstIsDelivered(t *testing.T) {
	var mu sync.Mutex
	var answered []bool // as APIM reads them
	o := world.Options{AWS: awssim.Options{Latency: awssim.AWSLatency()}}
	o.APIM.OnMessage = func(m apimsim.Message) {
		if text := string(m.Data); m.Inbound && strings.Contains(text, `"SUBSCRIBE"`) {
			mu.Lock()
			defer mu.Unlock()
			answered = append(answered, strings.Contains(text, string(apimsim.StatusSucceeded)))
		}
	}
	run(t, o, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		got := make([]string, 3)
		together(3, func(i int) { _, got[i], _ = repeat(w, api, "sub-1") })
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(answered, []bool{true, false, false}) {
			t.Errorf("answered with keys: %v", answered)
		}
		if key := strings.Join(got, ""); invoke(w, api, key) != 200 || len(w.AWS.Keys()) != 1 {
			t.Errorf("%d keys in AWS, and the one that was answered does not work", len(w.AWS.Keys()))
		}
		pass(time.Second)
		leaves(t, w, agent, 1, keys.Delivered)
		if !w.Log.Has("no API key was made", "another SUBSCRIBE of the same subscription") {
			t.Error("the log does not say why")
		}
	})
}

func TestTheSameSUBSCRIBEAgainIsServedOnceTheFirstWasUndone(t *testing.T) {
	run(t, world.Options{AWS: awssim.Options{Latency: awssim.AWSLatency()}}, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		w.AWS.Script().Add(awssim.Rule{
			Operation: awssim.OpCreateUsagePlanKey, N: 1, Fault: awssim.Answer(400, awssim.CodeBadRequest, "no"),
		})
		var served, refused atomic.Int32
		together(2, func(int) {
			if status, key, _ := repeat(w, api, "sub-1"); status == apimsim.StatusSucceeded && invoke(w, api, key) == 200 {
				served.Add(1)
			} else {
				refused.Add(1)
			}
		})
		pass(time.Second)
		if served.Load() != 1 || refused.Load() != 1 {
			t.Errorf("%d served, %d refused", served.Load(), refused.Load())
		}
		leaves(t, w, agent, 1, keys.Delivered)
	})
}

func TestASUBSCRIBEBehindAnUNSUBSCRIBEThatWaitsIsServed(t *testing.T) {
	run(t, world.Options{AWS: awssim.Options{Latency: awssim.AWSLatency()}}, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		var statuses [3]string
		together(3, func(i int) {
			time.Sleep(time.Duration(i) * time.Millisecond)
			if i == 1 {
				statuses[i] = unsubscribe(w, api.ProviderID, "sub-1", nil).Status
				return
			}
			statuses[i], _, _ = repeat(w, api, "sub-1")
		})
		if statuses != [3]string{apimsim.StatusSucceeded, apimsim.StatusSucceeded, apimsim.StatusSucceeded} {
			t.Errorf("SUBSCRIBE, UNSUBSCRIBE, SUBSCRIBE: %v", statuses)
		}
		pass(time.Second)
		leaves(t, w, agent, 1, keys.Delivered)
	})
}

func TestTheSameSUBSCRIBEAfterDeliveryGetsANewKeyAndTheOldOneIsDeletedOnceItIsDelivered(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		var last string
		for range 3 {
			status, key, id := repeat(w, api, "sub-1")
			if status != apimsim.StatusSucceeded || id == last {
				t.Fatalf("%s %s", status, id)
			}
			last = id
			pass(time.Second)
			if keys := w.AWS.Keys(); len(keys) != 1 || keys[0].ID != id || invoke(w, api, key) != 200 {
				t.Errorf("keys: %v", keys)
			}
		}
		if j := journal(t, agent); j[keys.Delivered] != 1 || len(j) != 1 {
			t.Errorf("journal: %v", j)
		}
	})
}

func TestWhenTheNewKeysDeliveryIsUnprovedBothAreUnconfirmedAndTheNextSettlesIt(t *testing.T) {
	var mute atomic.Bool
	o := world.Options{APIM: apimsim.Options{Script: &apimsim.Script{Pong: func(int, int) bool { return !mute.Load() }}}}
	run(t, o, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		_, _, first := repeat(w, api, "sub-1")
		pass(time.Second)
		mute.Store(true)
		_, _, second := repeat(w, api, "sub-1")
		w.Await("the agent to give the session up", func() bool { return w.Log.Has("no pong") })
		mute.Store(false)
		w.Await("the agent to be back", func() bool { return len(w.APIM.Agents()) == 1 })
		pass(time.Minute)
		if j := journal(t, agent); j[keys.Unconfirmed] != 2 || len(j) != 1 || len(w.AWS.Keys()) != 2 {
			t.Errorf("journal %v, %d keys", j, len(w.AWS.Keys()))
		}
		for _, id := range []string{first, second} {
			if !w.Log.Has("nobody knows whether APIM has this API key", id) {
				t.Errorf("key %s is not named", id)
			}
		}
		agent.Crash()
		agent = w.Connected()
		pass(time.Minute)
		for _, id := range []string{first, second} {
			if !w.Log.Has("the key journal lists keys that need attention: see in APIM", id) {
				t.Errorf("what to do about key %s is not said at the next start", id)
			}
		}
		_, _, third := repeat(w, api, "sub-1")
		pass(time.Minute)
		if keys := w.AWS.Keys(); len(keys) != 1 || keys[0].ID != third {
			t.Errorf("after a proved delivery these keys are left: %v", keys)
		}
		if j := journal(t, agent); j[keys.Delivered] != 1 || len(j) != 1 {
			t.Errorf("journal %v", j)
		}
	})
}

func TestAnUNSUBSCRIBEDuringItsSUBSCRIBEWaitsForItThenDeletes(t *testing.T) {
	run(t, world.Options{
		AWS: awssim.Options{Latency: awssim.Latency{Keys: awssim.Span{Min: 3 * time.Second, Max: 3 * time.Second}}},
	},
		func(t *testing.T, w *world.World) {
			agent, api := ingested(w)
			pass(time.Minute)
			done := make(chan string, 2)
			go func() { status, _, _ := repeat(w, api, "sub-1"); done <- "SUBSCRIBE " + status }()
			pass(time.Second)
			go func() {
				done <- "UNSUBSCRIBE " + unsubscribe(w, api.ProviderID, "sub-1", nil).Status
			}()
			if a, b := <-done, <-done; a != "SUBSCRIBE SUCCEEDED" || b != "UNSUBSCRIBE SUCCEEDED" {
				t.Errorf("%s, %s", a, b)
			}
			pass(5 * time.Minute)
			if keys, j := w.AWS.Keys(), journal(t, agent); len(keys) > 0 || len(j) > 0 {
				t.Errorf("keys %v, journal %v", keys, j)
			}
		})
}

func TestUNSUBSCRIBEIsIdempotent(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		_, api := ingested(w)
		_, _, id := repeat(w, api, "sub-1")
		metadata := map[string]string{"aws-api-key-id": id}
		for range 3 {
			if reply := unsubscribe(w, api.ProviderID, "sub-1", metadata); reply.Status != apimsim.StatusSucceeded {
				t.Errorf("%v %s", reply, reply.ErrorDetails)
			}
		}
		if len(w.AWS.Keys()) > 0 {
			t.Error("the key is there")
		}
	})
}

func TestUNSUBSCRIBEWorksForOtherAgentsKeysAndAPIsLongGone(t *testing.T) {
	account := awssim.UniformAccount(0)
	for name, c := range map[string]struct {
		apiID    string
		metadata func(keyID string) map[string]string
		regions  string
	}{
		"another agent's, by the id alone": {account + ":eu-west-1:gone:prod", func(id string) map[string]string {
			return map[string]string{"aws-api-key-id": id}
		}, "eu-west-1"},
		"a bare REST API id where there is one target": {"abc123", func(id string) map[string]string {
			return map[string]string{"aws-api-key-id": id}
		}, "eu-west-1"},
		"a bare id with metadata that say where": {"abc123", func(id string) map[string]string {
			return map[string]string{
				"aws-api-key-id": id, "aws-api-gateway-account-id": account, "aws-api-gateway-region": "eu-west-1",
			}
		}, "us-east-1,eu-west-1"},
		"no API id but metadata that say where": {"", func(id string) map[string]string {
			return map[string]string{
				"aws-api-key-id": id, "aws-api-gateway-account-id": account, "aws-api-gateway-region": "eu-west-1",
			}
		}, "us-east-1,eu-west-1"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, world.Options{Settings: region(c.regions)}, func(t *testing.T, w *world.World) {
				w.Connected()
				id, err := w.AWS.PutKey(uniform(), awssim.APIKey{
					Name: "made by another agent", Value: secret.New("another-agents-key-value"), Enabled: true,
				})
				if err != nil {
					t.Fatal(err)
				}
				reply := unsubscribe(w, c.apiID, "sub-1", c.metadata(id))
				if reply.Status != apimsim.StatusSucceeded || len(w.AWS.Keys()) > 0 {
					t.Errorf("%v %s; keys %v", reply, reply.ErrorDetails, w.AWS.Keys())
				}
			})
		})
	}
}

func TestABareRESTAPIIDIsResolvedWhereItIsUnambiguous(t *testing.T) {
	estate := awssim.UniformEstate(awssim.UniformOptions{APIs: 2, StagesPerAPI: 1, Plans: 1})
	estate.Accounts[0].Regions = append(estate.Accounts[0].Regions, awssim.Region{Name: "us-east-1"})
	o := world.Options{AWS: awssim.Options{Estate: estate}, Settings: region("eu-west-1,us-east-1")}
	run(t, o, func(t *testing.T, w *world.World) {
		_, api := ingested(w)
		bare := api
		bare.ProviderID = strings.Split(api.ProviderID, ":")[2]
		if status, key, _ := repeat(w, bare, "sub-1"); status != apimsim.StatusSucceeded || invoke(w, api, key) != 200 {
			t.Errorf("%s", status)
		}
		bare.ProviderID = "nosuchapi0"
		if status, _, _ := repeat(w, bare, "sub-2"); status != apimsim.StatusError {
			t.Errorf("%s", status)
		}
	})
}

// An ERROR would come back for ever: nothing in APIM would ever name the key.
func TestAnUNSUBSCRIBEOfWhichNothingNamesTheKeyEndsAndIsListedOnce(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		for range 3 {
			if reply := unsubscribe(w, api.ProviderID, "sub-1", nil); reply.Status != apimsim.StatusSucceeded {
				t.Errorf("%v", reply)
			}
		}
		if j := journal(t, agent); j["lost-create"] != 1 || len(j) != 1 {
			t.Errorf("the journal has %v", j)
		}
		if n := w.Log.Count("level=ERROR", "nothing names its API key", "look for it by its name"); n != 1 {
			t.Errorf("%d warnings", n)
		}
		repeat(w, api, "sub-2")
		if reply := unsubscribe(w, api.ProviderID, "sub-2", nil); reply.Status != apimsim.StatusSucceeded ||
			len(w.AWS.Keys()) > 0 {
			t.Errorf("the journal knows the key: %v", reply)
		}
	})
}

// AWS refuses, resets or swallows connections for a while around a SUBSCRIBE and an UNSUBSCRIBE, at each of their
// calls.
func TestAnAWSThatIsAwayForSecondsIsNoMoreThanASlowOne(t *testing.T) {
	for _, operation := range []string{awssim.OpCreateAPIKey, awssim.OpCreateUsagePlanKey, awssim.OpDeleteAPIKey} {
		for _, away := range []time.Duration{500 * time.Millisecond, 5 * time.Second, 30 * time.Second} {
			t.Run(fmt.Sprintf("%s for %s", operation, away), func(t *testing.T) {
				var until atomic.Int64
				o := world.Options{Network: func(id memnet.ID) memnet.Plan {
					plan := memnet.NoPlan()
					if strings.HasPrefix(id.To, "aws") && time.Now().UnixNano() < until.Load() {
						plan.DialError = syscall.ECONNREFUSED
					}
					return plan
				}}
				run(t, o, func(t *testing.T, w *world.World) {
					_, api := ingested(w)
					pass(time.Minute) // no connection is kept
					goAway := func() {
						if operation == awssim.OpCreateAPIKey { // refused: one that is reset may have carried it
							until.Store(time.Now().Add(away).UnixNano())
							return
						}
						w.AWS.Script().Add(awssim.Rule{Operation: operation, Fault: awssim.Of(awssim.FaultCloseBefore)})
						time.AfterFunc(away, w.AWS.Script().Clear)
					}
					goAway()
					sub := accepted(w, api)
					pass(time.Minute)
					goAway()
					if err := w.APIM.Unsubscribe(context.Background(), sub.ID); err != nil {
						t.Errorf("UNSUBSCRIBE: %v", err)
					}
					keysAreSubscriptions(t, w)
					oneReplyEach(t, w)
				})
			})
		}
	}
}

func TestASubscriptionOf44GetsAKeyThatWorksAndEnds(t *testing.T) {
	run(t, world.Options{APIM: apimsim.Options{Version: "4.4"}}, func(t *testing.T, w *world.World) {
		_, api := ingested(w)
		sub := accepted(w, api)
		if status := invoke(w, api, sub.APIKey.Reveal()); status != 200 {
			t.Errorf("the key gives %d", status)
		}
		keys := w.AWS.Keys()
		if len(keys) != 1 || !strings.HasSuffix(keys[0].Name, sub.ID) || !strings.Contains(keys[0].Description, sub.ID) {
			t.Errorf("keys %+v", keys)
		}
		pass(time.Minute)
		if err := w.APIM.Unsubscribe(t.Context(), sub.ID); err != nil {
			t.Errorf("UNSUBSCRIBE: %v", err)
		}
		keysAreSubscriptions(t, w)
		oneReplyEach(t, w)
		healthy(t, w)
	})
}
