package exchange_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/exchange"
)

func command(typ, json string) exchange.Frame {
	return exchange.Frame{Kind: exchange.KindCommand, Type: typ, JSON: []byte(json)}
}

// decode takes a command apart.
func decode(frame exchange.Frame) (id string, payload any, err error) {
	c, err := exchange.DecodeCommand(frame)
	return c.ID, c.Payload, err
}

func TestCommandsAreRead(t *testing.T) {
	subscribe := exchange.Subscribe{
		APIID: "a", SubscriptionID: "s1", ApplicationID: "app1", ApplicationName: "Billing", Type: "API_KEY",
		Metadata: map[string]string{"planId": "p1", "aws-api-gateway-region": "eu-west-1"},
	}
	const subscriptionJSON = `{"graviteeSubscriptionId":"s1","graviteeApplicationId":"app1",` +
		`"graviteeApplicationName":"Billing","type":"API_KEY",` +
		`"metadata":{"planId":"p1","aws-api-gateway-region":"eu-west-1"}}`
	for name, c := range map[string]struct {
		json string
		want any
	}{
		"PRIMARY true":  {`{"id":"1","type":"PRIMARY","payload":{"primary":true}}`, exchange.Primary{Primary: true}},
		"PRIMARY false": {`{"id":"1","type":"PRIMARY","payload":{"primary":false}}`, exchange.Primary{}},
		"HEALTH_CHECK":  {`{"id":"1","type":"HEALTH_CHECK","payload":{}}`, exchange.HealthCheck{}},
		"GOOD_BYE": {
			`{"id":"1","type":"GOOD_BYE","payload":{"targetId":"t","reconnect":true}}`,
			exchange.GoodBye{Reconnect: true},
		},
		"GOOD_BYE for good": {
			`{"id":"1","type":"GOOD_BYE","payload":{"targetId":"t","reconnect":false}}`, exchange.GoodBye{},
		},
		"DISCOVER": {`{"id":"1","type":"DISCOVER","payload":{}}`, exchange.Discover{}},
		"LIST":     {`{"id":"1","type":"LIST","payload":{}}`, exchange.List{}},
		"FETCH":    {`{"id":"1","type":"FETCH","payload":{"apis":[]}}`, exchange.Fetch{}},
		"START_INGEST": {
			`{"id":"1","type":"START_INGEST","payload":{"ingestJobId":"j","apiIds":["a","b"]}}`,
			exchange.StartIngest{JobID: "j", APIIDs: []string{"a", "b"}},
		},
		"SUBSCRIBE": {
			`{"id":"1","type":"SUBSCRIBE","payload":{"apiId":"a","subscription":` + subscriptionJSON + `}}`,
			subscribe,
		},
		"UNSUBSCRIBE, which fills only id and metadata": {
			`{"id":"1","type":"UNSUBSCRIBE","payload":{"apiId":"a","subscription":{"graviteeSubscriptionId":"s1",` +
				`"metadata":{"k":"v"}}}}`,
			exchange.Unsubscribe{APIID: "a", SubscriptionID: "s1", Metadata: map[string]string{"k": "v"}},
		},
		"SUBSCRIBE of 4.4, without an application id": {
			`{"id":"1","type":"SUBSCRIBE","payload":{"apiId":"a","subscription":{"graviteeSubscriptionId":"s1",` +
				`"graviteeApplicationName":"B","type":"JWT","metadata":{"planId":"p"}}}}`,
			exchange.Subscribe{
				APIID: "a", SubscriptionID: "s1", ApplicationName: "B", Type: "JWT",
				Metadata: map[string]string{"planId": "p"},
			},
		},
		"a known type that is not for agents": {
			`{"id":"1","type":"INGEST","payload":{"apis":[]}}`, exchange.Unhandled{},
		},
		"HELLO, which is not for agents": {
			`{"id":"1","type":"HELLO","payload":{}}`, exchange.Unhandled{},
		},
		"a type that is not known": {
			`{"id":"1","type":"DANCE","payload":{"x":1}}`, exchange.Unknown{},
		},
	} {
		id, got, err := decode(command("", c.json))
		if err != nil || id != "1" {
			t.Errorf("%s: id %q, %v", name, id, err)
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestMissingNullOrEmptyAPIIDsMeanAll(t *testing.T) {
	for _, ids := range []string{``, `,"apiIds":null`, `,"apiIds":[]`} {
		_, got, err := decode(command(
			"", `{"id":"1","type":"START_INGEST","payload":{"ingestJobId":"j"`+ids+`}}`,
		))
		if diff := cmp.Diff(any(exchange.StartIngest{JobID: "j"}), got); err != nil || diff != "" {
			t.Errorf("with %q: %v %s", ids, err, diff)
		}
	}
}

func TestAnEmptyAPIIDDoesNotTurnSomeAPIsIntoAll(t *testing.T) {
	for _, ids := range []string{`[""]`, `[null]`, `["a",null]`} {
		id, _, err := decode(command(
			"", `{"id":"7","type":"START_INGEST","payload":{"ingestJobId":"j","apiIds":`+ids+`}}`,
		))
		var fault *exchange.PayloadError
		if !errors.As(err, &fault) || id != "7" {
			t.Errorf("apiIds %s: id %q, %v", ids, id, err)
		}
	}
}

func TestSubscriptionMetadataMayHoldAnyJSON(t *testing.T) {
	for metadata, want := range map[string]map[string]string{
		`{"s":"x","n":7,"f":1.50,"b":true,"z":null,"o":{"a":1},"l":[1,"2"]}`: {
			"s": "x",
			"n": "7",
			"f": "1.50",
			"b": "true",
			"o": `{"a":1}`,
			"l": `[1,"2"]`,
		},
		`null`:   {},
		`{}`:     {},
		`[]`:     {},
		`"text"`: {},
	} {
		_, got, err := decode(command(
			"",
			`{"id":"1","type":"UNSUBSCRIBE","payload":{"apiId":"a","subscription":{"graviteeSubscriptionId":"s","metadata":`+
				metadata+`}}}`,
		))
		if err != nil {
			t.Errorf("%s: %v", metadata, err)
			continue
		}
		if diff := cmp.Diff(want, got.(exchange.Unsubscribe).Metadata); diff != "" {
			t.Errorf("%s: %s", metadata, diff)
		}
	}
}

func TestUnknownAndNullFieldsAreIgnored(t *testing.T) {
	_, got, err := decode(command(
		"", `{"future":{"deep":[1]},"id":"1","type":"START_INGEST","payload":{"apiIds":null,"ingestJobId":"j","x":null}}`,
	))
	if diff := cmp.Diff(any(exchange.StartIngest{JobID: "j"}), got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestTheTypeWithinTheJSONHasPrecedence(t *testing.T) {
	_, got, err := decode(command("DISCOVER", `{"id":"1","type":"LIST"}`))
	if err != nil || got != (exchange.List{}) {
		t.Errorf("type in JSON: %#v, %v", got, err)
	}
	_, got, err = decode(command("DISCOVER", `{"id":"1"}`))
	if err != nil || got != (exchange.Discover{}) {
		t.Errorf("type only in et: %#v, %v", got, err)
	}
}

func TestAPrimaryOrGoodByeNeverFails(t *testing.T) {
	for _, payload := range []string{
		``, `,"payload":null`, `,"payload":"odd"`, `,"payload":[]`, `,"payload":{"primary":{},"reconnect":[],"targetId":5}`,
	} {
		_, primary, err := decode(command("", `{"id":"1","type":"PRIMARY"`+payload+`}`))
		if err != nil || primary != (exchange.Primary{}) {
			t.Errorf("PRIMARY with %q: %#v, %v", payload, primary, err)
		}
		_, bye, err := decode(command("", `{"id":"1","type":"GOOD_BYE"`+payload+`}`))
		if goodBye, ok := bye.(exchange.GoodBye); err != nil || !ok || goodBye.Reconnect {
			t.Errorf("GOOD_BYE with %q: %#v, %v", payload, bye, err)
		}
	}
	for _, yes := range []string{`true`, `"true"`, `1`} {
		_, primary, err := decode(command("", `{"id":"1","type":"PRIMARY","payload":{"primary":`+yes+`}}`))
		if err != nil || primary != (exchange.Primary{Primary: true}) {
			t.Errorf("primary %s: %#v, %v", yes, primary, err)
		}
	}
}

func TestAMalformedCommandIsIgnored(t *testing.T) {
	for name, json := range map[string]string{
		"no JSON": ``, "half of it": `{"id":"1"`, "text": `hello`, "null": `null`, "a list": `[]`, "a number": `7`,
		"no id": `{"type":"DISCOVER"}`, "null id": `{"id":null,"type":"DISCOVER"}`, "empty id": `{"id":"","type":"DISCOVER"}`,
		"two values": `{"id":"1","type":"DISCOVER"}{}`,
	} {
		_, _, err := decode(command("DISCOVER", json))
		var fault *exchange.FrameError
		if !errors.As(err, &fault) || !fault.Silent() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// long is one byte more than an id may have, in JSON.
var long = `"` + strings.Repeat("x", 1025) + `"`

func TestWhatCarriesAnIDOfMoreThanAKiBIsIgnored(t *testing.T) {
	for name, json := range map[string]string{
		"a HEALTH_CHECK":   `{"id":` + long + `,"type":"HEALTH_CHECK"}`,
		"an id of no text": `{"id":[` + strings.Repeat("1,", 1024) + `1],"type":"HEALTH_CHECK"}`,
		"a type":           `{"id":"1","type":` + long + `}`,
		"a job":            `{"id":"1","type":"START_INGEST","payload":{"ingestJobId":` + long + `}}`,
		"one of many APIs": `{"id":"1","type":"START_INGEST","payload":{"ingestJobId":"j","apiIds":["a",` + long + `]}}`,
		"an API":           `{"id":"1","type":"SUBSCRIBE","payload":{"apiId":` + long + `,"subscription":{"graviteeSubscriptionId":"s"}}}`,
		"a subscription":   `{"id":"1","type":"SUBSCRIBE","payload":{"subscription":{"graviteeSubscriptionId":` + long + `}}}`,
		"its end":          `{"id":"1","type":"UNSUBSCRIBE","payload":{"subscription":{"graviteeSubscriptionId":` + long + `}}}`,
		"an application": `{"id":"1","type":"SUBSCRIBE","payload":{"subscription":{"graviteeSubscriptionId":"s",` +
			`"graviteeApplicationId":` + long + `}}}`,
		"a subscription's type": `{"id":"1","type":"SUBSCRIBE","payload":{"subscription":{"graviteeSubscriptionId":"s",` +
			`"type":` + long + `}}}`,
	} {
		_, _, err := decode(command("", json))
		fault, ok := errors.AsType[*exchange.FrameError](err)
		if !ok || !fault.Silent() || !strings.Contains(fault.Reason, "1024 bytes") {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, _, err := decode(command("", `{"id":"`+strings.Repeat("x", 1024)+`","type":"HEALTH_CHECK"}`))
	if err != nil {
		t.Errorf("an id of a KiB: %v", err)
	}
}

func TestTextsThatAreKeptAreClipped(t *testing.T) {
	_, got, err := decode(command("", `{"id":"1","type":"SUBSCRIBE","payload":{"subscription":{`+
		`"graviteeSubscriptionId":"s","graviteeApplicationName":"`+strings.Repeat("ä", 1000)+`",`+
		`"metadata":{"planId":"p","foreign":`+long+`}}}}`))
	c, ok := got.(exchange.Subscribe)
	if err != nil || !ok || c.ApplicationName != strings.Repeat("ä", 512) {
		t.Errorf("%d bytes of a name, %v", len(c.ApplicationName), err)
	}
	if len(c.Metadata) != 1 || c.Metadata["planId"] != "p" {
		t.Errorf("metadata %v", c.Metadata)
	}
}

func TestAFaultyPayloadCanBeAnswered(t *testing.T) {
	for name, json := range map[string]string{
		"START_INGEST without a job":         `{"id":"1","type":"START_INGEST","payload":{}}`,
		"START_INGEST without a payload":     `{"id":"1","type":"START_INGEST"}`,
		"START_INGEST whose ids are no list": `{"id":"1","type":"START_INGEST","payload":{"ingestJobId":"j","apiIds":"a"}}`,
		"SUBSCRIBE without a subscription":   `{"id":"1","type":"SUBSCRIBE","payload":{"apiId":"a"}}`,
		"SUBSCRIBE whose subscription is odd": `{"id":"1","type":"SUBSCRIBE","payload":{"apiId":"a",` +
			`"subscription":"s3cret-value"}}`,
		"UNSUBSCRIBE without an id": `{"id":"1","type":"UNSUBSCRIBE","payload":{"apiId":"a",` +
			`"subscription":{"metadata":{}}}}`,
	} {
		id, _, err := decode(command("", json))
		var fault *exchange.PayloadError
		if id != "1" || !errors.As(err, &fault) || fault.Reason == "" || !strings.Contains(json, fault.CommandType) {
			t.Errorf("%s: id %q, %v", name, id, err)
			continue
		}
		if strings.Contains(err.Error(), "s3cret-value") {
			t.Errorf("%s: the error quotes the input: %v", name, err)
		}
	}
}

func TestDeepNestingDoesNotCrash(t *testing.T) {
	deep := strings.Repeat(`[`, 5<<20)
	for name, json := range map[string]string{
		"all of it":      deep,
		"in the payload": `{"id":"1","type":"SUBSCRIBE","payload":` + deep + `}`,
		"closed again": `{"id":"1","type":"DISCOVER","payload":` +
			strings.Repeat(`[`, 1<<20) + strings.Repeat(`]`, 1<<20) + `}`,
		"in metadata": `{"id":"1","type":"SUBSCRIBE","payload":{"subscription":{"graviteeSubscriptionId":"s",` +
			`"metadata":{"a":` + strings.Repeat(`{"a":`, 1<<20) + `1` + strings.Repeat(`}`, 1<<20) + `}}}}`,
	} {
		_, _, err := decode(command("", json))
		var fault *exchange.FrameError
		if !errors.As(err, &fault) || !fault.Silent() {
			t.Errorf("%s: %.80v", name, err)
		}
	}
}

func TestAReplyIsNoCommandAndACommandIsNoReply(t *testing.T) {
	reply := exchange.Frame{Kind: exchange.KindReply, JSON: []byte(`{"id":"1"}`)}
	if _, _, err := decode(reply); err == nil {
		t.Error("a reply was read as a command")
	}
	if _, err := exchange.DecodeReply(command("", `{"commandId":"1","commandStatus":"SUCCEEDED"}`)); err == nil {
		t.Error("a command was read as a reply")
	}
}
