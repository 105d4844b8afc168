package exchange_test

import (
	"strings"
	"testing"

	"federation-agent/internal/exchange"
)

func TestTheURLIsUnderTheEndpoint(t *testing.T) {
	for _, c := range []struct{ endpoint, want string }{
		{
			"https://apim.example.com/integration-controller",
			"wss://apim.example.com/integration-controller/exchange/controller",
		},
		{
			"https://apim.example.com/integration-controller/",
			"wss://apim.example.com/integration-controller/exchange/controller",
		},
		{"https://apim.example.com/a//", "wss://apim.example.com/a//exchange/controller"}, // only one slash is removed
		{"http://localhost:8072", "ws://localhost:8072/exchange/controller"},
		{"http://localhost:8072/", "ws://localhost:8072/exchange/controller"},
		{"ws://localhost:8072", "ws://localhost:8072/exchange/controller"},
		{"wss://h", "wss://h/exchange/controller"},
		{"HTTPS://h", "wss://h/exchange/controller"},
		{"https://h/p?query=dropped&a=b#fragment", "wss://h/p/exchange/controller"},
		{"https://h/a%2Fb", "wss://h/a%2Fb/exchange/controller"},
		{"https://[::1]:8072/x", "wss://[::1]:8072/x/exchange/controller"},
		{"  https://h  ", "wss://h/exchange/controller"},
	} {
		got, err := exchange.URL(c.endpoint)
		if err != nil || got != c.want {
			t.Errorf("URL(%q) = %q, %v; want %q", c.endpoint, got, err, c.want)
		}
	}
}

func TestAnEndpointThatIsNotHTTPIsAConfigurationError(t *testing.T) {
	for _, endpoint := range []string{
		"", "apim.example.com", "apim.example.com:8072", "ftp://h/x", "https://", "https:///path", "/just/a/path",
		"http://h:port", "https://%zz",
	} {
		if got, err := exchange.URL(endpoint); err == nil {
			t.Errorf("URL(%q) = %q, want an error", endpoint, got)
		} else if !strings.Contains(err.Error(), "https://HOST/integration-controller") {
			t.Errorf("URL(%q) says %q, without an accepted example", endpoint, err)
		}
	}
}

func TestCredentialsInAnEndpointAreRefusedAndNotShown(t *testing.T) {
	for _, endpoint := range []string{"https://user:hunter2secret@h/x", "https://user:hunter2secret@h:bad port/"} {
		_, err := exchange.URL(endpoint)
		if err == nil {
			t.Fatalf("URL(%q) was accepted", endpoint)
		}
		if strings.Contains(err.Error(), "hunter2secret") {
			t.Errorf("the error shows the password: %v", err)
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

func TestRepliesAndCommandsWithoutWorkNeedNoCredit(t *testing.T) {
	for message, want := range map[string]bool{
		`t:COMMAND;;et:DISCOVER;;e:{}`:     true,
		`t:COMMAND;;et:SUBSCRIBE;;e:{}`:    true,
		`t:COMMAND;;et:NONSENSE;;e:{}`:     true,
		`t:COMMAND;;et:HEALTH_CHECK;;e:{}`: false,
		`t:COMMAND;;et:GOOD_BYE;;e:{}`:     false,
		`t:COMMAND;;et:PRIMARY;;e:{}`:      false,
		`t:REPLY;;et:INGEST;;e:{}`:         false,
		`nonsense`:                         false,
		``:                                 false,
	} {
		if got := exchange.NeedsCredit([]byte(message)); got != want {
			t.Errorf("NeedsCredit(%s) = %v", message, got)
		}
	}
}
