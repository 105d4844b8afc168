package agent

import (
	"context"

	"federation-agent/internal/apimrest"
	"federation-agent/internal/drift"
)

// Standing implements [reconcile.Remover].
func (a *apim) Standing(ctx context.Context, id string) (drift.Standing, error) {
	standing, _, err := a.standing(ctx, id)
	return standing, err
}

func (a *apim) standing(ctx context.Context, id string) (drift.Standing, apimrest.API, error) {
	api, err := a.client.API(ctx, id)
	if apimrest.Is(err, apimrest.NotFound) {
		return drift.Standing{Missing: true}, api, nil
	}
	return drift.Standing{Integration: api.Integration, Lifecycle: string(api.Lifecycle)}, api, err
}

// Remove implements [reconcile.Remover]. An update takes the place of everything that it can set, so the API is read
// right before. Subscriptions are asked for only where they count.
func (a *apim) Remove(ctx context.Context, id string, policy drift.Policy) (drift.Decision, string, error) {
	standing, api, err := a.standing(ctx, id)
	if err != nil {
		return "", "", err
	}
	verdict, why := policy.Judge(a.integration, standing)
	if verdict == drift.Remove && !policy.WithSubscriptions {
		active, err := a.client.Subscriptions(ctx, id, apimrest.Active())
		if err != nil {
			return "", "", err
		}
		standing.Active = len(active)
		verdict, why = policy.Judge(a.integration, standing)
	}
	switch {
	case verdict != drift.Remove:
		return verdict, why, nil
	case policy.How == drift.Delete:
		err = a.client.Delete(ctx, id)
	default:
		err = a.client.Unpublish(ctx, api)
	}
	if apimrest.Is(err, apimrest.NotFound) { // somebody was faster
		err = nil
	}
	return verdict, why, err
}
