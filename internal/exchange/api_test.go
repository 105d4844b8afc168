package exchange_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/exchange"
	"federation-agent/internal/federated"
)

func TestAnAPIIsWrittenInTheDocumentedOrder(t *testing.T) {
	got := exchange.AppendAPI(nil, federated.API{
		Summary: federated.Summary{
			UniqueID: "111122223333:eu-west-1:abc:prod", ID: "111122223333:eu-west-1:abc:prod",
			Name: "Orders", Version: "2",
		},
		Description:       "d",
		ConnectionDetails: map[string]string{"stage": "prod", "region": "eu-west-1"},
		Pages: []federated.Page{{
			Content: []byte("{\n\t\"openapi\": \"3.0.1\"}"), Filename: "orders.json",
		}},
		Plans: []federated.Plan{{
			ID: "p", Name: "Gold", Description: "g",
			Characteristics: []string{"10/s", "burst 40"},
		}},
		Metadata: []federated.Metadata{
			{Name: "region", Value: "eu-west-1"}, {Name: "url", Value: "https://x"},
		},
	})
	const want = `{"uniqueId":"111122223333:eu-west-1:abc:prod","id":"111122223333:eu-west-1:abc:prod",` +
		`"name":"Orders","version":"2","description":"d",` +
		`"connectionDetails":{"region":"eu-west-1","stage":"prod"},"type":"PROXY",` +
		`"pages":[{"pageType":"SWAGGER","content":"{\n\t\"openapi\": \"3.0.1\"}","filename":"orders.json"}],` +
		`"plans":[{"id":"p","name":"Gold","description":"g","planSecurityType":"API_KEY",` +
		`"characteristics":["10/s","burst 40"]}],` +
		`"metadata":[{"name":"region","value":"eu-west-1","format":"STRING"},` +
		`{"name":"url","value":"https://x","format":"STRING"}]}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestFieldsThatAPIMNeedsAreAlwaysWritten(t *testing.T) {
	got := exchange.AppendAPI(nil, federated.API{
		Plans: make([]federated.Plan, 1), Pages: make([]federated.Page, 1), Metadata: make([]federated.Metadata, 1),
	})
	const want = `{"uniqueId":"","id":"","name":"","type":"PROXY",` +
		`"pages":[{"pageType":"SWAGGER","content":"","filename":""}],` +
		`"plans":[{"id":"","name":"","planSecurityType":"API_KEY"}],` +
		`"metadata":[{"name":"","value":"","format":"STRING"}]}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestPagesAndPlansAreNeverNull(t *testing.T) {
	for name, api := range map[string]federated.API{
		"nil":   {},
		"empty": {Pages: []federated.Page{}, Plans: []federated.Plan{}},
	} {
		if got := string(exchange.AppendAPI(nil, api)); !strings.Contains(got, `"pages":[],"plans":[]`) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestADiscoverySummaryCarriesFourFields(t *testing.T) {
	got := exchange.AppendAPISummary(nil, federated.Summary{UniqueID: "u", ID: "i", Name: "n", Version: "v"})
	if want := `{"uniqueId":"u","id":"i","name":"n","version":"v"}`; string(got) != want {
		t.Errorf("%s", got)
	}
}

func TestADocumentArrivesUnchanged(t *testing.T) {
	every := make([]byte, 0, 1<<18)
	for r := range rune(0x11000) {
		every = append(every, string(r)...)
	}
	for name, content := range map[string]string{
		"every character of the basic plane, and more": string(every),
		";;":                  `{"a":"x;;y","b":";"}`,
		"invalid UTF-8":       "a\xffb\xc3(\xe2\x82z\xf0\x9f\x98",
		"a lone surrogate":    "\xed\xa0\x80",
		"ends in half a rune": "ok\xe2\x82",
		"empty":               "",
	} {
		encoded := exchange.AppendAPI(nil, federated.API{Pages: []federated.Page{{Content: []byte(content)}}})
		var api struct{ Pages []struct{ Content string } }
		if err := json.Unmarshal(encoded, &api); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if want := asJSONDoes(t, content); api.Pages[0].Content != want {
			t.Errorf("%s: got %.100q, want %.100q", name, api.Pages[0].Content, want)
		}
		if bytes.Contains(encoded, []byte(";")) {
			t.Errorf("%s: a semicolon was written", name)
		}
	}
}

// asJSONDoes is a text as encoding/json writes it, with invalid UTF-8 replaced.
func asJSONDoes(t testing.TB, text string) string {
	t.Helper()
	encoded, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	var decoded string
	if err := json.Unmarshal(encoded, &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

func TestALargeDocumentIsWrittenWithFewAllocations(t *testing.T) {
	api := federated.API{Pages: []federated.Page{{Content: document(6 << 20)}}}
	if got := testing.AllocsPerRun(3, func() { exchange.AppendAPI(nil, api) }); got > 3 {
		t.Errorf("%v allocations for a document of 6 MB; one buffer should do", got)
	}
}

func TestTheBufferOfAnEncodedDocumentIsHardlyLargerThanTheDocument(t *testing.T) {
	for _, size := range []int{40_000, 100_000, 6_000_000} {
		encoded := exchange.AppendAPI(nil, federated.API{
			Summary: federated.Summary{UniqueID: "u", ID: "i", Name: "n"},
			Pages:   []federated.Page{{Content: document(size), Filename: "openapi.json"}},
			Plans:   []federated.Plan{{ID: "p", Name: "plan"}}, Metadata: []federated.Metadata{{Name: "a", Value: "b"}},
		})
		const sizeClass = 8 << 10 // Go rounds an allocation of this size up to a multiple of it
		if spare := cap(encoded) - len(encoded); spare > 2*sizeClass {
			t.Errorf("%d unused bytes after %d", spare, len(encoded))
		}
	}
}

// document is similar to an export of AWS: indented JSON with some text.
func document(size int) []byte {
	const line = "    \"/orders/{id}\" : { \"get\" : { \"description\" : \"Réads one; or none\" } },\n"
	return []byte(strings.Repeat(line, size/len(line)+1)[:size])
}
