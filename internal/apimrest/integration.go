package apimrest

import (
	"context"
	"errors"
	"net/http"

	"federation-agent/internal/apimrest/management"
)

// Environment is the environment that the client asks.
type Environment struct {
	// ID is what the ids of federated APIs are computed from. It differs from [Options.Environment] where that is the
	// readable name of the environment, which some installations take, too.
	ID   string
	Name string
}

// Environment tells whether the token is known and the environment exists. Every user of the organization may ask.
func (c *Client) Environment(ctx context.Context) (Environment, error) {
	doing := "asking APIM for the environment " + c.options.Environment
	e, err := ask[management.Environment](ctx, c, doing, c.options.Timeout, "id",
		func(ctx context.Context) (*http.Response, error) {
			return c.api.GetEnvironment(ctx, c.options.Environment)
		})
	return Environment{ID: value(e.Id), Name: value(e.Name)}, err
}

// Integration is an integration as APIM sees it.
type Integration struct {
	Provider string
	// Connected means that some agent is connected, to any node of APIM.
	Connected bool
	// PendingJob is the id of an ingest that runs, whoever started it; empty for none.
	PendingJob string
}

// Integration reads an integration. APIM ends a job that is past its deadline only when somebody asks, as this does.
// It needs INTEGRATION_DEFINITION READ.
func (c *Client) Integration(ctx context.Context, id string) (Integration, error) {
	i, err := ask[management.Integration](ctx, c, "asking APIM for the integration "+id, c.options.Timeout, "provider",
		func(ctx context.Context) (*http.Response, error) {
			return c.api.GetIntegration(ctx, c.options.Environment, id)
		})
	return Integration{
		Provider: value(i.Provider), Connected: value(i.AgentStatus) == management.CONNECTED,
		PendingJob: value(value(i.PendingJob).Id),
	}, err
}

// Permissions are letters of CRUD by what they are for: DEFINITION is the integration itself.
type Permissions map[string]string

// Permissions asks what the token may do with an integration. Everybody may ask; who is no member may do nothing.
func (c *Client) Permissions(ctx context.Context, integration string) (Permissions, error) {
	doing := "asking APIM what the token may do with the integration " + integration
	return ask[Permissions](ctx, c, doing, c.options.Timeout, "", func(ctx context.Context) (*http.Response, error) {
		return c.api.GetIntegrationPermissions(ctx, c.options.Environment, integration)
	})
}

// Ingest has APIM start an ingest of the APIs with these ids, the agent's own. It answers when the agent has answered
// START_INGEST, which takes up to a minute. Nothing tells the job's id, nor whether there is one: of a total of 0 there
// is none.
//
// APIM does not refuse an ingest while another one runs, and then both run, interleaved. With MongoDB, two jobs of one
// integration may make it unreadable (not verified). So ask for [Client.Integration] first, and start only where it has
// no pending job. After [Unreachable] or [Failed] it may have started all the same.
//
// It needs INTEGRATION_DEFINITION CREATE. The token's service account becomes the primary owner of each API that is
// new.
func (c *Client) Ingest(ctx context.Context, integration string, apis []string) error {
	if len(apis) == 0 { // APIM would take everything
		return &Error{Class: Refused, Doing: "having APIM ingest", Err: errors.New("no API is named")}
	}
	doing := "having APIM ingest the integration " + integration
	_, err := ask[struct{}](ctx, c, doing, max(ingestWithin, c.options.Timeout), "",
		func(ctx context.Context) (*http.Response, error) {
			return c.api.IngestIntegration(ctx, c.options.Environment, integration, management.ApisIngest{ApiIds: apis})
		})
	return err
}

// Ingested is an API of an integration. Its ID is APIM's (federation.APIMID computes it); APIM does not tell the
// agent's. Version is empty before 4.8.
type Ingested struct{ ID, Name, Version string }

// APIs lists what an integration has in APIM, in no order that lasts: one request for each 500. Ask while no ingest
// runs, which reorders the list. It needs INTEGRATION_DEFINITION READ.
func (c *Client) APIs(ctx context.Context, integration string) (apis []Ingested, err error) {
	all, err := list(ctx, c, "listing the APIs that APIM has of the integration "+integration,
		func(a management.IngestedApi) *string { return a.Id },
		func(ctx context.Context, page, perPage *int) (*http.Response, error) {
			params := management.IngestedApisParams{Page: page, PerPage: perPage}
			return c.api.IngestedApis(ctx, c.options.Environment, integration, &params)
		})
	for _, a := range all {
		apis = append(apis, Ingested{ID: value(a.Id), Name: value(a.Name), Version: value(a.Version)})
	}
	return apis, err
}
