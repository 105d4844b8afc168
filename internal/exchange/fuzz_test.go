package exchange_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"federation-agent/internal/exchange"
	"federation-agent/internal/federated"
)

func FuzzReadFrame(f *testing.F) {
	for _, frame := range written() {
		f.Add(frame.got)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		frame, err := exchange.ReadFrame(message)
		if err != nil {
			if _, ok := errors.AsType[*exchange.FrameError](err); !ok {
				t.Fatalf("an error of another type: %v", err)
			}
			return
		}
		again, err := exchange.ReadFrame(spell(frame.Kind, frame.Type, frame.JSON))
		if strings.HasSuffix(frame.Type, ";") {
			return // no type of the protocol does; before the separator, it looks like a shorter type
		}
		if err != nil || again.Kind != frame.Kind || again.Type != frame.Type || !bytes.Equal(again.JSON, frame.JSON) {
			t.Errorf("written and read again: %q, %v; before %q", again, err, frame)
		}
		if frame.Kind == exchange.KindReply {
			_, _ = exchange.DecodeReply(frame)
		}
	})
}

func FuzzDecodeCommand(f *testing.F) {
	f.Add([]byte(
		`{"id":"1","type":"SUBSCRIBE","payload":{"apiId":"a","subscription":{"graviteeSubscriptionId":"s",` +
			`"type":"API_KEY","metadata":{"a":null,"b":1}}}}`,
	))
	f.Add([]byte(`{"id":"1","type":"START_INGEST","payload":{"ingestJobId":"j","apiIds":["a"]}}`))
	f.Add([]byte(`{"id":"1","type":"PRIMARY","payload":{"primary":true}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		id, command, err := decode(exchange.Frame{Kind: exchange.KindCommand, JSON: content})
		var frameFault *exchange.FrameError
		var payloadFault *exchange.PayloadError
		switch {
		case err == nil:
			if id == "" || command == nil {
				t.Errorf("read without an id or a command: %q, %#v", id, command)
			}
		case errors.As(err, &frameFault):
			if !frameFault.Silent() {
				t.Errorf("malformed JSON must be ignored, not %v", err)
			}
		case errors.As(err, &payloadFault):
			if id == "" {
				t.Error("a fault in the payload without the id for the answer")
			}
		default:
			t.Errorf("an error of another type: %v", err)
		}
		if start, ok := command.(exchange.StartIngest); ok && err == nil && start.JobID == "" {
			t.Error("a job without an id")
		}
	})
}

func FuzzAppendAPIRoundTrip(f *testing.F) {
	f.Add("name", []byte("{\"a\": \"b;;c\"}\n"), "key", "value")
	f.Add("\xff", []byte("\xed\xa0\x80\x00"), "\u2028", "😀")
	f.Fuzz(func(t *testing.T, name string, content []byte, key, value string) {
		encoded := exchange.AppendAPI(nil, federated.API{
			Summary:           federated.Summary{UniqueID: name, Name: name},
			ConnectionDetails: map[string]string{key: value},
			Pages:             []federated.Page{{Content: content, Filename: name}},
			Plans:             []federated.Plan{{ID: key, Characteristics: []string{value}}},
			Metadata:          []federated.Metadata{{Name: key, Value: value}},
		})
		if bytes.Contains(encoded, []byte(";")) {
			t.Errorf("a semicolon was written: %s", encoded)
		}
		var api struct {
			UniqueID, Name    string
			ConnectionDetails map[string]string
			Pages             []struct{ Content, Filename string }
			Plans             []struct {
				ID              string
				Characteristics []string
			}
			Metadata []struct{ Name, Value string }
		}
		if err := json.Unmarshal(encoded, &api); err != nil {
			t.Fatalf("%v: %q", err, encoded)
		}
		for field, c := range map[string]struct{ got, sent string }{
			"uniqueId": {api.UniqueID, name}, "name": {api.Name, name},
			"content": {api.Pages[0].Content, string(content)}, "filename": {api.Pages[0].Filename, name},
			"plan id": {api.Plans[0].ID, key}, "characteristic": {api.Plans[0].Characteristics[0], value},
			"metadata name": {api.Metadata[0].Name, key}, "metadata value": {api.Metadata[0].Value, value},
			"connection detail": {api.ConnectionDetails[asJSONDoes(t, key)], value},
		} {
			if want := asJSONDoes(t, c.sent); c.got != want {
				t.Errorf("%s: got %q, want %q", field, c.got, want)
			}
		}
		frame := slices.Concat(exchange.Ingest(name, key, [][]byte{encoded}, false)...)
		if size := exchange.IngestSize(name, key, 1, len(encoded)); size != len(frame) {
			t.Errorf("IngestSize = %d, written %d", size, len(frame))
		}
	})
}
