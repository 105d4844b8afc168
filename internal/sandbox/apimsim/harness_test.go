package apimsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"federation-agent/internal/sandbox/memnet"
)

const (
	integrationID = "int-1"
	token         = "s3cr3t-token"
)

// address is where the stand-in listens in its network.
const address = "apim:80"

// world is a stand-in with its network, in a bubble.
type world struct {
	*testing.T
	*APIM
	network *memnet.Network
}

func run(t *testing.T, o Options, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if o.Integrations == nil {
			o.Integrations = []Integration{{ID: integrationID, Env: "env"}}
		}
		if o.NewID == nil {
			n := 0
			o.NewID = func() string { n++; return fmt.Sprintf("id-%d", n) }
		}
		a, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		w := &world{T: t, APIM: a, network: memnet.New(nil)}
		l, err := w.network.Listen(address)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Serve(l); err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		test(t, w)
	})
}

func (w *world) httpClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: w.network.Dial, DisableKeepAlives: true}}
}

// message is a frame as the client reads it, with a reader of its own.
type message struct {
	Kind   string
	Type   string
	ID     string
	Status string
	Error  string
	JSON   map[string]any
}

func parse(data []byte) message {
	head, body, _ := bytes.Cut(data, []byte(";;e:"))
	kind, kindOfExchange, _ := bytes.Cut(bytes.TrimPrefix(head, []byte("t:")), []byte(";;et:"))
	m := message{Kind: string(kind), Type: string(kindOfExchange), JSON: map[string]any{}}
	if err := json.Unmarshal(body, &m.JSON); err != nil {
		panic(fmt.Sprintf("frame %q: %v", data, err))
	}
	text := func(key string) string { s, _ := m.JSON[key].(string); return s }
	m.ID, m.Status, m.Error = text("id"), text("commandStatus"), text("errorDetails")
	if m.Kind == "REPLY" {
		m.ID = text("commandId")
	}
	return m
}

// payload walks into a message's payload.
func (m message) payload(path ...string) any {
	v := m.JSON["payload"]
	for _, key := range path {
		o, _ := v.(map[string]any)
		v = o[key]
	}
	return v
}

// client is a raw agent: every message it gets is queued, but for those that serve answers.
type client struct {
	w      *world
	ws     *websocket.Conn
	in     chan message
	closed chan error
	mu     sync.Mutex
	serve  func(c *client, m message) bool // true: dealt with
	pings  int
}

func (w *world) dialErr(path string, header http.Header) (*client, int, error) {
	dialer := websocket.Dialer{NetDialContext: w.network.Dial, ReadBufferSize: 1 << 16, WriteBufferSize: 1 << 16}
	ws, res, err := dialer.Dial("ws://apim"+path, header)
	if err != nil {
		if res == nil {
			return nil, 0, err
		}
		return nil, res.StatusCode, err
	}
	c := &client{w: w, ws: ws, in: make(chan message, 1000), closed: make(chan error, 1), serve: politely}
	ws.SetPingHandler(func(data string) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.pings++
		return ws.WriteControl(websocket.PongMessage, []byte(data), time.Time{})
	})
	go c.read()
	w.Cleanup(func() { ws.Close() })
	return c, 101, nil
}

func v1(token string) http.Header {
	return http.Header{"Authorization": {"bearer " + token}, "X-Gravitee-Exchange-Protocol": {"v1"}}
}

func (w *world) dial() *client {
	w.Helper()
	c, _, err := w.dialErr(w.opts.PathPrefix+"/exchange/controller", v1(token))
	if err != nil {
		w.Fatal(err)
	}
	return c
}

// connect dials and says HELLO.
func (w *world) connect() *client {
	w.Helper()
	c := w.dial()
	if r := c.hello(integrationID, "aws-api-gateway"); r.Status != "SUCCEEDED" {
		w.Fatalf("HELLO: %+v", r)
	}
	synctest.Wait()
	return c
}

func (c *client) read() {
	for {
		_, data, err := c.ws.ReadMessage()
		if err != nil {
			c.closed <- err
			return
		}
		m := parse(data)
		if c.serve == nil || !c.serve(c, m) {
			c.in <- m
		}
	}
}

// politely answers what every agent must answer at once.
func politely(c *client, m message) bool {
	switch m.Type {
	case "PRIMARY":
		c.answer(m, map[string]any{})
	case "HEALTH_CHECK":
		c.answer(m, map[string]any{"healthy": true})
	default:
		return false
	}
	return m.Type == "HEALTH_CHECK"
}

func (c *client) raw(data string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w, err := c.ws.NextWriter(websocket.BinaryMessage)
	if err != nil {
		return // the connection is over; the test will see that
	}
	for rest := []byte(data); len(rest) > 0; {
		n := min(len(rest), 1<<16)
		if _, err := w.Write(rest[:n]); err != nil {
			return
		}
		rest = rest[n:]
	}
	_ = w.Close()
}

func frame(kind, exchangeType string, fields any) string {
	data, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return "t:" + kind + ";;et:" + exchangeType + ";;e:" + string(data)
}

func (c *client) command(id, kind string, payload any) {
	c.raw(frame("COMMAND", kind, map[string]any{"id": id, "type": kind, "payload": payload}))
}

func (c *client) answer(m message, payload any) {
	c.raw(frame("REPLY", m.Type, map[string]any{
		"commandId": m.ID, "type": m.Type, "commandStatus": "SUCCEEDED", "payload": payload,
	}))
}

func (c *client) answerError(m message, text string) {
	c.raw(frame("REPLY", m.Type, map[string]any{
		"commandId": m.ID, "type": m.Type, "commandStatus": "ERROR", "errorDetails": text,
	}))
}

func (c *client) hello(target, provider string) message {
	c.w.Helper()
	c.command("hello", "HELLO", map[string]any{"targetId": target, "provider": provider})
	return c.expect("HELLO")
}

// expect waits for the next message, which must be of this type.
func (c *client) expect(kind string) message {
	c.w.Helper()
	select {
	case m := <-c.in:
		if m.Type != kind {
			c.w.Fatalf("got %s %s %v, want %s", m.Kind, m.Type, m.JSON, kind)
		}
		return m
	case err := <-c.closed:
		c.w.Fatalf("closed (%v), want %s", err, kind)
	case <-time.After(10 * time.Minute):
		c.w.Fatalf("no %s in ten minutes", kind)
	}
	return message{}
}

// quiet checks that nothing is waiting to be read.
func (c *client) quiet() {
	c.w.Helper()
	synctest.Wait()
	select {
	case m := <-c.in:
		c.w.Fatalf("unexpected %s %s %v", m.Kind, m.Type, m.JSON)
	case err := <-c.closed:
		c.w.Fatalf("unexpectedly closed: %v", err)
	default:
	}
}

// closeCode waits for the end of the connection, passing over other messages.
func (c *client) closeCode() int {
	c.w.Helper()
	select {
	case err := <-c.closed:
		if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
			return closed.Code
		}
		return websocket.CloseAbnormalClosure
	case <-time.After(10 * time.Minute):
		c.w.Fatal("still open after ten minutes")
	}
	return 0
}

// ingest sends one INGEST and gives its reply.
func (c *client) ingest(job string, done bool, apis ...map[string]any) message {
	c.w.Helper()
	c.sendIngest("ingest", job, done, apis...)
	return c.expect("INGEST")
}

func (c *client) sendIngest(id, job string, done bool, apis ...map[string]any) {
	if apis == nil {
		apis = []map[string]any{}
	}
	c.command(id, "INGEST", map[string]any{"ingestJobId": job, "apis": apis, "done": done})
}

// startJob has the stand-in start an ingest which the client accepts, and gives the job's id once
// APIM knows it.
func (w *world) startJob(c *client, total int) string {
	w.Helper()
	jobs := make(chan Job, 1)
	go func() {
		job, err := w.StartIngest(w.Context(), integrationID, nil)
		if err != nil {
			w.Error(err)
		}
		jobs <- job
	}()
	m := c.expect("START_INGEST")
	c.answer(m, map[string]any{"ingestJobId": m.payload("ingestJobId"), "total": total})
	return (<-jobs).ID
}

// sample is an API as a good agent sends it.
func sample(unique string, change ...func(api map[string]any)) map[string]any {
	api := map[string]any{
		"uniqueId": unique, "id": unique, "name": "Orders", "version": "1", "description": "d",
		"connectionDetails": map[string]any{"account": "1", "shared": "connection"}, "type": "PROXY",
		"pages": []any{map[string]any{"pageType": "SWAGGER", "content": "{}", "filename": "openapi.json"}},
		"plans": []any{plan("plan-1")},
		"metadata": []any{
			map[string]any{"name": "aws-api-gateway-stage", "value": "prod", "format": "STRING"},
			map[string]any{"name": "region", "value": "eu", "format": "STRING"},
		},
	}
	for _, f := range change {
		f(api)
	}
	return api
}

func plan(id string) map[string]any {
	return map[string]any{
		"id": id, "name": "Gold", "description": "p", "planSecurityType": "API_KEY", "characteristics": []any{"10/s"},
	}
}

func set(key string, value any) func(map[string]any) {
	return func(api map[string]any) { api[key] = value }
}

func codes(problems []Problem) []ProblemCode {
	var out []ProblemCode
	for _, p := range problems {
		out = append(out, p.Code)
	}
	return out
}
