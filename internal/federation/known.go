package federation

import (
	"fmt"
	"iter"
	"slices"

	"federation-agent/internal/words"
)

// Known are the APIs that listings have shown. A bare reference is looked up in them, a whole id needs no lookup.
type Known map[string][]ID // by REST API id

// NewKnown takes the APIs, each once.
func NewKnown(apis iter.Seq[ID]) Known {
	k := Known{}
	for id := range apis {
		k[id.RestAPI] = append(k[id.RestAPI], id)
	}
	return k
}

// API is the one API that a reference means. A whole id means itself, known or not. A bare id fails if it is not known,
// or if it means several APIs, as a REST API with two stages does.
func (k Known) API(r Ref) (ID, error) {
	if !r.Bare() {
		return r.ID, nil
	}
	return only(r, k[r.RestAPI], "APIs")
}

// Target is the one account and region of a referenced API, whatever its stages are. It fails if a bare id is not
// known, or known in several accounts or regions.
func (k Known) Target(r Ref) (Target, error) {
	if !r.Bare() {
		return r.ID.Target(), nil
	}
	var targets []Target
	for _, id := range k[r.RestAPI] {
		if !slices.Contains(targets, id.Target()) {
			targets = append(targets, id.Target())
		}
	}
	return only(r, targets, "accounts and regions")
}

// only returns the one thing that a bare reference means. what names the things in the plural.
func only[T fmt.Stringer](r Ref, found []T, what string) (one T, err error) {
	switch len(found) {
	case 0:
		return one, fmt.Errorf("no listing has shown a REST API %s yet: discover or ingest first, then try again",
			words.Short(r.RestAPI))
	case 1:
		return found[0], nil
	}
	return one, fmt.Errorf("REST API id %s means %d %s, of which %s and %s: ingest again, so that the id names one",
		r.RestAPI, len(found), what, found[0], found[1])
}
