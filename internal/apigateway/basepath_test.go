package apigateway

import (
	"strings"
	"testing"
)

func TestForStage(t *testing.T) {
	const url = `"url":"https://x.example/{basePath}"`
	for name, c := range map[string]struct {
		document, want string
		ok             bool
	}{
		"as AWS writes it": {
			document: `{ "info" : {"title":"dev"}, "servers" : [ {` + url + `, "variables" : { "basePath" : { "default" : "dev" } } } ], "x":"dev" }`,
			want:     `{ "info" : {"title":"dev"}, "servers" : [ {` + url + `, "variables" : { "basePath" : { "default" : "production" } } } ], "x":"dev" }`,
			ok:       true,
		},
		"with a slash": {
			document: `{"servers":[{"variables":{"stage":{"default":"dev"},"basePath":{"default":"/dev"}}}]}`,
			want:     `{"servers":[{"variables":{"stage":{"default":"dev"},"basePath":{"default":"/production"}}}]}`, ok: true,
		},
		"another base path":    {document: `{"servers":[{"variables":{"basePath":{"default":"v1"}}}]}`},
		"no base path":         {document: `{"servers":[{"url":"https://x.example/dev"}]}`},
		"two servers":          {document: `{"servers":[{"variables":{"basePath":{"default":"dev"}}},{"url":"https://x.example"}]}`},
		"a server of no shape": {document: `{"servers":["dev",{"variables":{"basePath":{"default":"dev"}}}]}`},
		"no servers":           {document: `{"openapi":"3.0.1"}`},
		"none, as a list":      {document: `{"servers":[]}`},
		"a text":               {document: `{"servers":"{dev}"}`},
		"no document":          {document: `[]`},
		"nothing":              {document: ``},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := ForStage([]byte(c.document), "dev", "production")
			if c.want == "" {
				c.want = c.document
			}
			if ok != c.ok || string(got) != c.want {
				t.Errorf("%t: %s", ok, got)
			}
			if back, ok := ForStage(got, "production", "dev"); ok != c.ok || ok && string(back) != c.document {
				t.Errorf("and back, %t: %s", ok, back)
			}
		})
	}
}

// The exports that were recorded name their stage there, and nowhere else.
func TestTheRecordedExportsAreForAnotherStageOnceTheirBasePathIs(t *testing.T) {
	const stage = "local"
	seen := 0
	for path, text := range every(t) {
		fields, _ := shape[struct{}](t, text)
		document := string(fields["body"])
		if !strings.Contains(document, `"openapi"`) {
			continue
		}
		seen++
		other, ok := ForStage([]byte(document), stage, "production")
		if !ok || strings.Contains(string(other), `"`+stage+`"`) || strings.Contains(string(other), "/"+stage) {
			t.Errorf("%s: %t: %s", path, ok, other)
		}
	}
	known(t, seen, 4)
}
