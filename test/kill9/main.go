// Command kill9 kills the built agent at random moments while it makes and deletes API keys, starts it
// again, and at the end counts every key in AWS against what APIM accepted and what the journal lists.
//
// Agent and stand-ins are processes of their own; between agent and APIM lies a network with the latency
// of a continent, so that a kill often falls between a reply and the proof of its delivery. It needs
// nothing but Go and the loopback interface, and ends by itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"sync"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/test/process"
)

func main() {
	rounds := flag.Int("rounds", 200, "how often the agent is killed")
	seed := flag.Uint64("seed", 1, "seeds the moments of the kills")
	each := flag.Int("subscriptions", 6, "subscriptions asked for in each round")
	atLeast := flag.Int("at-least", 10, "keys of each kind (accepted, unconfirmed, lost create) that must occur")
	journal := flag.String("journal", "", "`DIR` for the journal, such as an empty volume of 1 MiB")
	lose := flag.Bool("lose-region", false, "every other life lacks the second of two regions")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o := options{*rounds, *each, *atLeast, *seed, *journal, *lose}
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "kill9:", err)
		os.Exit(1)
	}
}

// longestLife is how long an agent may live after it connected: about as long as a round's subscriptions take. They
// come in its first half. In a session's first second each key is listed as unconfirmed; a third of them come later.
const longestLife = 3 * time.Second

// keepAccepted subscriptions are never ended: enough must be left at the end.
const keepAccepted = 19

type options struct {
	rounds, each, atLeast int
	seed                  uint64
	journal               string
	loseRegion            bool
}

func run(ctx context.Context, o options) error {
	rig := process.RigOptions{Integrations: 1, APIs: 4, Stages: 2, Journal: o.journal}
	if o.loseRegion {
		rig.Regions = 2
	}
	r, err := process.NewRig(ctx, rig)
	if err != nil {
		return err
	}
	defer r.Close()
	random := rand.New(rand.NewPCG(o.seed, 0))
	apis, err := ingestEverything(ctx, r)
	if err != nil {
		return err
	}
	began := time.Now()
	for round := 1; round <= o.rounds; round++ {
		var settings []string
		if o.loseRegion && round%2 == 0 {
			settings = append(settings, process.FirstRegionOnly())
		}
		agent, err := r.StartAgent(ctx, settings...)
		if err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		asked := askForKeys(ctx, r, apis, o.each, random)
		if err := process.Sleep(ctx, time.Duration(random.Int64N(int64(longestLife)))); err != nil {
			return err
		}
		if err := agent.Kill(); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
		asked.Wait()
		if round%20 == 0 {
			fmt.Printf("round %d of %d, %s\n", round, o.rounds, time.Since(began).Round(time.Second))
		}
	}
	fmt.Println("the last agent cleans up")
	if err := settle(ctx, r); err != nil {
		return err
	}
	c, err := r.Count(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("\nrounds (kill -9)                              %5d\n%s", o.rounds, c)
	return errors.Join(c.Wrong(), enough(c, o.atLeast))
}

// enough says which kind of key came up too rarely for the count to mean something.
func enough(c process.Count, atLeast int) error {
	var wrong []error
	for kind, n := range map[string]int{
		"accepted": c.Accepted, "unconfirmed": c.Unconfirmed, "lost create": c.LostCreate,
	} {
		if n < atLeast {
			wrong = append(wrong,
				fmt.Errorf("only %d keys of the kind %q occurred: this run says too little, run more rounds", n, kind))
		}
	}
	return errors.Join(wrong...)
}

func ingestEverything(ctx context.Context, r *process.Rig) ([]apimsim.APIView, error) {
	agent, err := r.StartAgent(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := r.APIM.Ingest(ctx, process.Patience, r.Integrations[0]); err != nil {
		return nil, err
	}
	apis, err := r.APIM.APIs(ctx)
	return apis, errors.Join(err, agent.Kill())
}

// askForKeys plays APIM's users: some subscribe, and now and then somebody ends an accepted subscription.
func askForKeys(
	ctx context.Context, r *process.Rig, apis []apimsim.APIView, each int, random *rand.Rand,
) *sync.WaitGroup {
	var asked sync.WaitGroup
	for range each {
		api := apis[random.IntN(len(apis))]
		pause := time.Duration(random.Int64N(int64(longestLife / 2)))
		asked.Go(func() {
			time.Sleep(pause)
			_, _ = r.Subscribe(ctx, api) // REJECTED is what a kill does
		})
	}
	if id := r.AnAccepted(ctx, apis[0].IntegrationID, keepAccepted, random.IntN(1<<16)); id != "" {
		asked.Go(func() { _ = r.Unsubscribe(ctx, id) }) // a kill in the middle leaves it ACCEPTED, see Settle
	}
	return &asked
}

// settle lets one more agent live until nothing is left to delete, and ends it in order.
func settle(ctx context.Context, r *process.Rig) error {
	agent, err := r.StartAgent(ctx)
	if err != nil {
		return err
	}
	if err := r.Settle(ctx); err != nil {
		return errors.Join(err, agent.Kill())
	}
	return agent.End()
}
