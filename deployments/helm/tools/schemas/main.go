// Command schemas writes the JSON schemas that kubeconform checks manifests with, one file for each kind, made from the
// OpenAPI document of a Kubernetes release: kubeconform would download them, from a place that no module proxy serves.
//
//	schemas swagger.json FOLDER
//	kubeconform -strict -schema-location 'FOLDER/{{.ResourceKind}}{{.KindSuffix}}.json' FILE...
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

type schema = map[string]any

// references is how the OpenAPI document points from one definition to another.
const references = "#/definitions/"

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: schemas swagger.json FOLDER")
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

func write(swagger, folder string) error {
	text, err := os.ReadFile(swagger)
	if err != nil {
		return err
	}
	var document struct{ Definitions schema }
	if err := json.Unmarshal(text, &document); err != nil {
		return fmt.Errorf("reading %s: %w", swagger, err)
	}
	definitions := schema{}
	for name, definition := range document.Definitions {
		definitions[name] = strict(definition.(schema))
	}
	// A string says the document, but a number is taken too: `cpu: 1`.
	definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = schema{"type": []any{"string", "number"}}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, definition := range definitions {
		name := fileName(definition.(schema))
		if name == "" {
			continue
		}
		complete := schema{"$schema": "https://json-schema.org/draft/2020-12/schema"}
		maps.Copy(complete, definition.(schema))
		needed := schema{}
		collect(definition, definitions, needed)
		complete["definitions"] = needed
		text, err := json.Marshal(complete)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// fileName is where kubeconform looks for a kind, or nothing for a definition that is only a part of others.
func fileName(definition schema) string {
	kinds, _ := definition["x-kubernetes-group-version-kind"].([]any)
	if len(kinds) != 1 { // many: DeleteOptions and the like, which nobody writes into a file
		return ""
	}
	kind := kinds[0].(schema)
	group, _, _ := strings.Cut(kind["group"].(string), ".")
	name := strings.ToLower(kind["kind"].(string))
	if group != "" {
		name += "-" + group
	}
	return name + "-" + kind["version"].(string) + ".json"
}

// strict turns a schema of OpenAPI's dialect into a JSON schema that takes only fields which are declared. A field that
// need not be there may be null, as for the API server.
func strict(of schema) schema {
	out := maps.Clone(of)
	delete(out, "description") // half of the size
	if out["format"] == "int-or-string" {
		delete(out, "format")
		out["type"] = []any{"string", "integer"}
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if child, ok := out[key].(schema); ok {
			out[key] = strict(child)
		}
	}
	properties, ok := out["properties"].(schema)
	if !ok {
		return out
	}
	required := map[any]bool{}
	names, _ := out["required"].([]any)
	for _, name := range names {
		required[name] = true
	}
	declared := schema{}
	for name, property := range properties {
		child := strict(property.(schema))
		if !required[name] {
			child = schema{"anyOf": []any{child, schema{"type": "null"}}}
		}
		declared[name] = child
	}
	out["properties"] = declared
	if _, ok := out["additionalProperties"]; !ok {
		out["additionalProperties"] = false
	}
	return out
}

// collect adds to needed the definitions that a value refers to, and those that they refer to.
func collect(value any, definitions, needed schema) {
	switch v := value.(type) {
	case schema:
		if reference, ok := v["$ref"].(string); ok {
			name := strings.TrimPrefix(reference, references)
			if _, ok := needed[name]; !ok {
				needed[name] = definitions[name]
				collect(definitions[name], definitions, needed)
			}
		}
		for _, child := range v {
			collect(child, definitions, needed)
		}
	case []any:
		for _, child := range v {
			collect(child, definitions, needed)
		}
	}
}
