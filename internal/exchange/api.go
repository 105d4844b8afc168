package exchange

import (
	"bytes"
	"slices"
)

// API is a federated API as INGEST (and FETCH in 4.4) carries it. Empty strings that are not required are left out.
type API struct {
	// UniqueID and ID are always written: without a UniqueID, APIM makes a random identity at each ingest.
	UniqueID string
	ID       string
	Name     string
	// Version becomes 0.0.0 in APIM if it is empty.
	Version     string
	Description string
	// ConnectionDetails come back in SUBSCRIBE and UNSUBSCRIBE. No user sees them.
	ConnectionDetails map[string]string
	Type              APIType
	// Pages and Plans are always written as lists, empty ones as []. With a null list of pages, APIM's update fails
	// halfway, and a missing plan is a deleted plan.
	Pages    []Page
	Plans    []Plan
	Metadata []Metadata
}

// Page is a document of an API.
type Page struct {
	Type PageType
	// Content is the document itself, up to megabytes. It is escaped directly into the frame. Invalid UTF-8 becomes
	// U+FFFD.
	Content  []byte
	Filename string
}

// Plan is a plan of an API. ID, Name and the security type are always written: without an id, APIM makes a new plan at
// each ingest; without a type, the API fails.
type Plan struct {
	ID              string
	Name            string
	Description     string
	Security        PlanSecurity
	Characteristics []string
}

// Metadata is one entry of an API's metadata. All its fields are always written: without a format, APIM drops the rest
// of the batch.
type Metadata struct {
	Name   string
	Value  string
	Format MetadataFormat
}

// APISummary is what DISCOVER, a preview, carries of an API. APIM uses nothing else there.
type APISummary struct {
	UniqueID string
	ID       string
	Name     string
	Version  string
}

// AppendAPISummary appends one encoded API for [DiscoverReply] or [ListReply].
func AppendAPISummary(dst []byte, api APISummary) []byte {
	o := newObject(dst)
	o.summary(api)
	return o.end()
}

// summary writes the fields with which every API begins.
func (o *object) summary(api APISummary) {
	o.field("uniqueId", api.UniqueID)
	o.field("id", api.ID)
	o.field("name", api.Name)
	o.optional("version", api.Version)
}

// AppendAPI appends one encoded API for [Ingest] or [FetchReply].
func AppendAPI(dst []byte, api API) []byte {
	o := newObject(slices.Grow(dst, apiSizeHint(api)))
	o.summary(APISummary{UniqueID: api.UniqueID, ID: api.ID, Name: api.Name, Version: api.Version})
	o.optional("description", api.Description)
	if len(api.ConnectionDetails) > 0 {
		o.stringMap("connectionDetails", api.ConnectionDetails)
	}
	o.field("type", api.Type.String())
	list(&o, "pages", api.Pages, appendPage)
	list(&o, "plans", api.Plans, appendPlan)
	if len(api.Metadata) > 0 {
		list(&o, "metadata", api.Metadata, appendMetadata)
	}
	return o.end()
}

func appendPage(dst []byte, page Page) []byte {
	o := newObject(dst)
	o.field("pageType", page.Type.String())
	o.key("content")
	o.dst = appendString(o.dst, page.Content)
	o.field("filename", page.Filename)
	return o.end()
}

func appendPlan(dst []byte, plan Plan) []byte {
	o := newObject(dst)
	o.field("id", plan.ID)
	o.field("name", plan.Name)
	o.optional("description", plan.Description)
	o.field("planSecurityType", plan.Security.String())
	if len(plan.Characteristics) > 0 {
		list(&o, "characteristics", plan.Characteristics, appendString[string])
	}
	return o.end()
}

func appendMetadata(dst []byte, entry Metadata) []byte {
	o := newObject(dst)
	o.field("name", entry.Name)
	o.field("value", entry.Value)
	o.field("format", entry.Format.String())
	return o.end()
}

// apiSizeHint is about the size of an encoded API. For a document it is exact but for rare characters: a larger buffer
// would waste memory for as long as the API is held, and a smaller one would be copied into a larger one.
func apiSizeHint(api API) int {
	const perAPI, perEntry = 512, 128 // field names and punctuation, with room for escapes in short texts
	size := perAPI + len(api.Name) + len(api.Description) + len(api.Version) + perEntry*len(api.ConnectionDetails)
	for _, page := range api.Pages {
		size += perEntry + len(page.Filename) + len(page.Content)
		for _, escaped := range []string{`"`, `\`, "\n", "\r", "\t"} {
			size += bytes.Count(page.Content, []byte(escaped))
		}
		size += bytes.Count(page.Content, []byte(";")) * len(`u003b`)
	}
	for _, plan := range api.Plans {
		size += perEntry + len(plan.ID) + len(plan.Name) + len(plan.Description)
		for _, c := range plan.Characteristics {
			size += len(c) + len(`"",`)
		}
	}
	for _, entry := range api.Metadata {
		size += perEntry + len(entry.Name) + len(entry.Value)
	}
	return size
}
