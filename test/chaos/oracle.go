package chaos

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"

	"federation-agent/internal/apigateway"
	"federation-agent/internal/exchange"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/secret"
)

// expected is what APIM must have: the listing and the mapping, which have tests of their own, run once in a
// quiet world, one call after the other, without an actor in sight.
func (r *run) expected() (map[string]wantedAPI, error) {
	type found struct {
		target federation.Target
		entry  federation.Entry
		client apigateway.Client
	}
	var all []found
	var named []federation.Named
	legacy, _ := r.apimLacks()
	for _, scope := range r.scopesOn() {
		client, err := r.onlooker(scope)
		if err != nil {
			return nil, err
		}
		apis, plans, err := list(client)
		if err != nil {
			return nil, err
		}
		target := federation.Target{Account: scope.Account, Region: scope.Region}
		entries, err := r.sifted(scope, federation.Entries(apis, plans, nil, federation.Filter{}))
		if err != nil {
			return nil, err
		}
		if entries, err = r.marked(client, scope.Account, entries); err != nil {
			return nil, err
		}
		named = append(named, federation.NamedOf(target, entries)...)
		for _, e := range entries {
			all = append(all, found{target, e, client})
		}
	}
	names, others, anyName := federation.NewNames(named), r.otherNames(named), r.anyName()
	wanted := map[string]wantedAPI{}
	for _, f := range all {
		id := f.entry.ID(f.target)
		document, err := apigateway.Export(context.Background(), f.client, f.entry.API.ID, f.entry.Stage)
		missing := federation.NotMissing
		if err != nil && apigateway.Classify(err) == gateway.NotExportable {
			missing = federation.NeverExportable
		} else if apigateway.Classify(err) == gateway.NotFound {
			continue // in a plan, but not there: nothing can be sent of it
		} else if err != nil {
			return nil, err
		}
		api := federation.Build(federation.Input{
			Target: f.target, Entry: f.entry, Name: names.Of(id, f.entry.API.Name), Document: document, Missing: missing,
		})
		whole := len(exchange.AppendAPI(nil, api))
		w := wantedAPI{name: api.Name, anyName: anyName, version: api.Version, description: api.Description}
		for n, other := range others {
			if n == 0 {
				w.name = other.Of(id, f.entry.API.Name) // of all that may be remembered
			}
			w.names = append(w.names, other.Of(id, f.entry.API.Name))
		}
		if w.version == "" {
			w.version = "0.0.0"
		}
		for _, p := range api.Plans {
			w.plans = append(w.plans, planText(p.ID, p.Name, p.Description, p.Characteristics, legacy))
		}
		slices.Sort(w.plans)
		for _, p := range api.Pages {
			w.page += string(p.Content)
		}
		api.Pages = nil
		w.whole, w.bare = whole, len(exchange.AppendAPI(nil, api))
		w.summary = len(exchange.AppendAPISummary(nil, api.Summary))
		wanted[id.String()] = w
	}
	return wanted, nil
}

func list(client apigateway.Client) ([]*gateway.RestAPI, []*gateway.UsagePlan, error) {
	apis, plans := apigateway.NewRESTAPIs(client), apigateway.NewUsagePlans(client)
	if err := apis.Run(context.Background()); err != nil {
		return nil, nil, err
	}
	if err := plans.Run(context.Background()); err != nil {
		return nil, nil, err
	}
	foundAPIs, _ := apis.All()
	foundPlans, _ := plans.All()
	return foundAPIs, foundPlans, nil
}

// onlooker is a client of another user than the agent's, whose calls go by no network.
func (r *run) onlooker(scope awssim.Scope) (apigateway.Client, error) {
	account := 0
	for a := range r.shape.accounts {
		if awssim.UniformAccount(a) == scope.Account {
			account = a
		}
	}
	credentials, err := apigateway.NewCredentials(context.Background(), apigateway.CredentialsOptions{
		AccessKeyID: secret.New(awssim.UniformNeighbourKeyID(account)), SecretAccessKey: secret.New("any"),
		Regions:    []string{scope.Region},
		HTTPClient: direct{r.world.AWS},
	})
	if err != nil {
		return nil, err
	}
	return apigateway.NewClient(credentials.Config(scope.Region, ""),
		apigateway.Options{Jitter: func() float64 { return 0 }}), nil
}

// direct hands requests to a handler.
type direct struct{ handler http.Handler }

// Do implements aws.HTTPClient.
func (d direct) Do(req *http.Request) (*http.Response, error) {
	if req.Body == nil {
		req.Body = http.NoBody
	}
	recorder := httptest.NewRecorder()
	d.handler.ServeHTTP(recorder, req)
	response := recorder.Result()
	response.Body = io.NopCloser(bytes.NewReader(recorder.Body.Bytes()))
	return response, nil
}
