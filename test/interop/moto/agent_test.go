//go:build interop

package moto

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/federation"
	"federation-agent/internal/sandbox/apimsim"
)

const (
	first  = "111111111111"
	second = "222222222222"
)

// bothAccounts are two accounts, each by a role, in two regions.
func bothAccounts() settings {
	return settings{
		roles: RoleARN(first, "federation") + "," + RoleARN(second, "federation"), regions: "eu-west-1,us-east-1",
	}
}

func TestAccountsAndRegionsAreOneCatalogueWithNamesThatTellApart(t *testing.T) {
	r := newRig(t)
	want := map[string]string{}
	for _, account := range []string{first, second} {
		for _, name := range []string{"eu-west-1", "us-east-1"} {
			region := r.Region(t, account, name)
			orders := region.API("Orders", "Orders of "+account, "prod")
			region.Plan("Gold", Deployed{orders, "prod"})
			region.API("Internal", "In no usage plan", "prod")
			want[region.id(orders, "prod")] = fmt.Sprintf("Orders [%s, %s]", name, account)
		}
	}
	only := r.Region(t, second, "us-east-1")
	billing := only.API("Billing", "", "prod", "dev")
	only.Plan("Silver", Deployed{billing, "prod"}, Deployed{billing, "dev"})
	want[only.id(billing, "prod")], want[only.id(billing, "dev")] = "Billing [prod]", "Billing [dev]"

	r.start(bothAccounts())
	got, partial := r.preview()
	if diff := cmp.Diff(want, got); diff != "" || partial {
		t.Errorf("partial %v, difference:\n%s", partial, diff)
	}
	r.ingest()
	stored := map[string]string{}
	for _, api := range r.apim.APIs() {
		stored[api.ProviderID] = api.Name
	}
	if diff := cmp.Diff(want, stored); diff != "" {
		t.Error(diff)
	}
	if problems := r.apim.Problems(); len(problems) > 0 {
		t.Errorf("an operator of APIM sees %+v", problems)
	}
}

func TestAnAPIBecomesWhatItIsInAWS(t *testing.T) {
	r := newRig(t)
	region := r.Region(t, DefaultAccount, "eu-west-1")
	orders := region.API("Orders", "Takes orders", "prod")
	plan := region.Plan("Gold", Deployed{orders, "prod"})
	r.start(nil)
	r.ingest()

	api := r.stored(region.id(orders, "prod"))
	// moto makes a stage without a description, so there is none to show.
	if api.Name != "Orders" || !strings.Contains(api.Description, "Takes orders") || api.Type != "PROXY" {
		t.Errorf("name %q, description %q, type %q", api.Name, api.Description, api.Type)
	}
	if diff := cmp.Diff(map[string]string{
		federation.MetadataAccountID: DefaultAccount, federation.MetadataRegion: "eu-west-1",
		federation.MetadataRestAPIID: orders, federation.MetadataStage: "prod",
	}, api.ConnectionDetails); diff != "" {
		t.Error(diff)
	}
	if len(api.Plans) != 1 {
		t.Fatalf("plans %+v", api.Plans)
	}
	if p := api.Plans[0]; p.ProviderID != plan || p.Name != "Gold" || p.Security != "API_KEY" ||
		!cmp.Equal(p.Characteristics, []string{"5 requests per second", "burst 10", "1,000 requests per day"}) {
		t.Errorf("plan %+v", p)
	}
	if len(api.Pages) != 1 {
		t.Fatalf("%d pages", len(api.Pages))
	}
	// moto itself exports Swagger 2.0 though OpenAPI 3.0 was asked for: serve.py makes one of the other.
	var document struct {
		OpenAPI string
		Info    struct{ Title string }
	}
	if err := json.Unmarshal([]byte(api.Pages[0].Content), &document); err != nil || document.Info.Title != "Orders" {
		t.Errorf("the document cannot be read: %v, %+v", err, document)
	}
	if document.OpenAPI != "3.0.1" {
		t.Errorf("version %q", document.OpenAPI)
	}
}

// AWS pages by 25 unless told otherwise. moto ignores limit and position, so paging itself is proved elsewhere; what is
// shown here is that a whole list without a position is taken for whole.
func TestALongListIsTakenWhole(t *testing.T) {
	r := newRig(t)
	region := r.Region(t, DefaultAccount, "eu-west-1")
	const count = 60
	var stages []Deployed
	for n := range count {
		stages = append(stages, Deployed{region.API(fmt.Sprintf("API %02d", n), "", "prod"), "prod"})
	}
	region.Plan("All", stages...)
	limit := int32(1)
	page, err := region.Client.GetRestApis(r.ctx, &apigateway.GetRestApisInput{Limit: &limit})
	if err != nil || len(page.Items) != count {
		t.Errorf("moto keeps to limit now (%d items, %v): hold the test to it", len(page.Items), err)
	}
	r.start(nil)
	if got, partial := r.preview(); len(got) != count || partial {
		t.Errorf("%d APIs, partial %v", len(got), partial)
	}
}

func TestWithoutAUsagePlanAnAPIIsFederatedWhenThatIsAskedFor(t *testing.T) {
	r := newRig(t)
	region := r.Region(t, DefaultAccount, "eu-west-1")
	api := region.API("Orders", "", "prod", "dev", "test")
	r.start(settings{
		"gravitee_integration_providers_0_configuration_acceptApiWithoutUsagePlan": "true",
		"gravitee_integration_providers_0_configuration_0_stage":                   "prod",
		"gravitee_integration_providers_0_configuration_1_stage":                   "dev",
	})
	want := map[string]string{region.id(api, "prod"): "Orders [prod]", region.id(api, "dev"): "Orders [dev]"}
	if got, _ := r.preview(); !cmp.Equal(want, got) {
		t.Error(cmp.Diff(want, got))
	}
	r.ingest()
	if got := r.stored(region.id(api, "dev")); len(got.Plans) != 0 || len(got.Pages) != 1 {
		t.Errorf("%d plans, %d pages", len(got.Plans), len(got.Pages))
	}
}

func TestASubscriptionIsAKeyInTheRightAccountAndRegionOnly(t *testing.T) {
	r := newRig(t)
	var all []*Region
	for _, account := range []string{first, second} {
		for _, name := range []string{"eu-west-1", "us-east-1"} {
			all = append(all, r.Region(t, account, name))
		}
	}
	there := all[3]
	orders := there.API("Orders", "", "prod")
	gold, silver := there.Plan("Gold", Deployed{orders, "prod"}), there.Plan("Silver", Deployed{orders, "prod"})
	r.start(bothAccounts())
	r.ingest()

	subscription := r.accepted(there.id(orders, "prod"), gold)
	for _, region := range all[:3] {
		if keys := region.Keys(); len(keys) > 0 {
			t.Errorf("%s:%s has %d keys", region.Account, region.Name, len(keys))
		}
	}
	keys := there.Keys()
	if len(keys) != 1 {
		t.Fatalf("%d keys", len(keys))
	}
	key := keys[0]
	if !key.Enabled || *key.Value != subscription.APIKey.Reveal() || !strings.Contains(*key.Name, application) ||
		!strings.Contains(*key.Name, subscription.ID) {
		t.Errorf("key %s: enabled %v, the value APIM has: %v", *key.Name, key.Enabled,
			*key.Value == subscription.APIKey.Reveal())
	}
	if len(key.Tags) > 0 {
		t.Errorf("the key has tags, which need a further permission: %v", key.Tags)
	}
	if attached := there.Attached(gold); len(attached) != 1 || *attached[0].Id != *key.Id {
		t.Errorf("Gold holds %d keys", len(attached))
	}
	if attached := there.Attached(silver); len(attached) != 0 {
		t.Errorf("Silver holds %d keys", len(attached))
	}
	if subscription.Metadata[federation.MetadataKeyID] != *key.Id {
		t.Errorf("metadata %v, key %s", subscription.Metadata, *key.Id)
	}

	if err := r.apim.Unsubscribe(r.ctx, subscription.ID); err != nil {
		t.Fatal(err)
	}
	if keys := there.Keys(); len(keys) != 0 {
		t.Errorf("%d keys are left", len(keys))
	}
	// AWS takes a deleted key out of its plans; moto leaves it there, and the agent has no permission to look.
	if attached := there.Attached(gold); len(attached) != 1 {
		t.Errorf("moto takes a deleted key out of its plans now (%d left): hold the test to it", len(attached))
	}
	if problems := r.apim.Problems(); len(problems) > 0 {
		t.Errorf("an operator of APIM sees %+v", problems)
	}
}

func TestManySubscriptionsSideBySideAreAsManyKeys(t *testing.T) {
	r := newRig(t)
	region := r.Region(t, DefaultAccount, "eu-west-1")
	orders := region.API("Orders", "", "prod")
	gold := region.Plan("Gold", Deployed{orders, "prod"})
	r.start(nil)
	r.ingest()

	const count = 5
	made := make(chan apimsim.Subscription, count)
	api, plan := region.id(orders, "prod"), r.planOf(region.id(orders, "prod"), gold)
	for range count {
		go func() {
			s, _ := r.apim.Subscribe(r.ctx, api, plan, application, "")
			made <- s
		}()
	}
	values := map[string]bool{}
	for range count {
		s := <-made
		if s.Status != apimsim.SubscriptionAccepted {
			t.Errorf("%s: %s", s.Status, s.Reason)
		}
		values[s.APIKey.Reveal()] = true
	}
	if keys, attached := region.Keys(), region.Attached(gold); len(values) != count || len(keys) != count ||
		len(attached) != count {
		t.Errorf("%d values, %d keys, %d attached", len(values), len(keys), len(attached))
	}
}
