package apigateway

import (
	"bytes"
	"slices"

	"federation-agent/internal/rawjson"
)

// ForStage makes of a stage's document what it would be for another stage with the same deployment. In all exports that
// were recorded, the stage is named in one place only: as the default of the base path of the one server. It is false for
// a document in which it is not. The document is the caller's no more.
func ForStage(document []byte, stage, other string) ([]byte, bool) {
	servers, at := member(document, "servers")
	first := bytes.IndexByte(servers, '{')
	count := 0
	for range rawjson.Elements(servers) {
		count++
	}
	if count != 1 || first < 0 {
		return document, false
	}
	value := servers[first:]
	at += first
	for _, name := range []string{"variables", "basePath", "default"} {
		inner, from := member(value, name)
		value, at = inner, at+from
	}
	for _, slash := range []string{"", "/"} { // OpenAPI 3 has none in the exports that were recorded, Swagger has one
		if string(value) == `"`+slash+stage+`"` {
			return slices.Replace(document, at, at+len(value), []byte(`"`+slash+other+`"`)...), true
		}
	}
	return document, false
}

// member is the value of a member of a JSON object, and where it begins; nil if there is none.
func member(object []byte, name string) (value []byte, from int) {
	for m := range rawjson.Members(object) {
		if string(m.Key) == `"`+name+`"` {
			return m.Value, m.From
		}
	}
	return nil, 0
}
