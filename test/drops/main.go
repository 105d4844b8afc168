// Command drops squeezes a bad day's session drops together: one agent process lives on while its websockets are cut,
// swallowed, sent away and refused at random moments among previews, ingests, subscribes and unsubscribes. At the end
// it counts keys, ingest jobs and what the process holds, and fails where one of them is not as it must be.
//
// A day has 120 drops: five an hour, as in test/soak. An agent waits longer after each drop, up to 30 s, until a
// session has lived for a minute; so that the day fits into minutes the drops fall on twelve sessions of the one
// process, ten on each. Agent and stand-ins are processes of their own, with a continent between agent and APIM. It
// needs nothing but Go, Linux's /proc and the loopback interface, and ends by itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/test/process"
)

func main() {
	sessions := flag.Int("sessions", 12, "how many sessions the agent keeps")
	drops := flag.Int("drops", 10, "how often each of them is dropped")
	seed := flag.Uint64("seed", 1, "seeds the kinds and the moments of the drops")
	keep := flag.String("keep", "", "`DIR` to leave the agent's logs and journal in")
	journal := flag.String("journal", "", "`DIR` for the journal, such as an empty volume of 1 MiB")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *sessions, *drops, *seed, *keep, *journal); err != nil {
		fmt.Fprintln(os.Stderr, "drops:", err)
		os.Exit(1)
	}
}

const (
	// apis x stages of each account, a few in a batch: an ingest takes some seconds, so that drops fall into it.
	apis, stages   = 10, 2
	batchOfTwo     = "gravitee_agent_ingest_batchCount=2"
	rest           = 20 * time.Second // the agent keeps idle connections to AWS for 15 s
	subscribeFirst = 6                // in each account before the first drop: as many as are asked for between two
)

func run(ctx context.Context, sessions, drops int, seed uint64, keep, journal string) error {
	r, err := process.NewRig(ctx, process.RigOptions{
		Integrations: sessions, APIs: apis, Stages: stages, Dir: keep, Journal: journal, Settings: []string{batchOfTwo},
	})
	if err != nil {
		return err
	}
	defer r.Close()

	fmt.Println("an agent whose sessions nobody drops, for comparison")
	calm, err := r.StartAgent(ctx)
	if err != nil {
		return err
	}
	if _, err = warmUp(ctx, r, calm); err != nil {
		return errors.Join(err, calm.Kill())
	}
	s := summary{sessions: sessions}
	if s.goroutinesBefore, err = calm.Goroutines(); err != nil {
		return err
	}

	agent, err := r.StartAgent(ctx)
	if err != nil {
		return err
	}
	err = s.measure(ctx, r, agent, &storm{rig: r, seed: seed, drops: drops})
	if err != nil {
		return errors.Join(err, agent.Kill())
	}
	if s.goroutinesAfter, err = agent.Goroutines(); err != nil {
		return err
	}
	if s.keys, err = r.Count(ctx); err != nil {
		return err
	}
	s.print()
	return s.wrong()
}

// measure lets the agent live through everything, and notes what is seen while it lives.
func (s *summary) measure(ctx context.Context, r *process.Rig, agent *process.Process, storm *storm) error {
	var err error
	if s.before, err = warmUp(ctx, r, agent); err != nil {
		return err
	}
	began := time.Now()
	if s.drops, s.met, err = storm.run(ctx); err != nil {
		return err
	}
	fmt.Printf("%d drops in %s; the agent comes to rest\n", len(s.drops), time.Since(began).Round(time.Second))
	if err := s.converge(ctx, r); err != nil {
		return err
	}
	if err := r.Settle(ctx); err != nil {
		return err
	}
	if s.after, err = footprintOf(agent); err != nil {
		return err
	}
	if s.jobs, err = r.APIM.Jobs(ctx); err != nil {
		return err
	}
	if s.problems, err = r.APIM.Problems(ctx); err != nil {
		return err
	}
	s.log = agent.Stderr.String()
	return nil
}

// warmUp is a burst of everything in each integration at once, and what the process holds when it has rested.
func warmUp(ctx context.Context, r *process.Rig, agent *process.Process) (footprint, error) {
	err := inEach(r, func(integration string) error {
		if _, err := r.APIM.Preview(ctx, integration); err != nil {
			return err
		}
		if _, err := r.APIM.Ingest(ctx, process.Patience, integration); err != nil {
			return err
		}
		apis, err := apisOf(ctx, r, integration)
		if err != nil {
			return err
		}
		var asked sync.WaitGroup
		for i := range subscribeFirst {
			asked.Go(func() { _, _ = r.Subscribe(ctx, apis[i%len(apis)]) }) // the count tells
		}
		asked.Wait()
		return nil
	})
	if err != nil {
		return footprint{}, err
	}
	if err := process.Sleep(ctx, rest); err != nil {
		return footprint{}, err
	}
	return footprintOf(agent)
}

// converge waits until APIM has no open ingest job, ingests everything once more, and sees whether APIM has what a
// preview says.
func (s *summary) converge(ctx context.Context, r *process.Rig) error {
	const jobTimeout = 6 * time.Minute // APIM gives a job up after 5
	err := process.Await(ctx, jobTimeout, "the ingests to end", func(ctx context.Context) (bool, error) {
		jobs, err := r.APIM.Jobs(ctx)
		for _, j := range jobs {
			if j.Status == apimsim.JobPending {
				return false, nil
			}
		}
		return true, err
	})
	if err != nil {
		return err
	}
	return inEach(r, func(integration string) error {
		if _, err := r.APIM.Ingest(ctx, process.Patience, integration); err != nil {
			return err
		}
		want, err := r.APIM.Preview(ctx, integration)
		if err != nil {
			return err
		}
		apis, err := apisOf(ctx, r, integration)
		if shown := len(want.APIs); err == nil && (len(apis) != shown || shown != apiCount) {
			err = fmt.Errorf("integration %s: APIM has %d APIs, the preview shows %d, AWS has %d",
				integration, len(apis), shown, apiCount)
		}
		return err
	})
}

const apiCount = apis * stages

func apisOf(ctx context.Context, r *process.Rig, integration string) ([]apimsim.APIView, error) {
	all, err := r.APIM.APIs(ctx)
	var its []apimsim.APIView
	for _, api := range all {
		if api.IntegrationID == integration {
			its = append(its, api)
		}
	}
	return its, err
}

// inEach does something in all integrations at once.
func inEach(r *process.Rig, do func(integration string) error) error {
	errs := make([]error, len(r.Integrations))
	var running sync.WaitGroup
	for i, integration := range r.Integrations {
		running.Go(func() { errs[i] = do(integration) })
	}
	running.Wait()
	return errors.Join(errs...)
}
