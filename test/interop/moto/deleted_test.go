//go:build interop

package moto

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/sandbox/apimsim"
)

func TestAKeyThatIsGoneIsNoReasonToRefuseAnUnsubscribe(t *testing.T) {
	r := newRig(t)
	region := r.Region(t, DefaultAccount, "eu-west-1")
	orders := region.API("Orders", "", "prod")
	gold := region.Plan("Gold", Deployed{orders, "prod"})
	r.start(nil)
	r.ingest()
	s := r.accepted(region.id(orders, "prod"), gold)
	_, err := region.Client.DeleteApiKey(r.ctx, &apigateway.DeleteApiKeyInput{ApiKey: region.Keys()[0].Id})
	region.check(err)

	if err := r.apim.Unsubscribe(r.ctx, s.ID); err != nil {
		t.Error(err)
	}
}

func TestAnAPIThatIsDeletedIsNoLongerSent(t *testing.T) {
	r := newRig(t)
	region := r.Region(t, DefaultAccount, "eu-west-1")
	orders, billing, stock := region.API("Orders", "", "prod"), region.API("Billing", "", "prod"),
		region.API("Stock", "", "prod")
	region.Plan("Gold", Deployed{orders, "prod"}, Deployed{billing, "prod"}, Deployed{stock, "prod"})
	r.start(nil)
	r.ingest()
	before := r.stored(region.id(billing, "prod")).Writes

	// AWS refuses to delete an API that a usage plan names, or takes it out of the plan. moto leaves the plan pointing at
	// nothing; what no list of APIs has is left out all the same.
	_, err := region.Client.DeleteRestApi(r.ctx, &apigateway.DeleteRestApiInput{RestApiId: &billing})
	region.check(err)
	want := map[string]string{region.id(orders, "prod"): "Orders", region.id(stock, "prod"): "Stock"}
	if got, partial := r.preview(); !cmp.Equal(want, got) || partial {
		t.Errorf("partial %v, difference:\n%s", partial, cmp.Diff(want, got))
	}
	r.ingest()
	if after := r.stored(region.id(billing, "prod")).Writes; after != before {
		t.Errorf("the API that is gone was sent %d times more", after-before)
	}
	if lost := r.apim.ProblemsOf(apimsim.ProblemPlanDeleted); len(lost) > 0 {
		t.Errorf("APIM deleted plans: %+v", lost)
	}
}

func TestAStageThatIsDeletedIsLeftOutWhereStagesAreAskedFor(t *testing.T) {
	r := newRig(t)
	region := r.Region(t, DefaultAccount, "eu-west-1")
	orders := region.API("Orders", "", "prod", "dev", "test")
	region.Plan("Gold", Deployed{orders, "prod"}, Deployed{orders, "dev"}, Deployed{orders, "test"})
	r.start(nil)
	r.ingest()
	before := r.stored(region.id(orders, "dev")).Writes

	// AWS refuses to delete a stage that a usage plan names. moto leaves the plan pointing at nothing, and exports a
	// stage that does not exist; an ingest asks for the stages first, and so does not come to that.
	dev := "dev"
	_, err := region.Client.DeleteStage(r.ctx, &apigateway.DeleteStageInput{RestApiId: &orders, StageName: &dev})
	region.check(err)
	r.ingest()
	if after := r.stored(region.id(orders, "dev")).Writes; after != before {
		t.Errorf("the stage that is gone was sent %d times more", after-before)
	}
	if other := r.stored(region.id(orders, "prod")); other.Writes != 2 || len(other.Plans) != 1 || len(other.Pages) != 1 {
		t.Errorf("another stage was written %d times, has %d plans and %d pages", other.Writes, len(other.Plans),
			len(other.Pages))
	}
}

func TestAPlanThatIsTakenAwayGoesInAPIMToo(t *testing.T) {
	r := newRig(t)
	region := r.Region(t, DefaultAccount, "eu-west-1")
	orders := region.API("Orders", "", "prod")
	gold, silver := region.Plan("Gold", Deployed{orders, "prod"}), region.Plan("Silver", Deployed{orders, "prod"})
	r.start(settings{"gravitee_agent_ingest_acceptPlanRemovals": "true"})
	r.ingest()
	api := region.id(orders, "prod")
	kept, lost := r.accepted(api, gold), r.accepted(api, silver)

	_, err := region.Client.DeleteUsagePlan(r.ctx, &apigateway.DeleteUsagePlanInput{UsagePlanId: &silver})
	region.check(err)
	r.ingest() // names the loss, and does no more
	if plans, keys := r.stored(api).Plans, region.Keys(); len(plans) != 2 || len(keys) != 2 {
		t.Errorf("at once: plans %+v, %d keys", plans, len(keys))
	}
	r.ingest()
	if plans := r.stored(api).Plans; len(plans) != 1 || plans[0].ProviderID != gold {
		t.Errorf("plans %+v", plans)
	}
	// APIM took the subscription away with its plan, and the agent its key.
	if keys := region.Keys(); len(keys) != 1 || *keys[0].Value != kept.APIKey.Reveal() || kept.APIKey == lost.APIKey {
		t.Errorf("%d keys are left, want the other plan's alone", len(keys))
	}
}

// Once an API is known with its only plan, an empty listing must be seen twice, five minutes apart, before APIM is
// told: its subscriptions go with the plan.
func TestThatAllPlansAreGoneIsNotBelievedAtOnce(t *testing.T) {
	r := newRig(t)
	region := r.Region(t, DefaultAccount, "eu-west-1")
	orders := region.API("Orders", "", "prod")
	gold := region.Plan("Gold", Deployed{orders, "prod"})
	r.start(settings{"gravitee_integration_providers_0_configuration_acceptApiWithoutUsagePlan": "true"})
	r.ingest()
	api := region.id(orders, "prod")
	s := r.accepted(api, gold)

	_, err := region.Client.DeleteUsagePlan(r.ctx, &apigateway.DeleteUsagePlanInput{UsagePlanId: &gold})
	region.check(err)
	r.ingest()
	if plans := r.stored(api).Plans; len(plans) != 1 || plans[0].ProviderID != gold {
		t.Errorf("plans %+v", plans)
	}
	if keys := region.Keys(); len(keys) != 1 || *keys[0].Value != s.APIKey.Reveal() {
		t.Errorf("%d keys", len(keys))
	}
}

// moto attaches a key to any plan. The agent sees in its list of plans that this one is gone.
func TestNoKeyIsMadeForAPlanThatIsGone(t *testing.T) {
	r := newRig(t)
	region := r.Region(t, DefaultAccount, "eu-west-1")
	orders := region.API("Orders", "", "prod")
	gold := region.Plan("Gold", Deployed{orders, "prod"})
	r.start(nil)
	r.ingest()
	_, err := region.Client.DeleteUsagePlan(r.ctx, &apigateway.DeleteUsagePlanInput{UsagePlanId: &gold})
	region.check(err)

	s := r.subscribe(region.id(orders, "prod"), gold)
	if keys := region.Keys(); s.Status != apimsim.SubscriptionRejected || len(keys) > 0 {
		t.Errorf("%s (%s), %d keys", s.Status, s.Reason, len(keys))
	}
}
