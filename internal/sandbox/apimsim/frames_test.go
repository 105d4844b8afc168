package apimsim

import (
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
)

func TestAFrameOverTheLimitClosesTheConnection(t *testing.T) {
	run(t, Options{}, func(t *testing.T, w *world) {
		c := w.connect()
		c.expect("PRIMARY")
		// gorilla would fragment: a binary frame of 65,537 zero bytes, masked with zeros, by hand.
		tooLarge := append([]byte{0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0}, make([]byte, DefaultMaxFrame+1)...)
		go c.ws.NetConn().Write(tooLarge) // refused on purpose
		if got := c.closeCode(); got != 1009 {
			t.Errorf("closed with %d", got)
		}
		synctest.Wait()
		if diff := cmp.Diff([]ProblemCode{ProblemFrameTooLarge}, codes(w.Problems())); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAMessageOverTheLimitClosesTheConnectionAndOneAtTheLimitDoesNot(t *testing.T) {
	run(t, Options{MaxMessage: 200_000}, func(t *testing.T, w *world) {
		c := w.connect()
		c.expect("PRIMARY")
		frame := `t:COMMAND;;et:X;;e:{"id":"1","type":"X","payload":"` // 200,000 bytes in all
		c.raw(frame + strings.Repeat("x", 200_000-len(frame)-2) + `"}`)
		c.expect("UNKNOWN")
		go c.raw(frame + strings.Repeat("x", 200_000-len(frame)-1) + `"}`)
		if got := c.closeCode(); got != 1009 {
			t.Errorf("closed with %d", got)
		}
	})
}

func TestALargeCommandGoesOutInContinuationFrames(t *testing.T) {
	var frames []Frame
	run(t, Options{OnFrame: func(f Frame) {
		if !f.Inbound && (f.Opcode == OpBinary || f.Opcode == OpContinuation) {
			frames = append(frames, f)
		}
	}}, func(t *testing.T, w *world) {
		c := w.connect()
		c.expect("PRIMARY")
		synctest.Wait()
		frames = nil
		// nobody answers
		go w.SendCommand(t.Context(), integrationID, "BIG", map[string]string{"x": strings.Repeat("ä;;", 50_000)})
		if m := c.expect("BIG"); len(m.payload("x").(string)) != 200_000 {
			t.Errorf("%d bytes", len(m.payload("x").(string)))
		}
		total := int64(0)
		for i, f := range frames {
			total += f.Length
			if f.Length > DefaultMaxFrame || f.Final != (i == len(frames)-1) || (f.Opcode == OpBinary) != (i == 0) {
				t.Errorf("frame %d: %+v", i, f)
			}
		}
		if len(frames) != 4 || total < 200_000 {
			t.Errorf("%d frames, %d bytes", len(frames), total)
		}
	})
}

func TestAPongComesOnlyAfterEverythingBeforeItsPingWasRead(t *testing.T) {
	run(t, Options{}, func(t *testing.T, w *world) {
		c := w.connect()
		c.expect("PRIMARY")
		pong := make(chan string, 1)
		c.ws.SetPongHandler(func(data string) error {
			if len(w.StrayReplies()) != 1 {
				t.Error("pong before the reply was read")
			}
			pong <- data
			return nil
		})
		c.raw(frame("REPLY", "X", map[string]any{
			"commandId": "nobody", "type": "X", "payload": map[string]string{"x": strings.Repeat("x", 900_000)},
		}))
		if err := c.ws.WriteControl(websocket.PingMessage, []byte("proof"), time.Time{}); err != nil {
			t.Fatal(err)
		}
		if got := <-pong; got != "proof" {
			t.Errorf("pong %q", got)
		}
	})
}

func TestPingsMayGoUnanswered(t *testing.T) {
	run(t, Options{Script: &Script{Pong: func(_, nth int) bool { return nth != 1 }}}, func(t *testing.T, w *world) {
		c := w.connect()
		pongs := make(chan string, 2)
		c.ws.SetPongHandler(func(data string) error { pongs <- data; return nil })
		for _, data := range []string{"1", "2"} {
			if err := c.ws.WriteControl(websocket.PingMessage, []byte(data), time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		if got := <-pongs; got != "2" {
			t.Errorf("pong %q", got)
		}
	})
}

func TestItWorksOverTCPAndTheCloseFrameArrivesDespiteUnreadBytes(t *testing.T) {
	a, err := New(Options{Integrations: []Integration{{ID: integrationID}}})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Serve(l); err != nil {
		t.Fatal(err)
	}
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+l.Addr().String()+"/exchange/controller", v1(token))
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	hello := frame("COMMAND", "HELLO", map[string]any{
		"id": "1", "type": "HELLO", "payload": map[string]any{"targetId": integrationID, "provider": "aws-api-gateway"},
	})
	if err := ws.WriteMessage(websocket.BinaryMessage, []byte(hello)); err != nil {
		t.Fatal(err)
	}
	if _, data, err := ws.ReadMessage(); err != nil || parse(data).Status != "SUCCEEDED" {
		t.Fatalf("%s, %v", data, err)
	}
	tooLarge := append([]byte{0x82, 0xFF, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0}, make([]byte, 0x400000)...)
	if _, err := ws.NetConn().Write(tooLarge); err != nil {
		t.Fatal(err)
	}
	for {
		if _, _, err := ws.ReadMessage(); err != nil {
			if !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
				t.Error(err)
			}
			return
		}
	}
}
