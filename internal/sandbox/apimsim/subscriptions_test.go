package apimsim

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const theKey = "the-key's-value"

// subscribed ingests one API and has an application accepted, with this metadata in the answer.
func (w *world) subscribed(c *client, metadata map[string]any) Subscription {
	w.Helper()
	c.ingest(w.startJob(c, 1), true, sample("a"))
	return w.subscribe(c, func(m message) {
		c.answer(m, map[string]any{"subscription": map[string]any{
			"graviteeSubscriptionId": m.payload("subscription", "graviteeSubscriptionId"), "apiKey": theKey,
			"metadata": metadata,
		}})
	})
}

func (w *world) subscribe(c *client, react func(m message)) Subscription {
	w.Helper()
	done := make(chan Subscription, 1)
	go func() {
		sub, err := w.Subscribe(w.Context(), "a", "plan-1", "Shop", "")
		if err != nil {
			w.Error(err)
		}
		done <- sub
	}()
	react(c.expect("SUBSCRIBE"))
	return <-done
}

func (w *world) unsubscribe(c *client, id string, react func(m message)) error {
	w.Helper()
	done := make(chan error, 1)
	go func() { done <- w.Unsubscribe(w.Context(), id) }()
	react(c.expect("UNSUBSCRIBE"))
	return <-done
}

func TestSubscriptionMetadataAreMergedAsTheVersionDoes(t *testing.T) {
	connection := map[string]any{"account": "1", "shared": "connection", "planId": "plan-1"}
	routing := map[string]any{"account": "1", "shared": "connection", "planId": "plan-1", "aws-api-gateway-stage": "prod"}
	returned := map[string]any{"shared": "agent", "aws-api-key-id": "k1"}
	merged := map[string]any{"account": "1", "shared": "agent", "aws-api-key-id": "k1"}
	for version, test := range map[string]struct{ subscribe, unsubscribe map[string]any }{
		"4.4":  {map[string]any{"planId": "plan-1"}, returned},
		"4.5":  {connection, merged},
		"4.8":  {connection, merged},
		"4.9":  {routing, merged},
		"4.11": {routing, merged},
	} {
		t.Run(version, func(t *testing.T) {
			run(t, Options{Version: version}, func(t *testing.T, w *world) {
				c := w.connect()
				c.expect("PRIMARY")
				if version == "4.4" {
					w.fetch44(c, sample("a"))
				} else {
					c.ingest(w.startJob(c, 1), true, sample("a"))
				}
				sub := w.subscribe(c, func(m message) {
					if diff := cmp.Diff(test.subscribe, m.payload("subscription", "metadata")); diff != "" {
						t.Error(diff)
					}
					if m.payload("apiId") != "a" || m.payload("subscription", "type") != "API_KEY" ||
						m.payload("subscription", "graviteeApplicationName") != "Shop" {
						t.Errorf("%v", m.JSON)
					}
					if got := m.payload("subscription", "graviteeApplicationId"); (got == nil) != (version == "4.4") {
						t.Errorf("application id %v", got)
					}
					c.answer(m, map[string]any{"subscription": map[string]any{"apiKey": "KEY", "metadata": returned}})
				})
				if sub.Status != SubscriptionAccepted || sub.APIKey.Reveal() != "KEY" {
					t.Errorf("%+v", sub)
				}
				err := w.unsubscribe(c, sub.ID, func(m message) {
					if diff := cmp.Diff(test.unsubscribe, m.payload("subscription", "metadata")); diff != "" {
						t.Error(diff)
					}
					if got := m.payload("subscription").(map[string]any); got["type"] != nil || got["graviteeApplicationName"] != nil {
						t.Errorf("UNSUBSCRIBE fills too much: %v", got)
					}
					c.answer(m, map[string]any{})
				})
				if err != nil || w.Subscriptions()[0].Status != SubscriptionClosed {
					t.Errorf("%v, %+v", err, w.Subscriptions()[0])
				}
			})
		})
	}
}

func TestASubscriptionIsREJECTEDForGoodWhen(t *testing.T) {
	for name, test := range map[string]struct {
		react func(c *client, m message)
		after time.Duration
	}{
		"answered ERROR":        {func(c *client, m message) { c.answerError(m, "no") }, 0},
		"not answered in 60 s":  {func(*client, message) {}, time.Minute},
		"the connection is cut": {func(c *client, _ message) { c.ws.Close() }, 0},
		"nothing is returned":   {func(c *client, m message) { c.answer(m, map[string]any{}) }, 0},
		"the key is too long": {func(c *client, m message) {
			c.answer(m, map[string]any{"subscription": map[string]any{"apiKey": strings.Repeat("k", 129)}})
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, Options{}, func(t *testing.T, w *world) {
				c := w.connect()
				c.expect("PRIMARY")
				c.ingest(w.startJob(c, 1), true, sample("a"))
				start := time.Now()
				var late message
				sub := w.subscribe(c, func(m message) { late = m; test.react(c, m) })
				if sub.Status != SubscriptionRejected || sub.Reason == "" || time.Since(start) != test.after {
					t.Errorf("%+v after %s", sub, time.Since(start))
				}
				c.answer(late, map[string]any{"subscription": map[string]any{"apiKey": "KEY"}})
				synctest.Wait()
				if got := w.Subscriptions()[0].Status; got != SubscriptionRejected {
					t.Errorf("%s after a late answer", got)
				}
			})
		})
	}
}

func TestAnUNSUBSCRIBEAnsweredERROROrNotAtAllLeavesTheSubscriptionACCEPTED(t *testing.T) {
	for name, react := range map[string]func(c *client, m message){
		"ERROR":  func(c *client, m message) { c.answerError(m, "no") },
		"silent": func(*client, message) {},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, Options{}, func(t *testing.T, w *world) {
				c := w.connect()
				c.expect("PRIMARY")
				sub := w.subscribed(c, nil)
				if err := w.unsubscribe(c, sub.ID, func(m message) { react(c, m) }); err == nil {
					t.Error("no error")
				}
				if got := w.Subscriptions()[0].Status; got != SubscriptionAccepted {
					t.Error(got)
				}
				if err := w.unsubscribe(c, sub.ID, func(m message) { c.answer(m, map[string]any{}) }); err != nil {
					t.Errorf("a repeat: %v", err)
				}
			})
		})
	}
}

func TestAnOAUTHSubscriptionCarriesItsClient(t *testing.T) {
	run(t, Options{}, func(t *testing.T, w *world) {
		c := w.connect()
		c.expect("PRIMARY")
		p := plan("plan-1")
		p["planSecurityType"] = "OAUTH2"
		c.ingest(w.startJob(c, 1), true, sample("a", set("plans", []any{p})))
		w.subscribe(c, func(m message) {
			if m.payload("subscription", "type") != "OAUTH" || m.payload("subscription", "metadata", "consumerKey") == nil {
				t.Errorf("%v", m.JSON)
			}
			c.answerError(m, "not here")
		})
	})
}

func TestASecretInMetadataAndAMissingKeyAreProblems(t *testing.T) {
	run(t, Options{}, func(t *testing.T, w *world) {
		c := w.connect()
		c.expect("PRIMARY")
		sub := w.subscribed(c, map[string]any{"note": "use " + theKey})
		w.subscribe(c, func(m message) { c.answer(m, map[string]any{"subscription": map[string]any{}}) })
		if diff := cmp.Diff([]ProblemCode{ProblemSecretShown, ProblemNoKey}, codes(w.Problems())); diff != "" {
			t.Error(diff)
		}
		sub.Metadata = nil
		if text := fmt.Sprintf("%v %+v %#v %+v", sub.APIKey, sub, sub, w.Problems()); strings.Contains(text, theKey) {
			t.Errorf("the key is printed: %s", text)
		}
	})
}

func TestAPlanThatIsMissingIsDeletedFrom49OnAfterItsSubscriptionsWereGivenBack(t *testing.T) {
	without := sample("a", set("plans", []any{}))
	t.Run("4.9 blocks the INGEST on the UNSUBSCRIBE", func(t *testing.T) {
		run(t, Options{Version: "4.9"}, func(t *testing.T, w *world) {
			c := w.connect()
			c.expect("PRIMARY")
			w.subscribed(c, nil)
			id := w.startJob(c, 1)
			other := w.connect() // commands go to c by themselves, but this channel brings the INGEST
			other.sendIngest("i", id, true, without)
			m := other.expect("UNSUBSCRIBE")
			time.Sleep(10 * time.Second)
			c.quiet()
			other.quiet()
			other.answer(m, map[string]any{})
			if r := other.expect("INGEST"); r.Status != "SUCCEEDED" || len(w.APIs()[0].Plans) != 0 {
				t.Errorf("%+v, %+v", r, w.APIs()[0].Plans)
			}
			if got := w.Subscriptions()[0].Status; got != SubscriptionDeleted {
				t.Error(got)
			}
		})
	})
	for name, react := range map[string]func(c *client, m message){
		"ERROR":  func(c *client, m message) { c.answerError(m, "no") },
		"silent": func(*client, message) {},
	} {
		t.Run("4.9 aborts the INGEST on "+name, func(t *testing.T) {
			run(t, Options{Version: "4.9"}, func(t *testing.T, w *world) {
				c := w.connect()
				c.expect("PRIMARY")
				w.subscribed(c, nil)
				id := w.startJob(c, 2)
				c.sendIngest("i", id, true, without, sample("b"))
				react(c, c.expect("UNSUBSCRIBE"))
				if r := c.expect("INGEST"); r.Status != "ERROR" {
					t.Errorf("%+v", r)
				}
				job, _ := w.Job(id)
				if len(w.APIs()) != 1 || len(w.APIs()[0].Plans) != 1 || w.Subscriptions()[0].Status != SubscriptionAccepted ||
					job.Status != JobPending {
					t.Errorf("%+v %+v %+v", w.APIs(), w.Subscriptions(), job)
				}
			})
		})
	}
	t.Run("4.8 keeps it", func(t *testing.T) {
		run(t, Options{Version: "4.8"}, func(t *testing.T, w *world) {
			c := w.connect()
			c.expect("PRIMARY")
			w.subscribed(c, nil)
			c.ingest(w.startJob(c, 1), true, without)
			if len(w.APIs()[0].Plans) != 1 || w.Subscriptions()[0].Status != SubscriptionAccepted {
				t.Errorf("%+v", w.APIs()[0])
			}
		})
	})
}

// fetch44 runs a 4.4 ingest.
func (w *world) fetch44(c *client, apis ...map[string]any) Job {
	w.Helper()
	done := make(chan Job, 1)
	go func() {
		job, err := w.StartIngest(w.Context(), integrationID, []string{"ignored"})
		if err != nil {
			w.Error(err)
		}
		done <- job
	}()
	m := c.expect("FETCH")
	if diff := cmp.Diff(map[string]any{"apis": []any{}}, m.payload()); diff != "" {
		w.Error(diff)
	}
	c.answer(m, map[string]any{"apis": apis})
	return <-done
}

func TestThe44DialectListsAndFetches(t *testing.T) {
	run(t, Options{Version: "4.4"}, func(t *testing.T, w *world) {
		c := w.connect()
		c.expect("PRIMARY")
		preview := make(chan Preview, 1)
		go func() { p, _ := w.Preview(t.Context(), integrationID); preview <- p }()
		c.answer(c.expect("LIST"), map[string]any{"apis": []any{sample("a")}, "isPartialDiscovery": true})
		if p := <-preview; len(p.APIs) != 1 || p.Partial {
			t.Errorf("%+v", p)
		}
		job := w.fetch44(c, sample("a"), sample("b", set("plans", nil)))
		apis := w.APIs()
		if job.Status != JobSuccess || job.Ingested != 2 || len(apis) != 2 || len(apis[0].Metadata) != 0 ||
			len(apis[0].Plans[0].Characteristics) != 0 {
			t.Errorf("%+v %+v", job, apis)
		}
		c.sendIngest("i", job.ID, true, sample("c"))
		if r := c.expect("UNKNOWN"); r.Error != "Command unknown" {
			t.Errorf("INGEST does not exist there: %+v", r)
		}
	})
}

func TestAPreviewUsesFourFieldsAndSaysWhatIsPartial(t *testing.T) {
	run(t, Options{}, func(t *testing.T, w *world) {
		c := w.connect()
		c.expect("PRIMARY")
		c.ingest(w.startJob(c, 1), true, sample("a"))
		preview := make(chan Preview, 1)
		go func() { p, _ := w.Preview(t.Context(), integrationID); preview <- p }()
		four := func(id string) map[string]any {
			return map[string]any{"uniqueId": id, "id": id, "name": "N", "version": "2"}
		}
		c.answer(c.expect("DISCOVER"), map[string]any{"apis": []any{four("a"), four("b")}, "isPartialDiscovery": true})
		want := Preview{Partial: true, APIs: []PreviewAPI{
			{UniqueID: "a", ID: "a", Name: "N", Version: "2", State: "UPDATE"},
			{UniqueID: "b", ID: "b", Name: "N", Version: "2", State: "NEW"},
		}}
		if diff := cmp.Diff(want, <-preview); diff != "" {
			t.Error(diff)
		}
	})
}
