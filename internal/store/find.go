package store

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// KnownAPI is what is remembered of one federated API.
type KnownAPI struct {
	RememberedAPI
	Integration string
	// Sent is whether it was ever sent to APIM, Plans the plan ids that it was last sent with.
	Sent  bool
	Plans []string
}

// KnownAPIs looks among the APIs of the last complete listings.
type KnownAPIs interface {
	// FindAPIs gives those whose name or id contains each of some words, in any case, by their names: at most so many
	// after those to skip. It also says how many fit, and how many there are.
	FindAPIs(integrations, words []string, skip, most int) (found []KnownAPI, fit, all int)
}

// FindAPIs implements [KnownAPIs].
func (s *FileStore) FindAPIs(integrations, words []string, skip, most int) (found []KnownAPI, fit, all int) {
	matches, all := s.matching(integrations, lower(words))
	// Not under the lock: keys are written meanwhile. A listing is replaced as a whole and never changed.
	part := part(matches, skip, most)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range part {
		plans, sent := s.state.plans.get(m.integration, m.ID)
		found = append(found, m.known(plans, sent))
	}
	return found, len(matches), all
}

// Finder implements [KnownAPIs] by what a journal is asked at each search.
type Finder struct {
	Listings Listings
	Ingests  Ingests
}

// findWithin bounds what a search may ask for.
const findWithin = 2 * time.Second

// FindAPIs implements [KnownAPIs]. What cannot be read is not found.
func (f Finder) FindAPIs(integrations, words []string, skip, most int) (found []KnownAPI, fit, all int) {
	ctx, cancel := context.WithTimeout(context.Background(), findWithin)
	defer cancel()
	var matches []match
	wanted := lower(words)
	for _, integration := range integrations {
		listings, _ := f.Listings.Listings(ctx, integration)
		for _, apis := range listings {
			all += len(apis)
			matches = matchesOf(matches, integration, apis, wanted)
		}
	}
	sent := map[string]Sent{}
	for _, m := range part(matches, skip, most) {
		if _, asked := sent[m.integration]; !asked {
			sent[m.integration], _ = f.Ingests.Sent(ctx, m.integration)
		}
		plans, isSent := sent[m.integration].Plans[m.ID]
		found = append(found, m.known(plans, isSent))
	}
	return found, len(matches), all
}

func lower(words []string) []string {
	wanted := make([]string, len(words))
	for n, word := range words {
		wanted[n] = strings.ToLower(word)
	}
	return wanted
}

// part sorts what fits, and gives so many of it behind those to skip.
func part(matches []match, skip, most int) []match {
	slices.SortFunc(matches, func(a, b match) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	first := min(max(skip, 0), len(matches))
	return matches[first:min(first+most, len(matches))]
}

type match struct {
	*RememberedAPI
	integration string
}

func (s *FileStore) matching(integrations, wanted []string) (matches []match, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, integration := range integrations {
		for _, apis := range s.state.listings.under(integration) {
			all += len(apis)
			matches = matchesOf(matches, integration, apis, wanted)
		}
	}
	return matches, all
}

func (m match) known(plans []string, sent bool) KnownAPI {
	return KnownAPI{RememberedAPI: *m.RememberedAPI, Integration: m.integration, Sent: sent, Plans: slices.Clone(plans)}
}

// matchesOf adds those of a listing that fit.
func matchesOf(matches []match, integration string, apis []RememberedAPI, wanted []string) []match {
	matches = slices.Grow(matches, len(apis))
	for n := range apis {
		if containsAll(&apis[n], wanted) {
			matches = append(matches, match{&apis[n], integration})
		}
	}
	return matches
}

// containsAll takes words in lower case.
func containsAll(api *RememberedAPI, words []string) bool {
	if len(words) == 0 { // the usual question, and nothing is to be made lower
		return true
	}
	name, id := strings.ToLower(api.Name), strings.ToLower(api.ID)
	for _, word := range words {
		if !strings.Contains(name, word) && !strings.Contains(id, word) {
			return false
		}
	}
	return true
}
