package federation

import (
	"fmt"
	"iter"
)

// Known are the APIs that listings have shown: what a bare reference is looked up in. A whole id needs no looking up.
type Known map[string][]ID // by REST API id

// NewKnown takes the APIs, each once.
func NewKnown(apis iter.Seq[ID]) Known {
	k := Known{}
	for id := range apis {
		k[id.RestAPI] = append(k[id.RestAPI], id)
	}
	return k
}

// API is the one API that a reference means: a whole id is itself, known or not. A bare one fails where it is not known, or
// means several, as a REST API with two stages does.
func (k Known) API(r Ref) (ID, error) {
	if !r.Bare() {
		return r.ID, nil
	}
	switch found := k[r.RestAPI]; len(found) {
	case 0:
		return ID{}, unknown(r)
	case 1:
		return found[0], nil
	default:
		return ID{}, fmt.Errorf("REST API id %s means %d APIs, of which %s and %s: ingest again, so that the id tells which is meant",
			r.RestAPI, len(found), found[0], found[1])
	}
}

// Target is the one account and region where a referenced API lives, whatever its stages. It fails where a bare reference is
// not known, or known in several.
func (k Known) Target(r Ref) (Target, error) {
	if !r.Bare() {
		return r.ID.Target(), nil
	}
	found := map[Target]bool{}
	var target Target
	for _, id := range k[r.RestAPI] {
		target = id.Target()
		found[target] = true
	}
	switch len(found) {
	case 0:
		return Target{}, unknown(r)
	case 1:
		return target, nil
	default:
		return Target{}, fmt.Errorf("REST API id %s is found in %d accounts and regions: ingest the API again, so that its id tells which is meant",
			r.RestAPI, len(found))
	}
}

func unknown(r Ref) error {
	return fmt.Errorf("no listing has shown a REST API %s yet: discover or ingest first, then try again", r.RestAPI)
}
