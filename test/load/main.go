// Command load measures the agent: calls, quota, memory, start-up and the session, side by side with what
// one would do instead. It builds the agent, starts the stand-ins in a process of their own, and prints
// Markdown tables. Its bars are those of docs/performance.md.
//
//	go run ./test/load                      everything, some 40 minutes
//	go run ./test/load -quick               everything on a small estate, some minutes; proves the rig.
//	                                        Bars that need the full size are not judged
//	go run ./test/load -only memory,start   these groups
//	go run ./test/load -only hostile        peak memory of a process under inputs without a bound
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

	"federation-agent/test/process"
)

// group is a set of measurements that are made together.
type group struct {
	name string
	what string
	run  func(context.Context, *rig) ([]table, error)
}

// groups are in the order in which they run: those that want a quiet machine come first.
func groups() []group {
	return []group{
		{"start", "start to HELLO and memory when idle; the vendor's connector beside", measureStart},
		{"health", "HEALTH_CHECK round trips during an ingest", measureHealth},
		{"memory", "peak memory of large ingests (quota scaled)", measureMemory},
		{"hostile", "peak memory under inputs without a bound", measureHostile},
		{"targets", "200 targets at their full share in one process", measureTargets},
		{"shared", "first ingest of stages that share deployments, at AWS's real quota", measureShared},
		{"honest", "calls, time, neighbours, subscriptions at AWS's real quota", measureHonest},
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == standInsCommand {
		exit(process.ServeStandIns(os.Stdin, os.Stdout, standInsOf))
	}
	var names []string
	for _, g := range groups() {
		names = append(names, g.name)
	}
	only := flag.String("only", "", "comma-separated `GROUPS` of "+strings.Join(names, ", ")+"; default all")
	quick := flag.Bool("quick", false, "small estates and short runs; bars that need the full size are not judged")
	keep := flag.String("dir", "", "`FOLDER` for binaries, logs and stores, kept afterwards; default a temporary one")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, *only, *quick, *keep))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, only string, quick bool, dir string) error {
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	r, err := newRig(ctx, quick, dir)
	if err != nil {
		return err
	}
	defer r.discard()
	printMachine(quick)
	var failures []error
	missed := 0
	for _, g := range chosen {
		fmt.Fprintf(os.Stderr, "load: %s: %s\n", g.name, g.what)
		tables, err := g.run(ctx, r)
		for _, t := range tables {
			fmt.Println(t)
			missed += t.missed()
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", g.name, err))
		}
	}
	if missed > 0 {
		failures = append(failures, fmt.Errorf("%d measures miss their bar", missed))
	}
	return errors.Join(failures...)
}

func choose(only string) ([]group, error) {
	if only == "" {
		return groups(), nil
	}
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
