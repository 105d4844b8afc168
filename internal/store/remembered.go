package store

import (
	"maps"
	"slices"
)

// RememberedAPI is one API of the last complete listing of a target.
type RememberedAPI struct {
	// ID is the federated id (ACCOUNT:REGION:RESTAPI:STAGE).
	ID string `json:"id"`
	// Name is the name that AWS gives the API, before anything was added to tell it apart.
	Name string `json:"name"`
}

// Listings remembers the last complete listing of each target. An API's name is judged over all of them, so that
// a target that fails renames nothing.
type Listings interface {
	// SaveListing replaces what is remembered of a target. Only complete, successful listings belong here. Durable.
	SaveListing(integration, target string, apis []RememberedAPI) error
	// Listings gives the last complete listing of each target, also of one with an empty listing.
	Listings(integration string) (map[string][]RememberedAPI, error)
	// ForgetListing drops a target that is not configured any longer. Durable.
	ForgetListing(integration, target string) error
}

// SentPlans remembers with which plans each API was last sent, so that plans that vanish are noticed before an ingest
// deletes them in APIM.
type SentPlans interface {
	// RememberPlans notes with which plan ids each API is sent. It replaces what was known of these APIs and of no
	// others; an empty list means "sent without plans". Call it before the batch leaves: APIM may keep a batch whose
	// answer is lost. Durable.
	RememberPlans(integration string, plans map[string][]string) error
	// RememberedPlans gives the plan ids by API id. Empty: nothing was sent yet, or nothing is remembered (no volume),
	// and the plan-loss guard is blind.
	RememberedPlans(integration string) (map[string][]string, error)
}

// SaveListing implements [Listings].
func (s *FileStore) SaveListing(integration, target string, apis []RememberedAPI) error {
	return s.write(func(st *state) ([]Change, error) {
		return st.listings.set(append([]RememberedAPI{}, apis...), integration, target)
	})
}

// Listings implements [Listings].
func (s *FileStore) Listings(integration string) (map[string][]RememberedAPI, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := map[string][]RememberedAPI{}
	for target, apis := range s.state.listings.under(integration) {
		found[target] = slices.Clone(apis)
	}
	return found, nil
}

// ForgetListing implements [Listings].
func (s *FileStore) ForgetListing(integration, target string) error {
	return s.write(func(st *state) ([]Change, error) { return st.listings.remove(integration, target), nil })
}

// RememberPlans implements [SentPlans].
func (s *FileStore) RememberPlans(integration string, plans map[string][]string) error {
	return s.write(func(st *state) ([]Change, error) {
		var changes []Change
		for _, apiID := range slices.Sorted(maps.Keys(plans)) {
			planIDs := append([]string{}, plans[apiID]...) // never nil, which would be written as null
			slices.Sort(planIDs)
			planIDs = slices.Compact(planIDs)
			if known, ok := st.plans.get(integration, apiID); ok && slices.Equal(known, planIDs) {
				continue // an ingest with nothing changed costs no write
			}
			change, err := st.plans.set(planIDs, integration, apiID)
			if err != nil {
				return nil, err
			}
			changes = append(changes, change...)
		}
		return changes, nil
	})
}

// RememberedPlans implements [SentPlans].
func (s *FileStore) RememberedPlans(integration string) (map[string][]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := map[string][]string{}
	for apiID, planIDs := range s.state.plans.under(integration) {
		found[apiID] = slices.Clone(planIDs)
	}
	return found, nil
}
