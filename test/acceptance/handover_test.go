package acceptance

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	actors "federation-agent/actors/agent"
	"federation-agent/internal/members"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/store/storetest"
	"federation-agent/test/world"
)

// healthEvery is how often APIM asks for an agent's health; handoverTime is how long an agent may take to hand over.
const (
	healthEvery  = apimsim.DefaultHealthCheckInterval
	handoverTime = 40 * time.Second
)

// replicas are the agents of a world that know of each other, as if they shared a table.
type replicas struct {
	w *world.World

	mu    sync.Mutex
	all   []*replica
	ready map[string][]string // what a member says in the place of what is true, by its id
	count int64
}

type replica struct {
	*world.Instance
	self *members.Self
	left bool
}

// handingOver is a world of replicas that may hand over.
func handingOver(t *testing.T, o world.Options, test func(*testing.T, *replicas)) {
	t.Helper()
	run(t, o, func(t *testing.T, w *world.World) {
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		r := &replicas{w: w, ready: map[string][]string{}}
		go func() {
			for tick := time.Tick(members.RaiseEvery); ; {
				select {
				case <-tick:
					r.raise()
				case <-ctx.Done():
					return
				}
			}
		}()
		test(t, r)
		stop()
	})
}

// raise has each member raised, and seen by all.
func (r *replicas) raise() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	var all []members.Member
	for _, a := range r.all {
		m := members.Member{ID: a.self.ID(), Count: r.count, Ready: a.Board.Ready()}
		if said, is := r.ready[m.ID]; is {
			m.Ready = said
		}
		if !a.left {
			all = append(all, m)
		}
	}
	for _, a := range r.all {
		a.self.Raised(time.Now())
		a.self.See(time.Now(), all)
	}
}

// start starts a replica, and waits until all know of its session.
func (r *replicas) start(settings map[string]string) *replica {
	r.w.T.Helper()
	r.mu.Lock()
	before := len(r.w.APIM.Agents())
	a := &replica{self: members.NewSelf(fmt.Sprintf("member-%d", len(r.all)+1))}
	r.mu.Unlock()
	all := map[string]string{"gravitee_agent_shutdown_handover": handoverTime.String()}
	maps.Copy(all, settings)
	a.self.Raised(time.Now())
	a.Instance = r.w.StartAgentWith(world.AgentOptions{Disk: &storetest.Model{}, Member: a.self, Settings: all})
	r.mu.Lock()
	r.all = append(r.all, a)
	r.mu.Unlock()
	r.w.Await("the replica to be connected", func() bool { return len(r.w.APIM.Agents()) > before })
	pass(3 * members.RaiseEvery)
	return a
}

// say has a member say which integrations it serves, in the place of what is true.
func (r *replicas) say(id string, ready []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ready[id] = ready
}

// ingested starts a replica and ingests everything.
func (r *replicas) ingested() (*replica, apimsim.API) {
	r.w.T.Helper()
	first := r.start(nil)
	if job := r.w.Ingest(); job.Status != apimsim.JobSuccess {
		r.w.T.Fatalf("job: %+v", job)
	}
	return first, r.w.APIM.APIs()[0]
}

// drain ends a replica as SIGTERM does, and tells afterwards how long it took.
func (a *replica) drain() <-chan time.Duration {
	took := make(chan time.Duration, 1)
	go func() { took <- a.Drain() }()
	return took
}

// closedFirst is how the first session ended.
func closedFirst(w *world.World) apimsim.EndedSession {
	if ended := w.APIM.EndedSessions(); len(ended) > 0 {
		return ended[0]
	}
	return apimsim.EndedSession{}
}

// onBoth tests with APIM 4.5, which forgets who is unhealthy, and with 4.9, which says good-bye to it.
func onBoth(t *testing.T, test func(t *testing.T, version string)) {
	for _, version := range []string{"4.5", "4.9"} {
		t.Run(version, func(t *testing.T) { test(t, version) })
	}
}

// slowKeys has each call that makes a key take so long.
func slowKeys(d time.Duration) awssim.Options {
	return awssim.Options{Latency: awssim.Latency{Keys: awssim.Span{Min: d, Max: d}}}
}

// A SUBSCRIBE each third of a second, while one of two replicas ends.
func TestAHandoverToAnotherReplicaCostsNoCommand(t *testing.T) {
	onBoth(t, func(t *testing.T, version string) {
		o := world.Options{APIM: apimsim.Options{Version: version}, AWS: slowKeys(300 * time.Millisecond)}
		handingOver(t, o, func(t *testing.T, r *replicas) {
			first, api := r.ingested()
			r.start(nil)
			var all sync.WaitGroup
			took := first.drain()
			for range 3 * 45 {
				all.Go(func() { accepted(r.w, api) })
				pass(time.Second / 3)
			}
			all.Wait()
			if d := <-took; d > healthEvery+2*time.Second || first.Ending() != actors.Drained {
				t.Errorf("it took %s, ending %v", d, first.Ending())
			}
			if e := closedFirst(r.w); e.Code != 1000 {
				t.Errorf("closed with %d", e.Code)
			}
			if p := r.w.APIM.ProblemsOf(apimsim.ProblemUnhealthy); len(p) != 1 || p[0].Detail != "shutting down" {
				t.Errorf("%v", p)
			}
			keysAreSubscriptions(t, r.w)
		})
	})
}

func TestAHandoverWaitsForAReadyReplicaAndServesMeanwhile(t *testing.T) {
	handingOver(t, world.Options{}, func(t *testing.T, r *replicas) {
		first, api := r.ingested()
		second := r.start(nil)
		r.say(second.self.ID(), nil) // it has no session, as far as the first one knows
		pass(members.RaiseEvery)
		took := first.drain()
		pass(handoverTime - time.Second)
		accepted(r.w, api)
		if len(r.w.APIM.EndedSessions()) > 0 {
			t.Error("it left though nobody is ready")
		}
		if d := <-took; d < handoverTime || d > handoverTime+time.Second || first.Ending() != actors.Drained {
			t.Errorf("it took %s, ending %v", d, first.Ending())
		}
		for line, level := range map[string]string{
			"no other agent of this integration is connected yet": "level=INFO", "longer than agent.shutdown.handover": "level=WARN",
		} {
			if !r.w.Log.Has(level, "handing over", line) {
				t.Errorf("nothing says %q", line)
			}
		}
		if len(r.w.APIM.ProblemsOf(apimsim.ProblemUnhealthy)) > 0 {
			t.Error("it was unhealthy")
		}
	})
}

// As where two of two are replaced at once: whoever comes instead of them needs some time.
func TestReplicasThatEndTogetherDoNotCountOnEachOther(t *testing.T) {
	handingOver(t, world.Options{}, func(t *testing.T, r *replicas) {
		first, api := r.ingested()
		second := r.start(nil)
		ends := []<-chan time.Duration{first.drain(), second.drain()}
		pass(healthEvery + members.RaiseEvery)
		if len(r.w.APIM.EndedSessions()) > 0 {
			t.Error("one has left, and nobody stays")
		}
		accepted(r.w, api)
		for _, took := range ends {
			if d := <-took; d < handoverTime {
				t.Errorf("it took %s", d)
			}
		}
	})
}

func TestAHandoverThatAPIMNeverAsksForEndsInTime(t *testing.T) {
	o := world.Options{APIM: apimsim.Options{HealthCheckInterval: time.Hour}}
	handingOver(t, o, func(t *testing.T, r *replicas) {
		first, _ := r.ingested()
		r.start(nil)
		if d := <-first.drain(); d < handoverTime || d > handoverTime+time.Second || first.Ending() != actors.Drained {
			t.Errorf("it took %s, ending %v", d, first.Ending())
		}
		if e := closedFirst(r.w); e.Code != 1000 {
			t.Errorf("closed with %d", e.Code)
		}
	})
}

// The command is open when APIM turns away, and for much longer than the drain alone may take.
func TestACommandThatIsOpenOverAHandoverIsAnsweredAndProved(t *testing.T) {
	onBoth(t, func(t *testing.T, version string) {
		o := world.Options{APIM: apimsim.Options{Version: version}, AWS: slowKeys(7 * time.Second)}
		handingOver(t, o, func(t *testing.T, r *replicas) {
			first, api := r.ingested()
			r.start(nil)
			told := func() bool { return len(r.w.APIM.ProblemsOf(apimsim.ProblemUnhealthy)) > 0 }
			took := first.drain()
			for began := time.Now(); time.Since(began) < healthEvery; {
				go func() { accepted(r.w, api) }()
				pass(5 * time.Second)
				if told() {
					break
				}
			}
			if !told() || len(r.w.APIM.EndedSessions()) > 0 {
				t.Fatalf("told %v, sessions ended: %v", told(), r.w.APIM.EndedSessions())
			}
			<-took
			if e := closedFirst(r.w); e.Code != 1000 {
				t.Errorf("closed with %d", e.Code)
			}
			if goodByes := countCommands(r.w, "GOOD_BYE"); (goodByes == 1) != (version == "4.9") {
				t.Errorf("%d GOOD_BYEs", goodByes)
			}
			if n := first.Board.Read().Integrations[0].Session.Connects; n != 1 {
				t.Errorf("it connected %d times", n)
			}
			pass(time.Minute)
			keysAreSubscriptions(t, r.w)
			if j := journal(t, first.Instance); j["delivered"] == 0 || len(j) != 1 {
				t.Errorf("journal %v", j)
			}
		})
	})
}

func countCommands(w *world.World, kind string) (n int) {
	for _, c := range w.APIM.Commands() {
		if c.Type == kind {
			n++
		}
	}
	return n
}

// The one that ends has answered a START_INGEST, and APIM takes seconds for each INGEST.
func TestAnIngestIsLeftBetweenTwoBatchesByAHandover(t *testing.T) {
	var mu sync.Mutex
	sent := map[int]int{} // by connection
	o := world.Options{
		Settings: map[string]string{"gravitee_agent_ingest_batchCount": "1"},
		APIM: apimsim.Options{Script: &apimsim.Script{Ingest: func(e apimsim.IngestEvent) apimsim.IngestFault {
			mu.Lock()
			defer mu.Unlock()
			sent[e.Conn]++
			return apimsim.IngestFault{AnswerDelay: 7 * time.Second}
		}}},
	}
	handingOver(t, o, func(t *testing.T, r *replicas) {
		first := r.start(nil)
		r.start(nil)
		job := startIngest(r.w)
		<-first.drain()
		if e := closedFirst(r.w); e.Code != 1000 || first.Ending() != actors.Drained {
			t.Errorf("closed with %d, ending %v", e.Code, first.Ending())
		}
		running, err := first.Store.Running(t.Context(), world.Integration)
		if err != nil || len(running) != 1 || running[0].JobID != job.ID {
			t.Fatalf("running %+v, %v", running, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if n := len(running[0].Acked); n < 2 || n != sent[1] || n == int(job.Total) {
			t.Errorf("of %d APIs %d were sent, and %d are known to be taken", job.Total, sent[1], n)
		}
	})
}

func TestEachIntegrationIsHandedOverAtItsOwnPace(t *testing.T) {
	handingOver(t, twoIntegrations(world.Options{}), func(t *testing.T, r *replicas) {
		first := r.start(nil)
		second := r.start(nil)
		r.say(second.self.ID(), []string{otherIntegration})
		pass(members.RaiseEvery)
		began := time.Now()
		d := <-first.drain()
		if d < handoverTime || d > handoverTime+time.Second || first.Ending() != actors.Drained {
			t.Errorf("it took %s, ending %v", d, first.Ending())
		}
		ended := r.w.APIM.EndedSessions()
		if len(ended) != 2 || ended[0].IntegrationID != otherIntegration || ended[0].At.Sub(began) > healthEvery+time.Second {
			t.Errorf("sessions ended %+v", ended)
		}
	})
}

func TestAHandoverOfNoSessionEndsAtOnce(t *testing.T) {
	for name, lose := range map[string]func(r *replicas){
		"it was lost before":        func(r *replicas) { r.w.APIM.RefuseUpgrades(1000, 401); cutAll(r.w); pass(time.Minute) },
		"it is lost meanwhile":      func(r *replicas) { go func() { time.Sleep(time.Second); cutAll(r.w) }() },
		"APIM asks it to reconnect": func(r *replicas) { go func() { time.Sleep(time.Second); r.w.APIM.GoodBye(world.Integration, true) }() },
		"APIM dismisses it":         func(r *replicas) { go func() { time.Sleep(time.Second); r.w.APIM.GoodBye(world.Integration, false) }() },
	} {
		t.Run(name, func(t *testing.T) {
			handingOver(t, world.Options{APIM: apimsim.Options{HealthCheckInterval: time.Hour}}, func(t *testing.T, r *replicas) {
				first, _ := r.ingested()
				lose(r)
				if d := <-first.drain(); d > 3*time.Second {
					t.Errorf("it took %s", d)
				}
			})
		})
	}
}

// cutAll cuts all connections to APIM.
func cutAll(w *world.World) {
	for _, link := range w.Network.Links() {
		link.Cut()
	}
}

// A second signal ends the process; here, all of its actors.
func TestAHandoverCanBeCutShort(t *testing.T) {
	handingOver(t, world.Options{}, func(t *testing.T, r *replicas) {
		first, _ := r.ingested()
		took := first.drain()
		pass(5 * time.Second)
		began := time.Now()
		first.Kill()
		<-took
		if d := time.Since(began); d > time.Second || len(actorsOf(first.Instance)) > 0 {
			t.Errorf("it took %s, actors left: %v", d, actorsOf(first.Instance))
		}
	})
}

func TestAPanicInTheMiddleOfAHandoverDoesNotMakeItWaitForItsEnd(t *testing.T) {
	for _, kind := range []string{"session", "router", "jobs", "integration"} {
		t.Run(kind, func(t *testing.T) {
			b := &bomb{kind: kind}
			b.left.Store(1)
			handingOver(t, world.Options{Faults: b.receive}, func(t *testing.T, r *replicas) {
				first, api := r.ingested()
				r.start(nil)
				took := first.drain()
				pass(5 * time.Second)
				b.armed.Store(true)
				subscribe(r.w, api) // the panic may cost this one
				if d := <-took; d > healthEvery+2*time.Second || !b.blown.Load() {
					t.Errorf("it took %s, blown %v", d, b.blown.Load())
				}
				pass(time.Minute)
				keysAreSubscriptions(t, r.w)
			})
		})
	}
}

func TestWithoutTimeForAHandoverAReplicaEndsAsOneThatIsAlone(t *testing.T) {
	handingOver(t, world.Options{}, func(t *testing.T, r *replicas) {
		r.start(nil)
		last := r.start(map[string]string{"gravitee_agent_shutdown_handover": "0s"})
		if d := <-last.drain(); d > time.Second || last.Ending() != actors.Drained {
			t.Errorf("it took %s, ending %v", d, last.Ending())
		}
		if r.w.Log.Has("handing over") {
			t.Error("it handed over")
		}
	})
}
