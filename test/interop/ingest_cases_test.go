package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/exchange"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/interop/controller"
)

// ingestCases are about previews, ingests and documents.
func ingestCases() []contractCase {
	return []contractCase{
		{name: "a preview of 300 APIs", run: previews300},
		{name: "a whole ingest of 300 APIs", run: ingests300},
		{name: "an ingest of chosen APIs", only: controller.DialectIngest, run: ingestsChosen},
		{name: "an ingest of nothing", only: controller.DialectIngest, run: ingestsNothing},
		{
			name: "a document with ;; and what else looks like a frame",
			run:  carriesText("a;;b ;;e:{} ;;t:REPLY;;et:HELLO;;e:{\"x\":1} ;"),
		},
		{name: "a document with text that is not ASCII", run: carriesText("Grüße, 中文, עברית, 🔑, \u2028, \"\\")},
		{name: "a document with the base URLs of custom domain names", run: carriesBaseURLs},
		{name: "a document of 1 KB", run: carriesDocument(1 << 10)},
		{name: "a document of 70 KB: more than one frame", run: carriesDocument(70 << 10)},
		{name: "a document of 6 MB", run: carriesDocument(6 << 20)},
		{name: "a document over the message limit is left out, and its metadata say so", run: leavesOutTooLarge},
		{name: "an INGEST that is answered slowly", only: controller.DialectIngest, run: slowAnswer},
		{
			name: "an INGEST that is answered ERROR: sent again in halves, the session lives", only: controller.DialectIngest,
			run: halves,
		},
		{name: "an empty INGEST as a keep-alive", only: controller.DialectIngest, run: emptyIngest},
	}
}

func previews300(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, uniform(300))
	s.connected(agentOptions{})
	payload := s.answered(controller.Command{Type: previewType(c)})
	apis := s.read(payload)
	if diff := cmp.Diff(allIDs(300), idsOf(apis)); diff != "" {
		t.Error(diff)
	}
	for _, api := range apis {
		if api.UniqueID != api.ID || !strings.HasPrefix(api.Name, "service-") || api.Version == "" {
			t.Errorf("%+v", api)
		}
	}
	var wire struct{ IsPartialDiscovery bool }
	must(t, json.Unmarshal(payload, &wire))
	if wire.IsPartialDiscovery {
		t.Error("the preview says that it is partial")
	}
}

func ingests300(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, uniform(300))
	s.connected(agentOptions{})
	apis := s.ingest("job")
	if diff := cmp.Diff(allIDs(300), idsOf(apis)); diff != "" {
		t.Error(diff)
	}
	for _, api := range apis {
		if len(api.Plans) != 1 || api.Plans[0].PlanSecurityType != "API_KEY" || len(api.Pages) != 1 ||
			api.Pages[0].PageType != "SWAGGER" || api.Pages[0].Content == "" || len(api.ConnectionDetails) == 0 {
			t.Fatalf("%s arrived as %d plans, %d pages, connection details %v", api.ID, len(api.Plans), len(api.Pages),
				api.ConnectionDetails)
		}
		// 4.4 knows no metadata of an API, and no file name of a page.
		if c.Dialect() == controller.DialectIngest && (api.metadata("AWS account") == "" || api.Pages[0].Filename == "") {
			t.Fatalf("%s arrived with metadata %v, file name %q", api.ID, api.Metadata, api.Pages[0].Filename)
		}
	}
}

func ingestsChosen(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, uniform(20))
	s.connected(agentOptions{})
	if diff := cmp.Diff([]string{apiID(3), apiID(17)}, idsOf(s.ingest("job", apiID(17), apiID(3)))); diff != "" {
		t.Error(diff)
	}
}

func ingestsNothing(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, uniform(0))
	s.connected(agentOptions{})
	if total := s.startIngest("job"); total != 0 {
		t.Errorf("a total of %d", total)
	}
}

// carriesText has a text in name, description and document, and expects all three to arrive as AWS has them.
func carriesText(text string) func(context.Context, *testing.T, controller.Controller) {
	return func(ctx context.Context, t *testing.T, c controller.Controller) {
		estate := uniform(1)
		api := &estate.Accounts[0].Regions[0].RestAPIs[0]
		api.Name, api.Description = "Name "+text, "Description "+text
		s := newSite(ctx, t, c, estate)
		s.connected(agentOptions{})
		for _, got := range s.served() {
			checkName(t, got, api.Name)
		}
		for _, got := range s.ingest("job") {
			checkName(t, got, api.Name)
			if want := s.document(0); got.Pages[0].Content != want || !json.Valid([]byte(want)) {
				t.Errorf("the document arrived as\n%s\nAWS has\n%s", got.Pages[0].Content, want)
			}
		}
	}
}

func carriesBaseURLs(ctx context.Context, t *testing.T, c controller.Controller) {
	estate := uniform(1)
	to := []awssim.DomainMapping{{Key: "shop/v1", RestAPI: estate.Accounts[0].Regions[0].RestAPIs[0].ID, Stage: "dev"}}
	estate.Accounts[0].Regions[0].Domains = []awssim.CustomDomain{
		{Name: "api.example.com", Endpoint: "REGIONAL", Mappings: to},
		{Name: "*.example.org", Endpoint: "REGIONAL", MutualTLS: true, Mappings: to},
	}
	estate.Accounts[0].Principals[0].Policy = awssim.AllowAll()
	s := newSite(ctx, t, c, estate)
	s.connected(agentOptions{settings: map[string]string{"gravitee_agent_discovery_customDomains": "true"}})
	for _, got := range s.ingest("job") {
		var document struct {
			Servers []struct{ URL, Description string }
		}
		must(t, json.Unmarshal([]byte(got.Pages[0].Content), &document))
		const first, second = "https://api.example.com/shop/v1", "https://{any}.example.org/shop/v1"
		if len(document.Servers) != 3 || document.Servers[0].URL != first || document.Servers[1].URL != second {
			t.Errorf("servers %+v", document.Servers)
		}
		if !strings.HasSuffix(got.Description, "Base URL: "+first) {
			t.Errorf("description %q", got.Description)
		}
		if base := got.metadata("AWS base URL"); c.Dialect() == controller.DialectIngest && !strings.HasPrefix(base, first+", ") {
			t.Errorf("base URL %q", base)
		}
	}
}

// checkName lets control characters pass as spaces: in a name they are of no use.
func checkName(t *testing.T, got apiOnWire, want string) {
	t.Helper()
	if want = strings.Join(strings.Fields(strings.ReplaceAll(want, "\u2028", " ")), " "); got.Name != want {
		t.Errorf("the name arrived as %q, AWS has %q", got.Name, want)
	}
}

// estateOf has one API with a document of that size. Its stage, dev, has a letter less than the size is meant for.
func estateOf(bytes int) awssim.Estate {
	return awssim.UniformEstate(awssim.UniformOptions{APIs: 1, StagesPerAPI: 1, Plans: 1, DocumentBytes: bytes + 1})
}

func carriesDocument(bytes int) func(context.Context, *testing.T, controller.Controller) {
	return func(ctx context.Context, t *testing.T, c controller.Controller) {
		s := newSite(ctx, t, c, estateOf(bytes))
		s.connected(agentOptions{})
		apis := s.ingest("job")
		if len(apis) != 1 || len(apis[0].Pages) != 1 {
			t.Fatalf("%d APIs", len(apis))
		}
		if got, want := apis[0].Pages[0].Content, s.document(0); got != want || len(got) < bytes {
			t.Errorf("%d bytes arrived of %d", len(got), len(want))
		}
	}
}

func leavesOutTooLarge(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, estateOf(exchange.DefaultMaxMessageSize+1))
	s.connected(agentOptions{})
	apis := s.ingest("job")
	if len(apis) != 1 || apis[0].ID != apiID(0) || len(apis[0].Pages) != 0 || len(apis[0].Plans) != 1 {
		t.Fatalf("arrived: %+v", apis)
	}
	if note := apis[0].metadata("AWS document"); c.Dialect() == controller.DialectIngest &&
		!strings.Contains(note, "left out") {
		t.Errorf("the metadata say %q", note)
	}
	if n := len(s.upgrades()); n != 1 {
		t.Errorf("%d connections were needed", n)
	}
}

// upgrades are the connections so far.
func (s *site) upgrades() []controller.Event {
	var upgrades []controller.Event
	for _, e := range s.c.Events().All() {
		if e.Kind == controller.EventUpgrade {
			upgrades = append(upgrades, e)
		}
	}
	return upgrades
}

func slowAnswer(ctx context.Context, t *testing.T, c controller.Controller) {
	const slow = 1500 * time.Millisecond
	s := newSite(ctx, t, c, uniform(2))
	s.connected(agentOptions{settings: map[string]string{"gravitee_agent_ingest_batchCount": "1"}})
	must(t, c.SetIngestRules(ctx, controller.IngestRule{Times: 1, Delay: slow}))
	from := c.Events().Len()
	s.startIngest("job")
	_, next := s.wait(from, controller.IsIngest)
	began := time.Now()
	s.served() // the session is not held up
	s.wait(next, controller.IsIngest)
	if took := time.Since(began); took < slow*9/10 {
		t.Errorf("the next INGEST came %s after the first, which was answered after %s", took, slow)
	}
	if diff := cmp.Diff(allIDs(2), idsOf(s.ingested("job", from))); diff != "" {
		t.Error(diff)
	}
}

func halves(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, uniform(8))
	a := s.connected(agentOptions{})
	bad := apiID(5)
	must(t, c.SetIngestRules(ctx, controller.IngestRule{APIID: bad, Error: "this one cannot be stored"}))
	from := c.Events().Len()
	s.startIngest("job")
	got := idsOf(s.ingested("job", from))
	want := append(allIDs(8)[:5:5], allIDs(8)[6:]...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var refused []int
	for _, e := range c.Events().All() {
		if e.Kind == controller.EventIngest && e.Refused {
			refused = append(refused, len(e.APIIDs))
		}
	}
	if diff := cmp.Diff([]int{8, 4, 2, 1}, refused); diff != "" {
		t.Errorf("APIs in the INGESTs that were refused: %s", diff)
	}
	if !strings.Contains(a.log.String(), bad) {
		t.Error("the API that was left out is not named in the log")
	}
	s.served()
	if n := len(s.upgrades()); n != 1 {
		t.Errorf("%d connections were needed", n)
	}
}

// emptyIngest is shown with a frame of our codec alone: the agent sends one after two minutes without another.
func emptyIngest(ctx context.Context, t *testing.T, c controller.Controller) {
	client := joined(ctx, t, c)
	for n, done := range []bool{false, true} {
		id := fmt.Sprint("keep-alive ", n)
		client.write(string(slices.Concat(exchange.Ingest(id, "job", nil, done)...)))
		if reply := client.read("INGEST"); reply.exchange.Status != "SUCCEEDED" || reply.exchange.CommandID != id {
			t.Errorf("answered %+v", reply.exchange)
		}
		command, err := c.IngestCommand(ctx, id)
		must(t, err)
		var wire struct {
			Payload struct {
				APIs *[]apiOnWire
				Done bool
			}
		}
		must(t, json.Unmarshal(command, &wire))
		if wire.Payload.APIs == nil || len(*wire.Payload.APIs) != 0 || wire.Payload.Done != done {
			t.Errorf("read as %s", command)
		}
	}
}
