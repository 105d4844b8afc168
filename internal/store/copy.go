package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"federation-agent/internal/keys"
)

// Journal is all that outlives an agent.
type Journal interface {
	KeyJournal
	Ingests
	Listings
}

// Copied counts what a copy has, or would have, by its kind.
type Copied struct {
	// States are the keys by their state.
	States                              map[keys.State]int
	Keys, Jobs, Plans, Taken, Claims    int
	Listings, ListedAPIs, Subscriptions int
}

// ErrOccupied says that a journal has something that the one to be copied has not.
var ErrOccupied = errors.New("the journal to copy to is not empty")

// copyAtOnce is with how many APIs what was sent is written at once. A table's item has 400 KB at most.
const copyAtOnce = 500

// Copy copies a journal that nobody writes to into another one that nobody uses: all keys, and of these integrations the
// ingests that run, what was sent, and the last listings. What is there already, as after a copy that was cut off, is left
// as it is. Dry: it reads only. Errors: [ErrOccupied]; those of the journals, after which a part is copied.
func Copy(ctx context.Context, from, to Journal, integrations []string, now time.Time, dry bool) (c Copied, err error) {
	c.States = map[keys.State]int{}
	if err = copyKeys(ctx, from, to, &c, dry); err != nil {
		return c, err
	}
	return c, copyIntegrations(ctx, from, to, integrations, now, &c, dry)
}

// Remember copies what was sent and listed of these integrations into memory, for who only reads: no keys. Errors are those
// of the journal.
func Remember(ctx context.Context, from Journal, integrations []string, now time.Time) (*FileStore, error) {
	memory := Memory()
	return memory, copyIntegrations(ctx, from, memory, integrations, now, &Copied{}, false)
}

func copyIntegrations(
	ctx context.Context, from, to Journal, integrations []string, now time.Time, c *Copied, dry bool,
) error {
	for _, integration := range integrations {
		if err := copySent(ctx, from, to, integration, now, c, dry); err != nil {
			return fmt.Errorf("integration %s: %w", integration, err)
		}
		if err := copyListings(ctx, from, to, integration, c, dry); err != nil {
			return fmt.Errorf("integration %s: %w", integration, err)
		}
	}
	return nil
}

func copyKeys(ctx context.Context, from, to Journal, c *Copied, dry bool) error {
	entries, err := from.Entries(ctx, Filter{}, false)
	there, failed := to.Entries(ctx, Filter{}, false)
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	occupied := map[keys.Subscription]Entry{}
	for _, e := range there {
		occupied[e.Of] = e
	}
	var left []Entry
	for _, e := range entries {
		if e.Unknown > 0 {
			return fmt.Errorf("subscription %s: %w", e.Of.ID, ErrNewer)
		}
		c.Subscriptions++
		c.Keys += len(e.Records)
		for _, r := range e.Records {
			c.States[r.State]++
		}
		if slices.Equal(occupied[e.Of].Records, e.Records) {
			delete(occupied, e.Of)
			continue
		}
		left = append(left, e)
	}
	for of := range occupied {
		return fmt.Errorf("%w: it has keys of subscription %s", ErrOccupied, of.ID)
	}
	for _, e := range left {
		if dry {
			break
		}
		if _, err := to.Write(ctx, Entry{Of: e.Of}, "", e.Records); err != nil {
			return err
		}
	}
	return nil
}

func copySent(ctx context.Context, from, to Journal, integration string, now time.Time, c *Copied, dry bool) error {
	jobs, err := from.Running(ctx, integration)
	sent, failed := from.Sent(ctx, integration)
	running, runningErr := to.Running(ctx, integration)
	there, thereErr := to.Sent(ctx, integration)
	if err = errors.Join(err, failed, runningErr, thereErr); err != nil {
		return err
	}
	c.Jobs, c.Plans = c.Jobs+len(jobs), c.Plans+len(sent.Plans)
	c.Taken, c.Claims = c.Taken+len(sent.Taken), c.Claims+len(sent.Claims)
	of := OwnedJob{Integration: integration, JobID: "store copy"}
	for _, job := range running {
		if job.JobID != of.JobID && !slices.ContainsFunc(jobs, func(j IngestJob) bool { return j.JobID == job.JobID }) {
			return fmt.Errorf("%w: it has the ingest job %s", ErrOccupied, job.JobID)
		}
	}
	for api, plans := range there.Plans {
		if known, is := sent.Plans[api]; !is || !slices.Equal(known, plans) {
			return fmt.Errorf("%w: it has plans of the API %s", ErrOccupied, api)
		}
	}
	if dry {
		return nil
	}
	if len(sent.Plans) > 0 { // what was sent is written as an ingest does
		if err := to.Start(ctx, IngestJob{OwnedJob: of, StartedAt: now, LastAckAt: now}); err != nil {
			return err
		}
		for apis := range slices.Chunk(slices.Sorted(maps.Keys(sent.Plans)), copyAtOnce) {
			plans, taken := map[string][]string{}, map[string]string{}
			for _, api := range apis {
				plans[api] = sent.Plans[api]
				if digest, known := sent.Taken[api]; known {
					taken[api] = digest
				}
			}
			if _, err := to.Sending(ctx, of, plans); err != nil {
				return err
			}
			if err := to.Acknowledge(ctx, of, nil, taken, now); err != nil {
				return err
			}
		}
		if err := to.Finish(ctx, of); err != nil {
			return err
		}
	}
	if len(sent.Claims) > 0 {
		if err := to.SaveClaims(ctx, integration, sent.Claims); err != nil {
			return err
		}
	}
	for _, job := range jobs {
		job.Owner = ""
		if err := to.Start(ctx, job); err != nil {
			return err
		}
	}
	return nil
}

func copyListings(ctx context.Context, from, to Journal, integration string, c *Copied, dry bool) error {
	listings, err := from.Listings(ctx, integration)
	there, failed := to.Listings(ctx, integration)
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	for target, apis := range there {
		if known, is := listings[target]; !is || !slices.Equal(known, apis) {
			return fmt.Errorf("%w: it has a listing of %s", ErrOccupied, target)
		}
	}
	for target, apis := range listings {
		c.Listings, c.ListedAPIs = c.Listings+1, c.ListedAPIs+len(apis)
		if dry {
			continue
		}
		if err := to.SaveListing(ctx, integration, target, apis); err != nil {
			return err
		}
	}
	return nil
}
