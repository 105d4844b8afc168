package federation

// API is one federated API, in the terms of Gravitee's integration protocol. Every text is within APIM's limits, every list
// is there though it may be empty, and nothing in it is secret.
type API struct {
	// UniqueID and ID are the same text, see [ID].
	UniqueID string
	ID       string
	Name     string
	Version  string
	// Description may be empty.
	Description string
	// ConnectionDetails come back with SUBSCRIBE and UNSUBSCRIBE; no user sees them.
	ConnectionDetails map[string]string
	// Pages is empty when it is known that there is no document: APIM then deletes those it had.
	Pages []Page
	// Plans are complete: APIM deletes a plan that is missing, with all of its subscriptions.
	Plans    []Plan
	Metadata []Metadata
}

// Page is an OpenAPI document (page type SWAGGER).
type Page struct {
	Filename string
	// Content is AWS's document as it came, not parsed.
	Content []byte
}

// Plan is a usage plan; its security type is API_KEY.
type Plan struct {
	ID              string
	Name            string
	Description     string
	Characteristics []string
}

// Metadata is a name and value for people and for routing; its format is STRING.
type Metadata struct {
	Name  string
	Value string
}

// Summary is what DISCOVER carries of an API: more would exceed the message limit on a large estate.
type Summary struct {
	UniqueID string
	ID       string
	Name     string
	Version  string
}

// The limits of APIM's SQL backend, in characters. They are counted as UTF-16 units, the strictest of what its databases
// count. Longer text fails the write there, and with it the API.
const (
	MaxPlanName       = 64
	MaxPageName       = 64
	MaxCharacteristic = 64
	MaxMetadataKey    = 64
	MaxMetadataValue  = 1024
)
