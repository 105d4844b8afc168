package acceptance

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/gateway"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/status"
	"federation-agent/messages"
	"federation-agent/test/world"
)

func boardOf(i *world.Instance) status.Integration { return i.Board.Read().Integrations[0] }

func TestATargetIsReadyOnlyIfItsLastCallSucceeded(t *testing.T) {
	for name, c := range map[string]struct {
		fault awssim.Fault
		says  string
	}{
		"the key was withdrawn":   {awssim.Answer(403, awssim.CodeUnrecognizedClient, "no"), "check accessKeyId"},
		"a permission is missing": {awssim.Answer(403, awssim.CodeAccessDenied, "no"), "GET on arn"},
		"no network":              {awssim.Of(awssim.FaultCloseBefore), "check the network"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, world.Options{}, func(t *testing.T, w *world.World) {
				agent := w.Connected()
				preview(w)
				target := func() status.Target { return boardOf(agent).Targets[0] }
				if got := target(); got.State != status.Ready || got.Failure != "" {
					t.Errorf("after a preview: %+v", got)
				}
				w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpGetRestAPIs, Fault: c.fault})
				if _, err := w.APIM.Preview(context.Background(), world.Integration); err == nil {
					t.Error("the preview succeeded")
				}
				began := time.Now()
				got := target()
				if got.State != status.Failed || !strings.Contains(got.Failure, c.says) || got.At.IsZero() {
					t.Errorf("after one that failed: %+v", got)
				}
				pass(time.Minute)
				if again := target(); !again.Since.Equal(got.Since) || again.Since.After(began) {
					t.Errorf("failed since %s, now is %s", again.Since, began)
				}
				w.AWS.Script().Clear()
				preview(w)
				if got := target(); got.State != status.Ready || got.Failure != "" {
					t.Errorf("after the next one: %+v", got)
				}
			})
		})
	}
}

// A SUBSCRIBE lists the target for itself.
func TestASubscriptionsListingMendsATargetToo(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		w.AWS.Script().Add(awssim.Rule{
			Operation: awssim.OpGetRestAPIs, Fault: awssim.Answer(403, awssim.CodeAccessDenied, "no"),
		})
		if _, err := w.APIM.Preview(context.Background(), world.Integration); err == nil {
			t.Error("the preview succeeded")
		}
		w.AWS.Script().Clear()
		accepted(w, api)
		if got := boardOf(agent).Targets[0]; got.State != status.Ready {
			t.Errorf("%+v", got)
		}
	})
}

func TestAnAWSThatStayedOutOfReachIsNotReadyOnceNobodyAsksAnyMore(t *testing.T) {
	o := &outage{kind: awsRefused}
	run(t, o.options(manyAPIs(60, 1)), func(t *testing.T, w *world.World) {
		agent := w.Connected()
		job := startIngest(w)
		pass(3 * time.Second)
		o.begin(w, 4*gateway.OutOfReachFor)
		ended(w, job)
		pass(gateway.OutOfReachFor)
		if got := boardOf(agent).Targets[0]; got.State != status.Failed || got.OutOfReach != "" || got.Failure == "" {
			t.Errorf("%+v", got)
		}
		pass(4 * gateway.OutOfReachFor)
		succeed(w)
		if got := boardOf(agent).Targets[0]; got.State != status.Ready {
			t.Errorf("after the next ingest: %+v", got)
		}
	})
}

func TestAnIngestShowsItsDocumentsAsTheyComeAndThenWhatBecameOfThem(t *testing.T) {
	run(t, manyAPIs(60, 1), func(t *testing.T, w *world.World) {
		agent := w.Connected()
		w.AWS.Script().Add(awssim.Rule{
			Operation: awssim.OpGetExport, RestAPI: "a000000001", Fault: awssim.Answer(403, awssim.CodeAccessDenied, "no"),
		})
		began := time.Now()
		job := startIngest(w)
		seen := map[int]bool{}
		for len(boardOf(agent).History) == 0 {
			for _, p := range boardOf(agent).Progress {
				seen[p.Done] = true
				if p.Total > 0 && (p.Total != 60 || p.Done > 60 || p.Sent > p.Done) {
					t.Fatalf("%+v", p)
				}
			}
			pass(100 * time.Millisecond)
		}
		if len(seen) < 20 || !seen[59] {
			t.Errorf("documents done, as seen: %v", slices.Sorted(maps.Keys(seen)))
		}
		board := boardOf(agent)
		if len(board.Progress) > 0 {
			t.Errorf("after its end: %+v", board.Progress)
		}
		got := board.History[0]
		if got.Job != job.ID || got.Started.Before(began) || !got.At.After(got.Started.Add(5*time.Second)) || got.Sent != 59 ||
			got.Omitted != 1 || len(got.LeftOut) != 1 || got.Failure != "" {
			t.Errorf("%+v", got)
		}
		if diff := cmp.Diff(map[string]int{"access_denied": 1}, got.OmittedBy); diff != "" {
			t.Error(diff)
		}
		if board.Succeeded != 1 || !board.LastSuccess.Equal(got.At) {
			t.Errorf("%d successes, the last at %s", board.Succeeded, board.LastSuccess)
		}
	})
}

// Every reason that an ingest of the other tests gives must be known: unknown ones have no metric before the first.
func TestEachReasonIsNamedOnce(t *testing.T) {
	reasons := gateway.Reasons()
	if got := len(slices.Compact(slices.Sorted(slices.Values(reasons)))); got != len(reasons) || got < 15 {
		t.Errorf("%d of %v", got, reasons)
	}
}

func TestACommandThatFailedIsShownWithWhatItNames(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		w.AWS.Script().Add(awssim.Rule{
			Operation: awssim.OpCreateAPIKey, Fault: awssim.Answer(403, awssim.CodeAccessDenied, "no"),
		})
		sub := subscribe(w, api)
		board := boardOf(agent)
		if len(board.Failures) != 1 {
			t.Fatalf("%+v", board.Failures)
		}
		got := board.Failures[0]
		if got.Type != "SUBSCRIBE" || got.Outcome != status.Refused || got.ID == "" || got.At.IsZero() ||
			got.Subscription != sub.ID || got.API != api.ProviderID || !strings.Contains(got.Reason, "POST on arn") {
			t.Errorf("%+v", got)
		}
		if board.Open["SUBSCRIBE"] != 0 || board.Took["SUBSCRIBE"] == nil || board.Keys.Made != 0 {
			t.Errorf("%+v", board.Commands)
		}
	})
}

func TestKeysAreCountedAsAWSMakesAndDeletesThem(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		sub := accepted(w, api)
		if got := boardOf(agent).Keys; got.Made != 1 || got.Deleted != 0 {
			t.Errorf("%+v", got)
		}
		if err := w.APIM.Unsubscribe(context.Background(), sub.ID); err != nil {
			t.Fatal(err)
		}
		if got := boardOf(agent).Keys; got.Made != 1 || got.Deleted != 1 {
			t.Errorf("%+v", got)
		}
	})
}

func TestALostSessionSaysWhyAndWhenTheNextTryIs(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		w.APIM.Cut(world.Integration)
		pass(10 * time.Millisecond)
		s := boardOf(agent).Session
		if until := time.Until(s.NextTry); s.State != status.Away || until <= 0 || until > 2*time.Second {
			t.Errorf("%+v", s)
		}
		pass(5 * time.Second)
		s = boardOf(agent).Session
		if s.State != status.Up || !s.NextTry.IsZero() || len(s.Lost) != 1 || s.Lost[status.LostNetwork] != 1 {
			t.Errorf("%+v", s)
		}
		w.APIM.Close()
		pass(20 * time.Second)
		s = boardOf(agent).Session
		if s.NextTry.IsZero() || s.Lost[status.LostClosed]+s.Lost[status.LostGoodBye]+s.Lost[status.LostNetwork] != 2 {
			t.Errorf("APIM is gone: %+v", s)
		}
	})
}

func TestCallsToSTSAndTimesAreCounted(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent, _ := ingested(w)
		board := agent.Board.Read()
		sts := status.Call{Place: status.Place{Region: "eu-west-1"}, Operation: "GetCallerIdentity", Result: "ok"}
		if board.Calls[sts] != 1 {
			t.Errorf("%v", board.Calls)
		}
		place := status.Place{Account: uniform().Account, Region: uniform().Region}
		exports := board.Took[status.Operation{Region: place.Region, Name: string(gateway.GetExport)}]
		if exports == nil || exports.Counts[0] != 8 || board.Waited[place] == nil || board.Waited[place].Sum <= 0 {
			t.Errorf("exports %+v, waits %+v", exports, board.Waited[place])
		}
		if minutes := board.Minutes[place]; len(minutes) == 0 || minutes[0].Calls < 8 || minutes[0].Share == 0 {
			t.Errorf("%+v", minutes)
		}
	})
}

func TestTheBoardKnowsTheCommandsByTheirNames(t *testing.T) {
	var names []string
	for _, c := range []messages.Command{
		messages.Discover{}, messages.Fetch{}, messages.StartIngest{}, messages.Subscribe{}, messages.Unsubscribe{},
	} {
		names = append(names, c.Name())
	}
	if diff := cmp.Diff(names, status.CommandTypes()); diff != "" {
		t.Error(diff)
	}
}
