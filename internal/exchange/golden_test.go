package exchange_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/exchange"
	"federation-agent/internal/federated"
	"federation-agent/internal/secret"
)

// goldenVersions are the published controllers whose frames are recorded in testdata/golden/VERSION/*.frame: the
// versions of Gravitee's exchange and of its integration API. docs/compatibility.md says which APIM has which.
var goldenVersions = []string{
	"1.5.2-1.0.1", "1.8.2-1.1.0", "1.8.2-4.1.0", "2.0.1-4.1.0", "1.9.1-5.1.0", "2.0.1-5.1.0",
}

const goldenRoot = "testdata/golden"

// eachGolden runs a test on every recorded frame. The test fails for a version without frames.
func eachGolden(t *testing.T, test func(t *testing.T, name string, message []byte)) {
	t.Helper()
	for _, version := range goldenVersions {
		t.Run(version, func(t *testing.T) {
			files, err := filepath.Glob(filepath.Join(goldenRoot, version, "*.frame"))
			if err != nil || len(files) == 0 {
				t.Fatalf("no recorded frame of exchange %s in %s (%v)", version, goldenRoot, err)
			}
			for _, file := range files {
				message, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				test(t, strings.TrimSuffix(filepath.Base(file), ".frame"), message)
			}
		})
	}
}

func TestFramesOfTheRealControllersAreRead(t *testing.T) {
	eachGolden(t, func(t *testing.T, name string, message []byte) {
		frame, err := exchange.ReadFrame(message)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if frame.Kind == exchange.KindReply {
			reply, err := exchange.DecodeReply(frame)
			if err != nil || reply.Type != frame.Type {
				t.Errorf("%s: type %q, %v", name, reply.Type, err)
			}
			return
		}
		command, err := exchange.DecodeCommand(frame)
		var payload *exchange.PayloadError
		if command.ID == "" || err != nil && !(strings.HasSuffix(name, "null-fields") && errors.As(err, &payload)) {
			t.Errorf("%s: id %q, %v", name, command.ID, err) // only a command without values may be answered with ERROR
			return
		}
		if _, odd := command.Payload.(exchange.Unknown); odd && frame.Type != exchange.TypeUnknown {
			t.Errorf("%s: its type is not known", name)
		}
		if command.Type != frame.Type {
			t.Errorf("%s: et:%s was read as %s", name, frame.Type, command.Type)
		}
	})
}

// recorded holds the fields of a frame's JSON that the tests here write again.
type recorded struct {
	ID, CommandID, ErrorDetails string
	Payload                     struct {
		TargetID, Detail, IngestJobID     string
		Healthy, Done, IsPartialDiscovery bool
		Total                             int64
		Subscription                      struct {
			GraviteeSubscriptionID, APIKey string
			Metadata                       map[string]string
		}
	}
}

// For the same values, the agent writes the same bytes as Gravitee's own classes, except for semicolons.
func TestTheAgentWritesWhatGraviteesOwnClassesWrite(t *testing.T) {
	writers := map[string]func(r recorded) []byte{
		"hello-command": func(r recorded) []byte { return exchange.AppendHello(nil, r.ID, r.Payload.TargetID) },
		"ingest-command-empty": func(r recorded) []byte {
			return slices.Concat(exchange.Ingest(r.ID, r.Payload.IngestJobID, nil, r.Payload.Done)...)
		},
		"ingest-command-done": func(r recorded) []byte {
			return slices.Concat(exchange.Ingest(r.ID, r.Payload.IngestJobID, nil, r.Payload.Done)...)
		},
		"health-check-reply-healthy": func(r recorded) []byte {
			return exchange.AppendHealthCheckReply(nil, r.CommandID, r.Payload.Healthy, r.Payload.Detail)
		},
		"health-check-reply-unhealthy": func(r recorded) []byte {
			return exchange.AppendHealthCheckReply(nil, r.CommandID, r.Payload.Healthy, r.Payload.Detail)
		},
		"primary-reply":     func(r recorded) []byte { return exchange.AppendPrimaryReply(nil, r.CommandID) },
		"unsubscribe-reply": func(r recorded) []byte { return exchange.AppendUnsubscribeReply(nil, r.CommandID) },
		"start-ingest-reply": func(r recorded) []byte {
			return exchange.AppendStartIngestReply(nil, r.CommandID, r.Payload.IngestJobID, r.Payload.Total)
		},
		"start-ingest-reply-zero": func(r recorded) []byte {
			return exchange.AppendStartIngestReply(nil, r.CommandID, r.Payload.IngestJobID, r.Payload.Total)
		},
		"list-reply-empty":  func(r recorded) []byte { return slices.Concat(exchange.ListReply(r.CommandID, nil)...) },
		"fetch-reply-empty": func(r recorded) []byte { return slices.Concat(exchange.FetchReply(r.CommandID, nil)...) },
		"no-reply": func(r recorded) []byte {
			return exchange.AppendNoReply(nil, r.CommandID, exchange.TypeDiscover)
		},
		"unknown-reply": func(r recorded) []byte { return exchange.AppendUnknownReply(nil, r.CommandID) },
		"discover-reply-error": func(r recorded) []byte {
			return exchange.AppendErrorReply(nil, exchange.TypeDiscover, r.CommandID, r.ErrorDetails)
		},
		"start-ingest-reply-error": func(r recorded) []byte {
			return exchange.AppendErrorReply(nil, exchange.TypeStartIngest, r.CommandID, r.ErrorDetails)
		},
		"subscribe-reply-error": func(r recorded) []byte {
			return exchange.AppendErrorReply(nil, exchange.TypeSubscribe, r.CommandID, r.ErrorDetails)
		},
		"unsubscribe-reply-error": func(r recorded) []byte {
			return exchange.AppendErrorReply(nil, exchange.TypeUnsubscribe, r.CommandID, r.ErrorDetails)
		},
		"list-reply-error": func(r recorded) []byte {
			return exchange.AppendErrorReply(nil, exchange.TypeList, r.CommandID, r.ErrorDetails)
		},
		"fetch-reply-error": func(r recorded) []byte {
			return exchange.AppendErrorReply(nil, exchange.TypeFetch, r.CommandID, r.ErrorDetails)
		},
		"subscribe-reply": func(r recorded) []byte {
			s := r.Payload.Subscription
			return exchange.AppendSubscribeReply(
				nil, r.CommandID, s.GraviteeSubscriptionID, s.Metadata, secret.New(s.APIKey),
			)
		},
	}
	compared := map[string]bool{}
	eachGolden(t, func(t *testing.T, name string, message []byte) {
		write, ours := writers[name]
		if !ours {
			return
		}
		compared[name] = true
		frame, err := exchange.ReadFrame(message)
		if err != nil {
			t.Fatal(err)
		}
		var values recorded
		if err := json.Unmarshal(frame.JSON, &values); err != nil {
			t.Fatal(err)
		}
		want := spell(frame.Kind, frame.Type, bytes.ReplaceAll(frame.JSON, []byte(";"), []byte(`\u003b`)))
		if diff := cmp.Diff(string(want), string(write(values))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	})
	for name := range writers {
		if !compared[name] {
			t.Errorf("no version has recorded %s", name)
		}
	}
}

// Each version ignores the fields that it does not know. The other fields stand in its order.
func TestTheFieldsOfAnAPIStandInTheRecordedOrder(t *testing.T) {
	full := exchange.AppendAPI(nil, federated.API{
		Summary:           federated.Summary{UniqueID: "u", ID: "i", Name: "n", Version: "v"},
		Description:       "d",
		ConnectionDetails: map[string]string{"key": "", "note": ""},
		Pages:             []federated.Page{{Filename: "f"}},
		Plans:             []federated.Plan{{ID: "p", Name: "n", Description: "d", Characteristics: []string{"c"}}},
		Metadata:          []federated.Metadata{{Name: "n"}},
	})
	ours := map[string][]byte{
		"ingest-command": slices.Concat(exchange.Ingest("1", "j", [][]byte{full}, false)...),
		"discover-reply": slices.Concat(exchange.DiscoverReply("1", [][]byte{full}, false)...),
		"list-reply":     slices.Concat(exchange.ListReply("1", [][]byte{full})...),
		"fetch-reply":    slices.Concat(exchange.FetchReply("1", [][]byte{full})...),
	}
	eachGolden(t, func(t *testing.T, name string, message []byte) {
		written, ok := ours[name]
		if !ok {
			return
		}
		theirs, mine := keyOrders(t, message), keyOrders(t, written)
		for path, keys := range theirs {
			got := slices.DeleteFunc(slices.Clone(mine[path]), func(key string) bool { return !slices.Contains(keys, key) })
			if !slices.Equal(got, keys) {
				t.Errorf("%s: %s has %v, recorded %v", name, path, got, keys)
			}
		}
	})
}

// keyOrders returns, for each path, the keys of the object that has the most keys there.
func keyOrders(t *testing.T, message []byte) map[string][]string {
	t.Helper()
	frame, err := exchange.ReadFrame(message)
	if err != nil {
		t.Fatal(err)
	}
	orders := map[string][]string{}
	decoder := json.NewDecoder(bytes.NewReader(frame.JSON))
	var value func(path string)
	value = func(path string) {
		token, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		switch token {
		case json.Delim('{'):
			var keys []string
			for decoder.More() {
				key, err := decoder.Token()
				if err != nil {
					t.Fatal(err)
				}
				keys = append(keys, key.(string))
				value(path + "." + key.(string))
			}
			_, _ = decoder.Token()
			if len(keys) > len(orders[path]) {
				orders[path] = keys
			}
		case json.Delim('['):
			for decoder.More() {
				value(path + "[]")
			}
			_, _ = decoder.Token()
		}
	}
	value("")
	return orders
}
