package store

import (
	"context"
	"errors"
	"time"
)

// tolerated takes what is in memory only as written.
func tolerated(err error) error {
	if errors.Is(err, ErrInMemory) {
		return nil
	}
	return err
}

// TolerateIngests is a journal that goes on in memory ([ErrInMemory]): what the end of the process would forget costs an
// ingest once more, never a key. The store's [Health] tells people.
func TolerateIngests(journal Ingests) Ingests { return tolerantIngests{journal} }

type tolerantIngests struct{ Ingests }

// Start implements [Ingests].
func (t tolerantIngests) Start(ctx context.Context, job IngestJob) error {
	return tolerated(t.Ingests.Start(ctx, job))
}

// Sending implements [Ingests].
func (t tolerantIngests) Sending(ctx context.Context, job OwnedJob, plans map[string][]string) ([]string, error) {
	overtaken, err := t.Ingests.Sending(ctx, job, plans)
	return overtaken, tolerated(err)
}

// Acknowledge implements [Ingests].
func (t tolerantIngests) Acknowledge(
	ctx context.Context, job OwnedJob, apis []string, taken map[string]string, at time.Time,
) error {
	return tolerated(t.Ingests.Acknowledge(ctx, job, apis, taken, at))
}

// SendingDone implements [Ingests].
func (t tolerantIngests) SendingDone(ctx context.Context, job OwnedJob) error {
	return tolerated(t.Ingests.SendingDone(ctx, job))
}

// Finish implements [Ingests].
func (t tolerantIngests) Finish(ctx context.Context, job OwnedJob) error {
	return tolerated(t.Ingests.Finish(ctx, job))
}

// ForgetTaken implements [Ingests].
func (t tolerantIngests) ForgetTaken(ctx context.Context, integration string) error {
	return tolerated(t.Ingests.ForgetTaken(ctx, integration))
}

// ForgetSent implements [Ingests].
func (t tolerantIngests) ForgetSent(ctx context.Context, integration string, apis []string) error {
	return tolerated(t.Ingests.ForgetSent(ctx, integration, apis))
}

// SaveClaims implements [Ingests].
func (t tolerantIngests) SaveClaims(ctx context.Context, integration string, lost map[string][]string) error {
	return tolerated(t.Ingests.SaveClaims(ctx, integration, lost))
}

// TolerateListings is one that goes on in memory, as [TolerateIngests] is.
func TolerateListings(journal Listings) Listings { return tolerantListings{journal} }

// listings is [Listings] by another name: a field of that one would hide its method.
type listings = Listings

type tolerantListings struct{ listings }

// SaveListing implements [Listings].
func (t tolerantListings) SaveListing(ctx context.Context, integration, target string, apis []RememberedAPI) error {
	return tolerated(t.listings.SaveListing(ctx, integration, target, apis))
}

// ForgetListing implements [Listings].
func (t tolerantListings) ForgetListing(ctx context.Context, integration, target string) error {
	return tolerated(t.listings.ForgetListing(ctx, integration, target))
}
