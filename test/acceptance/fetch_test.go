package acceptance

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/messages"
	"federation-agent/test/world"
)

func TestAFETCHOf44CarriesAllAPIsWhole(t *testing.T) {
	run(t, world.Options{APIM: apimsim.Options{Version: "4.4"}}, func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		for _, api := range w.APIM.APIs() {
			if len(api.Pages) != 1 || len(api.Plans) != 1 {
				t.Errorf("%s: %d pages, %d plans", api.ProviderID, len(api.Pages), len(api.Plans))
			}
		}
		if n := len(w.APIM.APIs()); n != 8 {
			t.Errorf("%d APIs", n)
		}
		healthy(t, w)
	})
}

func TestWhatDoesNotFitIntoAFETCHComesFirstInTheNextUntilAllCameOnce(t *testing.T) {
	const limit = 256 << 10
	o := world.Options{Settings: map[string]string{
		"gravitee_integration_connector_ws_maxWebSocketMessageSize": "262144", "gravitee_agent_ingest_batchBytes": "131072",
	}}
	o.APIM.Version, o.APIM.MaxMessage = "4.4", limit
	o.AWS.Estate = awssim.UniformEstate(awssim.UniformOptions{
		APIs: 15, StagesPerAPI: 2, Plans: 2, DocumentBytes: 20 << 10,
	})
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		for n, want := range []int{9, 18, 27, 30} { // 9 or 10 fit: of 30, the last come with the fourth at the latest
			if n > 0 {
				pass(2 * time.Minute)
			}
			succeed(w)
			if got := len(w.APIM.APIs()); got < want {
				t.Errorf("%d APIs after %d FETCHes, want at least %d", got, n+1, want)
			}
		}
		if !w.Log.Has("did not fit into this fetch", w.APIM.APIs()[len(w.APIM.APIs())-1].ProviderID) {
			t.Error("the log does not name what was left over")
		}
		healthy(t, w)
	})
}

func TestWithTheSmallestMessagesThatCanBeConfiguredFETCHesStillBringEverything(t *testing.T) {
	o := world.Options{Settings: map[string]string{
		"gravitee_integration_connector_ws_maxWebSocketMessageSize": "65536", "gravitee_agent_ingest_batchBytes": "32768",
	}}
	o.APIM.Version, o.APIM.MaxMessage = "4.4", 64<<10
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		if n := len(w.APIM.APIs()); n != 8 {
			t.Errorf("%d APIs", n)
		}
		healthy(t, w)
	})
}

func TestAFETCHHoldsAboutOneReplyHoweverManyTargetsThereAre(t *testing.T) {
	regions := []string{"eu-west-1", "eu-west-2", "us-east-1", "us-east-2"}
	o := world.Options{Settings: map[string]string{
		"gravitee_integration_connector_ws_maxWebSocketMessageSize": "262144", "gravitee_agent_ingest_batchBytes": "131072",
		"gravitee_integration_providers_0_configuration_region": strings.Join(regions, ","),
	}}
	o.APIM.Version, o.APIM.MaxMessage = "4.4", 256<<10
	o.AWS.Estate = awssim.UniformEstate(awssim.UniformOptions{
		APIs: 15, StagesPerAPI: 1, Plans: 1, DocumentBytes: 20 << 10, Regions: regions,
	})
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		fit := len(w.APIM.APIs())
		if asked := int(counts(w)[awssim.OpGetExport]); fit < 8 || asked > fit+4 {
			t.Errorf("%d documents of 60 were asked for, %d fit", asked, fit)
		}
		healthy(t, w)
	})
}

func TestAFETCHMayHoldOneReplyThoughTheBoundIsLowerAndIsAnsweredWhenOnlyItselfCouldMakeRoom(t *testing.T) {
	o, document := large(8)
	o.APIM.Version, o.APIM.MaxMessage = "4.4", 3<<20
	o.Settings["gravitee_integration_connector_ws_maxWebSocketMessageSize"] = "3145728"
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		for came, n := 0, 0; came < 8 && n < 8; n++ {
			began := time.Now()
			succeed(w)
			now := len(w.APIM.APIs())
			if took := time.Since(began); took > 20*time.Second || now == came {
				t.Errorf("%d documents of %d bytes in %s", now-came, document, took)
			}
			// A reply takes four. How many come depends on how many were read side by side: each needs room for both its
			// copies then.
			if came == 0 && now < 2 {
				t.Errorf("%d documents in the first reply", now)
			}
			came = now
		}
		healthy(t, w)
	})
}

func TestAFETCHIsAnsweredByFiftySecondsWithWhatIsReady(t *testing.T) {
	o := world.Options{AWS: withLatency(oneRegion(200, 3, 4))}
	o.APIM.Version = "4.4"
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		began := time.Now()
		succeed(w)
		if took := time.Since(began); took > 50*time.Second || took < 40*time.Second {
			t.Errorf("it took %s", took)
		}
		first := len(w.APIM.APIs())
		if first < 100 || first == 600 {
			t.Errorf("%d APIs", first)
		}
		succeed(w)
		if got := len(w.APIM.APIs()); got < first+100 {
			t.Errorf("%d APIs after the second FETCH, %d after the first", got, first)
		}
		healthy(t, w)
	})
}

// An empty reply would say that there is nothing.
func TestAFETCHWithNothingReadyInTimeIsNoSuccess(t *testing.T) {
	run(t, world.Options{APIM: apimsim.Options{Version: "4.4"}}, func(t *testing.T, w *world.World) {
		for _, operation := range []string{awssim.OpGetStages, awssim.OpGetExport} {
			w.AWS.Script().Add(awssim.Rule{Operation: operation, Fault: awssim.Slow(25 * time.Second)})
		}
		w.Connected()
		if _, err := w.APIM.StartIngest(t.Context(), world.Integration, nil); err == nil ||
			!strings.Contains(err.Error(), "none of 8 APIs is ready") {
			t.Errorf("the FETCH gives %v", err)
		}
		w.AWS.Script().Clear()
		succeed(w)
		if n := len(w.APIM.APIs()); n != 8 {
			t.Errorf("%d APIs", n)
		}
	})
}

func TestAFETCHWhoseCatalogueWasLostIsServedAgain(t *testing.T) {
	var once sync.Once
	o := world.Options{Faults: func(_ string, message any) {
		if _, listing := message.(messages.TargetListing); listing {
			once.Do(func() { panic("a bug in the catalogue") })
		}
	}}
	o.APIM.Version = "4.4"
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		if !w.Log.Has("an actor panicked") {
			t.Error("no catalogue was lost")
		}
		if n := len(w.APIM.APIs()); n != 8 {
			t.Errorf("%d APIs", n)
		}
	})
}

func TestAFETCHThatPanicsIsAnsweredOnceWithERROR(t *testing.T) {
	var once sync.Once
	o := world.Options{Faults: func(id string, message any) {
		if _, gathered := message.(messages.GatheredAPIs); gathered && strings.Contains(id, "/fetch-") {
			once.Do(func() { panic("a bug in the fetch") })
		}
	}}
	o.APIM.Version = "4.4"
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		if _, err := w.APIM.StartIngest(context.Background(), world.Integration, nil); !errors.Is(err, apimsim.ErrRefused) {
			t.Errorf("got %v, want ERROR", err)
		}
		for _, c := range w.APIM.Commands() {
			if len(c.Replies) != 1 {
				t.Errorf("%s got %d replies", c.Type, len(c.Replies))
			}
		}
		succeed(w)
	})
}
