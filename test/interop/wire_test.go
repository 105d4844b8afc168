package interop

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"testing"

	"federation-agent/test/interop/controller"
)

// apiOnWire is an API as the controller understood it.
type apiOnWire struct {
	UniqueID, ID, Name, Version, Description, Type string
	ConnectionDetails                              map[string]string
	Pages                                          []struct{ PageType, Content, Filename string }
	Plans                                          []struct{ ID, Name, PlanSecurityType string }
	Metadata                                       []struct{ Name, Value, Format string }
}

func (a apiOnWire) metadata(name string) string {
	for _, m := range a.Metadata {
		if m.Name == name {
			return m.Value
		}
	}
	return ""
}

// read reads the APIs of a payload, and whether there are any twice.
func (s *site) read(payload json.RawMessage) []apiOnWire {
	s.t.Helper()
	var wire struct{ APIs []apiOnWire }
	must(s.t, json.Unmarshal(payload, &wire))
	return wire.APIs
}

// previewType is what asks for a preview in a controller's dialect.
func previewType(c controller.Controller) string {
	if c.Dialect() == controller.DialectFetch {
		return "LIST"
	}
	return "DISCOVER"
}

// ingest makes APIM take the APIs with these ids, or all, and returns what it got: by START_INGEST and INGESTs up to
// `done`, or by a FETCH, which always brings all. INGESTs that a rule refused are not counted.
func (s *site) ingest(job string, ids ...string) []apiOnWire {
	s.t.Helper()
	if s.c.Dialect() == controller.DialectFetch {
		return s.read(s.answered(controller.Command{Type: "FETCH", Payload: map[string]any{"apis": []string{}}}))
	}
	from := s.c.Events().Len()
	s.startIngest(job, ids...)
	return s.ingested(job, from)
}

// startIngest sends START_INGEST and returns the total that was answered.
func (s *site) startIngest(job string, ids ...string) int {
	s.t.Helper()
	payload := s.answered(controller.Command{Type: "START_INGEST", Payload: map[string]any{
		"ingestJobId": job, "apiIds": append([]string{}, ids...),
	}})
	var started struct {
		IngestJobID string
		Total       *int
	}
	must(s.t, json.Unmarshal(payload, &started))
	if started.IngestJobID != job || started.Total == nil {
		s.t.Fatalf("START_INGEST of %s was answered %s", job, payload)
	}
	return *started.Total
}

// ingested waits for a job's end and returns what came from a position on.
func (s *site) ingested(job string, from int) []apiOnWire {
	s.t.Helper()
	var apis []apiOnWire
	for {
		var e controller.Event
		e, from = s.wait(from,
			func(e controller.Event) bool { return e.Kind == controller.EventIngest && e.JobID == job && !e.Refused })
		command, err := s.c.IngestCommand(s.ctx, e.CommandID)
		must(s.t, err)
		var wire struct{ Payload json.RawMessage }
		must(s.t, json.Unmarshal(command, &wire))
		apis = append(apis, s.read(wire.Payload)...)
		if e.Done {
			return apis
		}
	}
}

// idsOf is sorted.
func idsOf(apis []apiOnWire) []string {
	var ids []string
	for _, a := range apis {
		ids = append(ids, a.ID)
	}
	slices.Sort(ids)
	return ids
}

// allIDs is what a uniform estate of so many APIs has.
func allIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = apiID(i)
	}
	return ids
}

// subscription is what came of a SUBSCRIBE.
type subscription struct {
	GraviteeSubscriptionID string
	APIKey                 string
	Metadata               map[string]string
}

// subscribeCommand is as APIM makes it of an API that was ingested.
func subscribeCommand(c controller.Controller, id string, api apiOnWire, application string) controller.Command {
	metadata := map[string]string{"planId": api.Plans[0].ID}
	wanted := map[string]any{
		"graviteeSubscriptionId": id, "graviteeApplicationName": application, "type": "API_KEY", "metadata": metadata,
	}
	if c.Dialect() != controller.DialectFetch { // 4.4 knows neither of these
		wanted["graviteeApplicationId"] = "application-of-" + id
		maps.Copy(metadata, api.ConnectionDetails)
	}
	return controller.Command{Type: "SUBSCRIBE", Payload: map[string]any{"apiId": api.ID, "subscription": wanted}}
}

// unsubscribeCommand carries what the agent returned.
func unsubscribeCommand(api apiOnWire, s subscription) controller.Command {
	return controller.Command{Type: "UNSUBSCRIBE", Payload: map[string]any{"apiId": api.ID, "subscription": map[string]any{
		"graviteeSubscriptionId": s.GraviteeSubscriptionID, "metadata": s.Metadata,
	}}}
}

func (s *site) subscription(payload json.RawMessage) subscription {
	s.t.Helper()
	var wire struct{ Subscription subscription }
	must(s.t, json.Unmarshal(payload, &wire))
	return wire.Subscription
}

// number is which API of a uniform estate it is.
func number(t *testing.T, api apiOnWire) int {
	t.Helper()
	var n int
	if _, err := fmt.Sscanf(api.ConnectionDetails["aws-api-gateway-rest-api-id"], "a%d", &n); err != nil {
		t.Fatalf("%s: %v", api.ID, err)
	}
	return n
}
