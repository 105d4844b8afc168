package main

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// described reads our description, with changes as if it were APIM's.
func described(t *testing.T, changes ...string) *description {
	t.Helper()
	text, err := os.ReadFile("../../../" + ours + "/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(string(text), changes[i]) {
			t.Fatalf("our description has no %q", changes[i])
		}
		text = []byte(strings.ReplaceAll(string(text), changes[i], changes[i+1]))
	}
	d, err := read(fstest.MapFS{"openapi.yaml": &fstest.MapFile{Data: text}}, "openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestEachDifferenceFromAPIMsDescriptionIsFound(t *testing.T) {
	for change, c := range map[string]struct {
		changes []string
		want    string
	}{
		"none": {},
		"more of them": {
			changes: []string{"properties:\n        id:", "properties:\n        more: {type: string}\n        id:"},
		},
		"no operation": {
			[]string{"_ingest:", "_start:"},
			"POST /environments/{envId}/integrations/{integrationId}/_ingest: is not described",
		},
		"no parameter": {
			[]string{"- name: closePlans", "- name: force"},
			"DELETE /environments/{envId}/apis/{apiId}: has no parameter query closePlans",
		},
		"a parameter more that must be": {
			[]string{"        - name: closePlans", "        - {name: x, in: query, required: true}\n        - name: closePlans"},
			"DELETE /environments/{envId}/apis/{apiId}: requires the parameter query x",
		},
		"another form of a list": {
			[]string{"Without it, only PUBLISHED ones.\n          style: form\n          explode: false",
				"Without it, only PUBLISHED ones."},
			"GET /environments/{envId}/apis/{apiId}/plans: takes the list query statuses in another form",
		},
		"no field in an answer": {
			[]string{"agentStatus:", "status:"},
			"GET /environments/{envId}/integrations/{integrationId} 200 agentStatus: is missing",
		},
		"another type": {
			[]string{"schema: {type: boolean}", "schema: {type: string}"},
			"DELETE /environments/{envId}/apis/{apiId} query closePlans: is string, and not boolean",
		},
		"another format": {
			[]string{"updatedAt: {type: string, format: date-time}", "updatedAt: {type: string, format: int64}"},
			"GET /environments/{envId}/apis/{apiId} 200 updatedAt: has the format int64\n" +
				"PUT /environments/{envId}/apis/{apiId} 200 updatedAt: has the format int64",
		},
		"a value that we do not know": {
			[]string{"[CONNECTED, DISCONNECTED]", "[CONNECTED, DISCONNECTED, LOST]"},
			"GET /environments/{envId}/integrations/{integrationId} 200 agentStatus: may be LOST",
		},
		"a value that they do not take": {
			[]string{"enum: [FEDERATED]", "enum: [V4]"},
			"PUT /environments/{envId}/apis/{apiId} body definitionVersion: may not be FEDERATED",
		},
		"a field more that must be": {
			[]string{"required: [definitionVersion, name, apiVersion]", "required: [name, apiVersion, visibility]"},
			"PUT /environments/{envId}/apis/{apiId} body: requires visibility",
		},
		"another status": {
			[]string{`"204":`, `"202":`}, "DELETE /environments/{envId}/apis/{apiId}: does not answer 204",
		},
	} {
		t.Run(change, func(t *testing.T) {
			if got := strings.Join(compare(described(t), described(t, c.changes...)), "\n"); got != c.want {
				t.Errorf("%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestKindsOfAPIsAreTheFederatedOne(t *testing.T) {
	d, err := read(fstest.MapFS{
		"a.yaml": &fstest.MapFile{Data: []byte(`
components:
  schemas:
    Api:
      discriminator: {mapping: {V4: "#/components/schemas/V4", FEDERATED: "./b.yaml#/components/schemas/Federated"}}
    V4: {properties: {gateway: {type: string}}}
    Generic:
      properties: {name: {type: string}}
      discriminator: {mapping: {FEDERATED: "./b.yaml#/components/schemas/Federated"}}
`)},
		"b.yaml": &fstest.MapFile{Data: []byte(`
components:
  schemas:
    Federated: {allOf: [{$ref: "./a.yaml#/components/schemas/Generic"}, {properties: {origin: {type: string}}}]}
`)},
	}, "a.yaml", "b.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := node{d, "a.yaml", d.files["a.yaml"]}.get("components", "schemas", "Api").properties()
	if len(found) != 2 || found["name"].get("type").text() != "string" || found["origin"].get("type").text() != "string" {
		t.Errorf("%v", found)
	}
}
