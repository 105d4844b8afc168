package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/process"
)

// The integrations of the two journals, each with an account of its own.
const (
	withFile  = "with-file"
	withTable = "with-table"
)

// measureLatency holds SUBSCRIBE with the journal in a table against the same with a file, one after the other by turns,
// and counts the calls of the table.
func measureLatency(ctx context.Context, r *rig) ([]*figures, error) {
	f := &figures{title: "SUBSCRIBE with a table and with a file, by turns, and the table's calls"}
	s, err := r.newSite(ctx, standInSpec{
		Estate: awssim.UniformOptions{
			Accounts: 2, APIs: pick(r, 100, 20), StagesPerAPI: 3, Plans: 30, DocumentBytes: 10_000,
		},
		Integrations: []string{withFile, withTable}, Scale: scale, HealthEvery: 30 * time.Second,
	})
	if err != nil {
		return nil, err
	}
	defer s.close()
	folder, err := os.MkdirTemp(s.dir, "journal-") // a run before this one may have left its cache
	if err != nil {
		return nil, err
	}
	file, err := s.start(ctx, agentSpec{integrations: []string{withFile}, file: folder})
	if err != nil {
		return nil, err
	}
	defer file.kill()
	table, err := s.start(ctx, agentSpec{integrations: []string{withTable}, account: 1})
	if err != nil {
		return nil, err
	}
	defer table.kill()
	if err := s.ingests(ctx, f); err != nil {
		return nil, err
	}
	if err := s.subscribesByTurns(ctx, f, pick(r, 100, 5)); err != nil {
		return nil, err
	}
	still := pick(r, time.Minute, 5*time.Second)
	before := s.table.counts()
	if err := process.Sleep(ctx, still); err != nil {
		return nil, err
	}
	reads, writes := s.table.since(before)
	f.tell(fmt.Sprintf("the table's reads and writes in %s at rest, one process with a session", still),
		fmt.Sprintf("%d, %d", reads, writes))
	return []*figures{f}, errors.Join(file.stop(), table.stop())
}

// ingests has each agent ingest everything, and counts the table's calls.
func (s *site) ingests(ctx context.Context, f *figures) error {
	began := time.Now()
	if _, err := s.Users.APIM.Ingest(ctx, jobWithin, withFile); err != nil {
		return err
	}
	took := time.Since(began)
	before, began := s.table.counts(), time.Now()
	job, err := s.Users.APIM.Ingest(ctx, jobWithin, withTable)
	if err != nil {
		return err
	}
	reads, writes := s.table.since(before)
	f.tell(fmt.Sprintf("first ingest of %d stages: with the file, with the table (quota x %d)", job.Ingested, scale),
		fmt.Sprintf("%s, %s", short(took), short(time.Since(began))))
	f.tell("the table's reads and writes during the latter, the process's signs of life among them",
		fmt.Sprintf("%d, %d", reads, writes))
	return nil
}

func (s *site) subscribesByTurns(ctx context.Context, f *figures, n int) error {
	all, err := s.Users.APIM.APIs(ctx)
	if err != nil {
		return err
	}
	first := map[string]apimsim.APIView{}
	for _, api := range all {
		first[api.IntegrationID] = api
	}
	took := map[string][]time.Duration{}
	reads, writes, beside := 0, 0, 0
	for range n {
		for _, id := range []string{withFile, withTable} {
			before, began := s.table.counts(), time.Now()
			sub, err := s.Subscribe(ctx, first[id])
			if err != nil {
				return err
			}
			if sub.Status != apimsim.SubscriptionAccepted {
				return fmt.Errorf("SUBSCRIBE %s: %s", id, sub.Reason)
			}
			took[id] = append(took[id], time.Since(began))
			// The proof of the delivery, and its note, come behind the answer.
			if err := process.Sleep(ctx, time.Second); err != nil {
				return err
			}
			r, w := s.table.since(before)
			if id == withFile {
				beside += r + w // the other process's signs of life
				continue
			}
			reads, writes = reads+r, writes+w
		}
	}
	f.tell("SUBSCRIBE with the file, median (worst)", middleAndWorst(took[withFile]))
	f.tell("SUBSCRIBE with the table, median (worst)", middleAndWorst(took[withTable]))
	f.tell("the table's reads and writes per SUBSCRIBE and the second behind it, the signs of life among them",
		fmt.Sprintf("%.1f, %.1f", float64(reads)/float64(n), float64(writes)/float64(n)))
	f.tell("its calls in as long beside a SUBSCRIBE with the file: the signs of life", fmt.Sprintf("%.1f", float64(beside)/float64(n)))
	return nil
}
