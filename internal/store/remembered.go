package store

import (
	"context"
	"maps"
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
	// Errors: [ErrInvalid], [ErrNotWritten], [ErrUnknown], [ErrFenced], [ErrClosed].
	SaveListing(ctx context.Context, integration, target string, apis []RememberedAPI) error
	// Listings gives the last complete listing of each target, also of one with an empty listing. With [ErrDamaged] it
	// gives those that can be read, with any other error none.
	Listings(ctx context.Context, integration string) (map[string][]RememberedAPI, error)
	// ForgetListing drops a target that is not configured any longer. Durable. Errors: those of SaveListing.
	ForgetListing(ctx context.Context, integration, target string) error
}

// SentPlans remembers with which plans each API was last sent, so that plans that vanish are noticed before an ingest
// deletes them in APIM, and how APIM last took each API, so that one that has not changed need not be sent again.
type SentPlans interface {
	// RememberPlans notes with which plan ids each API is sent. It replaces what was known of these APIs and of no
	// others; an empty list means "sent without plans". How APIM took them before is forgotten in the same write. Call it
	// before the batch leaves: APIM may keep a batch whose answer is lost. Durable.
	RememberPlans(integration string, plans map[string][]string) error
	// RememberedPlans gives the plan ids by API id. Empty: nothing was sent yet, or nothing is remembered (no volume),
	// and the plan-loss guard is blind.
	RememberedPlans(integration string) (map[string][]string, error)
	// RememberTaken notes how APIM has acknowledged APIs: a digest of each as it was sent. A lost write only means that
	// the API is sent again. Durable.
	RememberTaken(integration string, digests map[string]string) error
	// Taken gives the digest of one API; empty if it is not known how APIM has it.
	Taken(integration, api string) (string, error)
	// ForgetSent forgets all about APIs that were deleted in APIM. Durable.
	ForgetSent(integration string, apis []string) error
	// SaveClaims replaces the claims of an integration: the plan ids that AWS was last seen without, by API id. Durable.
	SaveClaims(integration string, lost map[string][]string) error
	// Claims gives the claims of an integration.
	Claims(integration string) (map[string][]string, error)
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

// RememberPlans implements [SentPlans].
func (s *FileStore) RememberPlans(integration string, plans map[string][]string) error {
	return s.write(func(st *state) ([]Change, error) {
		changes, err := setIDs(st.plans, plans, integration)
		for _, api := range slices.Sorted(maps.Keys(plans)) {
			changes = append(changes, st.taken.remove(integration, api)...)
		}
		return changes, err
	})
}

// RememberTaken implements [SentPlans].
func (s *FileStore) RememberTaken(integration string, digests map[string]string) error {
	return s.write(func(st *state) ([]Change, error) {
		var changes []Change
		for _, api := range slices.Sorted(maps.Keys(digests)) {
			change, err := st.taken.set(digests[api], integration, api)
			if err != nil {
				return nil, err
			}
			changes = append(changes, change...)
		}
		return changes, nil
	})
}

// Taken implements [SentPlans].
func (s *FileStore) Taken(integration, api string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	digest, _ := s.state.taken.get(integration, api)
	return digest, nil
}

// ForgetSent implements [SentPlans].
func (s *FileStore) ForgetSent(integration string, apis []string) error {
	return s.write(func(st *state) ([]Change, error) {
		var changes []Change
		for _, api := range apis {
			changes = slices.Concat(changes, st.plans.remove(integration, api), st.claims.remove(integration, api),
				st.taken.remove(integration, api))
		}
		return changes, nil
	})
}

// RememberedPlans implements [SentPlans].
func (s *FileStore) RememberedPlans(integration string) (map[string][]string, error) {
	return s.idsUnder(integration, func(st *state) table[[]string] { return st.plans }), nil
}

// SaveClaims implements [SentPlans].
func (s *FileStore) SaveClaims(integration string, lost map[string][]string) error {
	return s.write(func(st *state) ([]Change, error) {
		changes, err := setIDs(st.claims, lost, integration)
		for api := range st.claims.under(integration) {
			if _, stays := lost[api]; !stays {
				changes = append(changes, st.claims.remove(integration, api)...)
			}
		}
		return changes, err
	})
}

// Claims implements [SentPlans].
func (s *FileStore) Claims(integration string) (map[string][]string, error) {
	return s.idsUnder(integration, func(st *state) table[[]string] { return st.claims }), nil
}

// setIDs gives the changes that set rows of ids, each once and in order, where they differ: an ingest with nothing
// changed costs no write.
func setIDs(t table[[]string], rows map[string][]string, integration string) ([]Change, error) {
	var changes []Change
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		ids := append([]string{}, rows[key]...) // never nil, which would be written as null
		slices.Sort(ids)
		ids = slices.Compact(ids)
		if known, ok := t.get(integration, key); ok && slices.Equal(known, ids) {
			continue
		}
		change, err := t.set(ids, integration, key)
		if err != nil {
			return nil, err
		}
		changes = append(changes, change...)
	}
	return changes, nil
}

func (s *FileStore) idsUnder(integration string, of func(*state) table[[]string]) map[string][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := map[string][]string{}
	for key, ids := range of(s.state).under(integration) {
		found[key] = slices.Clone(ids)
	}
	return found
}
