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
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, integration := range integrations {
		for _, apis := range s.state.listings.under(integration) {
			all += len(apis)
			for _, api := range apis {
				text := strings.ToLower(api.Name + "\n" + api.ID)
				if !slices.ContainsFunc(wanted, func(word string) bool { return !strings.Contains(text, word) }) {
					found = append(found, KnownAPI{RememberedAPI: api, Integration: integration})
				}
			}
		}
	}
	slices.SortFunc(found, func(a, b KnownAPI) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	fit = len(found)
	found = found[min(max(skip, 0), fit):]
	found = slices.Clip(found[:min(most, len(found))])
	for n, api := range found {
		plans, sent := s.state.plans.get(api.Integration, api.ID)
		found[n].Plans, found[n].Sent = slices.Clone(plans), sent
	}
	return found, fit, all
}
