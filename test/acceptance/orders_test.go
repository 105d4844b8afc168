package acceptance

import (
	"context"
	"errors"
	"testing"
	"time"

	actors "federation-agent/actors/agent"
	"federation-agent/internal/keys"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/store"
	"federation-agent/internal/store/storetest"
	"federation-agent/test/world"
)

// order has an agent carry out an order about the only key of its journal.
func order(t *testing.T, agent *world.Instance, o keys.Order) (keys.Record, error) {
	t.Helper()
	r := onlyRecord(t, agent)
	o.ID, o.Of, o.By, o.Reason = r.ID, r.Subscription(), "admin", "a ticket"
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return agent.Order(ctx, o)
}

func onlyRecord(t *testing.T, agent *world.Instance) keys.Record {
	t.Helper()
	records, err := storetest.Records(agent.Store, store.Filter{})
	if err != nil || len(records) != 1 {
		t.Fatalf("%v, the journal has %v", err, records)
	}
	return records[0]
}

// refused holds an error to being a refusal for a reason.
func refused(t *testing.T, err error, why keys.Why) {
	t.Helper()
	if refusal, is := errors.AsType[*keys.Refusal](err); !is || refusal.Why != why {
		t.Errorf("answered %v, want it refused as %s", err, why)
	}
}

// unconfirmed gives a key of which nobody knows whether APIM has it, and the agent after the crash that made it so.
func unconfirmed(t *testing.T, w *world.World, settings map[string]string) *world.Instance {
	t.Helper()
	agent, api := ingested(w)
	onceWritten(w, keys.Answered, func() storetest.Outcome {
		w.Network.Fence(agent.Name)
		return storetest.Outcome{Crash: true, Written: true}
	})
	subscribe(w, api)
	pass(time.Second)
	agent.Crash()
	w.Disk.Decide(nil)
	next := w.StartAgentWith(world.AgentOptions{Settings: settings})
	pass(time.Minute)
	leaves(t, w, next, 1, keys.Unconfirmed)
	return next
}

func TestWhoHasLookedAtAKeyIsKnownAfterACrashAndTheKeyStays(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent := unconfirmed(t, w, nil)
		calls := len(w.AWS.Calls(0))
		if _, err := order(t, agent, keys.Order{Wanted: keys.Acknowledge, Seen: keys.Unconfirmed}); err != nil {
			t.Fatal(err)
		}
		if n := len(w.AWS.Calls(0)) - calls; n > 0 {
			t.Errorf("it cost %d calls", n)
		}
		agent.Crash()
		next := w.StartAgent()
		pass(10 * time.Minute)
		leaves(t, w, next, 1, keys.Unconfirmed)
		if got := onlyRecord(t, next).Acknowledged; got.By != "admin" || got.Reason != "a ticket" || got.At.IsZero() {
			t.Errorf("acknowledged: %+v", got)
		}
		if w.Log.Has(next.Name, "the key journal lists keys that need attention") {
			t.Error("the log of the next start names it all the same")
		}
	})
}

func TestAKeyThatAnOperatorWantsDeletedIsDeletedWhateverComesBetween(t *testing.T) {
	denied := awssim.Rule{
		Operation: awssim.OpDeleteAPIKey, Fault: awssim.Answer(403, awssim.CodeAccessDenied, "no"), Times: 3,
	}
	for name, c := range map[string]struct {
		between func(w *world.World, agent *world.Instance)
		answers bool
		keys    int
		then    keys.State
	}{
		"nothing": {func(*world.World, *world.Instance) {}, true, 0, ""},
		"AWS refuses at first": {func(w *world.World, _ *world.Instance) {
			w.AWS.Script().Add(denied)
		}, true, 0, ""},
		"kill -9 once it is written down": {func(w *world.World, agent *world.Instance) {
			onceWritten(w, keys.Deleting, func() storetest.Outcome {
				w.Network.Fence(agent.Name)
				return storetest.Outcome{Crash: true, Written: true}
			})
		}, false, 0, ""},
		"kill -9 before it is written down": {func(w *world.World, agent *world.Instance) {
			onceWritten(w, keys.Deleting, func() storetest.Outcome {
				w.Network.Fence(agent.Name)
				return storetest.Outcome{Crash: true}
			})
		}, false, 1, keys.Unconfirmed},
		"the key is gone in AWS already": {func(w *world.World, _ *world.Instance) {
			if err := w.AWS.RemoveKey(uniform(), w.AWS.Keys()[0].ID); err != nil {
				w.T.Error(err)
			}
		}, true, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, world.Options{}, func(t *testing.T, w *world.World) {
				agent := unconfirmed(t, w, nil)
				_, err := order(t, agent, keys.Order{Wanted: keys.Remove})
				refused(t, err, keys.InUse)
				_, err = order(t, agent, keys.Order{Wanted: keys.Remove, EvenIfInUse: true, Seen: keys.Deleting})
				refused(t, err, keys.Changed)
				c.between(w, agent)
				if _, err = order(t, agent, keys.Order{Wanted: keys.Remove, EvenIfInUse: true}); (err == nil) != c.answers {
					t.Errorf("answered %v", err)
				}
				pass(2 * time.Second)
				agent.Crash()
				w.Disk.Decide(nil)
				next := w.StartAgent()
				pass(10 * time.Minute)
				leaves(t, w, next, c.keys, c.then)
			})
		})
	}
}

// An alert counts the age of a deletion. AWS's next other answer must not make it young again.
func TestADeletionIsAsOldAsItIsWhateverAWSAnswersMeanwhile(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent := unconfirmed(t, w, nil)
		w.AWS.Script().Add(awssim.Rule{
			Operation: awssim.OpDeleteAPIKey, Fault: awssim.Answer(403, awssim.CodeAccessDenied, "no"), Times: 1,
		})
		w.AWS.Script().Add(awssim.Rule{
			Operation: awssim.OpDeleteAPIKey, Fault: awssim.Answer(400, "BadRequestException", "no"),
		})
		if _, err := order(t, agent, keys.Order{Wanted: keys.Remove, EvenIfInUse: true}); err != nil {
			t.Fatal(err)
		}
		since := onlyRecord(t, agent).UpdatedAt
		pass(time.Second)
		denied := onlyRecord(t, agent)
		pass(10 * time.Minute)
		refused := onlyRecord(t, agent)
		if denied.LastError == refused.LastError || denied.LastError == "" || refused.LastError == "" {
			t.Fatalf("the last errors are %q and %q", denied.LastError, refused.LastError)
		}
		if !denied.UpdatedAt.Equal(since) || !refused.UpdatedAt.Equal(since) {
			t.Errorf("it is being deleted since %s, then since %s, then since %s", since, denied.UpdatedAt, refused.UpdatedAt)
		}
	})
}

func TestAKeyInUseIsDeletedOnlyIfTheOrderSaysSo(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		sub := accepted(w, api)
		pass(time.Second)
		_, err := order(t, agent, keys.Order{Wanted: keys.Acknowledge})
		refused(t, err, keys.InUse)
		_, err = order(t, agent, keys.Order{Wanted: keys.Remove})
		refused(t, err, keys.InUse)
		leaves(t, w, agent, 1, keys.Delivered)
		if _, err = order(t, agent, keys.Order{Wanted: keys.Remove, EvenIfInUse: true}); err != nil {
			t.Error(err)
		}
		pass(time.Minute)
		leaves(t, w, agent, 0, "")
		if err := w.APIM.Unsubscribe(context.Background(), sub.ID); err != nil { // APIM did not learn of it
			t.Error(err)
		}
	})
}

// No configured writer serves the key's region: the keeper carries the order out, and what reaches the account deletes.
func TestAnOrderAboutAKeyThatNothingConfiguredServesIsTheKeepers(t *testing.T) {
	for name, c := range map[string]struct {
		settings map[string]string
		keys     int
		then     keys.State
	}{
		"credentials for another region reach it": {region("us-east-1"), 0, ""},
		"another integration's reach it":          {map[string]string{integrationID: otherIntegration}, 0, ""},
		"nothing reaches it":                      {map[string]string{provider + "roleArn": awssim.UniformRoleARN(1)}, 1, keys.Deleting},
	} {
		t.Run(name, func(t *testing.T) {
			o := world.Options{APIM: anyIntegration(), AWS: awssim.Options{Estate: estate(2, "eu-west-1", "us-east-1")}}
			run(t, o, func(t *testing.T, w *world.World) {
				agent := unconfirmed(t, w, c.settings)
				if _, err := order(t, agent, keys.Order{Wanted: keys.Acknowledge}); err != nil {
					t.Errorf("acknowledging: %v", err)
				}
				if _, err := order(t, agent, keys.Order{Wanted: keys.Remove, EvenIfInUse: true}); err != nil {
					t.Errorf("deleting: %v", err)
				}
				pass(2 * time.Minute)
				leaves(t, w, agent, c.keys, c.then)
				if c.then == "" {
					return
				}
				if got := onlyRecord(t, agent); got.IsAcknowledged() || agent.Board.Read().Unserved[got.ID] == "" {
					t.Errorf("%+v, named: %q", got, agent.Board.Read().Unserved[got.ID])
				}
				if got, err := order(t, agent, keys.Order{Wanted: keys.Acknowledge}); err != nil || !got.IsAcknowledged() {
					t.Errorf("by hand, then acknowledged: %v %+v", err, got)
				}
			})
		})
	}
}

func TestAnOrderToAnAgentThatHasEndedIsNotCarriedOut(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent := unconfirmed(t, w, nil)
		agent.Drain()
		if _, err := order(t, agent, keys.Order{Wanted: keys.Remove, EvenIfInUse: true}); !errors.Is(err, actors.ErrEnded) {
			t.Errorf("answered %v", err)
		}
		leaves(t, w, agent, 1, keys.Unconfirmed)
	})
}
