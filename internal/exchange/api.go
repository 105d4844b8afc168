package exchange

import (
	"bytes"
	"slices"

	"federation-agent/internal/federated"
)

// What every API of AWS API Gateway is in APIM's terms. With a value that it does not know, the controller cannot read
// the whole message.
const (
	apiType        = "PROXY"
	pageType       = "SWAGGER" // APIM imports only SWAGGER and ASYNCAPI pages
	planSecurity   = "API_KEY"
	metadataFormat = "STRING"
)

// AppendAPISummary appends one encoded API for [DiscoverReply] or [ListReply].
func AppendAPISummary(dst []byte, api federated.Summary) []byte {
	o := newObject(dst)
	o.summary(api)
	return o.end()
}

// summary writes the fields with which every API begins.
func (o *object) summary(api federated.Summary) {
	o.field("uniqueId", api.UniqueID)
	o.field("id", api.ID)
	o.field("name", api.Name)
	o.optional("version", api.Version)
}

// AppendAPI appends one encoded API for [Ingest] or [FetchReply]. Empty strings that are not required are left out.
// Pages and plans are always written as lists: with a null list of pages, APIM's update fails halfway, and a missing
// plan is a deleted plan.
func AppendAPI(dst []byte, api federated.API) []byte {
	o := newObject(slices.Grow(dst, apiSizeHint(api)))
	o.summary(api.Summary)
	o.optional("description", api.Description)
	if len(api.ConnectionDetails) > 0 {
		o.stringMap("connectionDetails", api.ConnectionDetails)
	}
	o.field("type", apiType)
	list(&o, "pages", api.Pages, appendPage)
	list(&o, "plans", api.Plans, appendPlan)
	if len(api.Metadata) > 0 {
		list(&o, "metadata", api.Metadata, appendMetadata)
	}
	return o.end()
}

// appendPage escapes the document directly into the frame. Invalid UTF-8 becomes U+FFFD.
func appendPage(dst []byte, page federated.Page) []byte {
	o := newObject(dst)
	o.field("pageType", pageType)
	o.key("content")
	o.dst = appendString(o.dst, page.Content)
	o.field("filename", page.Filename)
	return o.end()
}

// appendPlan always writes id, name and the security type: without a type, the API fails.
func appendPlan(dst []byte, plan federated.Plan) []byte {
	o := newObject(dst)
	o.field("id", plan.ID)
	o.field("name", plan.Name)
	o.optional("description", plan.Description)
	o.field("planSecurityType", planSecurity)
	if len(plan.Characteristics) > 0 {
		list(&o, "characteristics", plan.Characteristics, appendString[string])
	}
	return o.end()
}

// appendMetadata writes all fields: without a format, APIM drops the rest of the batch.
func appendMetadata(dst []byte, entry federated.Metadata) []byte {
	o := newObject(dst)
	o.field("name", entry.Name)
	o.field("value", entry.Value)
	o.field("format", metadataFormat)
	return o.end()
}

// apiSizeHint is about the size of an encoded API. For a document it is exact but for rare characters: a larger buffer
// would waste memory for as long as the API is held, and a smaller one would be copied into a larger one.
func apiSizeHint(api federated.API) int {
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
