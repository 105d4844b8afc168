package exports

import (
	"sync"

	"federation-agent/internal/gateway"
)

// comparedOf is of how many shared documents one is compared with the stage's own export.
const comparedOf = 20

// Sharing is what this process has seen of stages of one REST API with the same deployment, the same documentation version
// and no canary: whether the document of one, under the other's base path, is the other's. AWS does not promise that. So
// documents are compared until two were equal, and then one in [comparedOf]. The first difference ends it for good, for all
// documents of its kind.
//
// A Sharing is safe for concurrent use. Nil shares nothing.
type Sharing struct {
	mu    sync.Mutex
	kinds map[Kind]*evidence
}

// Kind is documents that are alike enough for one to say something of the others: those of an account. AWS writes a date
// as the version of an API that has none, and nobody knows which: those are judged apart.
type Kind struct {
	Account string
	Dated   bool
}

// KindOf is the kind of a REST API's documents.
func KindOf(account string, api *gateway.RestAPI) Kind {
	return Kind{Account: account, Dated: api.Version == ""}
}

type evidence struct {
	equal, different bool
	used             bool // a document was shared without being compared
	shared, compared int  // compared ones are among the shared ones
}

// NewSharing makes one that has seen nothing.
func NewSharing() *Sharing { return &Sharing{kinds: map[Kind]*evidence{}} }

func (s *Sharing) of(k Kind) *evidence {
	if s.kinds[k] == nil {
		s.kinds[k] = &evidence{}
	}
	return s.kinds[k]
}

// May says that documents of a kind may be shared: no two were different.
func (s *Sharing) May(k Kind) bool {
	if s == nil || k.Account == "" {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.of(k).different
}

// Used notes that a document is sent that was shared earlier.
func (s *Sharing) Used(k Kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of(k).used = true
}

// Compare says whether the next document that could be shared is to be compared: all, until two were equal, then one at a
// random place of each [comparedOf]. Those that are compared at first, side by side, count as those of later places. The
// random number is in [0, 1). The caller then calls [Sharing.Equal], [Sharing.Different] or [Sharing.Unknown].
func (s *Sharing) Compare(k Kind, random float64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.of(k)
	before, place := e.shared/comparedOf, e.shared%comparedOf
	compare := !e.equal || e.different || e.compared < before || e.compared == before && random*float64(comparedOf-place) < 1
	e.shared++
	if compare {
		e.compared++
	} else {
		e.used = true
	}
	return compare
}

// Equal notes that two documents were equal, and says whether they are the first.
func (s *Sharing) Equal(k Kind) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.of(k)
	first = !e.equal && !e.different
	e.equal = true
	return first
}

// Different notes that two documents were different, and says whether they are the first, and whether a document was
// shared before that was not compared.
func (s *Sharing) Different(k Kind) (first, used bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.of(k)
	first = !e.different
	e.different = true
	return first, e.used
}

// Unknown notes that a comparison came to nothing.
func (s *Sharing) Unknown(k Kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.of(k)
	e.shared--
	e.compared--
}

// Alike says that two stages of one REST API have the same deployment, the same documentation version and no canary.
func Alike(a, b *gateway.Stage) bool {
	of, shares := deploymentOf(a)
	other, sharesToo := deploymentOf(b)
	return shares && sharesToo && of == other
}

// deployment is what the documents of stages of one REST API depend on.
type deployment struct{ restAPI, id, documentation string }

func deploymentOf(s *gateway.Stage) (d deployment, shares bool) {
	if s == nil || s.DeploymentID == "" || s.CanaryDeploymentID != "" {
		return d, false
	}
	return deployment{id: s.DeploymentID, documentation: s.DocumentationVersion}, true
}
