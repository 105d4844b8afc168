package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"federation-agent/test/interop/controller"
)

// fastHealthChecks asks for the health ten times a second.
var fastHealthChecks = controller.Options{HealthCheckInterval: 100 * time.Millisecond}

// controllerFacts show, with an agent by hand, what a controller does, and that the stand-in does the same.
func controllerFacts() []contractCase {
	return []contractCase{
		{name: "an upgrade is judged by the token behind the first six characters", run: judgesTokens},
		{name: "a broken authentication is a 500", run: brokenAuthentication},
		{name: "a HELLO is refused in APIM's words and may be sent again", run: refusesHello},
		{
			name: "a HEALTH_CHECK that finds no HELLO yet sends the agent away", without: leavesUnhealthy,
			options: fastHealthChecks, run: sendsUngreetedAway,
		},
		{name: "the first command must be HELLO", run: firstCommandMustBeHello},
		{name: "the second agent becomes primary when the first leaves", run: handsPrimaryOver},
		{name: "a DISCOVER and its reply go round", only: controller.DialectIngest, run: discovers},
		{name: "a LIST and a FETCH and their replies go round", only: controller.DialectFetch, run: listsAndFetches},
		{name: "INGESTs are recorded and answered by the rules", only: controller.DialectIngest, run: ingests},
		{name: "the 4.4 dialect takes no INGEST", only: controller.DialectFetch, run: takesNoIngest},
		{
			name: "a command that it does not serve is answered NO_REPLY, one it does not know UNKNOWN",
			run:  answersWhatItDoesNotServe,
		},
		{name: "a command without a reply times out", run: timesOut},
		{name: "UNKNOWN and NO_REPLY are told apart", run: tellsUnknownFromNoReply},
		{name: "a command to nobody fails", run: nobodyThere},
		{name: "a channel that closes fails its open commands", run: failsOpenCommands},
		{
			name: "an unhealthy agent is sent away", without: leavesUnhealthy, options: quickHealthChecks,
			run: sendsUnhealthyAway,
		},
		{
			name: "an unhealthy agent is left connected and forgotten", without: sendsAway, options: fastHealthChecks,
			run: forgetsUnhealthy,
		},
		{
			name: "when a primary is forgotten, the second agent takes over", without: sendsAway, options: fastHealthChecks,
			run: forgottenPrimary,
		},
		{name: "an agent's own GOOD_BYE closes the channel with 1013", run: agentSaysGoodBye},
		{name: "stopping says GOOD_BYE with reconnect and a start takes the port again", run: restarts},
		{name: "GOOD_BYE without reconnect is delivered as a command", run: goodByeForGood},
		{name: "dropping closes with 1000 and says no GOOD_BYE", run: drops},
		{name: "text messages are closed with 1003", run: closesText},
		{name: "unreadable frames get the documented close or silence", run: unreadableFrames},
		{name: "a message of 6 MB in frames of 64 KB is read whole", only: controller.DialectIngest, run: readsLongMessages},
		{name: "a ;; inside the JSON cuts it off", only: controller.DialectIngest, run: cutsAtDoubleSemicolon},
	}
}

func judgesTokens(ctx context.Context, t *testing.T, c controller.Controller) {
	for header, want := range map[string]int{
		"bearer " + token: 0,
		"Bearer" + token:  0,
		"bearer wrong":    http.StatusUnauthorized,
		"":                http.StatusUnauthorized,
		"x":               http.StatusInternalServerError,
	} {
		if _, status := dial(ctx, t, c.Endpoint(), header); status != want {
			t.Errorf("upgrade with Authorization %q: got status %d, want %d", header, status, want)
		}
	}
	must(t, c.RevokeToken(ctx, token))
	if _, status := dial(ctx, t, c.Endpoint(), "bearer "+token); status != http.StatusUnauthorized {
		t.Errorf("upgrade with a revoked token: got status %d", status)
	}
}

func brokenAuthentication(ctx context.Context, t *testing.T, c controller.Controller) {
	must(t, c.BreakAuthentication(ctx, true))
	if _, status := dial(ctx, t, c.Endpoint(), "bearer "+token); status != http.StatusInternalServerError {
		t.Errorf("got status %d, want 500", status)
	}
	must(t, c.BreakAuthentication(ctx, false))
	joined(ctx, t, c)
}

func refusesHello(ctx context.Context, t *testing.T, c controller.Controller) {
	client, _ := dial(ctx, t, c.Endpoint(), "bearer "+token)
	must(t, c.PutIntegration(ctx, "other", "solace"))
	for id, want := range map[string]string{
		"nobody": "Integration [id=nobody] not found",
		"other":  "Integration [id=other] does not match. Expected provider [provider=solace]",
	} {
		client.command("h", "HELLO", fmt.Sprintf(`{"targetId":%q,"provider":%q}`, id, provider))
		reply := client.read("HELLO")
		if reply.exchange.Status != "ERROR" || reply.exchange.Error != want {
			t.Errorf("HELLO for %s answered %s %q, want ERROR %q", id, reply.exchange.Status, reply.exchange.Error, want)
		}
	}
	client.hello(target)
	if _, _, err := c.Events().Wait(ctx, 0, controller.IsHello(target, true)); err != nil {
		t.Error(err)
	}
}

func firstCommandMustBeHello(ctx context.Context, t *testing.T, c controller.Controller) {
	client, _ := dial(ctx, t, c.Endpoint(), "bearer "+token)
	client.command("x", "HEALTH_CHECK", `{}`)
	if code, _ := client.readClose(); code != websocket.CloseProtocolError {
		t.Errorf("closed with %d, want 1002", code)
	}
}

func handsPrimaryOver(ctx context.Context, t *testing.T, c controller.Controller) {
	first := joined(ctx, t, c)
	awaitChannels(ctx, t, c, 1)
	second := greeted(ctx, t, c, target)
	awaitChannels(ctx, t, c, 2)
	first.close(1000)
	becomesPrimary(t, second)
}

// becomesPrimary waits until the agent that remains is told so. It may have come while the first election was still
// being told, and then hears before that it is not primary.
func becomesPrimary(t *testing.T, remains *rawClient) {
	t.Helper()
	for {
		var primary struct{ Primary bool }
		must(t, json.Unmarshal(remains.read("PRIMARY").exchange.Payload, &primary))
		if primary.Primary {
			return
		}
	}
}

func discovers(ctx context.Context, t *testing.T, c controller.Controller) {
	client := joined(ctx, t, c)
	outcome := sending(ctx, t, c, controller.Command{Target: target, Type: "DISCOVER"})
	client.reply(client.read("DISCOVER"),
		`{"apis":[{"uniqueId":"u","id":"i","name":"n","version":"1"}],"isPartialDiscovery":true}`)
	got := <-outcome
	if got.Reply == nil || got.Reply.Status != "SUCCEEDED" ||
		!strings.Contains(string(got.Reply.Payload), `"uniqueId":"u"`) {
		t.Errorf("outcome %+v", got)
	}
}

func listsAndFetches(ctx context.Context, t *testing.T, c controller.Controller) {
	client := joined(ctx, t, c)
	for _, kind := range []string{"LIST", "FETCH"} {
		outcome := sending(ctx, t, c, controller.Command{Target: target, Type: kind, Payload: json.RawMessage(`{"apis":[]}`)})
		client.reply(client.read(kind),
			`{"apis":[{"uniqueId":"u","id":"i","name":"n","version":"1","metadata":[{"name":"m"}]}]}`)
		got := <-outcome
		if got.Reply == nil || !strings.Contains(string(got.Reply.Payload), `"uniqueId":"u"`) {
			t.Errorf("%s: outcome %+v", kind, got)
		}
	}
}

func ingests(ctx context.Context, t *testing.T, c controller.Controller) {
	client := joined(ctx, t, c)
	must(t, c.SetIngestRules(ctx,
		controller.IngestRule{APIID: "bad", Error: "no such thing"},
		controller.IngestRule{APIID: "slow", Times: 1, Hold: true}))

	client.command("1", "INGEST", `{"ingestJobId":"job","apis":[{"id":"good"},{"id":"bad"}],"done":false}`)
	if reply := client.read("INGEST"); reply.exchange.CommandID != "1" || reply.exchange.Status != "ERROR" ||
		reply.exchange.Error != "no such thing" {
		t.Errorf("an INGEST with a rule for ERROR answered %+v", reply.exchange)
	}
	client.command("2", "INGEST", `{"ingestJobId":"job","apis":[{"id":"slow"}],"done":false}`)
	held, at, err := c.Events().Wait(ctx, 0,
		func(e controller.Event) bool { return e.Kind == controller.EventIngest && e.Held })
	if err != nil {
		t.Fatal(err)
	}
	must(t, c.Release(ctx, held.CommandID, ""))
	if reply := client.read("INGEST"); reply.exchange.CommandID != "2" || reply.exchange.Status != "SUCCEEDED" {
		t.Errorf("a released INGEST answered %+v", reply.exchange)
	}
	client.command("3", "INGEST", `{"ingestJobId":"job","apis":[],"done":true}`)
	if reply := client.read("INGEST"); reply.exchange.CommandID != "3" || reply.exchange.Status != "SUCCEEDED" {
		t.Errorf("an INGEST without a rule answered %+v", reply.exchange)
	}
	last, _, err := c.Events().Wait(ctx, at, controller.IsIngest)
	if err != nil || !last.Done || last.JobID != "job" || len(last.APIIDs) != 0 {
		t.Errorf("the last INGEST reads as %+v, %v", last, err)
	}
	whole, err := c.IngestCommand(ctx, "1")
	if err != nil || !strings.Contains(string(whole), `"id":"good"`) {
		t.Errorf("the whole of an INGEST: %s, %v", whole, err)
	}
}

func takesNoIngest(ctx context.Context, t *testing.T, c controller.Controller) {
	client := joined(ctx, t, c)
	client.command("1", "INGEST", `{"ingestJobId":"job","apis":[],"done":true}`)
	if reply := client.read("UNKNOWN"); reply.exchange.Status != "ERROR" || reply.exchange.Error != "Command unknown" {
		t.Errorf("an INGEST was answered %+v", reply.exchange)
	}
}

func answersWhatItDoesNotServe(ctx context.Context, t *testing.T, c controller.Controller) {
	client := joined(ctx, t, c)
	for kind, want := range map[string][2]string{
		"SUBSCRIBE": {"NO_REPLY", "No handler found for command type SUBSCRIBE. Ignoring"},
		"NONSENSE":  {"UNKNOWN", "Command unknown"},
	} {
		client.command("1", kind, `{}`)
		reply := client.read(want[0]).exchange
		// The version of APIM 4.4 writes the type without quotes.
		text := strings.ReplaceAll(reply.Error, "'", "")
		if reply.Status != "ERROR" || text != want[1] || string(reply.Payload) != `{}` {
			t.Errorf("%s was answered %+v with payload %s", kind, reply, reply.Payload)
		}
	}
}

func timesOut(ctx context.Context, t *testing.T, c controller.Controller) {
	joined(ctx, t, c)
	awaitChannels(ctx, t, c, 1)
	got := <-sending(ctx, t, c, controller.Command{Target: target, Type: "SUBSCRIBE", Timeout: 200 * time.Millisecond})
	if got.Failure == nil || got.Failure.Kind != controller.FailureTimeout {
		t.Errorf("outcome %+v, want a timeout", got)
	}
}

func tellsUnknownFromNoReply(ctx context.Context, t *testing.T, c controller.Controller) {
	client := joined(ctx, t, c)
	for kind, want := range map[string]controller.FailureKind{
		"UNKNOWN":  controller.FailureUnknown,
		"NO_REPLY": controller.FailureNoReply,
	} {
		outcome := sending(ctx, t, c, controller.Command{
			Target: target, Type: "FROM_THE_FUTURE", Raw: true, Payload: map[string]int{"n": 1},
		})
		f := client.read("FROM_THE_FUTURE")
		if string(f.exchange.Payload) != `{"n":1}` {
			t.Errorf("a raw command arrived with payload %s", f.exchange.Payload)
		}
		client.write(fmt.Sprintf(
			`t:REPLY;;et:%s;;e:{"commandId":%q,"type":%q,"commandStatus":"ERROR","errorDetails":"because","payload":{}}`, kind,
			f.exchange.ID, kind,
		))
		got := <-outcome
		if got.Failure == nil || got.Failure.Kind != want || got.Failure.Message != "because" {
			t.Errorf("after %s: outcome %+v (%+v), want %s", kind, got, got.Failure, want)
		}
	}
}

func nobodyThere(ctx context.Context, t *testing.T, c controller.Controller) {
	got := <-sending(ctx, t, c, controller.Command{Target: target, Type: "SUBSCRIBE"})
	if got.Failure == nil || got.Failure.Kind != controller.FailureNoChannel {
		t.Errorf("outcome %+v (%+v), want no channel", got, got.Failure)
	}
}

func failsOpenCommands(ctx context.Context, t *testing.T, c controller.Controller) {
	client := joined(ctx, t, c)
	outcome := sending(ctx, t, c, controller.Command{Target: target, Type: "SUBSCRIBE"})
	client.read("SUBSCRIBE")
	client.close(1000)
	got := <-outcome
	if got.Failure == nil || got.Failure.Kind != controller.FailureClosed {
		t.Errorf("outcome %+v (%+v), want channel closed", got, got.Failure)
	}
}

func sendsUnhealthyAway(ctx context.Context, t *testing.T, c controller.Controller) {
	client := joined(ctx, t, c)
	client.read("HEALTH_CHECK")
	client.sayUnhealthy()
	bye := client.read("GOOD_BYE")
	if !strings.Contains(string(bye.exchange.Payload), `"reconnect":true`) {
		t.Errorf("GOOD_BYE came with %s", bye.exchange.Payload)
	}
	client.close(1013)
}

// sendsUngreetedAway shows that a socket lives without an accepted HELLO only until the next round of HEALTH_CHECKs, 30
// s at most, and that the GOOD_BYE it gets then names no target.
func sendsUngreetedAway(ctx context.Context, t *testing.T, c controller.Controller) {
	client, _ := dial(ctx, t, c.Endpoint(), "bearer "+token)
	bye := client.read("GOOD_BYE")
	if payload := string(bye.exchange.Payload); payload != `{"reconnect":true}` {
		t.Errorf("GOOD_BYE came with %s", payload)
	}
	client.close(1013)
}

// forgetsUnhealthy shows what exchange up to 1.8.4 does: the channel stays open, but neither commands nor HEALTH_CHECKs
// come over it ever again. An agent learns of it from nothing but that silence.
func forgetsUnhealthy(ctx context.Context, t *testing.T, c controller.Controller) {
	client := joined(ctx, t, c)
	client.sayUnhealthy()
	awaitForgotten(ctx, t, c)
	client.pinged("HEALTH_CHECK") // the published one asks the next time before the last time is answered
	got := <-sending(ctx, t, c, controller.Command{Target: target, Type: "SUBSCRIBE", Timeout: time.Second})
	if got.Failure == nil || got.Failure.Kind != controller.FailureNoChannel {
		t.Errorf("outcome %+v (%+v), want no channel", got, got.Failure)
	}
	// Another agent lives through ten more intervals meanwhile, and the forgotten one is not asked in any of them.
	other := "other"
	must(t, c.PutIntegration(ctx, other, provider))
	healthy := joinedTo(ctx, t, c, other)
	for range 10 {
		healthy.read("HEALTH_CHECK")
	}
	client.pinged()
}

// forgottenPrimary shows that the primary that is forgotten is not one any more.
func forgottenPrimary(ctx context.Context, t *testing.T, c controller.Controller) {
	first := joined(ctx, t, c)
	second := greeted(ctx, t, c, target)
	first.sayUnhealthy()
	becomesPrimary(t, second)
}

// agentSaysGoodBye shows that a connector's GOOD_BYE is taken for a wish to be closed: APIM handles none.
func agentSaysGoodBye(ctx context.Context, t *testing.T, c controller.Controller) {
	client := joined(ctx, t, c)
	client.command("bye", "GOOD_BYE", fmt.Sprintf(`{"targetId":%q,"reconnect":false}`, target))
	if code, _ := client.readClose(); code != websocket.CloseTryAgainLater {
		t.Errorf("closed with %d, want 1013", code)
	}
}

func restarts(ctx context.Context, t *testing.T, c controller.Controller) {
	client := joined(ctx, t, c)
	endpoint := c.Endpoint()
	stopped := make(chan error, 1)
	go func() { stopped <- c.Stop(ctx) }()
	bye := client.read("GOOD_BYE")
	var payload struct {
		TargetID  string
		Reconnect bool
	}
	must(t, json.Unmarshal(bye.exchange.Payload, &payload))
	if payload.TargetID != target || !payload.Reconnect {
		t.Errorf("GOOD_BYE came with %s", bye.exchange.Payload)
	}
	client.close(1013)
	must(t, <-stopped)
	stoppedAt := c.Events().Len()
	must(t, c.Start(ctx))
	if c.Endpoint() != endpoint {
		t.Errorf("moved from %s to %s", endpoint, c.Endpoint())
	}
	joined(ctx, t, c)
	// The controller tells its events beside the session, so the agent may be primary before its upgrade is told here.
	upgrade, _, err := c.Events().Wait(ctx, stoppedAt, func(e controller.Event) bool {
		return e.Kind == controller.EventUpgrade && e.Accepted
	})
	must(t, err)
	if upgrade.Connection == 1 {
		t.Error("connections of two runs bear the same number")
	}
}

func goodByeForGood(ctx context.Context, t *testing.T, c controller.Controller) {
	client := joined(ctx, t, c)
	outcome := sending(ctx, t, c, controller.Command{
		Target: target, Type: "GOOD_BYE", Payload: map[string]any{"targetId": target, "reconnect": false},
	})
	bye := client.read("GOOD_BYE")
	if !strings.Contains(string(bye.exchange.Payload), `"reconnect":false`) {
		t.Errorf("GOOD_BYE came with %s", bye.exchange.Payload)
	}
	client.close(1000)
	if got := <-outcome; got.Failure == nil || got.Failure.Kind != controller.FailureClosed {
		t.Errorf("outcome %+v (%+v)", got, got.Failure)
	}
}

func drops(ctx context.Context, t *testing.T, c controller.Controller) {
	client := joined(ctx, t, c)
	must(t, c.Drop(ctx))
	if code, reason := client.readClose(); code != websocket.CloseNormalClosure {
		t.Errorf("closed with %d %q, want 1000", code, reason)
	}
	must(t, c.Start(ctx))
	joined(ctx, t, c)
}

func closesText(ctx context.Context, t *testing.T, c controller.Controller) {
	client := joined(ctx, t, c)
	must(t, client.conn.WriteMessage(websocket.TextMessage, []byte("t:COMMAND")))
	if code, _ := client.readClose(); code != websocket.CloseUnsupportedData {
		t.Errorf("closed with %d, want 1003", code)
	}
}

func unreadableFrames(ctx context.Context, t *testing.T, c controller.Controller) {
	const silence = 0
	integrations := 0
	for frame, want := range map[string]int{
		`t:NONSENSE;;et:HELLO;;e:{}`:           websocket.CloseProtocolError,
		`t:COMMAND;;et:HELLO`:                  websocket.CloseProtocolError,
		`t:REPLY;;et:DISCOVER`:                 websocket.CloseInternalServerErr,
		`t:COMMAND;;et:HEALTH_CHECK;;e:{"id":`: silence,
		`t:REPLY;;et:SUBSCRIBE;;e:{"commandId":"x","type":"SUBSCRIBE","commandStatus":"NONSENSE"}`: silence,
	} {
		// An integration for each, so that each agent is the first and thereby primary.
		integrations++
		integration := fmt.Sprint("integration ", integrations)
		must(t, c.PutIntegration(ctx, integration, provider))
		client := joinedTo(ctx, t, c, integration)
		client.write(frame)
		if want == silence {
			client.pinged()
		} else if code, _ := client.readClose(); code != want {
			t.Errorf("%s: closed with %d, want %d", frame, code, want)
		}
	}
}

func readsLongMessages(ctx context.Context, t *testing.T, c controller.Controller) {
	client := joined(ctx, t, c)
	content := strings.Repeat("é", 3<<20)
	client.command("1", "INGEST",
		`{"ingestJobId":"job","apis":[{"id":"long","pages":[{"pageType":"SWAGGER","content":"`+content+`"}]}],"done":false}`)
	if reply := client.read("INGEST"); reply.exchange.Status != "SUCCEEDED" {
		t.Errorf("answered %+v", reply.exchange)
	}
	e, _, err := c.Events().Wait(ctx, 0, controller.IsIngest)
	if err != nil || e.Bytes < 6<<20 {
		t.Errorf("read as %d bytes, %v", e.Bytes, err)
	}
}

func cutsAtDoubleSemicolon(ctx context.Context, t *testing.T, c controller.Controller) {
	client := joined(ctx, t, c)
	client.command("1", "INGEST", `{"ingestJobId":"a;;b","apis":[],"done":false}`)
	client.pinged()
	client.command("2", "INGEST", `{"ingestJobId":"a\u003b\u003bb","apis":[],"done":false}`)
	e, _, err := c.Events().Wait(ctx, 0, controller.IsIngest)
	if err != nil || e.CommandID != "2" || e.JobID != "a;;b" {
		t.Errorf("first INGEST read is %+v, %v; want the escaped one", e.Ingest, err)
	}
}

func sending(
	ctx context.Context, t *testing.T, c controller.Controller, command controller.Command,
) <-chan controller.Outcome {
	t.Helper()
	outcome := make(chan controller.Outcome, 1)
	go func() {
		got, err := c.Send(ctx, command)
		if err != nil {
			t.Errorf("sending %s: %v", command.Type, err)
		}
		outcome <- got
	}()
	return outcome
}

func awaitChannels(ctx context.Context, t *testing.T, c controller.Controller, count int) {
	t.Helper()
	if _, _, err := c.Events().Wait(ctx, 0, controller.HasChannels(target, count)); err != nil {
		t.Fatal(err)
	}
}

// awaitForgotten waits until the controller sends no commands to the integration's agent any more: it is not primary
// then, though exchange 1.8.2 goes on listing it. A pong would not do: it shows that the controller has read what came
// before it, not that anything has followed from it. Nor would the event: the published controllers are looked at from
// time to time, and a look may miss a primary that was one only briefly.
func awaitForgotten(ctx context.Context, t *testing.T, c controller.Controller) {
	t.Helper()
	primary := func(c controller.Channel) bool { return c.Primary }
	for {
		channels, err := c.Channels(ctx, target)
		must(t, err)
		if !slices.ContainsFunc(channels, primary) {
			return
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
