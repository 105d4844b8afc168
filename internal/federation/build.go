package federation

import (
	"federation-agent/internal/gateway"
)

// Missing says why an API goes out without its document.
type Missing int

// The reasons.
const (
	// NotMissing: the document is there. An API whose document cannot be had *now* is not built at all.
	NotMissing Missing = iota
	// NeverExportable: AWS says that this stage cannot be exported.
	NeverExportable
	// TooLarge: the document does not fit into one INGEST.
	TooLarge
)

// Input is all that one federated API is made of.
type Input struct {
	Target Target
	Entry  Entry
	// Name is what [Names.Of] says.
	Name string
	// Document is the OpenAPI export, passed on as it is. It is ignored when Missing gives a reason.
	Document []byte
	Missing  Missing
}

// Texts that have no limit in APIM's SQL backend that we know of are kept to what a person may want to read.
const (
	maxDescription = 4000
	maxVersion     = 64
)

// noVersion is what APIM itself makes of a missing version. Sending it keeps preview and ingest alike.
const noVersion = "0.0.0"

// pageName is every document's file name. APIM matches the pages of an API by it, so it must never change, and an API has
// one page only.
const pageName = "openapi.json"

// Build makes the federated API. It is a pure function: equal inputs give equal APIs.
func Build(in Input) API {
	id := in.Entry.ID(in.Target)
	s := Summarize(in.Target, in.Entry, in.Name)
	api := API{
		UniqueID:          s.UniqueID,
		ID:                s.ID,
		Name:              s.Name,
		Version:           s.Version,
		Description:       description(in.Entry),
		ConnectionDetails: routing(id),
		Pages:             []Page{},
		Plans:             plans(in.Entry),
		Metadata:          metadata(id, in.Entry, in.Missing),
	}
	if in.Missing == NotMissing && len(in.Document) > 0 {
		api.Pages = append(api.Pages, Page{Filename: pageName, Content: in.Document})
	}
	return api
}

// Summarize makes what DISCOVER carries of an API.
func Summarize(t Target, e Entry, name string) Summary {
	id := e.ID(t).String()
	return Summary{UniqueID: id, ID: id, Name: name, Version: version(e.API)}
}

func version(api *gateway.RestAPI) string {
	if v := Cut(line(api.Version), maxVersion); v != "" {
		return v
	}
	return noVersion
}

// description is AWS's, then the stage's own where it is known and says something else.
func description(e Entry) string {
	text := prose(e.API.Description)
	if e.Details != nil {
		if stage := prose(e.Details.Description); stage != "" && stage != text {
			if text != "" {
				text += "\n\n"
			}
			text += "Stage " + e.Stage + ": " + stage
		}
	}
	return Cut(text, maxDescription)
}
