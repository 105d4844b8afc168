// Command kill9 kills the built agent at random moments while it makes and deletes API keys, starts it
// again, and at the end counts every key in AWS against what APIM accepted and what the journal lists.
//
// Agent and stand-ins are processes of their own; between agent and APIM lies a network with the latency
// of a continent, so that a kill often falls between a reply and the proof of its delivery. It needs
// nothing but Go and the loopback interface, and ends by itself.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 200, "how often the agent is killed")
	seed := flag.Uint64("seed", 1, "seeds the moments of the kills")
	each := flag.Int("subscriptions", 6, "subscriptions asked for in each round")
	atLeast := flag.Int("at-least", 10, "keys of each kind (accepted, unconfirmed, lost create) that must occur")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *rounds, *each, *atLeast, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "kill9:", err)
		os.Exit(1)
	}
}

// longestLife is how long an agent may live after it connected: about as long as a round's subscriptions take.
const longestLife = 1200 * time.Millisecond

func run(ctx context.Context, rounds, each, atLeast int, seed uint64) error {
	dir, err := os.MkdirTemp("", "kill9-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r, err := newRig(ctx, dir)
	if err != nil {
		return err
	}
	defer r.close()
	random := rand.New(rand.NewPCG(seed, 0))
	if err := r.ingestEverything(ctx); err != nil {
		return err
	}
	began := time.Now()
	for round := 1; round <= rounds; round++ {
		agent, err := r.startAgent(ctx)
		if err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		asked := r.askForKeys(ctx, each, random)
		select {
		case <-time.After(time.Duration(random.Int64N(int64(longestLife)))):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := agent.kill(); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		asked.Wait()
		if round%20 == 0 {
			fmt.Printf("round %d of %d, %s\n", round, rounds, time.Since(began).Round(time.Second))
		}
	}
	fmt.Println("the last agent cleans up")
	if err := r.settle(ctx); err != nil {
		return err
	}
	c, err := r.count(ctx, filepath.Join(dir, "data"))
	if err != nil {
		return err
	}
	c.print(rounds)
	return c.verdict(atLeast)
}
