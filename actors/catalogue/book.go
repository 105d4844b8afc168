package catalogue

import (
	"slices"

	"federation-agent/internal/federation"
	"federation-agent/internal/store"
	"federation-agent/messages"
)

// book is the last complete listing of every target, and the names judged over them. It is pure.
//
// Names are judged over all of it, whatever is being sent, so that a target that fails, or an ingest of a few APIs,
// renames nothing. A stage that AWS does not have any more lengthens no name. A target that was never listed to the end
// is no part of that: its own APIs show their stage, and the others are called what they will be called, but where
// names turn out to be the same.
type book struct {
	listings map[federation.Target][]store.RememberedAPI
	names    federation.Names
	// judgedFor are the configured targets that names were judged for; nil since something changed.
	judgedFor []federation.Target
}

func newBook() book { return book{listings: map[federation.Target][]store.RememberedAPI{}} }

// keep takes a complete listing; it says false if the listing says nothing new.
func (b *book) keep(target federation.Target, apis []store.RememberedAPI) bool {
	if old, known := b.listings[target]; known && slices.Equal(old, apis) {
		return false
	}
	b.listings[target], b.judgedFor = apis, nil
	return true
}

// unlisted is what is known of the REST APIs whose stages a listing could not list.
func (b *book) unlisted(m messages.TargetListing) []store.RememberedAPI {
	apis := []store.RememberedAPI{}
	if len(m.Unlisted) == 0 {
		return apis
	}
	listed := make(map[federation.ID]bool, len(m.Entries))
	for _, e := range m.Entries {
		listed[e.ID(m.Target)] = true
	}
	for _, a := range b.listings[m.Target] {
		id, err := federation.ParseID(a.ID)
		if _, unlisted := m.Unlisted[id.RestAPI]; err == nil && unlisted && !listed[id] {
			apis = append(apis, a)
		}
	}
	return apis
}

// gone are the entries of a target that AWS does not have any more. Where the target has not asked since it began, what
// the last listing said still stands.
func (b *book) gone(target federation.Target, entries []federation.Entry) map[federation.ID]bool {
	remembered := map[federation.ID]bool{}
	for _, a := range b.listings[target] {
		if id, err := federation.ParseID(a.ID); err == nil && a.Gone {
			remembered[id] = true
		}
	}
	gone := map[federation.ID]bool{}
	for _, e := range entries {
		id := e.ID(target)
		if e.Existence == federation.Gone || e.Existence == federation.Unasked && remembered[id] {
			gone[id] = true
		}
	}
	return gone
}

// judge judges all names for the configured targets. It gives the remembered targets that are not configured any more:
// they are forgotten. A target whose account is empty may be any that was listed in its region. It is called when names
// are needed and not at each listing, or the work would grow with the square of the targets.
func (b *book) judge(configured []federation.Target) (forgotten []federation.Target) {
	if b.judgedFor != nil && slices.Equal(b.judgedFor, configured) {
		return nil
	}
	b.judgedFor = configured
	var all []federation.Named
	for target, apis := range b.listings {
		if !slices.ContainsFunc(configured, func(c federation.Target) bool { return mayBe(c, target) }) {
			delete(b.listings, target)
			forgotten = append(forgotten, target)
			continue
		}
		for _, a := range apis {
			if id, err := federation.ParseID(a.ID); err == nil && !a.Gone {
				all = append(all, federation.Named{ID: id, Name: a.Name})
			}
		}
	}
	b.names = federation.NewNames(all)
	return forgotten
}

// everListed says that a target, or, while its account is not known, some target in its region, was listed.
func (b *book) everListed(t federation.Target) bool {
	for listed := range b.listings {
		if mayBe(t, listed) {
			return true
		}
	}
	return false
}

// mayBe says that a target is, or, while its account is not known, may be one that was listed.
func mayBe(t, listed federation.Target) bool {
	return t == listed || t.Account == "" && t.Region == listed.Region
}

// staged adds to ids of any stage those of the stages that were listed last: one outside usage plans is found by its name.
func (b *book) staged(only []federation.ID) []federation.ID {
	every := map[federation.ID]bool{}
	for _, id := range only {
		if id.Stage == federation.AnyStage {
			every[id] = true
		}
	}
	if len(every) == 0 {
		return only
	}
	for id := range b.ids {
		of := id
		if of.Stage = federation.AnyStage; every[of] {
			only = append(only, id)
		}
	}
	return only
}

// ids yields the id of every API.
func (b *book) ids(yield func(federation.ID) bool) {
	for _, apis := range b.listings {
		for _, a := range apis {
			if id, err := federation.ParseID(a.ID); err == nil && !yield(id) {
				return
			}
		}
	}
}
