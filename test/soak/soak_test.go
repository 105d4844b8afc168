// Package soak lets the agent live for a day of virtual time and compares its first hour with its last.
//
//	go test ./test/soak                                     some hours
//	go test ./test/soak -run Soak -v -timeout 1h -args -hours=24 -apis=200
package soak

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/store"
	"federation-agent/test/world"
)

// What every hour leaves behind shows in a few hours, and the more plainly the less the agent holds anyway: 40 APIs are
// half of its heap. CI lets the agent live for a day, with more APIs.
var (
	hours = flag.Int("hours", 3, "how many hours of virtual time, after one to warm up")
	apis  = flag.Int("apis", 40, "how many REST APIs there are")
)

const (
	stages = 3 // of each API
	// redeployed is the part of all stages that changes in an hour.
	redeployed = 0.01
	// pairs is how many subscriptions an hour are made and ended, cuts how many sessions are cut.
	pairs, cuts = 50, 5
	// heapTolerance is how much the last hour may hold beside the first.
	heapTolerance = 0.02
	// settled is how long after its last work an agent is looked at: connections that are idle have been
	// closed by then, and no timer of an hour's work is left.
	settled = 5 * time.Minute
)

// TestMain samples every allocation, so that what the agent holds can be told from what the stand-ins do.
func TestMain(m *testing.M) {
	runtime.MemProfileRate = 1
	os.Exit(m.Run())
}

// state is what an agent at rest amounts to.
type state struct {
	goroutines, actors int
	heap               int64
}

func TestSoakTheLastHourHoldsNoMoreThanTheFirst(t *testing.T) {
	o := world.Options{
		// The stand-ins remember little: it is not they who are looked at.
		AWS: awssim.Options{
			Estate: awssim.UniformEstate(awssim.UniformOptions{APIs: *apis, StagesPerAPI: stages, Plans: 5}),
			Seed:   1, Latency: awssim.AWSLatency(), LogSize: 100,
		},
		APIM: apimsim.Options{DropPageContent: true, History: 100},
	}
	world.Run(t, o, func(t *testing.T, w *world.World) {
		w.Exports = store.NewMemoryExports(64 << 20)
		agent := w.Connected()
		var first, last state
		// An hour to warm up: from its second listing on the agent holds an old one too, where a queue or a
		// timer still has its last message.
		anHour(t, w, 0)
		for hour := 1; hour <= *hours; hour++ {
			anHour(t, w, hour)
			last = measure(agent)
			t.Logf("hour %2d: %d goroutines, %d actors, %d bytes of heap", hour, last.goroutines, last.actors, last.heap)
			if hour == 1 {
				first = last
			}
		}
		if last.goroutines != first.goroutines || last.actors != first.actors {
			t.Errorf("the first hour left %d goroutines and %d actors, the last %d and %d",
				first.goroutines, first.actors, last.goroutines, last.actors)
		}
		if growth := float64(last.heap-first.heap) / float64(first.heap); growth > heapTolerance {
			t.Errorf("the heap grew by %.1f %%, from %d to %d bytes", 100*growth, first.heap, last.heap)
		}
		for _, p := range w.APIM.Problems() {
			t.Errorf("APIM found: %s %s %s", p.Code, p.Subject, p.Detail)
		}
	})
}

// anHour is one hour of work, ending at rest.
func anHour(t *testing.T, w *world.World, hour int) {
	end := time.Now().Add(time.Hour)
	changed := max(1, int(redeployed*float64(*apis*stages)))
	for i := range changed {
		n := hour*changed + i
		api := fmt.Sprintf("a%09d", n%*apis)
		_, err := w.AWS.Redeploy(awssim.Scope{Account: awssim.UniformAccount(0), Region: "eu-west-1"}, api, "prod")
		if err != nil {
			t.Fatal(err)
		}
	}
	if job := w.Ingest(); job.Status != apimsim.JobSuccess {
		t.Fatalf("hour %d: the ingest ended as %s\n%s", hour, job.Status, w.Log)
	}
	published := w.APIM.APIs()
	for i := range pairs {
		if i%(pairs/cuts) == 0 {
			w.APIM.Cut(world.Integration)
			w.Await("the agent to come back", func() bool { return len(w.APIM.Agents()) == 1 })
		}
		api := published[(hour*pairs+i)%len(published)]
		s, err := w.APIM.Subscribe(context.Background(), api.ID, api.Plans[0].ID, fmt.Sprintf("application-%d", i), "")
		if err != nil || s.Status != apimsim.SubscriptionAccepted {
			t.Fatalf("hour %d: subscribing: %+v, %v\n%s", hour, s, err, w.Log)
		}
		if err := w.APIM.Unsubscribe(context.Background(), s.ID); err != nil {
			t.Fatalf("hour %d: unsubscribing: %v\n%s", hour, err, w.Log)
		}
		time.Sleep(30 * time.Second)
	}
	if keys := w.AWS.Keys(); len(keys) != 0 {
		t.Fatalf("hour %d: %d keys are left in AWS", hour, len(keys))
	}
	if left := time.Until(end); left > settled {
		time.Sleep(left)
	} else {
		time.Sleep(settled)
	}
}

// measure counts when everything that can be done is done.
func measure(agent *world.Instance) state {
	synctest.Wait()
	// A profile shows what was live two collections ago.
	for range 3 {
		runtime.GC()
	}
	return state{goroutines: runtime.NumGoroutine(), actors: len(agent.Actors()), heap: heapOfAgent()}
}

// heapOfAgent adds up what is live and was not allocated by the stand-ins, the network in memory, the disk
// or the log: in a process of its own the agent would hold no more.
func heapOfAgent() int64 {
	n, _ := runtime.MemProfile(nil, false)
	var records []runtime.MemProfileRecord
	for ok := false; !ok; n *= 2 {
		records = make([]runtime.MemProfileRecord, n+100)
		var count int
		if count, ok = runtime.MemProfile(records, false); ok {
			records = records[:count]
		}
	}
	total := int64(0)
	for _, r := range records {
		if ofAgent(r.Stack()) {
			total += r.InUseBytes()
		}
	}
	return total
}

// ofAgent reports whether an allocation is the agent's own.
func ofAgent(stack []uintptr) bool {
	agents := false
	for frames := runtime.CallersFrames(stack); ; {
		frame, more := frames.Next()
		for _, other := range []string{
			"federation-agent/internal/sandbox/", "federation-agent/test/", "federation-agent/internal/store/storetest",
			"net/http.(*conn)", "net/http.(*Server)",
		} {
			if strings.Contains(frame.Function, other) {
				return false
			}
		}
		for _, ours := range []string{
			"federation-agent/", "github.com/asynkron/", "github.com/aws/", "net/http.", "github.com/gorilla/",
		} {
			agents = agents || strings.HasPrefix(frame.Function, ours)
		}
		if !more {
			return agents
		}
	}
}
