// Command frozen stops the built agent (SIGSTOP) while APIM's users subscribe, lets it go on when APIM has given up or
// soon will, and at the end counts every key in AWS against what APIM accepted and what the journal lists.
//
// What the agent reads when it goes on looks as new as ever: six SUBSCRIBEs that APIM has long rejected. It needs
// nothing but Go and the loopback interface, and ends by itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/process"
)

func main() {
	rounds := flag.Int("rounds", 3, "how often the agent is stopped for each time")
	each := flag.Int("subscriptions", 6, "subscriptions asked for in each round")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *rounds, *each); err != nil {
		fmt.Fprintln(os.Stderr, "frozen:", err)
		os.Exit(1)
	}
}

// stops are how long the agent stands still, and how slow CreateApiKey and CreateUsagePlanKey are then: APIM waits for
// 60 s. The first is over in time, and what is made then is not. A second is as short as not to be noticed.
var stops = []struct{ still, slow time.Duration }{
	{time.Second, 0}, {36 * time.Second, 13 * time.Second}, {63 * time.Second, 0},
}

func run(ctx context.Context, rounds, each int) error {
	r, err := process.NewRig(ctx, process.RigOptions{Integrations: 1, APIs: 4, Stages: 2})
	if err != nil {
		return err
	}
	defer r.Close()
	agent, err := r.StartAgent(ctx)
	if err != nil {
		return err
	}
	if _, err := r.APIM.Ingest(ctx, process.Patience, r.Integrations[0]); err != nil {
		return errors.Join(err, agent.Kill())
	}
	apis, err := r.APIM.APIs(ctx)
	if err != nil {
		return errors.Join(err, agent.Kill())
	}
	for round := range rounds {
		for _, s := range stops {
			if err := freeze(ctx, r, agent, apis, each, s.still, s.slow); err != nil {
				return errors.Join(err, agent.Kill())
			}
			fmt.Printf("round %d of %d: stopped for %s\n", round+1, rounds, s.still)
		}
	}
	if err := r.Settle(ctx); err != nil {
		return errors.Join(err, agent.Kill())
	}
	if err := agent.End(); err != nil {
		return err
	}
	c, err := r.Count(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("\nstops (SIGSTOP)                               %5d\n%s", rounds*len(stops), c)
	if c.Accepted < rounds*each {
		err = fmt.Errorf("only %d of %d subscriptions during a short stop were accepted", c.Accepted, rounds*each)
	}
	return errors.Join(err, c.Wrong())
}

// freeze stops the agent, has subscriptions asked for, and lets it go on. It returns when APIM has decided on all.
func freeze(
	ctx context.Context,
	r *process.Rig,
	agent *process.Process,
	apis []apimsim.APIView,
	each int,
	still, slow time.Duration,
) error {
	// The session that the last stop cost is back, and old enough that what comes is no command that was kept.
	if err := process.Sleep(ctx, 5*time.Second); err != nil {
		return err
	}
	if err := r.Slow(ctx, slow, awssim.OpCreateAPIKey, awssim.OpCreateUsagePlanKey); err != nil {
		return err
	}
	if err := agent.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	var asked sync.WaitGroup
	for n := range each {
		asked.Go(func() { _, _ = r.Subscribe(ctx, apis[n%len(apis)]) }) // REJECTED is what a long stop does
	}
	err := process.Sleep(ctx, still)
	err = errors.Join(err, agent.Signal(syscall.SIGCONT))
	asked.Wait()
	return err
}
