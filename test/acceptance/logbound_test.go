package acceptance

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
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
	const flood = 2000
	for what, c := range map[string]struct{ maxOpen, kind string }{
		"no API key was made": {"100000", "OAUTH"}, "refusing a command: too many are open": {"1", "API_KEY"},
	} {
		t.Run(what, func(t *testing.T) {
			o := world.Options{Settings: map[string]string{"gravitee_agent_commands_maxOpen": c.maxOpen}}
			run(t, o, func(t *testing.T, w *world.World) {
				_, api := ingested(w)
				w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpCreateAPIKey, Fault: awssim.Of(awssim.FaultHang)})
				ask := func(n int) (apimsim.Reply, error) {
					return w.APIM.SendCommand(context.Background(), world.Integration, "SUBSCRIBE", map[string]any{
						"apiId": api.ProviderID, "subscription": map[string]any{
							"graviteeSubscriptionId": fmt.Sprintf("sub-%d", n), "type": c.kind,
							"metadata": map[string]string{"planId": api.Plans[0].ProviderID},
						},
					})
				}
				if c.maxOpen == "1" { // one that is open for long
					go func() { _, _ = ask(flood) }()
					pass(time.Second)
				}
				together(flood, func(n int) {
					if reply, err := ask(n); err != nil || reply.Status != apimsim.StatusError {
						t.Errorf("%v %s", err, reply.Status)
					}
				})
				pass(13 * time.Second) // the window's end, before the one that is open is refused
				if lines, of := told(w, what); lines > 6 || of != flood {
					t.Errorf("%d lines tell of %d of %d refusals", lines, of, flood)
				}
			})
		})
	}
}

var repeated = regexp.MustCompile(` repeated=(\d+)`)

// told is how many log lines hold all of the given texts, and of how many occurrences they tell.
func told(w *world.World, texts ...string) (lines, of int) {
	for line := range strings.Lines(w.Log.String()) {
		if slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
			continue
		}
		lines++
		of++
		if count := repeated.FindStringSubmatch(line); count != nil {
			more, _ := strconv.Atoi(count[1]) // it is digits
			of += more - 1
		}
	}
	return lines, of
}

func TestAPIsThatAreNotAvailableFillNoLog(t *testing.T) {
	const apis, stages = 100, 3
	t.Run("an ingest of stages that are deleted", func(t *testing.T) {
		run(t, manyAPIs(apis, stages), func(t *testing.T, w *world.World) {
			w.Connected()
			preview(w)
			w.AWS.Script().Add(
				awssim.Rule{Operation: awssim.OpGetStages, Fault: awssim.Answer(404, "NotFoundException", "gone")},
			)
			w.AWS.Script().Add(
				awssim.Rule{Operation: awssim.OpGetExport, Fault: awssim.Answer(404, "NotFoundException", "gone")},
			)
			succeed(w)
			if n := w.Log.Count("level=WARN", "APIs are left out of this ingest", "apis=300"); n != 1 {
				t.Errorf("%d lines", n)
			}
		})
	})
	t.Run("a FETCH", func(t *testing.T) {
		o := manyAPIs(apis, stages)
		o.APIM.Version = "4.4"
		run(t, o, func(t *testing.T, w *world.World) {
			w.AWS.Script().Add(
				awssim.Rule{Operation: awssim.OpGetStages, Fault: awssim.Answer(400, "BadRequestException", "no")},
			)
			w.Connected()
			if _, err := w.APIM.StartIngest(t.Context(), world.Integration, nil); err == nil {
				t.Error("it is a success")
			}
			if n := w.Log.Count("an API is left out of this fetch"); n == 0 || n > 50 {
				t.Errorf("%d lines", n)
			}
		})
	})
}
