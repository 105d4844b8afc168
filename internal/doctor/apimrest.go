package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"federation-agent/config"
	"federation-agent/internal/apimrest"
	"federation-agent/internal/exchange"
	"federation-agent/internal/schedule"
)

// The checks of APIM's REST API.
const (
	checkREST              = "APIM REST"
	checkRESTIntegration   = "APIM REST integration"
	checkRESTIngest        = "APIM REST ingest"
	checkRESTCatalogue     = "APIM REST catalogue"
	checkRESTSubscriptions = "APIM REST subscriptions"
	checkRESTRemoval       = "APIM REST removal"
	checkSchedule          = "schedule"
)

// membership is what the token needs.
const membership = "in APIM, make the service account of agent.apim.token a member of this integration with the role " +
	"OWNER"

// rest asks APIM's REST API what the agent asks there, and changes nothing. It makes one request, and for each
// integration four (one more for each 500 of its APIs, and one if APIs are to be removed), because each is dear for APIM.
func (d *doctor) rest(ctx context.Context) (results []Result) {
	settings := d.Config.Agent.APIM
	if !settings.IsOn() {
		return []Result{row{checkREST, ""}.is(NotTried, "agent.apim.url is not set, as by default",
			"with it, agent.apim.token and agent.apim.environmentId, the agent compares APIM with AWS, and ingests by a schedule "+
				"or events")}
	}
	client := settings.Client(d.TLS, d.Dial)
	defer client.Close()
	r := row{checkREST, settings.URL}
	environment, err := client.Environment(ctx)
	switch {
	case apimrest.Is(err, apimrest.Refused):
		results = append(results, r.attention(refused(r, err).Text,
			"set agent.apim.environmentId to an environment's id: GET "+settings.URL+"/v2/environments lists them"))
	case err != nil:
		results = append(results, refused(r, err))
	case environment.ID != settings.EnvironmentID:
		results = append(results, r.attention("this is the readable name of the environment "+environment.ID,
			"set agent.apim.environmentId="+environment.ID+": the ids of federated APIs are computed from it"))
	default:
		results = append(results, r.good("the token is known, and so is the environment"))
	}
	behind := results[0].Verdict != Good
	for _, p := range d.Config.Providers {
		results = append(results, d.restOf(ctx, client, p, behind)...)
	}
	if text := d.Config.Agent.Ingest.Schedule; text != "" {
		when, _ := schedule.Parse(text) // it was checked
		results = append(results, row{checkSchedule, text}.good("next at "+when.Words(d.Now())))
	}
	return results
}

// restOf asks about one integration.
func (d *doctor) restOf(ctx context.Context, client *apimrest.Client, p config.Provider, behind bool) []Result {
	integration := row{checkRESTIntegration, p.IntegrationID}
	ingest, list := row{checkRESTIngest, p.IntegrationID}, row{checkRESTCatalogue, p.IntegrationID}
	subscriptions := row{checkRESTSubscriptions, p.IntegrationID}
	if behind {
		return []Result{
			integration.behind(checkREST), ingest.behind(checkREST), list.behind(checkREST), subscriptions.behind(checkREST),
		}
	}
	results := []Result{d.restIntegration(ctx, client, integration)}
	if results[0].Verdict != Good { // the others would fail for the same reason, and might name another
		return append(results, ingest.behind(checkRESTIntegration), list.behind(checkRESTIntegration),
			subscriptions.behind(checkRESTIntegration))
	}
	results = append(results, d.restIngest(ctx, client, ingest))
	apis, err := client.APIs(ctx, p.IntegrationID)
	switch {
	case err != nil:
		results = append(results, refused(list, err))
		return append(results, subscriptions.behind(checkRESTCatalogue))
	case len(apis) == 0:
		results = append(results, list.good("it can be listed, and is empty"))
		return append(results, subscriptions.is(NotTried, "there is no API yet", ""))
	}
	results = append(results, list.good(fmt.Sprintf("it can be listed: %d APIs", len(apis))))
	// The first one was written last, most likely by an ingest of this token.
	_, err = client.Subscriptions(ctx, apis[0].ID, apimrest.Active())
	results = append(results, ofAPI(subscriptions, err, apis[0].Name, "those of "+apis[0].Name+" can be read"))
	if d.Config.Agent.Ingest.RemovesGone() {
		_, err = client.API(ctx, apis[0].ID)
		results = append(results, ofAPI(row{checkRESTRemoval, p.IntegrationID}, err, apis[0].Name,
			"the token's account manages "+apis[0].Name+"; that it may change and delete it, only a try would tell"))
	}
	return results
}

// ofAPI is the row of what was tried with one API.
func ofAPI(r row, err error, name, good string) Result {
	switch {
	case apimrest.Is(err, apimrest.Forbidden):
		return r.is(NotTried, "the token's account is no member of "+name+", the API that was written last",
			"it owns the APIs that are new in ingests that it starts; of older ones, make it a member, with the role OWNER. "+
				"Unconfirmed keys of an API whose subscriptions it may not read are not settled")
	case err != nil:
		return refused(r, err)
	}
	return r.good(good)
}

func (d *doctor) restIntegration(ctx context.Context, client *apimrest.Client, r row) Result {
	found, err := client.Integration(ctx, r.about)
	switch {
	case err != nil:
		return refused(r, err)
	case found.Provider != exchange.Provider:
		return r.attention("it is an integration of the provider "+found.Provider,
			"set integrationId to an AWS API Gateway integration, or create one in APIM")
	case found.PendingJob != "":
		return r.good("it can be read; an ingest runs")
	}
	return r.good("it can be read")
}

// restIngest asks APIM what the token may do, because only an ingest would show it.
func (d *doctor) restIngest(ctx context.Context, client *apimrest.Client, r row) Result {
	permissions, err := client.Permissions(ctx, r.about)
	switch {
	case err != nil:
		return refused(r, err)
	case !strings.Contains(permissions["DEFINITION"], "C"):
		return r.attention("the token may not start one", membership)
	}
	return r.good("the token may start one")
}

// refused is the row of a request that has failed.
func refused(r row, err error) Result {
	failure, ok := errors.AsType[*apimrest.Error](err)
	switch {
	case !ok:
		return r.attention(err.Error(), "")
	case failure.Class == apimrest.Cancelled:
		return r.attention("interrupted", "")
	}
	return r.attention(failure.What(), failure.Advice())
}
