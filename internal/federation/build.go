package federation

import (
	"cmp"
	"strings"

	"federation-agent/internal/federated"
	"federation-agent/internal/gateway"
)

// Missing says why an API goes out without its document.
type Missing int

// The reasons.
const (
	// NotMissing: the document is there. An API whose document is only temporarily unavailable is not built at all.
	NotMissing Missing = iota
	// NeverExportable: AWS says that this stage cannot be exported.
	NeverExportable
	// TooLarge: the document does not fit into one INGEST.
	TooLarge
)

// Input is everything from which one federated API is built.
type Input struct {
	Target Target
	Entry  Entry
	// Name comes from [Names.Of].
	Name string
	// Document is the OpenAPI export. Only its servers may be changed, see [RewritesServers]. It is not sent when Missing
	// gives a reason.
	Document []byte
	Missing  Missing
}

// These texts have no known limit in APIM's SQL backend. They are kept to a length that a person may want to read.
const (
	maxDescription = 4000
	maxVersion     = 64
)

// noVersion is what APIM itself makes of a missing version. The agent sends it, so that preview and ingest show the
// same.
const noVersion = "0.0.0"

// pageName is the file name of every document. APIM matches the pages of an API by it, so it must never change, and an
// API has only one page.
const pageName = "openapi.json"

// Build makes the federated API. It is a pure function: equal inputs give equal APIs. Every text is within APIM's
// limits, and no list is nil.
func Build(in Input) federated.API {
	id, asked := in.Entry.ID(in.Target), demandsOf(in.Document)
	api := federated.API{
		Summary:           Summarize(in.Target, in.Entry, in.Name),
		Description:       description(in.Entry),
		ConnectionDetails: routing(id),
		Pages:             []federated.Page{},
		Plans:             plans(in.Entry, asked),
		Metadata:          metadata(id, in.Entry, in.Missing, asked),
	}
	if in.Missing == NotMissing && len(in.Document) > 0 {
		api.Pages = append(api.Pages, federated.Page{Filename: pageName, Content: withServers(id, in.Entry, in.Document)})
	}
	return api
}

// Summarize makes what DISCOVER carries of an API. UniqueID and ID are the same text, see [ID].
func Summarize(t Target, e Entry, name string) federated.Summary {
	id := e.ID(t).String()
	return federated.Summary{UniqueID: id, ID: id, Name: name, Version: version(e.API)}
}

func version(api *gateway.RestAPI) string {
	return cmp.Or(Cut(line(api.Version), maxVersion), noVersion)
}

// description is AWS's description of the API, then the stage's own where it is known and different, then the base URL
// where it is known.
func description(e Entry) string {
	text := prose(e.API.Description)
	if e.Details != nil {
		if stage := prose(e.Details.Description); stage != "" && stage != text {
			text = strings.TrimSpace(text + "\n\nStage " + e.Stage + ": " + stage)
		}
	}
	end := Cut(baseLine(e), maxDescription)
	if end == "" {
		return Cut(text, maxDescription)
	}
	const gap = "\n\n"
	return strings.TrimSpace(Cut(text, maxDescription-width(end)-width(gap)) + gap + end)
}
