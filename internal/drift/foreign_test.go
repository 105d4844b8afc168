package drift_test

import (
	"slices"
	"strings"
	"testing"

	"federation-agent/internal/drift"
	"federation-agent/internal/federation"
	"federation-agent/internal/survey"
)

const (
	environment = "DEFAULT"
	integration = "int-1"
	account     = "111122223333"
)

// mine is an API that an ingest would send, with two plans.
func mine(region, restAPI, stage, name string) survey.API {
	id := federation.ID{Account: account, Region: region, RestAPI: restAPI, Stage: stage}
	return survey.API{
		ID: id.String(), Account: account, Region: region, RestAPI: restAPI, Stage: stage, AWSName: name,
		Name: name + " [" + stage + "]", Plans: []survey.Plan{{ID: "gold01", Name: "Gold"}, {ID: "free01", Name: "Free"}},
	}
}

func TestWhatReplacesAnotherAgentsAPI(t *testing.T) {
	t.Parallel()
	orders := mine("eu-west-1", "aaaaaaaaaa", "prod", "Orders")
	ordersDev := mine("eu-west-1", "aaaaaaaaaa", "dev", "Orders")
	ordersDev.Plans = []survey.Plan{{ID: "silver", Name: "Silver"}}
	ordersUS := mine("us-east-1", "bbbbbbbbbb", "prod", "Orders")
	invoices := mine("eu-west-1", "cccccccccc", "prod", "Invoices")
	ours := drift.Ours{
		Environment: environment, APIs: []survey.API{orders, ordersDev, ordersUS, invoices},
		LeftOut: []survey.LeftOut{{RestAPI: "dddddddddd", Text: "no usage plan contains it"}},
	}
	computed := func(of string) string { return federation.APIMID(environment, integration, of) }
	for name, c := range map[string]struct {
		id, name string
		metadata map[string]string
		plans    []drift.OtherPlan
		verdict  drift.Verdict
		by       drift.Evidence
		apis     []survey.API
		why      string
	}{
		"its id is computed from the only stage": {
			id: computed("cccccccccc"), name: "Bills", verdict: drift.One, by: drift.ByID, apis: []survey.API{invoices},
			why: "computed from the REST API cccccccccc",
		},
		"its id is computed from a REST API of two stages": {
			id: computed("aaaaaaaaaa"), name: "Orders", verdict: drift.Several, by: drift.ByID,
			apis: []survey.API{orders, ordersDev}, why: "2 of the APIs to federate fit, and nothing tells which",
		},
		"its id and the stage in its metadata": {
			id: computed("aaaaaaaaaa"), metadata: map[string]string{"aws-stage": "dev"}, verdict: drift.One, by: drift.ByID,
			apis: []survey.API{ordersDev},
		},
		"its id and the ids of its plans": {
			id: computed("aaaaaaaaaa"), plans: []drift.OtherPlan{{
				ID: federation.APIMPlanID(computed("aaaaaaaaaa"), "silver"), Name: "Cheap",
			}},
			verdict: drift.One, by: drift.ByID, apis: []survey.API{ordersDev}, why: "its plans are those of this one",
		},
		"its id, and a stage that is not federated": {
			id: computed("aaaaaaaaaa"), metadata: map[string]string{"stageName": "test"}, verdict: drift.None, by: drift.ByID,
			why: "of the stage test, which is not among",
		},
		"its id is that of what is left out": {
			id: computed("dddddddddd"), name: "Orders", verdict: drift.None, by: drift.ByID, why: "no usage plan contains it",
		},
		"this agent's in another integration": {
			id: computed(ordersUS.ID), verdict: drift.One, by: drift.ByID, apis: []survey.API{ordersUS},
		},
		"this agent's own that is gone": {
			id: computed(account + ":eu-west-1:eeeeeeeeee:prod"), name: "Orders", metadata: map[string]string{
				federation.MetadataAccountID: account, federation.MetadataRegion: "eu-west-1",
				federation.MetadataRestAPIID: "eeeeeeeeee", federation.MetadataStage: "prod",
			}, verdict: drift.None, by: drift.ByID, why: "this agent made it",
		},
		"an invoke URL in its metadata": {
			name: "Bills", metadata: map[string]string{
				"url": "see https://aaaaaaaaaa.execute-api.eu-west-1.amazonaws.com/prod/x",
			}, verdict: drift.One, by: drift.ByMetadata, apis: []survey.API{orders}, why: "name the REST API aaaaaaaaaa",
		},
		"a private invoke URL": {
			metadata: map[string]string{"url": "https://cccccccccc-vpce-0123.execute-api.eu-west-1.amazonaws.com.cn:443"},
			verdict:  drift.One, by: drift.ByMetadata, apis: []survey.API{invoices},
		},
		"an ARN in its metadata": {
			metadata: map[string]string{"arn": "arn:aws:apigateway:us-east-1::/restapis/bbbbbbbbbb/stages/prod"},
			verdict:  drift.One, by: drift.ByMetadata, apis: []survey.API{ordersUS},
		},
		"a value that is a REST API of ours": {
			metadata: map[string]string{"whatever": " bbbbbbbbbb "}, verdict: drift.One, by: drift.ByMetadata,
			apis: []survey.API{ordersUS},
		},
		"metadata of a REST API that is not ours, and a name that is": {
			name: "Invoices", metadata: map[string]string{"rest-api-id": "ffffffffff"}, verdict: drift.None, by: drift.ByMetadata,
			why: "ffffffffff, which no account and region has",
		},
		"only a name": {
			name: "INVOICES", verdict: drift.One, by: drift.ByName, apis: []survey.API{invoices}, why: "only the names are alike",
		},
		"a name of several": {
			name: "Orders", verdict: drift.Several, by: drift.ByName, apis: []survey.API{orders, ordersDev, ordersUS},
		},
		"a name with its stage": {
			name: "orders (dev)", verdict: drift.One, by: drift.ByName, apis: []survey.API{ordersDev},
		},
		"a name, and the region in its metadata": {
			name: "Orders", metadata: map[string]string{"AWS region": "us-east-1"}, verdict: drift.One, by: drift.ByName,
			apis: []survey.API{ordersUS},
		},
		"a name, and the account of somebody else": {
			name: "Invoices", metadata: map[string]string{"account_id": "999999999999"}, verdict: drift.None, by: drift.ByName,
			why: "of the account 999999999999",
		},
		"a tag is not where it is": {
			name: "Invoices", metadata: map[string]string{"aws-tag-stage": "gamma", "tag region": "us-east-1"},
			verdict: drift.One, by: drift.ByName, apis: []survey.API{invoices},
		},
		"metadata that contradict each other": {
			name: "Orders", metadata: map[string]string{"stage": "dev", "aws stage": "prod", "region": "us-east-1"},
			verdict: drift.One, by: drift.ByName, apis: []survey.API{ordersUS},
		},
		"a name of signs alone": {name: "---", verdict: drift.None, why: "none has its name"},
		"nothing":               {name: "Payments", verdict: drift.None, why: "none has its name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other := drift.Other{
				Integration: integration, APIMID: c.id, Name: c.name, Metadata: c.metadata, Plans: c.plans,
			}
			m := ours.Replacing(other)
			same := func(a, b survey.API) bool { return a.ID == b.ID }
			if m.Verdict != c.verdict || m.By != c.by || !slices.EqualFunc(m.APIs, c.apis, same) ||
				!strings.Contains(m.Why, c.why) {
				t.Errorf("%+v", m)
			}
		})
	}
}

func TestAPlanHasItsSuccessorByIdOrElseByName(t *testing.T) {
	t.Parallel()
	api := mine("eu-west-1", "aaaaaaaaaa", "prod", "Orders")
	api.Plans = append(api.Plans, survey.Plan{ID: "two001", Name: "Twice"}, survey.Plan{ID: "two002", Name: "twice"})
	other := drift.Other{APIMID: "apim-1", Plans: []drift.OtherPlan{
		{ID: federation.APIMPlanID("apim-1", "gold01"), Name: "Free"}, {ID: "p2", Name: "FREE"}, {ID: "p3", Name: "Twice"},
		{ID: "p4", Name: "Other"},
	}}
	got := other.PlansIn(api)
	if len(got) != 2 || got[other.Plans[0].ID] != "gold01" || got["p2"] != "free01" {
		t.Error(got)
	}
}
