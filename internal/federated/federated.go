// Package federated is the vocabulary of Gravitee's integration protocol: what an agent tells APIM of an API. These are
// values. internal/federation makes them of what AWS has, internal/exchange writes them into messages.
package federated

// API is one federated API, as INGEST (and FETCH in APIM 4.4) carries it. Its type is PROXY. Nothing in it is secret.
type API struct {
	Summary
	// Description may be empty.
	Description string
	// ConnectionDetails come back in SUBSCRIBE and UNSUBSCRIBE. No user sees them.
	ConnectionDetails map[string]string
	// Pages is empty when it is certain that there is no document. APIM then deletes the pages that it had.
	Pages []Page
	// Plans are complete. APIM deletes a plan that is missing, with all of its subscriptions.
	Plans    []Plan
	Metadata []Metadata
}

// Summary is what DISCOVER, a preview, carries of an API. APIM uses nothing else there, and more would exceed the
// message limit in a large account.
type Summary struct {
	// UniqueID is the API's identity. Without it, APIM makes a random identity at each ingest.
	UniqueID string
	ID       string
	Name     string
	// Version becomes 0.0.0 in APIM if it is empty.
	Version string
}

// Page is an OpenAPI document (page type SWAGGER).
type Page struct {
	Filename string
	// Content is the document itself, up to megabytes, unchanged and not parsed.
	Content []byte
}

// Plan is a plan of an API. Its security type is API_KEY. Without an id, APIM makes a new plan at each ingest.
type Plan struct {
	ID              string
	Name            string
	Description     string
	Characteristics []string
}

// Metadata is a name and value for people and for routing. Its format is STRING.
type Metadata struct {
	Name  string
	Value string
}
