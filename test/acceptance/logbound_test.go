package acceptance

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

// longestLine is what a log line has at most, whatever comes from outside.
const longestLine = 8 << 10

func linesAreShort(t *testing.T, w *world.World) {
	t.Helper()
	for line := range strings.Lines(w.Log.String()) {
		if len(line) > longestLine {
			t.Errorf("a log line has %d bytes: %.300s", len(line), line)
		}
	}
}

func TestTensOfThousandsOfIdsThatAreNotThereMakeOneShortLineWithTheirNumber(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		w.Connected()
		there := preview(w).APIs[0].ID
		at, _, _ := partOf(there)
		ids := []string{there}
		for n := range 50_000 {
			ids = append(ids, fmt.Sprintf("%s:%s:api%d:prod", at.Account, at.Region, n))
		}
		succeed(w, ids...)
		if !w.Log.Has("level=WARN", "could not be found in AWS", "apis=50000", "api0:prod", "api19:prod and 49980 more") {
			t.Error("the log does not say how many, with some of them")
		}
		if _, err := w.APIM.StartIngest(context.Background(), world.Integration, ids[1:]); err == nil ||
			len(err.Error()) > longestLine {
			t.Errorf("START_INGEST of nothing that is there: %.300v", err)
		}
		linesAreShort(t, w)
	})
}

func TestAPIsThatAreGoneAreNamedInOneShortLine(t *testing.T) {
	run(t, world.Options{AWS: oneRegion(200, 3, 1)}, func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		if err := w.AWS.EditUsagePlan(uniform(), plansIn(t, w)[0].ID, func(p *awssim.UsagePlan) {
			p.APIStages = p.APIStages[300:] // half of them, which the guard lets pass
		}); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Minute)
		succeed(w)
		if !w.Log.Has("APIM keeps what it has of them", "apis=300", " and 280 more") {
			t.Error("the log does not say how many, with some of them")
		}
		linesAreShort(t, w)
	})
}

func plansIn(t *testing.T, w *world.World) []awssim.UsagePlan {
	t.Helper()
	aws, err := w.AWS.Snapshot(uniform())
	if err != nil {
		t.Fatal(err)
	}
	return aws.UsagePlans
}

func TestAFloodOfRefusedSUBSCRIBEsIsCountedInTheLogNotRepeated(t *testing.T) {
	const flood = 3000
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		_, api := ingested(w)
		together(flood, func(n int) {
			reply, err := w.APIM.SendCommand(context.Background(), world.Integration, "SUBSCRIBE", map[string]any{
				"apiId": api.ProviderID, "subscription": map[string]any{
					"graviteeSubscriptionId": fmt.Sprintf("sub-%d", n), "type": "OAUTH",
					"metadata": map[string]string{"planId": api.Plans[0].ProviderID},
				},
			})
			if err != nil || reply.Status != apimsim.StatusError {
				t.Errorf("%v %s", err, reply.Status)
			}
		})
		pass(time.Minute)
		told := 0
		for _, what := range []string{"refusing a command: too many are open", "no API key was made"} {
			n := w.Log.Count(what)
			if n == 0 || n > 6 || !w.Log.Has(what, "repeated=") {
				t.Errorf("%q stands in %d lines", what, n)
			}
			told += n
		}
		for line := range strings.Lines(w.Log.String()) {
			if _, count, found := strings.Cut(line, "repeated="); found {
				var n int
				if _, err := fmt.Sscan(count, &n); err != nil {
					t.Error(err)
				}
				told += n - 1
			}
		}
		if told != flood {
			t.Errorf("the log tells of %d of %d refusals", told, flood)
		}
		oneReplyEach(t, w)
	})
}
