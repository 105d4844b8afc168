//go:build interop

package moto

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// baseURLs has custom domain names asked for, by each listing.
var baseURLs = settings{
	"gravitee_agent_discovery_customDomains": "true", "gravitee_agent_discovery_customDomainsMaxAge": "0s",
}

// domain makes a custom domain name that leads to a stage of an API; an empty path is the root's.
func (r *Region) domain(name string, endpoint types.EndpointType, path, api, stage string) {
	r.t.Helper()
	_, err := r.Client.CreateDomainName(r.t.Context(), &apigateway.CreateDomainNameInput{
		DomainName: &name, EndpointConfiguration: &types.EndpointConfiguration{Types: []types.EndpointType{endpoint}},
		SecurityPolicy: types.SecurityPolicyTls12, CertificateName: aws.String("a-certificate"),
	})
	r.check(err)
	in := &apigateway.CreateBasePathMappingInput{DomainName: &name, RestApiId: &api, Stage: &stage}
	if path != "" {
		in.BasePath = &path
	}
	_, err = r.Client.CreateBasePathMapping(r.t.Context(), in)
	r.check(err)
}

func (r *rig) baseURL(id string) string {
	r.t.Helper()
	for _, m := range r.stored(id).Metadata {
		if m.Name == "AWS base URL" {
			return m.Value
		}
	}
	return ""
}

func TestABasePathMappingIsABaseURL(t *testing.T) {
	r := newRig(t)
	region := r.Region(t, DefaultAccount, "eu-west-1")
	orders, billing := region.API("Orders", "", "prod"), region.API("Billing", "", "prod")
	region.Plan("Gold", Deployed{orders, "prod"}, Deployed{billing, "prod"})
	region.domain("edge.example.com", types.EndpointTypeEdge, "orders", orders, "prod")
	region.domain("root.example.com", types.EndpointTypeEdge, "", billing, "prod")
	r.start(baseURLs)
	r.ingest()
	if got := r.baseURL(region.id(orders, "prod")); got != "https://edge.example.com/orders" {
		t.Errorf("Orders: %q", got)
	}
	if got := r.baseURL(region.id(billing, "prod")); got != "https://root.example.com" {
		t.Errorf("Billing: %q", got)
	}
	if page := r.stored(region.id(orders, "prod")).Pages[0].Content; !strings.Contains(page, `"https://edge.example.com/orders"`) {
		t.Errorf("the document does not say it: %s", page)
	}
}

// moto's second API does not know what the first one made, and says NotFoundException for a domain name that exists. So
// it is left out, as one is that was deleted meanwhile.
func TestARegionalDomainNameThatTheSecondAPIDoesNotKnowKeepsNothingBack(t *testing.T) {
	r := newRig(t)
	region := r.Region(t, DefaultAccount, "eu-west-1")
	orders := region.API("Orders", "", "prod")
	region.Plan("Gold", Deployed{orders, "prod"})
	region.domain("regional.example.com", types.EndpointTypeRegional, "orders", orders, "prod")
	r.start(baseURLs)
	r.ingest()
	if got := r.baseURL(region.id(orders, "prod")); !strings.HasPrefix(got, "none: no custom domain name leads here") {
		t.Errorf("base URL: %q", got)
	}
}
