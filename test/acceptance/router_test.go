package acceptance

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/messages"
	"federation-agent/test/world"
)

func TestAnUNSUBSCRIBEIsAnsweredWhileAnINGESTWaitsForItsReply(t *testing.T) {
	var hold chan struct{}
	o := world.Options{APIM: apimsim.Options{Script: &apimsim.Script{
		Ingest: func(apimsim.IngestEvent) apimsim.IngestFault { return apimsim.IngestFault{Hold: hold} },
	}}}
	run(t, o, func(t *testing.T, w *world.World) {
		_, api := ingested(w)
		sub := accepted(w, api)
		hold = make(chan struct{})
		job, err := w.APIM.StartIngest(context.Background(), world.Integration, nil)
		if err != nil {
			t.Fatal(err)
		}
		pass(30 * time.Second) // an INGEST is out by now and waits
		began := time.Now()
		if err := w.APIM.Unsubscribe(context.Background(), sub.ID); err != nil {
			t.Errorf("UNSUBSCRIBE: %v", err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("UNSUBSCRIBE took %s", took)
		}
		if job, err := w.APIM.Job(job.ID); err != nil || job.Status != apimsim.JobPending {
			t.Errorf("the INGEST did not wait, so that shows nothing: %v %v", job, err)
		}
		close(hold)
		w.Await("the ingest to end", func() bool {
			job, err = w.APIM.Job(job.ID)
			return err != nil || job.Status == apimsim.JobSuccess
		})
		oneReplyEach(t, w)
		keysAreSubscriptions(t, w)
	})
}

func TestADuplicateOfACommandGetsNoSecondReply(t *testing.T) {
	o := world.Options{APIM: apimsim.Options{Script: &apimsim.Script{
		Command: func(apimsim.CommandEvent) apimsim.CommandFault { return apimsim.CommandFault{Copies: 2} },
	}}}
	run(t, o, func(t *testing.T, w *world.World) {
		_, api := ingested(w)
		sub := accepted(w, api)
		keysAreSubscriptions(t, w)
		if _, err := w.APIM.Preview(context.Background(), world.Integration); err != nil {
			t.Error(err)
		}
		if err := w.APIM.Unsubscribe(context.Background(), sub.ID); err != nil {
			t.Error(err)
		}
		pass(2 * time.Minute)
		oneReplyEach(t, w)
		keysAreSubscriptions(t, w)
	})
}

func TestBeyondTheOpenCommandsAllowedTheNextIsAnsweredBusyAtOnce(t *testing.T) {
	o := world.Options{
		AWS:      awssim.Options{Latency: awssim.Latency{Listings: awssim.Span{Min: 5 * time.Second, Max: 5 * time.Second}}},
		Settings: map[string]string{"gravitee_agent_commands_maxOpen": "3"},
	}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		var mu sync.Mutex
		busy, previewed := 0, 0
		began := time.Now()
		together(10, func(int) {
			_, err := w.APIM.Preview(context.Background(), world.Integration)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				previewed++
			case strings.Contains(err.Error(), "busy") && time.Since(began) < 100*time.Millisecond:
				busy++
			default:
				t.Errorf("after %s: %v", time.Since(began), err)
			}
		})
		if busy != 7 || previewed != 3 {
			t.Errorf("%d busy, %d previewed", busy, previewed)
		}
		if _, err := w.APIM.Preview(context.Background(), world.Integration); err != nil {
			t.Errorf("still busy: %v", err)
		}
		oneReplyEach(t, w)
	})
}

func TestEveryCommandIsAnsweredWithin50SecondsThoughAWSIsSilent(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		_, api := ingested(w)
		sub := accepted(w, api)
		pass(2 * time.Minute)
		w.AWS.Script().Add(awssim.Rule{Fault: awssim.Of(awssim.FaultHang)})
		began := time.Now()
		took := make([]time.Duration, 4)
		together(4, func(i int) {
			switch i {
			case 0:
				p, err := w.APIM.Preview(context.Background(), world.Integration)
				if err == nil && !p.Partial {
					t.Errorf("a preview without a listing says that it is whole: %+v", p)
				}
			case 1:
				if s := subscribe(w, api); s.Status != apimsim.SubscriptionRejected {
					t.Errorf("subscription %s", s.Status)
				}
			case 2:
				if err := w.APIM.Unsubscribe(context.Background(), sub.ID); err == nil {
					t.Error("UNSUBSCRIBE answered SUCCEEDED while the key is there")
				}
			case 3:
				_, _ = w.APIM.SendCommand(context.Background(), world.Integration, "START_INGEST", map[string]any{
					"ingestJobId": "j",
				})
			}
			took[i] = time.Since(began)
		})
		for i, d := range took {
			if d > 51*time.Second {
				t.Errorf("command %d was answered after %s", i, d)
			}
		}
		w.AWS.Script().Clear()
		if err := w.APIM.Unsubscribe(context.Background(), sub.ID); err != nil {
			t.Errorf("the repeat of an UNSUBSCRIBE that failed: %v", err)
		}
		pass(20 * time.Minute)
		oneReplyEach(t, w)
		keysAreSubscriptions(t, w)
	})
}

func TestAThousandSUBSCRIBEsAtOnceHoldUpNoHealthCheckAndLeaveNoKeyUnanswered(t *testing.T) {
	o := world.Options{
		APIM:     apimsim.Options{HealthCheckInterval: 2 * time.Second, History: 100_000},
		AWS:      awssim.Options{Latency: awssim.AWSLatency()},
		Settings: map[string]string{"gravitee_agent_commands_maxOpen": "2000"},
	}
	run(t, o, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		pass(time.Minute)
		together(1000, func(int) { subscribe(w, api) })
		pass(30 * time.Minute) // keys that came too late are deleted
		statuses := map[string]int{}
		for _, s := range w.APIM.Subscriptions() {
			statuses[s.Status]++
		}
		if statuses[apimsim.SubscriptionAccepted] < 50 ||
			statuses[apimsim.SubscriptionAccepted]+statuses[apimsim.SubscriptionRejected] != 1000 {
			t.Errorf("subscriptions: %v", statuses)
		}
		t.Logf("subscriptions: %v", statuses)
		for _, c := range w.APIM.Commands() {
			if c.Type == "HEALTH_CHECK" && len(c.Replies) == 1 && c.Replies[0].At.Sub(c.SentAt) > time.Second {
				t.Errorf("a HEALTH_CHECK was answered after %s", c.Replies[0].At.Sub(c.SentAt))
			}
		}
		if ended := w.APIM.EndedSessions(); len(ended) > 0 {
			t.Errorf("the session was lost: %v", ended)
		}
		oneReplyEach(t, w)
		keysAreSubscriptions(t, w)
		if j := journal(t, agent); j["delivered"] != statuses[apimsim.SubscriptionAccepted] || len(j) != 1 {
			t.Errorf("journal: %v", j)
		}
	})
}

func TestACommandForAnAccountThatNobodyServesIsRefusedWithAReason(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		w.Connected()
		for id, reason := range map[string]string{
			"999999999999:eu-west-1:abc:prod": "no configured target serves account 999999999999 in eu-west-1",

			awssim.UniformAccount(0) + ":eu-central-1:abc:prod":   "no configured target",
			awssim.UniformAccount(0) + ":eu-west-1:abc:prod:what": "",
		} {
			reply, err := w.APIM.SendCommand(context.Background(), world.Integration, "SUBSCRIBE", map[string]any{
				"apiId": id, "subscription": map[string]any{
					"graviteeSubscriptionId": "s-" + id, "type": "API_KEY", "metadata": map[string]string{"planId": "p"},
				},
			})
			if err != nil || reply.Status != apimsim.StatusError || !strings.Contains(reply.ErrorDetails, reason) {
				t.Errorf("%s: %v %v", id, reply, err)
			}
		}
		if n := w.AWS.CallCount(awssim.OpCreateAPIKey); n > 0 {
			t.Errorf("%d CreateApiKey calls", n)
		}
	})
}

func TestNothingIsAnsweredAfterItsDeadlineHoweverLateAnActorIs(t *testing.T) {
	t.Run("who serves the command", func(t *testing.T) {
		o := world.Options{Faults: func(id string, message any) {
			if _, listed := message.(messages.GatheredAPIs); listed && kindOf(id) == "preview" {
				time.Sleep(55 * time.Second) // the router has answered for it by then
			}
		}}
		run(t, o, func(t *testing.T, w *world.World) {
			w.Connected()
			began := time.Now()
			p, err := w.APIM.Preview(context.Background(), world.Integration)
			if err == nil || time.Since(began) > 51*time.Second {
				t.Errorf("after %s: %+v", time.Since(began), p)
			}
			pass(5 * time.Minute)
			oneReplyEach(t, w)
		})
	})
	t.Run("the session", func(t *testing.T) {
		var late atomic.Bool
		o := world.Options{Faults: func(id string, message any) {
			if a, ok := message.(messages.Answer); ok && kindOf(id) == "session" {
				if _, key := a.Reply.(messages.Subscribed); key && late.CompareAndSwap(false, true) {
					time.Sleep(time.Until(a.AnswerBy) + 9*time.Second) // APIM waits for one second more
				}
			}
		}}
		run(t, o, func(t *testing.T, w *world.World) {
			agent, api := ingested(w)
			if sub := subscribe(w, api); sub.Status != apimsim.SubscriptionRejected || !late.Load() {
				t.Errorf("the subscription is %s, the answer was late: %v", sub.Status, late.Load())
			}
			pass(5 * time.Minute)
			for _, c := range w.APIM.Commands() {
				if c.Type == "SUBSCRIBE" && len(c.Replies) > 0 {
					t.Errorf("a reply after 59 s: %+v", c.Replies)
				}
			}
			if late := w.APIM.ProblemsOf(apimsim.ProblemLateReply); len(late) > 0 {
				t.Errorf("APIM noticed %v", late)
			}
			if j := journal(t, agent); len(j) > 0 {
				t.Errorf("journal %v: a key that was never answered is not unconfirmed", j)
			}
			keysAreSubscriptions(t, w)
		})
	})
}

// A router that is busy when the others restart hands a START_INGEST to their next incarnation, and, once it has restarted
// itself, hands it over again: a second answer would be of the fate "never sent", and end a job that APIM has.
func TestASTARTINGESTThatARestartHasHandedOverTwiceIsOneIngest(t *testing.T) {
	var busy atomic.Bool
	fails := panicOnce("catalogue-", "catalogue.listingKept", 1)
	o := world.Options{AWS: oneRegion(2, 1, 1), Faults: func(id string, m any) {
		if _, is := m.(messages.StartIngest); is && kindOf(id) == "router" && busy.CompareAndSwap(false, true) {
			time.Sleep(time.Second) // the restart is due meanwhile
		}
		fails(id, m)
	}}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		preview(w)
		w.Await("the panic", func() bool { return w.Log.Has("an actor panicked") })
		if job := ended(w, startIngest(w)); job.Status != apimsim.JobSuccess {
			t.Errorf("it ended as %+v", job)
		}
		if !w.Log.Has("restarting an actor") {
			t.Error("nothing restarted, so that shows nothing")
		}
		oneReplyEach(t, w)
	})
}

func TestACommandWhoseAnswerWaitsWhileTheRouterRestartsIsNotServedAgain(t *testing.T) {
	var busy atomic.Bool
	var served atomic.Int64
	fails := panicOnce("catalogue-", "catalogue.listingKept", 1)
	o := world.Options{AWS: oneRegion(2, 1, 1), Faults: func(id string, m any) {
		switch m.(type) {
		case messages.Serving:
			if busy.CompareAndSwap(false, true) {
				time.Sleep(time.Second) // the ingest answers, and the restart is due meanwhile
			}
		case messages.StartIngest:
			if kindOf(id) == "jobs" {
				served.Add(1)
			}
		}
		fails(id, m)
	}}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		job := startIngest(w)
		if !w.Log.Has("restarting an actor") {
			t.Error("nothing restarted before the answer, so that shows nothing")
		}
		if job = ended(w, job); job.Status != apimsim.JobSuccess || served.Load() != 1 {
			t.Errorf("it was served %d times, and ended as %+v", served.Load(), job)
		}
		oneReplyEach(t, w)
	})
}
