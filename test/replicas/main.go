// Command replicas measures what several agents make of one journal in a table: processes of the built binary, without a
// volume, against the stand-ins for APIM and AWS in a process of their own, and DynamoDB as moto has it in another one.
// It prints Markdown tables, which docs/performance.md holds.
//
//	go run ./test/replicas                      everything, some two hours
//	go run ./test/replicas -short               each group for some seconds; bars that need the full time are not judged
//	go run ./test/replicas -only kills,doubles  these groups
//
// Moto needs Python and PyPI, and the group `real` a JDK and Maven: see test/interop.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/process"
)

// group is a set of measurements that are made together.
type group struct {
	name string
	run  func(context.Context, *rig) ([]*figures, error)
}

func groups() []group {
	return []group{
		{"kills", measureKills},
		{"stops", measureStops},
		{"doubles", measureDoubles},
		{"rolling", measureRolling},
		{"latency", measureLatency},
		{"share", measureShare},
		{"restored", measureRestored},
		{"versions", measureVersions},
		{"real", measureReal},
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == standInsCommand {
		exit(process.ServeStandIns(os.Stdin, os.Stdout, standIns))
	}
	var names []string
	for _, g := range groups() {
		names = append(names, g.name)
	}
	only := flag.String("only", strings.Join(names, ","), "comma-separated `GROUPS`")
	short := flag.Bool("short", false, "few and short rounds; bars that need the full time are not judged")
	dir := flag.String("dir", "", "`FOLDER` for the binary and the agents' logs, kept afterwards; default a temporary one")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, *only, *short, *dir))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "replicas:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, only string, short bool, dir string) error {
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	r, err := newRig(ctx, short, dir)
	if err != nil {
		return err
	}
	defer r.close()
	fmt.Println(confined())
	var failures []error
	for _, g := range chosen {
		began := time.Now()
		fmt.Fprintf(os.Stderr, "replicas: %s\n", g.name)
		made, err := g.run(ctx, r)
		misses := 0
		for _, f := range made {
			fmt.Println(f)
			misses += f.misses
		}
		if misses > 0 {
			err = errors.Join(err, fmt.Errorf("%d bars are missed", misses))
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", g.name, err))
		}
		fmt.Fprintf(os.Stderr, "replicas: %s took %s\n", g.name, time.Since(began).Round(time.Second))
	}
	return errors.Join(failures...)
}

func choose(only string) ([]group, error) {
	var chosen []group
	for name := range strings.SplitSeq(only, ",") {
		found := false
		for _, g := range groups() {
			if g.name == strings.TrimSpace(name) {
				chosen, found = append(chosen, g), true
			}
		}
		if !found {
			return nil, fmt.Errorf("there is no group %q", name)
		}
	}
	return chosen, nil
}

const (
	// integration is the one of the groups that need no other.
	integration = "replicas"
	// scale is how many times AWS's own quota the stand-in grants where the quota is not what is measured.
	scale = 20
)

// newPairSite is a site for two agents that serve one integration.
func newPairSite(ctx context.Context, r *rig) (*site, error) {
	return r.newSite(ctx, standInSpec{
		Estate: awssim.UniformOptions{
			APIs: pick(r, 40, 10), StagesPerAPI: 3, Plans: 4, DocumentBytes: 10_000,
		},
		Integrations: []string{integration}, Scale: scale,
		// APIM's own is 30 s; a short run waits for the next one less long.
		HealthEvery: pick(r, 30*time.Second, 5*time.Second),
	})
}

// pairSettings are those of the agents of such a site.
func pairSettings() map[string]string {
	return map[string]string{
		// An ingest takes some seconds and has many batches, so that a process is often ended in the middle of one.
		"gravitee_agent_cache_maxBytes":    "0",
		"gravitee_agent_ingest_batchCount": "4",

		"gravitee_services_core_http_authentication_users_" + nodeUser: nodePassword,
	}
}
