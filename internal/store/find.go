package store

import (
	"cmp"
	"slices"
	"strings"
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
	wanted := make([]string, len(words))
	for n, word := range words {
		wanted[n] = strings.ToLower(word)
	}
	matches, all := s.matching(integrations, wanted)
	// Not under the lock: keys are written meanwhile. A listing is replaced as a whole and never changed.
	slices.SortFunc(matches, func(a, b match) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	fit = len(matches)
	first := min(max(skip, 0), fit)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range matches[first:min(first+most, fit)] {
		plans, sent := s.state.plans.get(m.integration, m.ID)
		found = append(found, KnownAPI{
			RememberedAPI: *m.RememberedAPI, Integration: m.integration, Sent: sent, Plans: slices.Clone(plans),
		})
	}
	return found, fit, all
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
			matches = slices.Grow(matches, len(apis))
			for n := range apis {
				if containsAll(&apis[n], wanted) {
					matches = append(matches, match{&apis[n], integration})
				}
			}
		}
	}
	return matches, all
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
