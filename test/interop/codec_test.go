//go:build interop

package interop

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/exchange"
	"federation-agent/internal/federated"
	"federation-agent/internal/secret"
	"federation-agent/test/interop/controller"
)

const commandID = "7d0c2f1e-5a7b-4a2e-9f57-0d6f6c9d1a01"

// awkward has what breaks a careless writer: the frame's own separator and prefixes, what JSON escapes, and letters of
// two, three and four bytes.
const awkward = ";; ;e:{}; t:REPLY;; \" \\ / \b\f\n\r\t \u0001 <&> \u2028\u2029 é ß 中文 \U0001F511"

// ourFrames is one of every frame that the codec writes, each with all of its fields and with awkward text.
func ourFrames() map[string][]byte {
	summary := exchange.AppendAPISummary(nil, federated.Summary{UniqueID: "u", ID: "i", Name: awkward, Version: "1"})
	whole := exchange.AppendAPI(nil, everyField())
	least := exchange.AppendAPI(nil, federated.API{Summary: federated.Summary{UniqueID: "u", ID: "i", Name: "n"}})
	return map[string][]byte{
		"HELLO":                  exchange.AppendHello(nil, commandID, awkward),
		"INGEST":                 slices.Concat(exchange.Ingest(commandID, awkward, [][]byte{whole, least}, false)...),
		"INGEST, done":           slices.Concat(exchange.Ingest(commandID, "job", nil, true)...),
		"PRIMARY reply":          exchange.AppendPrimaryReply(nil, commandID),
		"HEALTH_CHECK reply":     exchange.AppendHealthCheckReply(nil, commandID, true, ""),
		"HEALTH_CHECK unhealthy": exchange.AppendHealthCheckReply(nil, commandID, false, awkward),
		"DISCOVER reply":         slices.Concat(exchange.DiscoverReply(commandID, [][]byte{summary, summary}, true)...),
		"DISCOVER reply, empty":  slices.Concat(exchange.DiscoverReply(commandID, nil, false)...),
		"START_INGEST reply":     exchange.AppendStartIngestReply(nil, commandID, awkward, 4711),
		"LIST reply":             slices.Concat(exchange.ListReply(commandID, [][]byte{summary})...),
		"FETCH reply":            slices.Concat(exchange.FetchReply(commandID, [][]byte{whole, least})...),
		"SUBSCRIBE reply": exchange.AppendSubscribeReply(
			nil, commandID, "sub", map[string]string{"note": awkward}, secret.New("not-a-key"),
		),
		"UNSUBSCRIBE reply": exchange.AppendUnsubscribeReply(nil, commandID),
		"SUBSCRIBE error":   exchange.AppendErrorReply(nil, "SUBSCRIBE", commandID, awkward),
		"NO_REPLY":          exchange.AppendNoReply(nil, commandID, "DISCOVER"),
		"UNKNOWN":           exchange.AppendUnknownReply(nil, commandID),
	}
}

// everyField has every field.
func everyField() federated.API {
	return federated.API{
		Summary:           federated.Summary{UniqueID: "u", ID: "i", Name: awkward, Version: "1"},
		Description:       awkward,
		ConnectionDetails: map[string]string{"note": awkward},
		Pages:             []federated.Page{{Content: []byte(awkward), Filename: awkward}},
		Plans: []federated.Plan{{
			ID: "p", Name: awkward, Description: awkward, Characteristics: []string{awkward},
		}},
		Metadata: []federated.Metadata{{Name: awkward, Value: awkward}},
	}
}

// What a version understands of our frame must be all that we wrote, but for fields that its dialect does not have.
// Where it has them all, it would have written the very same bytes, the escaped semicolons apart.
func TestTheControllersReadAllThatOurCodecWrites(t *testing.T) {
	for _, version := range controller.Versions() {
		t.Run(version.ID, func(t *testing.T) {
			t.Parallel()
			process := startProcess(t, version)
			for name, ours := range ourFrames() {
				understood, err := process.ReadFrame(t.Context(), ours)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				lacking := slices.Contains(lackingTypes[version.Dialect], understood.Type)
				unknown := understood.Class == "UnknownCommand" || understood.Class == "UnknownReply" && name != "UNKNOWN"
				if lacking != unknown {
					t.Errorf("%s: %s is read as %s", name, understood.Type, understood.Class)
				}
				if lacking {
					continue
				}
				theirs, err := process.WriteFrame(t.Context(), understood.Direction, understood.Exchange)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				compareFrames(t, name, version, ours, theirs)
			}
		})
	}
}

// lackingFields are those that a version's classes do not have. "metadata" stands for an API's; a subscription's are
// in all versions.
var lackingFields = map[string][]string{
	"apim44":   {"filename", "characteristics", "metadata"},
	"apim444":  {"filename", "characteristics", "metadata"},
	"apim45":   {"isPartialDiscovery"},
	"apim4820": {"isPartialDiscovery"},
}

// lackingTypes are those that a dialect does not have.
var lackingTypes = map[controller.Dialect][]string{
	controller.DialectFetch:  {"DISCOVER", "START_INGEST", "INGEST"},
	controller.DialectIngest: {"LIST", "FETCH"},
}

func compareFrames(t *testing.T, name string, version controller.Version, ours, theirs []byte) {
	t.Helper()
	// JSON has two spellings of these, and the semicolon's is the very thing that we write otherwise.
	respelled := strings.NewReplacer(`\u003b`, ";", `\u0008`, `\b`, `\u000c`, `\f`)
	if len(lackingFields[version.ID]) == 0 {
		if diff := cmp.Diff(respelled.Replace(string(ours)), string(theirs)); diff != "" {
			t.Errorf("%s: ours (-) and theirs (+) differ:\n%s", name, diff)
		}
		return
	}
	if diff := cmp.Diff(without(content(t, ours), lackingFields[version.ID]), content(t, theirs)); diff != "" {
		t.Errorf("%s: ours (-), less what the version lacks, and theirs (+) differ:\n%s", name, diff)
	}
}

// content is a frame's JSON.
func content(t *testing.T, frame []byte) any {
	t.Helper()
	_, text, _ := strings.Cut(string(frame), ";;e:")
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%q: %v", frame, err)
	}
	return value
}

// without returns a JSON value less some fields, wherever they are.
func without(value any, fields []string) any {
	switch value := value.(type) {
	case []any:
		for i := range value {
			value[i] = without(value[i], fields)
		}
	case map[string]any:
		for name := range value {
			_, isObject := value[name].(map[string]any)
			if slices.Contains(fields, name) && !isObject {
				delete(value, name)
				continue
			}
			value[name] = without(value[name], fields)
		}
	}
	return value
}
