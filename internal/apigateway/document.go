package apigateway

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	"federation-agent/internal/rawjson"
)

// blanks are what JSON allows between its parts.
const blanks = " \t\r\n"

// CheckDocument says why a text is no OpenAPI 3 document in JSON, nil if it is one. A proxy, or another server, may
// answer 200 with anything; what passes here is published and kept. The error is of class [gateway.Unavailable]. It
// quotes nothing: the text may hold a stage's variables. It needs no memory beside the text.
func CheckDocument(text []byte) error {
	const isNot = "AWS answered an export with "
	switch start := bytes.TrimLeft(text, blanks); {
	case len(start) == 0:
		return errEmptyExport
	case start[0] == '<':
		return &unreadable{isNot + "a page of HTML or XML instead of an OpenAPI document in JSON"}
	case start[0] != '{':
		return &unreadable{isNot + "something that is no JSON object, as an OpenAPI document is"}
	case !utf8.Valid(text), !json.Valid(text):
		return &unreadable{isNot + "JSON that is cut off or damaged"}
	}
	switch version := rawjson.Find(text, "openapi"); {
	case bytes.HasPrefix(version, []byte(`"3.`)):
		return nil
	case rawjson.Find(text, "swagger") != nil:
		return &unreadable{isNot + "a Swagger 2 document, though it was asked for OpenAPI 3"}
	default:
		return &unreadable{isNot + `JSON that is no OpenAPI 3 document: "openapi" is not "3…" in it`}
	}
}
