package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/test/process"
)

// kind is a way to lose a session.
type kind string

const (
	cut        kind = "cut"
	refused    kind = "cut, then the upgrade refused"
	holeBoth   kind = "black hole, both ways"
	holeToAPIM kind = "black hole towards APIM"
	holeToUs   kind = "black hole towards the agent"
	goodBye    kind = "GOOD_BYE"
)

// badDay is what ten drops of one session are, in a random order.
func badDay() []kind {
	return []kind{cut, cut, cut, cut, refused, refused, holeBoth, holeToAPIM, holeToUs, goodBye}
}

// How a session lives between two drops.
const (
	shortestLife = 500 * time.Millisecond
	longestLife  = 3 * time.Second
	subscribes   = 6
	// keepAccepted subscriptions are never ended: enough must be left to count.
	keepAccepted = 5
)

// comesBackWithin is how long the way from a drop to a session may take: 15 s until a black hole is noticed, three
// delays of up to 30 s, as two upgrades may be refused that another session's drop asked for.
const comesBackWithin = 3 * time.Minute

// drop is one, and what it took.
type drop struct {
	kind kind
	took time.Duration // until the session was up again
}

// storm drops every session of one agent.
type storm struct {
	rig   *process.Rig
	seed  uint64
	drops int

	mu   sync.Mutex
	done []drop
	met  map[string]bool // ingest jobs that were open when their session was dropped
	// users are commands that run.
	users sync.WaitGroup
}

// run ends when every session is up again after its last drop, and all commands are answered.
func (s *storm) run(ctx context.Context) ([]drop, map[string]bool, error) {
	s.met = map[string]bool{}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	up := &watch{rig: s.rig, newest: map[string]apimsim.AgentView{}}
	var watching sync.WaitGroup
	watching.Go(func() { up.run(ctx) })
	defer watching.Wait()
	defer stop()

	errs := make([]error, len(s.rig.Integrations))
	var lives sync.WaitGroup
	for i, integration := range s.rig.Integrations {
		lives.Go(func() {
			random := rand.New(rand.NewPCG(s.seed, uint64(i)))
			errs[i] = s.dropAll(ctx, up, integration, random)
		})
	}
	lives.Wait()
	s.users.Wait()
	return s.done, s.met, errors.Join(errs...)
}

// dropAll is a bad day of one session.
func (s *storm) dropAll(ctx context.Context, up *watch, integration string, random *rand.Rand) error {
	apis, err := apisOf(ctx, s.rig, integration)
	if err != nil {
		return err
	}
	agent, err := up.after(ctx, integration, 0)
	if err != nil {
		return err
	}
	var kinds []kind
	for range s.drops {
		if len(kinds) == 0 {
			kinds = badDay()
			random.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
		}
		k := kinds[0]
		kinds = kinds[1:]
		life := shortestLife + time.Duration(random.Int64N(int64(longestLife-shortestLife)))
		s.use(ctx, integration, apis, life, random)
		if err := process.Sleep(ctx, life); err != nil {
			return err
		}
		if err := s.noteOpenJobs(ctx, integration); err != nil {
			return err
		}
		began := time.Now()
		if err := s.drop(ctx, k, agent, random); err != nil {
			return err
		}
		if agent, err = up.after(ctx, integration, agent.Conn); err != nil {
			return fmt.Errorf("after %q: %w", k, err)
		}
		s.mu.Lock()
		s.done = append(s.done, drop{kind: k, took: time.Since(began)})
		s.mu.Unlock()
	}
	return nil
}

func (s *storm) drop(ctx context.Context, k kind, agent apimsim.AgentView, random *rand.Rand) error {
	there := true
	switch k {
	case goodBye:
		return s.rig.APIM.GoodBye(ctx, agent.IntegrationID)
	case refused:
		if err := s.rig.APIM.RefuseUpgrades(ctx, 1+random.IntN(2)); err != nil {
			return err
		}
		there = s.rig.Wire.Cut(agent.RemoteAddr)
	case cut:
		there = s.rig.Wire.Cut(agent.RemoteAddr)
	case holeBoth:
		there = s.rig.Wire.Swallow(agent.RemoteAddr, true, true)
	case holeToAPIM:
		there = s.rig.Wire.Swallow(agent.RemoteAddr, false, true)
	case holeToUs:
		there = s.rig.Wire.Swallow(agent.RemoteAddr, true, false)
	}
	if !there {
		return fmt.Errorf("the session of %s was gone before it was dropped", agent.IntegrationID)
	}
	return nil
}

// use plays APIM's users for as long as a session lives: an ingest, a preview, subscriptions and the end of one. What
// a drop makes of their commands is seen in the end, in APIM.
func (s *storm) use(
	ctx context.Context, integration string, apis []apimsim.APIView, life time.Duration, random *rand.Rand,
) {
	at := func(do func()) {
		pause := time.Duration(random.Int64N(int64(life)))
		s.users.Go(func() {
			if process.Sleep(ctx, pause) == nil {
				do()
			}
		})
	}
	at(func() { _, _ = s.rig.APIM.StartIngest(ctx, integration) })
	at(func() { _, _ = s.rig.APIM.Preview(ctx, integration) })
	for range subscribes {
		api := apis[random.IntN(len(apis))]
		at(func() { _, _ = s.rig.Subscribe(ctx, api) })
	}
	which := random.IntN(1 << 16)
	at(func() {
		if id := s.rig.AnAccepted(ctx, integration, keepAccepted, which); id != "" {
			_ = s.rig.Unsubscribe(ctx, id)
		}
	})
}

func (s *storm) noteOpenJobs(ctx context.Context, integration string) error {
	jobs, err := s.rig.APIM.Jobs(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range jobs {
		if j.IntegrationID == integration && j.Status == apimsim.JobPending {
			s.met[j.ID] = true
		}
	}
	return err
}
