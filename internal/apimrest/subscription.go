package apimrest

import (
	"context"
	"net/http"

	"federation-agent/internal/apimrest/management"
)

// SubscriptionStatus is a subscription's state in APIM.
type SubscriptionStatus string

// The states of a federated API's subscription.
const (
	Pending  SubscriptionStatus = "PENDING"
	Accepted SubscriptionStatus = "ACCEPTED"
	Paused   SubscriptionStatus = "PAUSED"
	Rejected SubscriptionStatus = "REJECTED"
	Closed   SubscriptionStatus = "CLOSED"
)

// Active are the states in which a consumer has, or may soon have, a key that works.
func Active() []SubscriptionStatus { return []SubscriptionStatus{Pending, Accepted, Paused} }

// Subscription is a subscription as APIM has it, without its keys: nothing here asks for those.
type Subscription struct {
	// ID is that of SUBSCRIBE and UNSUBSCRIBE. API, Plan and Application are APIM's ids.
	ID, API, Plan, Application string
	Status                     SubscriptionStatus
	// Metadata is what the agent answered SUBSCRIBE with, such as the id of the key in AWS.
	Metadata map[string]string
}

// Subscriptions lists an API's subscriptions in the states that are named. It needs API_SUBSCRIPTION READ.
func (c *Client) Subscriptions(
	ctx context.Context, api string, states []SubscriptionStatus,
) (subs []Subscription, err error) {
	statuses := make([]management.SubscriptionStatus, 0, len(states))
	for _, s := range states {
		statuses = append(statuses, management.SubscriptionStatus(s))
	}
	all, err := list(ctx, c, "listing the subscriptions that APIM has of the API "+api,
		func(s management.Subscription) *string { return s.Id },
		func(ctx context.Context, page, perPage *int) (*http.Response, error) {
			params := management.GetApiSubscriptionsParams{Statuses: &statuses, Page: page, PerPage: perPage}
			return c.api.GetApiSubscriptions(ctx, c.options.Environment, api, &params)
		})
	for _, s := range all {
		subs = append(subs, subscription(s))
	}
	return subs, err
}

// Subscription reads one subscription of an API. It needs API_SUBSCRIPTION READ.
func (c *Client) Subscription(ctx context.Context, api, id string) (Subscription, error) {
	s, err := ask[management.Subscription](ctx, c, "asking APIM for the subscription "+id, c.options.Timeout, "id",
		func(ctx context.Context) (*http.Response, error) {
			return c.api.GetApiSubscription(ctx, c.options.Environment, api, id)
		})
	return subscription(s), err
}

func subscription(s management.Subscription) Subscription {
	return Subscription{
		ID: value(s.Id), API: value(value(s.Api).Id), Plan: value(value(s.Plan).Id),
		Application: value(value(s.Application).Id), Status: SubscriptionStatus(value(s.Status)), Metadata: value(s.Metadata),
	}
}
