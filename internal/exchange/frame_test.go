package exchange_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"federation-agent/internal/exchange"
)

// spell writes a frame as the protocol does.
func spell(kind exchange.Kind, typ string, json []byte) []byte {
	return slices.Concat([]byte("t:"+string(kind)+";;et:"+typ+";;e:"), json)
}

func TestAFrameIsReadByItsPrefixes(t *testing.T) {
	for name, c := range map[string]struct {
		message string
		want    exchange.Frame
	}{
		"a command": {
			`t:COMMAND;;et:HELLO;;e:{"id":"1"}`,
			exchange.Frame{Kind: "COMMAND", Type: "HELLO", JSON: []byte(`{"id":"1"}`)},
		},
		"a reply": {`t:REPLY;;et:HELLO;;e:{}`, exchange.Frame{Kind: "REPLY", Type: "HELLO", JSON: []byte(`{}`)}},
		"everything after e: is the JSON, whatever it holds": {
			`t:COMMAND;;et:X;;e:{"a":"1;;2;;t:REPLY;;et:Y;;e:{}"}`,
			exchange.Frame{Kind: "COMMAND", Type: "X", JSON: []byte(`{"a":"1;;2;;t:REPLY;;et:Y;;e:{}"}`)},
		},
		"another order":      {`et:X;;t:REPLY;;e:{}`, exchange.Frame{Kind: "REPLY", Type: "X", JSON: []byte(`{}`)}},
		"no et:":             {`t:COMMAND;;e:{}`, exchange.Frame{Kind: "COMMAND", JSON: []byte(`{}`)}},
		"an unknown segment": {`t:COMMAND;;v:2;;et:X;;e:{}`, exchange.Frame{Kind: "COMMAND", Type: "X", JSON: []byte(`{}`)}},
		"blanks around": {
			"t: COMMAND ;;et:\tX;;e: {} \n", exchange.Frame{Kind: "COMMAND", Type: "X", JSON: []byte(`{}`)},
		},
		"an empty e:": {`t:COMMAND;;et:X;;e:`, exchange.Frame{Kind: "COMMAND", Type: "X"}},
	} {
		got, err := exchange.ReadFrame([]byte(c.message))
		if err != nil || got.Kind != c.want.Kind || got.Type != c.want.Type || string(got.JSON) != string(c.want.JSON) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestAMessageThatCannotBeReadHasTheDocumentedCloseCode(t *testing.T) {
	const silence = 0
	for name, c := range map[string]struct {
		message string
		code    int
	}{
		"unknown t: is closed with 1002":             {`t:EVENT;;et:X;;e:{}`, 1002},
		"no t: is closed with 1002":                  {`et:X;;e:{}`, 1002},
		"t: after e: is part of the JSON":            {`e:{};;t:COMMAND`, 1002},
		"lower case is unknown":                      {`t:command;;et:X;;e:{}`, 1002},
		"nonsense is closed with 1002":               {"\x00\xff\xfe", 1002},
		"a command without e: is closed with 1002":   {`t:COMMAND;;et:DISCOVER`, 1002},
		"a reply without e: is closed with 1011":     {`t:REPLY;;et:HELLO`, 1011},
		"an empty message is silently ignored":       {``, silence},
		"megabytes without e: are closed with 1002":  {"t:COMMAND;;" + strings.Repeat("x", 10<<20), 1002},
		"megabytes of separators, closed with 1002":  {strings.Repeat(";;", 5<<20) + "t:COMMAND;;e:{}", 1002},
		"a REPLY of megabytes without e: closes too": {"t:REPLY;;" + strings.Repeat(";;", 1<<20), 1011},
	} {
		_, err := exchange.ReadFrame([]byte(c.message))
		var fault *exchange.FrameError
		if !errors.As(err, &fault) || fault.CloseCode != c.code || fault.Silent() != (c.code == silence) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
