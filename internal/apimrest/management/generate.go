// Package management is generated from openapi.yaml, which says what this agent uses of APIM's management API.
package management

//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config oapi-codegen.yaml openapi.yaml
