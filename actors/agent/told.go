package agent

import (
	"context"
	"errors"

	keyactors "federation-agent/actors/keys"
	"federation-agent/config"
	"federation-agent/internal/apimrest"
	"federation-agent/internal/federation"
	"federation-agent/internal/keys"
)

// LooksOf is where an agent with this configuration looks for what became of keys.
func LooksOf(c config.Agent) keys.Looks { return keys.Looks{AWS: c.Keys.Lookup, APIM: c.APIM.IsOn()} }

// told is how unconfirmed keys are settled; nil where APIM cannot be asked.
func (i *integration) told() keyactors.APIM {
	if i.apim == nil {
		return nil
	}
	return i.apim
}

// Subscription implements [keyactors.APIM]. APIM's id of the API is computed. That APIM knows no such subscription is no
// answer: a wrong environment gives ids that it does not know, and 4.12 hides one whose reference it has not migrated.
func (a *apim) Subscription(ctx context.Context, api, id string) (keys.Told, error) {
	sub, err := a.client.Subscription(ctx, federation.APIMID(a.environment, a.integration, api), id)
	switch {
	case apimrest.Is(err, apimrest.NotFound):
		return keys.Told{}, errors.New("APIM does not have the subscription under this API: somebody has deleted the plan or " +
			"the API there, another agent has ingested it, or agent.apim.environmentId is not the environment's id")
	case err != nil:
		return keys.Told{}, unnamed(err)
	case sub.ID != id || sub.Status == "":
		return keys.Told{}, errors.New("APIM's answer is no subscription with the id that was asked for")
	}
	return keys.Told{Status: string(sub.Status), KeyID: sub.Metadata[federation.MetadataKeyID]}, nil
}

// unnamed is a request's failure without what it was about, so that those of many keys are one and the same.
func unnamed(err error) error {
	failure, is := errors.AsType[*apimrest.Error](err)
	if !is {
		return err
	}
	text := failure.What()
	if advice := failure.Advice(); advice != "" {
		text += "; " + advice
	}
	return errors.New(text)
}
