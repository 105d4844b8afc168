package apimsim

import (
	"fmt"
	"net/http"
)

// postIntegration creates an integration, as an administrator would in APIM's console.
func (a *APIM) postIntegration(r *http.Request) (any, error) {
	in, err := a.readRequest(r)
	if err != nil {
		return nil, err
	}
	if in.IntegrationID == "" {
		return nil, fmt.Errorf("%w: integrationId is required", errBadRequest)
	}
	if _, err := a.integration(in.IntegrationID); err != nil { // one that exists stays as it is
		a.AddIntegration(Integration{ID: in.IntegrationID})
	}
	return empty{}, nil
}

// postGoodBye says good-bye to an integration's agents: for good, unless reconnect is true.
func (a *APIM) postGoodBye(r *http.Request) (any, error) {
	in, err := a.readRequest(r)
	if err != nil {
		return nil, err
	}
	if _, err := a.integration(in.IntegrationID); err != nil {
		return nil, err
	}
	a.GoodBye(in.IntegrationID, in.Reconnect)
	return empty{}, nil
}

// postRefuseUpgrades refuses the next count upgrades with the HTTP status.
func (a *APIM) postRefuseUpgrades(r *http.Request) (any, error) {
	in, err := a.readRequest(r)
	if err != nil {
		return nil, err
	}
	if in.Count < 0 || in.Status < http.StatusBadRequest || in.Status > 599 {
		return nil, fmt.Errorf("%w: count must not be negative, and status be 400 to 599", errBadRequest)
	}
	a.RefuseUpgrades(in.Count, in.Status)
	return empty{}, nil
}
