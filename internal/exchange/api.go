package exchange

import (
	"bytes"
	"maps"
	"slices"
)

// API is a federated API as INGEST (and FETCH in 4.4) carries it. Strings that are empty and not required are left out.
type API struct {
	// UniqueID and ID are always written: from a missing UniqueID, APIM makes a random identity at each ingest.
	UniqueID string
	ID       string
	Name     string
	// Version left empty becomes 0.0.0 in APIM.
	Version     string
	Description string
	// ConnectionDetails come back at subscribe time; no user sees them.
	ConnectionDetails map[string]string
	Type              APIType
	// Pages and Plans are always written as lists, empty ones as []: a null list of pages fails the update midway, and a missing
	// plan is a deleted plan.
	Pages    []Page
	Plans    []Plan
	Metadata []Metadata
}

// Page is a document of an API.
type Page struct {
	Type PageType
	// Content is the document itself, up to megabytes; it is escaped straight into the frame. Invalid UTF-8 becomes U+FFFD.
	Content  []byte
	Filename string
}

// Plan is a plan of an API. ID, Name and the security type are always written: a missing id makes APIM make a new plan at each
// ingest, a missing type fails the API.
type Plan struct {
	ID              string
	Name            string
	Description     string
	Security        PlanSecurity
	Characteristics []string
}

// Metadata is one entry of an API's metadata. All its fields are always written: a missing format aborts the rest of the batch.
type Metadata struct {
	Name   string
	Value  string
	Format MetadataFormat
}

// APISummary is what DISCOVER, a preview, carries of an API: APIM uses nothing else there.
type APISummary struct {
	UniqueID string
	ID       string
	Name     string
	Version  string
}

// AppendAPISummary appends one encoded element for [DiscoverReply] or [ListReply].
func AppendAPISummary(dst []byte, api APISummary) []byte {
	o := object{dst: append(dst, '{')}
	o.field("uniqueId", api.UniqueID)
	o.field("id", api.ID)
	o.field("name", api.Name)
	o.optional("version", api.Version)
	return append(o.dst, '}')
}

// AppendAPI appends one encoded element for [Ingest] or [FetchReply].
func AppendAPI(dst []byte, api API) []byte {
	dst = slices.Grow(dst, apiSizeHint(api))
	o := object{dst: append(dst, '{')}
	o.field("uniqueId", api.UniqueID)
	o.field("id", api.ID)
	o.field("name", api.Name)
	o.optional("version", api.Version)
	o.optional("description", api.Description)
	if len(api.ConnectionDetails) > 0 {
		o.stringMap("connectionDetails", api.ConnectionDetails)
	}
	o.field("type", api.Type.String())
	o.key("pages")
	o.dst = appendList(o.dst, api.Pages, appendPage)
	o.key("plans")
	o.dst = appendList(o.dst, api.Plans, appendPlan)
	if len(api.Metadata) > 0 {
		o.key("metadata")
		o.dst = appendList(o.dst, api.Metadata, appendMetadata)
	}
	return append(o.dst, '}')
}

func appendPage(dst []byte, page Page) []byte {
	o := object{dst: append(dst, '{')}
	o.field("pageType", page.Type.String())
	o.key("content")
	o.dst = appendString(o.dst, page.Content)
	o.field("filename", page.Filename)
	return append(o.dst, '}')
}

func appendPlan(dst []byte, plan Plan) []byte {
	o := object{dst: append(dst, '{')}
	o.field("id", plan.ID)
	o.field("name", plan.Name)
	o.optional("description", plan.Description)
	o.field("planSecurityType", plan.Security.String())
	if len(plan.Characteristics) > 0 {
		o.key("characteristics")
		o.dst = appendList(o.dst, plan.Characteristics, appendString[string])
	}
	return append(o.dst, '}')
}

func appendMetadata(dst []byte, entry Metadata) []byte {
	o := object{dst: append(dst, '{')}
	o.field("name", entry.Name)
	o.field("value", entry.Value)
	o.field("format", entry.Format.String())
	return append(o.dst, '}')
}

// apiSizeHint is about what an API needs once encoded. For a document it is exact but for rare characters: a buffer of another
// size would be held for as long as the API is, or be copied into a larger one.
func apiSizeHint(api API) int {
	const perAPI, perEntry = 512, 128 // names of fields and punctuation, with room for what is escaped in short texts
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

// object writes an object's fields one after the other. dst ends in the object's opening brace when it starts.
type object struct{ dst []byte }

func (o *object) key(name string) {
	if o.dst[len(o.dst)-1] != '{' {
		o.dst = append(o.dst, ',')
	}
	o.dst = append(o.dst, '"')
	o.dst = append(o.dst, name...)
	o.dst = append(o.dst, '"', ':')
}

func (o *object) field(name, value string) {
	o.key(name)
	o.dst = appendString(o.dst, value)
}

func (o *object) optional(name, value string) {
	if value != "" {
		o.field(name, value)
	}
}

// stringMap writes the keys in order, so that equal maps are equal bytes.
func (o *object) stringMap(name string, values map[string]string) {
	o.key(name)
	o.dst = append(o.dst, '{')
	for i, key := range slices.Sorted(maps.Keys(values)) {
		if i > 0 {
			o.dst = append(o.dst, ',')
		}
		o.dst = appendString(o.dst, key)
		o.dst = append(o.dst, ':')
		o.dst = appendString(o.dst, values[key])
	}
	o.dst = append(o.dst, '}')
}

func appendList[T any](dst []byte, elements []T, appendElement func([]byte, T) []byte) []byte {
	dst = append(dst, '[')
	for i, element := range elements {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendElement(dst, element)
	}
	return append(dst, ']')
}
