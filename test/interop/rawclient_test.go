package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"federation-agent/test/interop/controller"
)

// rawClient is an agent by hand: it writes and reads frames as text, with none of our own wire code, so that what it
// proves about a controller does not rest on what the controller is to prove.
type rawClient struct {
	t    *testing.T
	conn *websocket.Conn
	// reads hands over what comes in after the first pinged, one by one and in order.
	reads chan read
}

// read is what one read came to. A pong is one without a message and without an error.
type read struct {
	message []byte
	err     error
}

// frame is one that came in.
type frame struct {
	direction, exchangeType string
	exchange                struct {
		ID        string          `json:"id"`
		CommandID string          `json:"commandId"`
		Status    string          `json:"commandStatus"`
		Error     string          `json:"errorDetails"`
		Payload   json.RawMessage `json:"payload"`
	}
}

// dial returns the HTTP status of a refused upgrade, or 0.
func dial(ctx context.Context, t *testing.T, endpoint, authorization string) (*rawClient, int) {
	t.Helper()
	header := http.Header{"X-Gravitee-Exchange-Protocol": {"v1"}}
	if authorization != "" {
		header.Set("Authorization", authorization)
	}
	url := strings.Replace(endpoint, "http", "ws", 1) + "/exchange/controller"
	conn, response, err := websocket.DefaultDialer.DialContext(ctx, url, header)
	if response != nil && response.StatusCode != http.StatusSwitchingProtocols {
		return nil, response.StatusCode
	}
	if err != nil {
		t.Fatalf("dialing %s: %v", url, err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetReadDeadline(deadline)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &rawClient{t: t, conn: conn}, 0
}

func (c *rawClient) write(frame string) {
	c.t.Helper()
	if err := c.conn.WriteMessage(websocket.BinaryMessage, []byte(frame)); err != nil {
		c.t.Fatalf("writing %.80s: %v", frame, err)
	}
}

func (c *rawClient) command(id, kind, payload string) {
	c.t.Helper()
	c.write(fmt.Sprintf(`t:COMMAND;;et:%s;;e:{"id":%q,"type":%q,"payload":%s}`, kind, id, kind, payload))
}

func (c *rawClient) reply(f frame, payload string) {
	c.t.Helper()
	c.write(fmt.Sprintf(`t:REPLY;;et:%s;;e:{"commandId":%q,"type":%q,"commandStatus":"SUCCEEDED","payload":%s}`,
		f.exchangeType, f.exchange.ID, f.exchangeType, payload))
}

// read returns the next frame of one of these types; PRIMARY and HEALTH_CHECK are answered on the way.
func (c *rawClient) read(kinds ...string) frame {
	c.t.Helper()
	for {
		_, message, err := c.conn.ReadMessage()
		if err != nil {
			c.t.Fatalf("waiting for %v: %v", kinds, err)
		}
		f := c.parse(message)
		wanted := false
		for _, kind := range kinds {
			wanted = wanted || f.exchangeType == kind
		}
		switch {
		case f.direction == "COMMAND" && f.exchangeType == "PRIMARY":
			c.reply(f, `{}`)
		case f.direction == "COMMAND" && f.exchangeType == "HEALTH_CHECK":
			c.reply(f, `{"healthy":true}`)
		case !wanted:
			c.t.Fatalf("got %s %s while waiting for %v", f.direction, f.exchangeType, kinds)
		}
		if wanted {
			return f
		}
	}
}

// readClose returns the code and reason with which the controller closes.
func (c *rawClient) readClose() (int, string) {
	c.t.Helper()
	for {
		_, message, err := c.conn.ReadMessage()
		if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
			return closed.Code, closed.Text
		}
		if err != nil {
			c.t.Fatalf("waiting for a close frame: %v", err)
		}
		if f := c.parse(message); f.exchangeType == "PRIMARY" {
			c.reply(f, `{}`)
		}
	}
}

func (c *rawClient) parse(message []byte) frame {
	c.t.Helper()
	parts := bytes.SplitN(message, []byte(";;"), 3)
	if len(parts) != 3 {
		c.t.Fatalf("not a frame: %q", message)
	}
	f := frame{
		direction:    strings.TrimPrefix(string(parts[0]), "t:"),
		exchangeType: strings.TrimPrefix(string(parts[1]), "et:"),
	}
	if err := json.Unmarshal(bytes.TrimPrefix(parts[2], []byte("e:")), &f.exchange); err != nil {
		c.t.Fatalf("frame %q: %v", message, err)
	}
	return f
}

func (c *rawClient) close(code int) {
	c.t.Helper()
	message := websocket.FormatCloseMessage(code, "")
	if err := c.conn.WriteControl(websocket.CloseMessage, message, time.Now().Add(time.Second)); err != nil {
		c.t.Fatal(err)
	}
}

// sayUnhealthy answers the next HEALTH_CHECK so.
func (c *rawClient) sayUnhealthy() {
	c.t.Helper()
	for {
		_, message, err := c.conn.ReadMessage()
		if err != nil {
			c.t.Fatalf("waiting for HEALTH_CHECK: %v", err)
		}
		if f := c.parse(message); f.exchangeType == "HEALTH_CHECK" {
			c.reply(f, `{"healthy":false,"detail":"because"}`)
			return
		}
	}
}

// pinged sends a ping and returns once its pong is back: what was written before has been read by then, and no message
// has come before the pong, but for commands of the types that are passed over. From then on only writing and pinged
// are left: the reading is done in the background.
func (c *rawClient) pinged(passedOver ...string) {
	c.t.Helper()
	if c.reads == nil {
		c.readInBackground()
	}
	if err := c.conn.WriteControl(websocket.PingMessage, []byte("probe"), time.Now().Add(time.Second)); err != nil {
		c.t.Fatal(err)
	}
	for got := range c.reads {
		switch {
		case got.err != nil:
			c.t.Fatalf("waiting for the pong: %v", got.err)
		case got.message == nil:
			return
		case !slices.Contains(passedOver, c.parse(got.message).exchangeType):
			c.t.Fatalf("before the pong came %q", got.message)
		}
	}
}

// readInBackground is over with the first read that fails. The channel holds nothing back, so that a pong cannot
// overtake the messages before it.
func (c *rawClient) readInBackground() {
	c.reads = make(chan read)
	hand := func(got read) {
		select {
		case c.reads <- got:
		case <-c.t.Context().Done():
		}
	}
	c.conn.SetPongHandler(func(string) error { hand(read{}); return nil })
	go func() {
		for {
			_, message, err := c.conn.ReadMessage()
			hand(read{message: message, err: err})
			if err != nil {
				return
			}
		}
	}()
}

// hello greets as an agent of the integration and expects to be accepted.
func (c *rawClient) hello(target string) {
	c.t.Helper()
	c.command("hello", "HELLO", fmt.Sprintf(`{"targetId":%q,"provider":%q}`, target, provider))
	if reply := c.read("HELLO"); reply.exchange.Status != "SUCCEEDED" {
		c.t.Fatalf("HELLO answered %+v", reply.exchange)
	}
}

const (
	token    = "3b9f0a52-test"
	provider = "aws-api-gateway"
	target   = "2f6b6a3e-integration"
)

// joined dials and greets as the only agent of the test's integration.
func joined(ctx context.Context, t *testing.T, c controller.Controller) *rawClient {
	t.Helper()
	return joinedTo(ctx, t, c, target)
}

// joinedTo dials and greets as the first agent of an integration. It returns once the controller has made it primary:
// only then is it there for commands.
func joinedTo(ctx context.Context, t *testing.T, c controller.Controller, integration string) *rawClient {
	t.Helper()
	client := greeted(ctx, t, c, integration)
	client.read("PRIMARY")
	return client
}

// greeted dials and greets; a second agent is sent no PRIMARY until the first one leaves.
func greeted(ctx context.Context, t *testing.T, c controller.Controller, integration string) *rawClient {
	t.Helper()
	client, status := dial(ctx, t, c.Endpoint(), "bearer "+token)
	if status != 0 {
		t.Fatalf("upgrade refused with %d", status)
	}
	client.hello(integration)
	return client
}
