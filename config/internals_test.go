package config

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/region"
)

func TestTheSDKPutsEveryRegionIntoThePartitionThatWeDo(t *testing.T) {
	resolver := apigateway.NewDefaultEndpointResolverV2()
	for _, name := range region.All() {
		of := region.PartitionOf(name)
		if got, listed := partitionOf(name); got != of.ID || !listed {
			t.Errorf("%s is of %q", name, got)
		}
		if !regionShape.MatchString(name) {
			t.Errorf("%s is not of the shape that we expect", name)
		}
		endpoint, err := resolver.ResolveEndpoint(
			context.Background(),
			apigateway.EndpointParameters{
				Region:       aws.String(name),
				UseFIPS:      aws.Bool(false),
				UseDualStack: aws.Bool(false),
			},
		)
		if err != nil {
			t.Fatal(err)
		}
		if want := "apigateway." + name + "." + of.Suffix; endpoint.URI.Host != want {
			t.Errorf("the SDK resolves %s to %s, want %s", name, endpoint.URI.Host, want)
		}
	}
}

func TestAWordThatNoRuleOfAWSGivesIsNoRegion(t *testing.T) {
	for _, word := range []string{
		"", "eu", "eu-west", "eu-west-", "eu-west-0", "eu-wset-1", "xx-west-1", "eu_west_1", "eu-west-1a", "aws-global",
		"us-gov-west-1x", "eu-west-100",
	} {
		if partition, listed := partitionOf(word); partition != "" || listed {
			t.Errorf("%q is taken for a region of %s", word, partition)
		}
	}
	if partition, listed := partitionOf("us-gov-central-3"); partition != "aws-us-gov" || listed {
		t.Errorf("a new region of GovCloud is of %q, listed %v", partition, listed)
	}
}

func TestHyphensMayBeLeftOut(t *testing.T) {
	got := spellings("a-b.c[1]")
	want := []string{
		"a-b.c[1]", "a-b_c[1]", "ab.c[1]", "ab_c[1]", "a-b.c.1", "a-b_c_1", "ab.c.1", "ab_c_1",
		"A-B.C[1]", "A-B_C[1]", "AB.C[1]", "AB_C[1]", "A-B.C.1", "A-B_C_1", "AB.C.1", "AB_C_1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEditDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"same", "same", 0}} {
		if got := editDistance(tc.a, tc.b); got != tc.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}

func TestEveryFieldIsDocumentedWithAValidExampleAndDefault(t *testing.T) {
	seen, comments := map[string]bool{}, commentsOfFields(t)
	for _, f := range schema() {
		if seen[f.pattern] {
			t.Errorf("%s is a key twice", f.pattern)
		}
		seen[f.pattern] = true
		if comments[f.goName()] == "" || f.title == "" || f.example == "" {
			t.Errorf("%s lacks a comment, title or example", f.pattern)
		}
		for _, value := range []string{f.example, f.def} {
			if value == "" {
				continue
			}
			if _, err := f.canonicalValue(value); err != nil {
				t.Errorf("%s does not take its own %q: %v", f.pattern, value, err)
			}
		}
		if isNumber := slices.Contains(
			[]kind{kindInt, kindSize, kindFloat, kindShare, kindDuration},
			f.kind,
		); isNumber != (f.min != "" && f.max != "") {
			t.Errorf("%s: a number needs a range, and nothing else has one", f.pattern)
		}
	}
}

func TestAllKeysOfTheVendorsTablesAreKnown(t *testing.T) {
	known := newLoader(Sources{}).patterns()
	for key := range strings.FieldsSeq(`endpoints[#] headers[#].name headers[#].value autoReconnect keepAlive
		maxWebSocketFrameSize maxWebSocketMessageSize
		ssl.trustAll ssl.verifyHost ssl.keystore.type ssl.keystore.path ssl.keystore.password ssl.truststore.type
		ssl.truststore.path ssl.truststore.content ssl.truststore.password ssl.truststore.alias
		proxy.enabled proxy.type proxy.host proxy.port proxy.username proxy.password proxy.useSystemProxy`) {
		if !slices.Contains(known, connectorPrefix+key) {
			t.Errorf("%s is unknown", key)
		}
	}
	for key := range strings.FieldsSeq(`type integrationId configuration.region configuration.accessKeyId
		configuration.secretAccessKey configuration.roleArn configuration.acceptApiWithoutUsagePlan configuration.#_stage`) {
		if !slices.Contains(known, "integration.providers[#]."+key) {
			t.Errorf("%s is unknown", key)
		}
	}
	for _, key := range []string{"type", "host", "port", "username", "password"} {
		if !slices.Contains(known, "system.proxy."+key) {
			t.Errorf("system.proxy.%s is unknown", key)
		}
	}
}

func TestOnlyANameThatIsNearlyRightIsMeant(t *testing.T) {
	for name, want := range map[string]string{
		"prod": "prod", "PROD": "prod", "prd": "prod", "porduction": "production", "pre_prod": "pre-prod", "uat": "",
		"qa": "", "integration": "", "": "",
	} {
		if got := Meant(name, []string{"dev", "prod", "production", "pre-prod"}); got != want {
			t.Errorf("%q means %q, want %q", name, got, want)
		}
	}
	if got := Meant("prod", nil); got != "" {
		t.Errorf("of nothing known %q is meant", got)
	}
}
