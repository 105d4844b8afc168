package awssim

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
)

func export(stage string) *apigateway.GetExportInput {
	return &apigateway.GetExportInput{
		RestApiId: aws.String("orders0001"), StageName: aws.String(stage), ExportType: aws.String("oas30"),
		Accepts: aws.String("application/json"),
	}
}

func TestAnExportIsAnOpenAPIDocumentOfItsStage(t *testing.T) {
	r := newRig(t, Options{})
	out := must(r.gateway(agentKeyA).GetExport(context.Background(), export("prod")))(t)
	if *out.ContentType != "application/octet-stream" ||
		*out.ContentDisposition != `attachment; filename="oas30_1.2.json"` {
		t.Errorf("got %q, %q", *out.ContentType, *out.ContentDisposition)
	}
	var doc struct {
		OpenAPI string
		Info    struct{ Title, Description, Version string }
		Servers []struct {
			URL       string
			Variables map[string]struct{ Default string }
		}
		Paths map[string]map[string]struct {
			Security []map[string][]string
		}
		Components struct {
			SecuritySchemes map[string]struct{ Type, Name, In string }
		}
	}
	if err := json.Unmarshal(out.Body, &doc); err != nil {
		t.Fatalf("%v in %s", err, out.Body)
	}
	if doc.OpenAPI != "3.0.1" || doc.Info.Title != "Orders" || doc.Info.Description != "Places orders" ||
		doc.Info.Version != "1.2" {
		t.Errorf("got %s %+v", doc.OpenAPI, doc.Info)
	}
	if s := doc.Servers[0]; s.URL != "https://orders0001.execute-api.eu-west-1.amazonaws.com/{basePath}" ||
		s.Variables["basePath"].Default != "prod" {
		t.Errorf("got server %+v", s)
	}
	if s := doc.Components.SecuritySchemes["api_key"]; s.Type != "apiKey" || s.Name != "x-api-key" || s.In != "header" {
		t.Errorf("got security scheme %+v", s)
	}
	if len(doc.Paths) < leastNaturalPaths {
		t.Errorf("got %d paths", len(doc.Paths))
	}
	for path, methods := range doc.Paths {
		if _, ok := methods["get"].Security[0]["api_key"]; !ok {
			t.Errorf("%s asks for no key", path)
		}
	}
}

func TestAnExportChangesWithItsDeploymentAlone(t *testing.T) {
	r := newRig(t, Options{})
	read := func() []byte {
		return must(r.gateway(agentKeyA).GetExport(context.Background(), export("prod")))(t).Body
	}
	first, again := read(), read()
	if !bytes.Equal(first, again) {
		t.Error("two exports of one deployment differ")
	}
	id, err := r.Redeploy(scopeA(), "orders0001", "prod")
	if err != nil || id == "dep001" {
		t.Fatalf("redeploying gave %q, %v", id, err)
	}
	if after := read(); bytes.Equal(first, after) {
		t.Error("the export did not change with the deployment")
	}
}

func TestAnExportHasExactlyTheSizeThatWasAskedFor(t *testing.T) {
	for _, size := range []int{1, 2048, 10_000, 100_000, 6_000_001} {
		e := smallEstate()
		e.Accounts[0].Regions[0].RestAPIs[0].Stages[0].DocumentBytes = size
		r := newRig(t, Options{Estate: e})
		body := must(r.gateway(agentKeyA).GetExport(context.Background(), export("prod")))(t).Body
		if !json.Valid(body) {
			t.Errorf("%d bytes: no valid JSON", size)
		}
		if size < 2048 && len(body) > 2048 {
			t.Errorf("the least document has %d bytes, more than 2 KiB", len(body))
		}
		if size >= 2048 && len(body) != size {
			t.Errorf("got %d bytes, want %d", len(body), size)
		}
	}
}

func TestExtensionsLeakBackEnds(t *testing.T) {
	r := newRig(t, Options{})
	in := export("prod")
	plain := must(r.gateway(agentKeyA).GetExport(context.Background(), in))(t).Body
	in.Parameters = map[string]string{"extensions": "integrations"}
	extended := must(r.gateway(agentKeyA).GetExport(context.Background(), in))(t).Body
	if strings.Contains(string(plain), "backend.internal") || !strings.Contains(string(extended), "backend.internal") ||
		!json.Valid(extended) {
		t.Errorf("plain export:\n%s\nwith integrations:\n%s", plain, extended)
	}
}

func TestAnExportThatFailsForGoodSaysSo(t *testing.T) {
	r := newRig(t, Options{})
	in := export("prod")
	in.RestApiId = aws.String("metrics001")
	_, err := r.gateway(agentKeyA).GetExport(context.Background(), in)
	if got := wantCode(t, err, CodeBadRequest).ErrorMessage(); got != ExportErrorModels {
		t.Errorf("got message %q", got)
	}
	in = export("prod")
	in.ExportType = aws.String("swagger")
	_, err = r.gateway(agentKeyA).GetExport(context.Background(), in)
	wantCode(t, err, CodeBadRequest)
}
