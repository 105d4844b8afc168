package acceptance

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/test/world"
)

func TestASessionThatAPIM48HasForgottenIsLeftAndMadeAnew(t *testing.T) {
	late := func(e apimsim.ReceivedEvent) apimsim.ReceivedFault {
		// The answer to the second HEALTH_CHECK, 60 s into the session, never arrives.
		return apimsim.ReceivedFault{Ignore: e.Conn == 1 && e.Kind == "REPLY" && e.Type == "HEALTH_CHECK" && e.NthOfType == 2}
	}
	world.Run(t, world.Options{
		APIM: apimsim.Options{Version: "4.8", Script: &apimsim.Script{Received: late}},
	}, func(t *testing.T, w *world.World) {
		w.Connected()
		time.Sleep(2*time.Minute + 80*time.Second)
		synctest.Wait()
		if _, err := w.APIM.Preview(context.Background(), world.Integration); !errors.Is(err, apimsim.ErrNoAgent) {
			t.Fatalf("APIM has not forgotten the agent: %v", err)
		}
		time.Sleep(15 * time.Second) // 60 s + 150 s have passed, and a delay
		synctest.Wait()
		if preview, err := w.APIM.Preview(context.Background(), world.Integration); err != nil || len(preview.APIs) == 0 {
			t.Errorf("a preview after the silence: %+v, %v\n%s", preview, err, w.Log)
		}
		if ended := w.APIM.EndedSessions(); len(ended) != 1 || ended[0].Code != 1013 {
			t.Errorf("ended: %+v", ended)
		}
	})
}

func TestASessionWhoseFirstHEALTH_CHECKIsLostIsLeftAndMadeAnew(t *testing.T) {
	first := func(e apimsim.CommandEvent) apimsim.CommandFault {
		return apimsim.CommandFault{Lose: e.Type == "HEALTH_CHECK" && e.Nth == 1}
	}
	world.Run(t, world.Options{
		APIM: apimsim.Options{Version: "4.8", Script: &apimsim.Script{Command: first}},
	}, func(t *testing.T, w *world.World) {
		w.Connected()
		time.Sleep(14 * time.Minute)
		synctest.Wait()
		if _, err := w.APIM.Preview(context.Background(), world.Integration); !errors.Is(err, apimsim.ErrNoAgent) {
			t.Fatalf("APIM has not forgotten the agent: %v", err)
		}
		time.Sleep(90 * time.Second)
		synctest.Wait()
		if preview, err := w.APIM.Preview(context.Background(), world.Integration); err != nil || len(preview.APIs) == 0 {
			t.Errorf("a preview after the silence: %+v, %v", preview, err)
		}
	})
}

func TestAControllerThatNeverAsksIsServedOverOneSessionAfterAnother(t *testing.T) {
	world.Run(t, world.Options{
		APIM: apimsim.Options{Version: "4.8", HealthCheckInterval: 10_000 * time.Hour},
	}, func(t *testing.T, w *world.World) {
		w.Connected()
		for range 10 {
			time.Sleep(50 * time.Minute)
			if _, err := w.APIM.Preview(context.Background(), world.Integration); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestAControllerThatAsksRarelyIsNotTakenForSilent(t *testing.T) {
	for name, interval := range map[string]time.Duration{
		"every ten minutes": 10 * time.Minute, "as usual": 30 * time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			// Up to 4.8 a socket may stay without HEALTH_CHECK for ever.
			world.Run(t, world.Options{
				APIM: apimsim.Options{Version: "4.8", HealthCheckInterval: interval},
			}, func(t *testing.T, w *world.World) {
				w.Connected()
				for range 10 {
					time.Sleep(time.Hour)
					if _, err := w.APIM.Preview(context.Background(), world.Integration); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait()
				if ended := w.APIM.EndedSessions(); len(ended) != 0 {
					t.Errorf("ended: %+v", ended)
				}
			})
		})
	}
}

func TestASilentControllerIsTriedAgainWithoutEnd(t *testing.T) {
	mute := func(e apimsim.ReceivedEvent) apimsim.ReceivedFault {
		return apimsim.ReceivedFault{Ignore: e.Kind == "REPLY" && e.Type == "HEALTH_CHECK"}
	}
	world.Run(t, world.Options{
		APIM: apimsim.Options{Version: "4.8", Script: &apimsim.Script{Received: mute}},
	}, func(t *testing.T, w *world.World) {
		w.Connected()
		time.Sleep(time.Hour)
		synctest.Wait()
		// Each lives for 30 s to its only HEALTH_CHECK and 150 s more.
		if n := len(w.APIM.EndedSessions()); n < 15 || n > 20 {
			t.Errorf("%d sessions in an hour", n)
		}
	})
}
