package apimsim

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
)

// Called is how a call of an API was answered.
type Called struct {
	URL    string `json:"url"`
	Status int    `json:"status"`
	Body   string `json:"body"`
}

var errNoGateway = errors.New("no gateway stands behind this stand-in")

// postCall calls the API of a subscription with its key, also when the subscription is closed: the key must open
// nothing then.
func (a *APIM) postCall(r *http.Request) (any, error) {
	subs := a.Subscriptions()
	n := slices.IndexFunc(subs, func(s Subscription) bool { return s.ID == r.PathValue("id") })
	switch {
	case n < 0:
		return nil, fmt.Errorf("subscription %s: %w", r.PathValue("id"), ErrNotFound)
	case subs[n].APIKey.IsZero():
		return nil, fmt.Errorf("%w: subscription %s has no key", errBadRequest, subs[n].ID)
	case a.opts.Call == nil:
		return nil, errNoGateway
	}
	apis := a.APIs()
	api := slices.IndexFunc(apis, func(api API) bool { return api.ID == subs[n].APIID })
	if api < 0 {
		return nil, fmt.Errorf("API %s: %w", subs[n].APIID, ErrNotFound)
	}
	return orError(a.opts.Call(r.Context(), apis[api].ProviderID, subs[n].APIKey.Reveal()))
}
