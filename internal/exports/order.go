package exports

import (
	"crypto/sha256"
	"encoding/base64"
	"time"

	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
)

// Order asks a target for documents of some stages of one REST API: one GetStages serves them all.
type Order struct {
	Documents []Document
	Priority  gateway.Priority
	// By is when a document is of no use any more; zero means there is no such time.
	By time.Time
	// MaxBytes is how large an API may be as it goes on the wire, where that is less than what the agent's own limit
	// allows; 0 means that nothing less is known. A larger one goes out without its document.
	MaxBytes int
}

// Document is one stage's document that is asked for, and its part of the memory bound.
type Document struct {
	federation.NamedEntry
	Claim *Claim
}

// Target is the one that is to serve the order.
func (o Order) Target() federation.Target { return o.Documents[0].Target }

// API is one API, whole, encoded as the object that goes on the wire.
type API struct {
	ID   federation.ID
	JSON []byte
	// PlanIDs are the plans that JSON carries.
	PlanIDs []string
	// Bare says that JSON carries no document: AWS can never export it, or it is larger than a message.
	Bare bool
}

// Digest tells one encoded API from another: 128 bits of a hash, in base64.
func (a API) Digest() string {
	sum := sha256.Sum256(a.JSON)
	return base64.RawStdEncoding.EncodeToString(sum[:16])
}
