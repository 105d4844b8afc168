package acceptance

import (
	"context"
	"testing"
	"time"

	"federation-agent/internal/gateway"
	"federation-agent/internal/keys"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

// A line about a fault of AWS is an ERROR if a person must change something, and a WARN if the fault may pass.
func TestTheLevelOfALineAboutAWSFollowsWhatTheFaultAsksFor(t *testing.T) {
	var (
		denied  = awssim.Answer(403, awssim.CodeAccessDenied, "no")
		invalid = awssim.Answer(400, "BadRequestException", "no")
		refused = awssim.Answer(403, "InvalidSignatureException", "Signature expired")
		silent  = awssim.Of(awssim.FaultHang)
		away    = awssim.Unavailable()
	)
	deleting := func(t *testing.T, w *world.World, fault awssim.Fault) {
		agent := unconfirmed(t, w, nil)
		w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpDeleteAPIKey, Fault: fault})
		if _, err := order(t, agent, keys.Order{Wanted: keys.Remove, EvenIfInUse: true}); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Minute)
	}
	looking := func(t *testing.T, w *world.World, fault awssim.Fault) {
		lostCreate(t, w, lookup, awssim.FaultLoseAnswer)
		w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpGetAPIKeys, Fault: fault})
		pass(10 * time.Minute)
	}
	exporting := func(t *testing.T, w *world.World, fault awssim.Fault) {
		w.Connected()
		job := startIngest(w)
		pass(3 * time.Second)
		w.AWS.Script().Add(awssim.Rule{Fault: fault})
		ended(w, job)
		pass(gateway.OutOfReachFor)
	}
	resolving := func(_ *testing.T, w *world.World, fault awssim.Fault) {
		w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpGetCallerIdentity, Fault: fault})
		w.Connected()
		_, _ = w.APIM.Preview(context.Background(), world.Integration)
		pass(2 * time.Minute)
	}
	const (
		held, givenUp = "AWS is out of reach for this target; its documents wait", "AWS stayed out of reach; the documents"
		stuck, unseen = "cannot delete an API key yet; trying again until it is gone", "cannot look for API keys by their name"
		unusable      = "AWS cannot be used: "
	)
	for name, c := range map[string]struct {
		befalls func(*testing.T, *world.World, awssim.Fault)
		fault   awssim.Fault
		cause   string
		level   string
		lines   []string
	}{
		"deleting, denied":           {deleting, denied, "cause=access_denied", "ERROR", []string{stuck}},
		"deleting, invalid":          {deleting, invalid, "cause=invalid", "ERROR", []string{stuck}},
		"deleting, no answer":        {deleting, silent, "cause=unreachable", "WARN", []string{stuck}},
		"looking for a key, denied":  {looking, denied, "cause=access_denied", "ERROR", []string{unseen}},
		"looking for a key, 503":     {looking, away, "cause=unavailable", "WARN", []string{unseen}},
		"exporting, refused":         {exporting, refused, "cause=clock_off", "ERROR", []string{held, givenUp}},
		"exporting, no answer":       {exporting, silent, "cause=unreachable", "WARN", []string{held, givenUp}},
		"finding account, refused":   {resolving, refused, "cause=clock_off", "ERROR", []string{unusable}},
		"finding account, no answer": {resolving, silent, "cause=unreachable", "WARN", []string{unusable}},
	} {
		t.Run(name, func(t *testing.T) {
			o := world.Options{AWS: awssim.Options{Estate: mayLook(t)}}
			if c.lines[0] == held { // it takes a while
				o = manyAPIs(60, 1)
			}
			run(t, o, func(t *testing.T, w *world.World) {
				c.befalls(t, w, c.fault)
				for _, line := range c.lines {
					all, right := w.Log.Count(line, c.cause), w.Log.Count(line, c.cause, "level="+c.level)
					if right == 0 || right != all {
						t.Errorf("%d of %d lines %q are at level %s", right, all, line, c.level)
					}
				}
			})
		})
	}
}

// What an ingest waits for may still come, and its own end says so if it does not.
func TestATargetThatAnIngestWaitsForAsksForNobodyYet(t *testing.T) {
	run(t, twoRegions(world.Options{}), func(t *testing.T, w *world.World) {
		w.Connected()
		w.AWS.Script().Add(awssim.Rule{Region: "us-east-1", Fault: awssim.Of(awssim.FaultHang)})
		incomplete(w)
		if !w.Log.Has("level=WARN", "a target could not be listed", "us-east-1") ||
			w.Log.Has("level=ERROR", "a target could not be listed") || !w.Log.Has("level=ERROR", "the ingest failed") {
			t.Error("the log says otherwise")
		}
	})
}
