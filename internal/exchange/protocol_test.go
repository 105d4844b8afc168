package exchange_test

import (
	"testing"

	"federation-agent/internal/exchange"
)

func TestTheURLIsUnderTheEndpoint(t *testing.T) {
	for endpoint, want := range map[string]string{
		"https://apim.example.com/integration-controller": "wss://apim.example.com/integration-controller" +
			"/exchange/controller",
		// Only one slash is removed.
		"https://apim.example.com/a//": "wss://apim.example.com/a//exchange/controller",
		"http://localhost:8072/":       "ws://localhost:8072/exchange/controller",
		"http://localhost:8072":        "ws://localhost:8072/exchange/controller",
		"https://h/a%2Fb":              "wss://h/a%2Fb/exchange/controller",
		"https://[::1]:8072/x":         "wss://[::1]:8072/x/exchange/controller",
	} {
		if got := exchange.URL(endpoint); got != want {
			t.Errorf("URL(%q) = %q, want %q", endpoint, got, want)
		}
	}
}

func TestTheDialectFollowsFromTheCommandsOfTheController(t *testing.T) {
	for typ, want := range map[string]exchange.Dialect{
		"LIST": exchange.DialectV44, "FETCH": exchange.DialectV44,
		"DISCOVER": exchange.DialectV45, "START_INGEST": exchange.DialectV45,
		"SUBSCRIBE":   exchange.DialectUnknown,
		"UNSUBSCRIBE": exchange.DialectUnknown,
		"PRIMARY":     exchange.DialectUnknown,
		"":            exchange.DialectUnknown,
	} {
		if got := exchange.DialectOf(typ); got != want {
			t.Errorf("DialectOf(%q) = %v, want %v", typ, got, want)
		}
	}
}
