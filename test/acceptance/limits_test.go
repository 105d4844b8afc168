package acceptance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"federation-agent/internal/exports"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

// oneLarge is an estate of small documents and one of 3 MiB.
func oneLarge(o world.Options, apis int) world.Options {
	o.AWS.Estate = awssim.UniformEstate(
		awssim.UniformOptions{APIs: apis, StagesPerAPI: 1, Plans: 1, DocumentBytes: 20 << 10},
	)
	o.AWS.Estate.Accounts[0].Regions[0].RestAPIs[apis/2].Stages[0].DocumentBytes = 3 << 20
	return o
}

// A controller that takes smaller messages than this agent sends says so with a close, and nothing else.
func TestAControllerWithASmallerMessageLimitGetsEveryAPI(t *testing.T) {
	for _, version := range []string{"4.4", "4.9"} {
		for name, limit := range map[string]int64{"1 MiB": 1 << 20, "200 KiB": 200 << 10} {
			t.Run(fmt.Sprintf("%s, %s", version, name), func(t *testing.T) {
				o := oneLarge(world.Options{APIM: apimsim.Options{Version: version, MaxMessage: limit}}, 60)
				run(t, o, func(t *testing.T, w *world.World) {
					w.Connected()
					rounds := 0
					for ; len(w.APIM.APIs()) < 60 && rounds < 30; rounds++ {
						if job, err := w.APIM.StartIngest(t.Context(), world.Integration, nil); err == nil {
							ended(w, job)
						}
						pass(time.Minute)
					}
					if n := len(w.APIM.APIs()); n != 60 {
						t.Errorf("%d APIs after %d rounds", n, rounds)
					}
					bare := 0
					for _, api := range w.APIM.APIs() {
						if len(api.Pages) == 0 {
							bare++
						}
					}
					if bare != 1 {
						t.Errorf("%d APIs have no document", bare)
					}
					closes := w.Log.Count("APIM's controller takes smaller messages or frames")
					if closes == 0 || closes > 8 {
						t.Errorf("the connection was closed %d times", closes)
					}
					if !w.Log.Has("maxWebSocketMessageSize") {
						t.Error("the log does not name the setting")
					}
					// What was learnt is kept for the next ingest.
					if version != "4.4" {
						succeed(w)
						if n := w.Log.Count("APIM's controller takes smaller messages or frames"); n != closes {
							t.Errorf("the next ingest costs %d more closes", n-closes)
						}
					}
					accepted(w, w.APIM.APIs()[0])
				})
			})
		}
	}
}

func TestAControllerThatTakesSmallerFramesIsServed(t *testing.T) {
	o := oneLarge(world.Options{APIM: apimsim.Options{MaxFrame: 16 << 10}}, 6)
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		if job := succeed(w); job.Ingested != 6 {
			t.Errorf("job %+v", job)
		}
		for _, api := range w.APIM.APIs() {
			if len(api.Pages) == 0 {
				t.Errorf("%s has no document", api.ProviderID)
			}
		}
		if n := w.Log.Count("maxWebSocketFrameSize"); n == 0 || n > 3 {
			t.Errorf("the setting is named %d times", n)
		}
		if !strings.Contains(w.Log.String(), "Max frame length") {
			t.Error("the log does not say what APIM said")
		}
	})
}

func TestAControllerThatDoesNotEvenTakeHELLOIsNotHammered(t *testing.T) {
	run(t, world.Options{APIM: apimsim.Options{MaxMessage: 16}}, func(t *testing.T, w *world.World) {
		w.StartAgent()
		pass(10 * time.Minute)
		if n := w.Log.Count("APIM's controller takes smaller messages or frames"); n == 0 || n > 40 {
			t.Errorf("%d connections in ten minutes", n)
		}
	})
}

func TestAnAPIThatNoMessageHasRoomForIsLeftOutAndCostsNoSecondClose(t *testing.T) {
	o := world.Options{APIM: apimsim.Options{MaxMessage: 4 << 10}, AWS: oneRegion(4, 1, 1)}
	o.AWS.Estate.Accounts[0].Regions[0].RestAPIs[1].Description = strings.Repeat("long ", 780)
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		if job := succeed(w); job.Ingested != 3 {
			t.Errorf("job %+v", job)
		}
		if !w.Log.Has("APIs are left out of this ingest", ":a000000001:", exports.TooLarge) {
			t.Error("the log does not name the API")
		}
		closes := len(w.APIM.EndedSessions())
		if job := succeed(w); job.Ingested != 3 {
			t.Errorf("job %+v", job)
		}
		if n := len(w.APIM.EndedSessions()); n != closes || n == 0 {
			t.Errorf("%d closes, and %d after the next ingest", closes, n)
		}
	})
}

// An API that does not go even alone would be left over for ever, and the reason would be that time ran out.
func TestAFetchNamesWhatNoMessageHasRoomFor(t *testing.T) {
	o := world.Options{APIM: apimsim.Options{Version: "4.4", MaxMessage: 1 << 10}, AWS: oneRegion(2, 1, 1)}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		var err error
		for range 20 {
			_, err = w.APIM.StartIngest(t.Context(), world.Integration, nil)
			if err != nil && strings.Contains(err.Error(), exports.TooLarge) {
				break
			}
			pass(time.Minute)
		}
		if err == nil || !strings.Contains(err.Error(), exports.TooLarge) {
			t.Errorf("the last FETCH ended with %v", err)
		}
		for _, api := range preview(w).APIs {
			if !w.Log.Has("an API is left out of this fetch", api.ID, exports.TooLarge) {
				t.Errorf("no log line says that %s is too large", api.ID)
			}
		}
	})
}
