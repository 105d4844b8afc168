package store

import (
	"context"
	"slices"
)

// RememberedAPI is one API of the last complete listing of a target.
type RememberedAPI struct {
	// ID is the federated id (ACCOUNT:REGION:RESTAPI:STAGE).
	ID string `json:"id"`
	// Name is the name that AWS gives the API, before anything was added to tell it apart.
	Name string `json:"name"`
	// Gone says that AWS has no such stage any more, though a usage plan is still linked to it.
	Gone bool `json:"gone,omitempty"`
}

// Listings remembers the last complete listing of each target. It is for what must not depend on which targets can be
// listed just now: an API's name is judged over all listings, so that a target that fails renames nothing; a stage that
// AWS did not have stays away until AWS is asked again; a bare REST API id is found.
//
// Several processes may write the listing of one target: the last one wins, and no listing is a mixture. So one may be
// older than another process's last look at AWS, or be missing. That is harmless while that target can be listed, as each
// process has what it listed itself, and writes what has changed since. It decides a name only where the target cannot be
// listed, or is not asked; such a name is right again at the next ingest. Nothing is ever deleted on what a listing says.
type Listings interface {
	// SaveListing replaces what is remembered of a target. Only complete, successful listings belong here. Durable.
	// Errors: [ErrInvalid], [ErrNotWritten], [ErrUnknown], [ErrInMemory], [ErrFenced], [ErrClosed].
	SaveListing(ctx context.Context, integration, target string, apis []RememberedAPI) error
	// Listings gives the last complete listing of each target, also of one with an empty listing. With [ErrDamaged] it
	// gives those that can be read, with any other error none.
	Listings(ctx context.Context, integration string) (map[string][]RememberedAPI, error)
	// ForgetListing drops a target that is not configured any longer. Durable. Errors: those of SaveListing.
	ForgetListing(ctx context.Context, integration, target string) error
}

// SaveListing implements [Listings].
func (s *FileStore) SaveListing(_ context.Context, integration, target string, apis []RememberedAPI) error {
	return s.write(func(st *state) ([]Change, error) {
		return st.listings.set(append([]RememberedAPI{}, apis...), integration, target)
	})
}

// Listings implements [Listings].
func (s *FileStore) Listings(_ context.Context, integration string) (map[string][]RememberedAPI, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := map[string][]RememberedAPI{}
	for target, apis := range s.state.listings.under(integration) {
		found[target] = slices.Clone(apis)
	}
	return found, nil
}

// ForgetListing implements [Listings].
func (s *FileStore) ForgetListing(_ context.Context, integration, target string) error {
	return s.write(func(st *state) ([]Change, error) { return st.listings.remove(integration, target), nil })
}
