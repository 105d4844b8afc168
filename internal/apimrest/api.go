package apimrest

import (
	"context"
	"net/http"
	"time"

	"federation-agent/internal/apimrest/management"
)

// Lifecycle is an API's state in APIM. From DEPRECATED and ARCHIVED nothing leads back, and an ingest leaves such an
// API as it is: never set them.
type Lifecycle string

// The states.
const (
	Created     Lifecycle = "CREATED"
	Published   Lifecycle = "PUBLISHED"
	Unpublished Lifecycle = "UNPUBLISHED"
	Deprecated  Lifecycle = "DEPRECATED"
	Archived    Lifecycle = "ARCHIVED"
)

// API is an API as APIM has it.
type API struct {
	ID, Name  string
	Lifecycle Lifecycle
	// Integration is the id of the integration that it was ingested by; empty for an API of another origin.
	Integration string
	// Updated is when it was last written, by an ingest or by a person; each ingest of the API moves it. What a person
	// does to a plan does not (read in 4.12).
	Updated time.Time

	// whole is what an update gives back.
	whole management.Api
}

// API reads an API by APIM's id. Only who may manage the API may read it. It tells neither its plans nor the agent's
// id.
func (c *Client) API(ctx context.Context, id string) (API, error) {
	a, err := ask[management.Api](ctx, c, "asking APIM for the API "+id, c.options.Timeout, "id",
		func(ctx context.Context) (*http.Response, error) { return c.api.GetApi(ctx, c.options.Environment, id) })
	api := API{
		ID: value(a.Id), Name: value(a.Name), Lifecycle: Lifecycle(value(a.LifecycleState)),
		Updated: value(a.UpdatedAt), whole: a,
	}
	if origin := value(a.OriginContext); value(origin.Origin) == management.INTEGRATION {
		api.Integration = value(origin.IntegrationId)
	}
	return api, err
}

// Unpublish hides an API from the portal, which can be undone; its subscriptions stay. Everything that an update can
// set goes back as it was read, because APIM empties what is left out: so read the API right before. It needs
// API_DEFINITION UPDATE.
func (c *Client) Unpublish(ctx context.Context, api API) error {
	a, state := api.whole, management.ApiLifecycleStateUNPUBLISHED
	update := management.UpdateApi{
		DefinitionVersion: management.FEDERATED, Name: value(a.Name), ApiVersion: value(a.ApiVersion),
		Description: a.Description, LifecycleState: &state, Visibility: a.Visibility,
		Labels: a.Labels, Categories: a.Categories, Groups: a.Groups,
	}
	_, err := ask[struct{}](ctx, c, "having APIM unpublish the API "+api.ID, c.options.Timeout, "id",
		func(ctx context.Context) (*http.Response, error) {
			return c.api.UpdateApi(ctx, c.options.Environment, api.ID, update)
		})
	return err
}

// Delete deletes an API for good, whatever its state, with its plans and pages. Each active subscription is given back
// to the agent first, whose keys go with it. Where that fails, or the agent is away, APIM answers 500 ([Failed]) and
// the API stays; what was given back so far stays closed, and the request may be repeated. It needs API_DEFINITION
// DELETE.
func (c *Client) Delete(ctx context.Context, id string) error {
	doing := "having APIM delete the API " + id
	body, err := c.call(ctx, doing, max(deleteWithin, c.options.Timeout),
		func(ctx context.Context) (*http.Response, error) {
			closePlans := true
			return c.api.DeleteApi(ctx, c.options.Environment, id, &management.DeleteApiParams{ClosePlans: &closePlans})
		})
	if err == nil && len(body) > 0 { // APIM says nothing then
		err = notAPIMs(doing)
	}
	return err
}

// Metadata gives an API's metadata by key, those of the environment among them. They are what tells an API's id at its
// provider, as far as its agent wrote it there. It needs API_METADATA READ.
func (c *Client) Metadata(ctx context.Context, api string) (map[string]string, error) {
	all, err := list(ctx, c, "asking APIM for the metadata of the API "+api,
		func(m management.Metadata) *string { return m.Key },
		func(ctx context.Context, page, perPage *int) (*http.Response, error) {
			params := management.GetApiMetadataParams{Page: page, PerPage: perPage}
			return c.api.GetApiMetadata(ctx, c.options.Environment, api, &params)
		})
	metadata := map[string]string{}
	for _, m := range all {
		metadata[value(m.Key)] = value(m.Value)
	}
	return metadata, err
}

// PlanStatus is a plan's state in APIM.
type PlanStatus string

// The states. A plan that somebody closed is PUBLISHED again after the next ingest of its API; its subscriptions stay
// closed.
const (
	PlanStaging    PlanStatus = "STAGING"
	PlanPublished  PlanStatus = "PUBLISHED"
	PlanDeprecated PlanStatus = "DEPRECATED"
	PlanClosed     PlanStatus = "CLOSED"
)

// Plan is a plan of an API. Its ID is APIM's (federation.APIMPlanID computes it).
type Plan struct {
	ID, Name string
	Status   PlanStatus
}

// Plans lists an API's plans in every state. It needs API_PLAN READ.
func (c *Client) Plans(ctx context.Context, api string) (plans []Plan, err error) {
	statuses := []management.PlanStatus{
		management.PlanStatusSTAGING, management.PlanStatusPUBLISHED, management.PlanStatusDEPRECATED,
		management.PlanStatusCLOSED,
	}
	all, err := list(ctx, c, "listing the plans that APIM has of the API "+api,
		func(p management.Plan) *string { return p.Id },
		func(ctx context.Context, page, perPage *int) (*http.Response, error) {
			params := management.ListApiPlansParams{Statuses: &statuses, Page: page, PerPage: perPage}
			return c.api.ListApiPlans(ctx, c.options.Environment, api, &params)
		})
	for _, p := range all {
		plans = append(plans, Plan{ID: value(p.Id), Name: value(p.Name), Status: PlanStatus(value(p.Status))})
	}
	return plans, err
}
