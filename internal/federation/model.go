package federation

// API is one federated API, in the terms of Gravitee's integration protocol. Every text is within APIM's limits, no
// list is nil, and nothing in it is secret.
type API struct {
	// UniqueID and ID are the same text, see [ID].
	UniqueID string
	ID       string
	Name     string
	Version  string
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

// Page is an OpenAPI document (page type SWAGGER).
type Page struct {
	Filename string
	// Content is AWS's document, unchanged and not parsed.
	Content []byte
}

// Plan is a usage plan. Its security type is API_KEY.
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

// Summary is what DISCOVER carries of an API. More would exceed the message limit in a large account.
type Summary struct {
	UniqueID string
	ID       string
	Name     string
	Version  string
}

// The limits of APIM's SQL backend, in characters. They are counted in UTF-16 units, which is the strictest way in
// which its databases count. The backend cannot write a longer text, so the API fails.
const (
	MaxPlanName       = 64
	MaxPageName       = 64
	MaxCharacteristic = 64
	MaxMetadataKey    = 64
	MaxMetadataValue  = 1024
)
