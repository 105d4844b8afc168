package exchange_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"federation-agent/internal/exchange"
	"federation-agent/internal/federated"
	"federation-agent/internal/secret"
)

// written are all frames that an agent can write, as Gravitee's own classes write them.
func written() map[string]struct {
	got  []byte
	want string
} {
	api := exchange.AppendAPI(nil, federated.API{Summary: federated.Summary{UniqueID: "u", ID: "i", Name: "n"}})
	summary := exchange.AppendAPISummary(nil, federated.Summary{UniqueID: "u", ID: "i", Name: "n", Version: "1"})
	const apiJSON = `{"uniqueId":"u","id":"i","name":"n","type":"PROXY","pages":[],"plans":[]}`
	const summaryJSON = `{"uniqueId":"u","id":"i","name":"n","version":"1"}`
	return map[string]struct {
		got  []byte
		want string
	}{
		"HELLO": {
			exchange.AppendHello(nil, "6f", "INTEGRATION_ID"),
			`t:COMMAND;;et:HELLO;;e:{"id":"6f","type":"HELLO","payload":{"targetId":"INTEGRATION_ID",` +
				`"provider":"aws-api-gateway"}}`,
		},
		"INGEST": {
			slices.Concat(exchange.Ingest("1", "j", [][]byte{api, api}, false)...),
			`t:COMMAND;;et:INGEST;;e:{"id":"1","type":"INGEST","payload":{"ingestJobId":"j","apis":[` +
				apiJSON + `,` + apiJSON + `],"done":false}}`,
		},
		"INGEST, empty and last": {
			slices.Concat(exchange.Ingest("1", "j", nil, true)...),
			`t:COMMAND;;et:INGEST;;e:{"id":"1","type":"INGEST","payload":{"ingestJobId":"j","apis":[],"done":true}}`,
		},
		"PRIMARY": {
			exchange.AppendPrimaryReply(nil, "1"),
			`t:REPLY;;et:PRIMARY;;e:{"commandId":"1","type":"PRIMARY","commandStatus":"SUCCEEDED","payload":{}}`,
		},
		"HEALTH_CHECK, healthy": {
			exchange.AppendHealthCheckReply(nil, "1", true, ""),
			`t:REPLY;;et:HEALTH_CHECK;;e:{"commandId":"1","type":"HEALTH_CHECK","commandStatus":"SUCCEEDED",` +
				`"payload":{"healthy":true}}`,
		},
		"HEALTH_CHECK, unhealthy": {
			exchange.AppendHealthCheckReply(nil, "1", false, "why"),
			`t:REPLY;;et:HEALTH_CHECK;;e:{"commandId":"1","type":"HEALTH_CHECK","commandStatus":"SUCCEEDED",` +
				`"payload":{"healthy":false,"detail":"why"}}`,
		},
		"DISCOVER": {
			slices.Concat(exchange.DiscoverReply("1", [][]byte{summary}, false)...),
			`t:REPLY;;et:DISCOVER;;e:{"commandId":"1","type":"DISCOVER","commandStatus":"SUCCEEDED","payload":{"apis":[` +
				summaryJSON + `],"isPartialDiscovery":false}}`,
		},
		"DISCOVER, partial and empty": {
			slices.Concat(exchange.DiscoverReply("1", nil, true)...),
			`t:REPLY;;et:DISCOVER;;e:{"commandId":"1","type":"DISCOVER","commandStatus":"SUCCEEDED","payload":{"apis":[],` +
				`"isPartialDiscovery":true}}`,
		},
		"START_INGEST": {
			exchange.AppendStartIngestReply(nil, "1", "j", 3),
			`t:REPLY;;et:START_INGEST;;e:{"commandId":"1","type":"START_INGEST","commandStatus":"SUCCEEDED",` +
				`"payload":{"ingestJobId":"j","total":3}}`,
		},
		"SUBSCRIBE": {
			exchange.AppendSubscribeReply(nil, "1", "s", map[string]string{"b": "2", "a": "1"}, secret.New("key")),
			`t:REPLY;;et:SUBSCRIBE;;e:{"commandId":"1","type":"SUBSCRIBE","commandStatus":"SUCCEEDED",` +
				`"payload":{"subscription":{"graviteeSubscriptionId":"s","metadata":{"a":"1","b":"2"},"apiKey":"key"}}}`,
		},
		"UNSUBSCRIBE": {
			exchange.AppendUnsubscribeReply(nil, "1"),
			`t:REPLY;;et:UNSUBSCRIBE;;e:{"commandId":"1","type":"UNSUBSCRIBE","commandStatus":"SUCCEEDED","payload":{}}`,
		},
		"LIST": {
			slices.Concat(exchange.ListReply("1", [][]byte{summary})...),
			`t:REPLY;;et:LIST;;e:{"commandId":"1","type":"LIST","commandStatus":"SUCCEEDED","payload":{"apis":[` +
				summaryJSON + `]}}`,
		},
		"FETCH": {
			slices.Concat(exchange.FetchReply("1", [][]byte{api})...),
			`t:REPLY;;et:FETCH;;e:{"commandId":"1","type":"FETCH","commandStatus":"SUCCEEDED","payload":{"apis":[` +
				apiJSON + `]}}`,
		},
		"ERROR": {
			exchange.AppendErrorReply(nil, "SUBSCRIBE", "1", "no such plan"),
			`t:REPLY;;et:SUBSCRIBE;;e:{"commandId":"1","type":"SUBSCRIBE","commandStatus":"ERROR",` +
				`"errorDetails":"no such plan"}`,
		},
		"NO_REPLY, for a known type that the agent does not handle": {
			exchange.AppendNoReply(nil, "1", "INGEST"),
			`t:REPLY;;et:NO_REPLY;;e:{"commandId":"1","type":"NO_REPLY","commandStatus":"ERROR",` +
				`"errorDetails":"No handler found for command type 'INGEST'. Ignoring","payload":{}}`,
		},
		"UNKNOWN, for an unknown type": {
			exchange.AppendUnknownReply(nil, "1"),
			`t:REPLY;;et:UNKNOWN;;e:{"commandId":"1","type":"UNKNOWN","commandStatus":"ERROR",` +
				`"errorDetails":"Command unknown","payload":{}}`,
		},
	}
}

func TestFramesAreWrittenAsTheControllerReadsThem(t *testing.T) {
	for name, c := range written() {
		if string(c.got) != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, c.got, c.want)
		}
		frame, err := exchange.ReadFrame(c.got)
		if err != nil || !json.Valid(frame.JSON) {
			t.Errorf("%s cannot be read: %v", name, err)
		}
	}
}

func TestAFrameIsAppendedToTheBuffer(t *testing.T) {
	got := exchange.AppendPrimaryReply([]byte("before "), "1")
	if want := "before " + string(exchange.AppendPrimaryReply(nil, "1")); string(got) != want {
		t.Errorf("%s", got)
	}
}

// Controllers up to exchange 2.0.1 split the whole frame on `;;`, so the JSON may not hold any.
func TestASemicolonInAnyStringIsEscaped(t *testing.T) {
	const odd = `a;;b;"\`
	api := exchange.AppendAPI(nil, federated.API{
		Summary:     federated.Summary{UniqueID: odd, ID: odd, Name: odd, Version: odd},
		Description: odd, ConnectionDetails: map[string]string{odd: odd},
		Pages:    []federated.Page{{Content: []byte(odd), Filename: odd}},
		Plans:    []federated.Plan{{ID: odd, Name: odd, Description: odd, Characteristics: []string{odd}}},
		Metadata: []federated.Metadata{{Name: odd, Value: odd}},
	})
	summary := exchange.AppendAPISummary(nil, federated.Summary{UniqueID: odd, ID: odd, Name: odd, Version: odd})
	for name, frame := range map[string][]byte{
		"HELLO":        exchange.AppendHello(nil, odd, odd),
		"INGEST":       slices.Concat(exchange.Ingest(odd, odd, [][]byte{api}, false)...),
		"HEALTH_CHECK": exchange.AppendHealthCheckReply(nil, odd, false, odd),
		"DISCOVER":     slices.Concat(exchange.DiscoverReply(odd, [][]byte{summary}, true)...),
		"START_INGEST": exchange.AppendStartIngestReply(nil, odd, odd, 1),
		"SUBSCRIBE":    exchange.AppendSubscribeReply(nil, odd, odd, map[string]string{odd: odd}, secret.New(odd)),
		"FETCH":        slices.Concat(exchange.FetchReply(odd, [][]byte{api})...),
		"LIST":         slices.Concat(exchange.ListReply(odd, [][]byte{summary})...),
		"ERROR":        exchange.AppendErrorReply(nil, "SUBSCRIBE", odd, odd),
		"NO_REPLY":     exchange.AppendNoReply(nil, odd, odd),
	} {
		_, content, _ := strings.Cut(string(frame), "e:{")
		if strings.Contains(content, ";") {
			t.Errorf("%s holds a semicolon: %s", name, frame)
		}
		if !json.Valid([]byte("{" + content)) {
			t.Errorf("%s is no JSON: %s", name, frame)
		}
	}
}

func TestTheSizeOfAReplyIsKnownBeforeItIsWritten(t *testing.T) {
	written := func(parts exchange.Parts) int { return len(slices.Concat(parts...)) }
	for _, id := range []string{"1", "a;b\n\"é\x00\xff😀\u2028"} {
		for count := range 4 {
			apis := make([][]byte, count)
			bytes := 0
			for i := range apis {
				apis[i] = exchange.AppendAPISummary(nil, federated.Summary{ID: strings.Repeat("x", i)})
				bytes += len(apis[i])
			}
			for name, c := range map[string]struct{ size, want int }{
				"INGEST":   {exchange.IngestSize(id, id, count, bytes), written(exchange.Ingest(id, id, apis, false))},
				"DISCOVER": {exchange.DiscoverReplySize(id, count, bytes), written(exchange.DiscoverReply(id, apis, false))},
				"FETCH":    {exchange.FetchReplySize(id, count, bytes), written(exchange.FetchReply(id, apis))},
			} {
				if c.size != c.want {
					t.Errorf("%s of %d with id %q: size %d, written %d", name, count, id, c.size, c.want)
				}
			}
			size, list := exchange.DiscoverReplySize(id, count, bytes), written(exchange.ListReply(id, apis))
			if list > size || list < size-64 {
				t.Errorf("LIST of %d with id %q: written %d, DISCOVER's size %d", count, id, list, size)
			}
		}
	}
}
