package apimsim

// What agents send about APIs. A nil list is JSON's null and means something else than an empty one.

type ingestPayload struct {
	jobID string
	apis  []inAPI // nil: null
	done  bool
}

func (p ingestPayload) apiIDs() []string {
	ids := make([]string, len(p.apis))
	for i, api := range p.apis {
		ids[i] = api.id
	}
	return ids
}

type inAPI struct {
	uniqueID          *string
	id                string
	name              *string
	version           string
	description       string
	connectionDetails map[string]string
	kind              string
	pages             []inPage // nil: null
	plans             []inPlan
	metadata          []inMetadata
}

type inPage struct {
	kind, content string
	filename      *string
}

type inPlan struct {
	id              *string
	name            *string
	description     string
	security        string // "" is null
	characteristics []string
}

type inMetadata struct {
	name   *string
	value  string
	format string // "" is null
}

type inSubscription struct {
	present  bool
	id       string
	metadata map[string]string
	apiKey   string
}

func readIngest(p *reader) ingestPayload {
	return ingestPayload{jobID: p.text("ingestJobId"), apis: readAPIs(p), done: p.boolean("done")}
}

func readAPIs(p *reader) []inAPI {
	children := p.children("apis")
	if children == nil {
		return nil
	}
	apis := make([]inAPI, 0, len(children))
	for _, c := range children {
		apis = append(apis, readAPI(c))
		p.join(c)
	}
	return apis
}

func readAPI(r *reader) inAPI {
	api := inAPI{
		uniqueID:          r.textOrNull("uniqueId"),
		id:                r.text("id"),
		name:              r.textOrNull("name"),
		version:           r.text("version"),
		description:       r.text("description"),
		connectionDetails: r.table("connectionDetails"),
		kind:              r.enum("type", "PROXY", "MESSAGE"),
	}
	if pages := r.children("pages"); pages != nil {
		api.pages = make([]inPage, 0, len(pages))
		for _, p := range pages {
			api.pages = append(api.pages, inPage{
				kind:     p.enum("pageType", "ASCIIDOC", "ASYNCAPI", "MARKDOWN", "MARKDOWN_TEMPLATE", "SWAGGER"),
				content:  p.text("content"),
				filename: p.textOrNull("filename"),
			})
			r.join(p)
		}
	}
	for _, p := range r.children("plans") {
		api.plans = append(api.plans, inPlan{
			id:              p.textOrNull("id"),
			name:            p.textOrNull("name"),
			description:     p.text("description"),
			security:        p.enum("planSecurityType", "API_KEY", "OAUTH2", "JWT"),
			characteristics: p.texts("characteristics"),
		})
		r.join(p)
	}
	for _, m := range r.children("metadata") {
		api.metadata = append(api.metadata, inMetadata{
			name:   m.textOrNull("name"),
			value:  m.text("value"),
			format: m.enum("format", "STRING", "NUMERIC", "BOOLEAN", "DATE", "MAIL", "URL"),
		})
		r.join(m)
	}
	return api
}

func readSubscription(p *reader) inSubscription {
	if p.null("subscription") {
		return inSubscription{}
	}
	s := p.child("subscription")
	out := inSubscription{
		present:  true,
		id:       s.text("graviteeSubscriptionId"),
		metadata: s.table("metadata"),
		apiKey:   s.text("apiKey"),
	}
	p.join(s)
	return out
}
