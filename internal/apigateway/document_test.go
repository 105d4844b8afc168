package apigateway

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"federation-agent/internal/gateway"
)

// notDocuments is what was seen, or can be thought of, as a 200 where an OpenAPI document was asked for.
func notDocuments() map[string]string {
	const document = `{"openapi":"3.0.1","info":{"title":"a"},"paths":{}}`
	utf16 := "\xff\xfe"
	for _, c := range document {
		utf16 += string(byte(c)) + "\x00"
	}
	return map[string]string{
		"a stage's JSON":                `{"deploymentId":"d1","stageName":"prod","variables":{"openapi":"3.0.1","password":"the-secret"}}`,
		"an HTML page":                  "\n<!doctype html><html><body>Sign in: the-secret</body></html>",
		"an empty object":               `{}`,
		"cut JSON":                      document[:len(document)-1],
		"JSON cut in its text":          document[:40],
		"YAML":                          "openapi: 3.0.1\ninfo:\n  title: the-secret\n",
		"YAML that begins as an object": `{openapi: 3.0.1}`,
		"an array":                      `[` + document + `]`,
		"null":                          `null`,
		"a string":                      `"openapi"`,
		"a number":                      `3.0`,
		"trailing bytes":                document + `x`,
		"two documents":                 document + "\n" + document,
		"trailing zeros":                document + "\x00\x00",
		"a byte order mark":             "\xef\xbb\xbf" + document,
		"UTF-16":                        utf16,
		"Latin 1":                       strings.Replace(document, `"a"`, "\"caf\xe9\"", 1),
		"Swagger 2":                     `{"swagger":"2.0","info":{"title":"the-secret"},"paths":{}}`,
		"OpenAPI 2":                     `{"openapi":"2.0"}`,
		"OpenAPI 30":                    `{"openapi":"30"}`,
		"a number as version":           `{"openapi":3.0}`,
		"a version that is an object":   `{"openapi":{"3.0":1}}`,
		"the version deeper":            `{"a":{"openapi":"3.0.1"}}`,
		"the version as a value":        `{"a":"openapi","b":"3.0.1"}`,
		"the version in an escape":      `{"a":"\"openapi\":\"3.0.1\""}`,
		"the name in capitals":          `{"OpenAPI":"3.0.1"}`,
		"an error in AWS's words":       `{"message":"Internal server error"}`,
		"no body":                       "",
		"a blank body":                  " \r\n\t",
	}
}

func TestWhatIsNoOpenAPI3DocumentIsAFaultOfAWSs(t *testing.T) {
	for name, text := range notDocuments() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, permits := &wire{answer: answers(ok(200, text))}, &counter{}
				_, err := Export(t.Context(), w.client(permits), "a", "prod")
				wantClass(t, err, gateway.Unavailable)
				wantCalls(t, w, maxFaults)
				wantNoSecret(t, err)
				if got := permits.outcomes[0].Class; got != gateway.Unavailable {
					t.Errorf("the quota learnt %v", got)
				}
				if !strings.Contains(Explain(err), "AWS answered an export with") &&
					!strings.Contains(Explain(err), "empty document") {
					t.Errorf("the reason does not say what came: %s", Explain(err))
				}
			})
		})
	}
}

func TestADocumentThatComesAfterOneThatIsNoneIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const document = `{ "info" : {"openapi":"x", "a\"":["}"]}, "openapi" : "3.0.1" }` + "\n"
		w := &wire{answer: answers(html(http.StatusOK), ok(200, `{}`), ok(200, document))}
		got, err := Export(t.Context(), w.client(nil), "a", "prod")
		if err != nil || string(got) != document {
			t.Errorf("%q, error %v", got, err)
		}
		wantCalls(t, w, 3)
	})
}

// BenchmarkCheckDocument is of a document of 6 MB as AWS lays it out.
func BenchmarkCheckDocument(b *testing.B) {
	path := []byte(`
    "/orders/{id}" : {
      "get" : {
        "operationId" : "get-orders", "responses" : { "200" : { "description" : "200 response" } }
      }
    },`)
	const size = 6 << 20
	paths := bytes.Repeat(path, size/len(path))
	for name, document := range map[string]string{
		"first": fmt.Sprintf(`{ "openapi" : "3.0.1", "paths" : {%s "/" : {} } }`, paths),
		"last":  fmt.Sprintf(`{ "paths" : {%s "/" : {} }, "openapi" : "3.0.1" }`, paths),
	} {
		b.Run(name, func(b *testing.B) {
			text := []byte(document)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if err := CheckDocument(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
