package interop

import (
	"context"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"federation-agent/test/interop/controller"
)

const (
	// caseDeadline ends a case that hangs. The longest waits 20 s for a pong that never comes, on an idle machine.
	caseDeadline = 3 * time.Minute
	// casesAtATime is how many run together, over all controllers. Nearly all of a case's time is waiting, but more of
	// them keep a machine so busy that deadlines pass, which are real time.
	casesAtATime = 10
	// tableVariable names the file that the table of results is written to, if any.
	tableVariable = "FEDERATION_AGENT_COMPATIBILITY"
)

// contractCase is one case, written once for all controllers.
type contractCase struct {
	name string
	// only limits a case to one dialect; without leaves out versions that a fact does not hold for. Together they
	// are the fixed list of what is "not in this dialect".
	only    controller.Dialect
	without func(controller.Version) bool
	options controller.Options
	run     func(ctx context.Context, t *testing.T, c controller.Controller)
}

func (c contractCase) holdsFor(v controller.Version) bool {
	return (c.only == "" || c.only == v.Dialect) && (c.without == nil || !c.without(v))
}

func sendsAway(v controller.Version) bool       { return v.SendsUnhealthyAway }
func leavesUnhealthy(v controller.Version) bool { return !v.SendsUnhealthyAway }

// chapter is a part of the table.
type chapter struct {
	title string
	cases []contractCase
}

func chapters() []chapter {
	return []chapter{
		{"The agent", slices.Concat(sessionCases(), cutCases(), ingestCases(), commandCases(), handoverCases())},
		{"The controllers, asked by hand", controllerFacts()},
	}
}

// TestContract runs every case on every controller: Gravitee's own, and our stand-in in the same versions.
func TestContract(t *testing.T) {
	isolateSDK(t)
	results := newTable(chapters(), peers())
	places := make(chan struct{}, casesAtATime)
	var running sync.WaitGroup
	for _, p := range peers() {
		running.Go(func() {
			t.Run(p.name(), func(t *testing.T) { runAll(t, p, places, results) })
		})
	}
	running.Wait()
	if path := os.Getenv(tableVariable); path != "" {
		must(t, os.WriteFile(path, results.markdown(), 0o644))
	}
}

// runAll runs the cases of one controller at the same time, as far as there are places.
func runAll(t *testing.T, p *peer, places chan struct{}, results *table) {
	p.start(t)
	var running sync.WaitGroup
	for _, chapter := range chapters() {
		for _, test := range chapter.cases {
			if !test.holdsFor(p.version) {
				results.set(test.name, p.name(), notInDialect)
				continue
			}
			running.Go(func() {
				places <- struct{}{}
				defer func() { <-places }()
				t.Run(test.name, func(t *testing.T) {
					// A case that ends by FailNow comes by here, too.
					defer func() { results.set(test.name, p.name(), outcomeOf(t)) }()
					ctx, cancel := context.WithTimeout(t.Context(), caseDeadline)
					defer cancel()
					test.run(ctx, t, p.open(ctx, t, test.options))
				})
			})
		}
	}
	running.Wait()
}
