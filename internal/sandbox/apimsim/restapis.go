package apimsim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// restManaged finds an API of the environment for whoever manages it.
func (a *APIM) restManaged(c restCall) (API, error) {
	id := c.PathValue("apiId")
	a.mu.Lock()
	defer a.mu.Unlock()
	api, ok := a.store.apis[id]
	if !ok || a.integrations[api.IntegrationID].Env != c.env {
		return API{}, &restError{http.StatusNotFound, fmt.Sprintf("Api [%s] cannot be found.", id), "api.notFound"}
	}
	if !c.manages(api) {
		return API{}, errForbidden
	}
	return api.clone(), nil
}

func (a *APIM) restAPI(c restCall) (any, error) {
	api, err := a.restManaged(c)
	if err != nil {
		return nil, err
	}
	return a.viewREST(api), nil
}

type restOrigin struct {
	Origin          string `json:"origin"`
	IntegrationID   string `json:"integrationId"`
	IntegrationName string `json:"integrationName"`
	Provider        string `json:"provider"`
}

type restAPIView struct {
	ID                string     `json:"id"`
	Name              string     `json:"name"`
	APIVersion        string     `json:"apiVersion"`
	Description       string     `json:"description,omitempty"`
	DefinitionVersion string     `json:"definitionVersion"`
	LifecycleState    string     `json:"lifecycleState"`
	Visibility        string     `json:"visibility"`
	Labels            []string   `json:"labels,omitempty"`
	Categories        []string   `json:"categories,omitempty"`
	Groups            []string   `json:"groups,omitempty"`
	CreatedAt         string     `json:"createdAt"`
	UpdatedAt         string     `json:"updatedAt"`
	OriginContext     restOrigin `json:"originContext"`
}

// viewREST shows neither the agent's ids nor connectionDetails.
func (a *APIM) viewREST(api API) restAPIView {
	i, _ := a.integration(api.IntegrationID) // one that is gone has no name
	return restAPIView{
		ID: api.ID, Name: api.Name, APIVersion: api.Version, Description: api.Description,
		DefinitionVersion: "FEDERATED", LifecycleState: api.Lifecycle, Visibility: api.Visibility, Labels: api.Labels,
		Categories: api.Categories, Groups: api.Groups, CreatedAt: restTime(api.CreatedAt),
		UpdatedAt: restTime(api.UpdatedAt), OriginContext: restOrigin{
			Origin: "INTEGRATION", IntegrationID: api.IntegrationID, IntegrationName: i.Name, Provider: i.Provider,
		},
	}
}

// restUpdate takes the place of everything that an update can set: what is left out is emptied, but the state.
func (a *APIM) restUpdate(c restCall) (any, error) {
	if _, err := a.restManaged(c); err != nil {
		return nil, err
	}
	var in struct {
		DefinitionVersion, Name, APIVersion, Description, LifecycleState, Visibility string
		Labels, Categories, Groups                                                   []string
	}
	if err := c.read(&in); err != nil || in.DefinitionVersion != "FEDERATED" || in.Name == "" || in.APIVersion == "" {
		return nil, errInvalid
	}
	err := a.ChangeAPI(c.PathValue("apiId"), func(api *API) error {
		if err := mayBecome(api.Lifecycle, in.LifecycleState); err != nil {
			return err
		}
		api.Name, api.Version, api.Description = in.Name, in.APIVersion, in.Description
		api.Visibility, api.Labels, api.Categories, api.Groups = in.Visibility, in.Labels, in.Categories, in.Groups
		api.Lifecycle = or(in.LifecycleState, api.Lifecycle)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return a.restAPI(c)
}

// mayBecome refuses what leads out of a frozen state, or back to the first one.
func mayBecome(from, to string) error {
	frozen := from == LifecycleDeprecated || from == LifecycleArchived
	if to != "" && (frozen || from == LifecycleUnpublished && to == LifecycleCreated) {
		return &restError{
			http.StatusBadRequest, "The lifecycle state [" + to + "] is not allowed.", "api.lifecycleState.invalid",
		}
	}
	return nil
}

// ChangeAPI changes what a person could change of an API in the console, such as its state, and moves its UpdatedAt,
// unless change gives an error. ID is APIM's, or the agent's own.
func (a *APIM) ChangeAPI(id string, change func(*API) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	api, err := a.store.findAPI(id)
	if err != nil {
		return err
	}
	if err := change(api); err != nil {
		return err
	}
	api.UpdatedAt = time.Now()
	return nil
}

// AddAPI stores an API as if some agent had brought it earlier. Without times it was written now, and without a state
// it is as new ones are.
func (a *APIM) AddAPI(api API) {
	now := time.Now()
	api.CreatedAt, api.UpdatedAt = or(api.CreatedAt, now), or(api.UpdatedAt, now)
	api.Lifecycle, api.Visibility = or(api.Lifecycle, LifecycleCreated), or(api.Visibility, "PRIVATE")
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, known := a.store.apis[api.ID]; !known {
		a.store.apiOrder = append(a.store.apiOrder, api.ID)
	}
	a.store.apis[api.ID] = &api
}

// restDelete deletes an API. Its plans are closed first, one after the other, or must be.
func (a *APIM) restDelete(c restCall) (any, error) {
	api, err := a.restManaged(c)
	if err != nil {
		return nil, err
	}
	for _, plan := range api.Plans {
		switch {
		case plan.Status != PlanPublished:
		case c.URL.Query().Get("closePlans") != "true":
			return nil, &restError{
				http.StatusBadRequest, "The plan [" + plan.Name + "] is published.", "api.notDeletable",
			}
		default:
			if err := a.ClosePlan(context.WithoutCancel(c.Context()), api.ID, plan.ID); err != nil {
				return nil, err
			}
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.store.apis, api.ID)
	a.store.apiOrder = slices.DeleteFunc(a.store.apiOrder, func(id string) bool { return id == api.ID })
	for _, sub := range a.store.subs {
		if sub.APIID == api.ID {
			sub.Status = SubscriptionDeleted
		}
	}
	return noContent{}, nil
}

// ClosePlan ends the subscriptions of a plan, one after the other, and closes it. Those that are active go back to the
// agent; where that fails, the rest stays as it is. The next ingest of the API publishes the plan again. The ids are
// APIM's, or the agent's own.
func (a *APIM) ClosePlan(ctx context.Context, apiID, planID string) error {
	api, err := a.API(apiID)
	if err != nil {
		return err
	}
	plan := api.plan(planID)
	if plan == nil {
		return fmt.Errorf("plan %s of API %s: %w", planID, apiID, ErrNotFound)
	}
	for _, sub := range a.Subscriptions() {
		switch {
		case sub.PlanID != plan.ID:
		case sub.isActive():
			if err := a.giveBack(ctx, sub, nil); err != nil {
				return err
			}
		case sub.Status == SubscriptionPending:
			a.settle(a.subscriptionByID(sub.ID), inSubscription{}, errors.New("its plan was closed"))
		}
	}
	return a.ChangePlan(api.ID, plan.ID, func(plan *Plan) { plan.Status = PlanClosed })
}

// ChangePlan changes what a person could change of a plan in the console. The API's UpdatedAt stays: what happens to a
// plan is written down with the plan alone (read). The ids are APIM's, or the agent's own.
func (a *APIM) ChangePlan(apiID, planID string, change func(*Plan)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	api, err := a.store.findAPI(apiID)
	if err != nil {
		return err
	}
	plan := api.plan(planID)
	if plan == nil {
		return fmt.Errorf("plan %s of API %s: %w", planID, apiID, ErrNotFound)
	}
	change(plan)
	return nil
}

func (a *APIM) subscriptionByID(id string) *Subscription {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.store.subscription(id)
}

// restMetadata lists the metadata of an API.
func (a *APIM) restMetadata(c restCall) (any, error) {
	api, err := a.restManaged(c)
	if err != nil {
		return nil, err
	}
	type metadata struct {
		Key    string `json:"key"`
		Name   string `json:"name"`
		Value  string `json:"value"`
		Format string `json:"format"`
	}
	return paged(c, api.Metadata, func(m Metadata) metadata { return metadata(m) })
}

// restPlans lists plans, without the agent's ids: those that are published, unless others are asked for.
func (a *APIM) restPlans(c restCall) (any, error) {
	api, err := a.restManaged(c)
	if err != nil {
		return nil, err
	}
	statuses := c.list("statuses", PlanPublished)
	plans := slices.DeleteFunc(api.Plans, func(p Plan) bool { return !slices.Contains(statuses, p.Status) })
	slices.SortStableFunc(plans, func(x, y Plan) int { return x.Order - y.Order })
	type plan struct {
		ID         string `json:"id"`
		Name       string `json:"name"`
		Status     string `json:"status"`
		Validation string `json:"validation"`
		Order      int    `json:"order"`
	}
	return paged(c, plans, func(p Plan) plan {
		return plan{ID: p.ID, Name: p.Name, Status: p.Status, Validation: p.Validation, Order: p.Order}
	})
}

type restReference struct {
	ID string `json:"id"`
}

type restSubscriptionView struct {
	ID          string            `json:"id"`
	API         restReference     `json:"api"`
	Plan        restReference     `json:"plan"`
	Application restReference     `json:"application"`
	Status      string            `json:"status"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	CreatedAt   string            `json:"createdAt"`
}

func viewSubscriptionREST(sub Subscription) restSubscriptionView {
	return restSubscriptionView{
		ID: sub.ID, API: restReference{sub.APIID}, Plan: restReference{sub.PlanID},
		Application: restReference{sub.ApplicationID}, Status: sub.Status, Metadata: sub.Metadata,
		CreatedAt: restTime(sub.CreatedAt),
	}
}

// restSubscriptions lists the subscriptions of an API: those that are accepted, unless others are asked for. What went
// with its plan is not there any more.
func (a *APIM) restSubscriptions(c restCall) (any, error) {
	api, err := a.restManaged(c)
	if err != nil {
		return nil, err
	}
	statuses := c.list("statuses", SubscriptionAccepted)
	subs := slices.DeleteFunc(a.Subscriptions(), func(sub Subscription) bool {
		return sub.APIID != api.ID || sub.Status == SubscriptionDeleted || !slices.Contains(statuses, sub.Status)
	})
	return paged(c, subs, viewSubscriptionREST)
}

func (a *APIM) restSubscription(c restCall) (any, error) {
	api, err := a.restManaged(c)
	if err != nil {
		return nil, err
	}
	id := c.PathValue("subscriptionId")
	a.mu.Lock()
	defer a.mu.Unlock()
	sub := a.store.subscription(id)
	if sub == nil || sub.APIID != api.ID || sub.Status == SubscriptionDeleted {
		return nil, &restError{
			http.StatusNotFound, fmt.Sprintf("Subscription [%s] cannot be found.", id), "subscription.notFound",
		}
	}
	return viewSubscriptionREST(sub.clone()), nil
}

// created is the answer to what made something.
type created struct{ what any }

// restSubscribe subscribes an application that has subscribed before: the stand-in knows no others. As whoever manages
// the API asks, it is accepted at once, if the agent accepts it.
func (a *APIM) restSubscribe(c restCall) (any, error) {
	api, err := a.restManaged(c)
	if err != nil {
		return nil, err
	}
	var in struct{ PlanID, ApplicationID string }
	if err := c.read(&in); err != nil {
		return nil, err
	}
	all := a.Subscriptions()
	known := slices.IndexFunc(all, func(sub Subscription) bool { return sub.ApplicationID == in.ApplicationID })
	if api.plan(in.PlanID) == nil || known < 0 {
		return nil, errInvalid
	}
	sub, err := a.Subscribe(context.WithoutCancel(c.Context()), api.ID, in.PlanID, all[known].ApplicationName, "")
	if err != nil {
		return nil, err
	}
	return created{viewSubscriptionREST(sub)}, nil
}

// restClose ends a subscription. One that the agent cannot end stays as it is.
func (a *APIM) restClose(c restCall) (any, error) {
	if _, err := a.restSubscription(c); err != nil {
		return nil, err
	}
	if err := a.Unsubscribe(context.WithoutCancel(c.Context()), c.PathValue("subscriptionId")); err != nil {
		return nil, err
	}
	return a.restSubscription(c)
}
