package exchange_test

import (
	"errors"
	"strings"
	"testing"

	"federation-agent/internal/exchange"
)

func decodeReply(t *testing.T, message string) exchange.Reply {
	t.Helper()
	frame, err := exchange.ReadFrame([]byte(message))
	if err != nil {
		t.Fatal(err)
	}
	reply, err := exchange.DecodeReply(frame)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func TestAHelloReplyTellsTheTargetToUse(t *testing.T) {
	reply := decodeReply(
		t,
		`t:REPLY;;et:HELLO;;e:{"commandId":"6f","type":"HELLO","commandStatus":"SUCCEEDED",`+
			`"payload":{"targetId":"INTEGRATION_ID"}}`,
	)
	if reply.CommandID != "6f" || reply.Status != exchange.StatusSucceeded || reply.HelloTargetID() != "INTEGRATION_ID" {
		t.Errorf("%+v", reply)
	}
}

func TestARefusedHelloSaysWhy(t *testing.T) {
	reply := decodeReply(
		t,
		`t:REPLY;;et:HELLO;;e:{"commandId":"6f","type":"HELLO","commandStatus":"ERROR",`+
			`"errorDetails":"Integration [id=x] not found"}`,
	)
	if reply.Status != exchange.StatusError || reply.ErrorDetails != "Integration [id=x] not found" ||
		reply.HelloTargetID() != "" {
		t.Errorf("%+v", reply)
	}
}

func TestAReplyWithoutATargetHasNone(t *testing.T) {
	for _, message := range []string{
		`t:REPLY;;et:INGEST;;e:{"commandId":"1","type":"INGEST","commandStatus":"SUCCEEDED",` +
			`"payload":{"targetId":"not HELLO's"}}`,
		`t:REPLY;;et:HELLO;;e:{"commandId":"1","commandStatus":"SUCCEEDED","payload":"odd"}`,
		`t:REPLY;;et:HELLO;;e:{"commandId":"1","commandStatus":"SUCCEEDED","payload":null}`,
	} {
		if got := decodeReply(t, message).HelloTargetID(); got != "" {
			t.Errorf("%s has the target %q", message, got)
		}
	}
}

func TestAllFourStatusesAreRead(t *testing.T) {
	for _, status := range []exchange.Status{"PENDING", "IN_PROGRESS", "SUCCEEDED", "ERROR"} {
		message := `t:REPLY;;et:INGEST;;e:{"commandId":"1","type":"INGEST","commandStatus":"` + string(status) + `"}`
		if got := decodeReply(t, message).Status; got != status {
			t.Errorf("%s is read as %s", status, got)
		}
	}
}

func TestAMalformedReplyIsIgnored(t *testing.T) {
	for _, json := range []string{
		``, `{`, `null`, `[]`, `{"commandStatus":"SUCCEEDED"}`, `{"commandId":"1"}`,
		`{"commandId":"1","commandStatus":"MAYBE"}`,
		`{"commandId":` + long + `,"commandStatus":"SUCCEEDED"}`, `{"commandId":"1","commandStatus":` + long + `}`,
	} {
		_, err := exchange.DecodeReply(exchange.Frame{Kind: exchange.KindReply, Type: "INGEST", JSON: []byte(json)})
		var fault *exchange.FrameError
		if !errors.As(err, &fault) || !fault.Silent() {
			t.Errorf("%s: %v", json, err)
		}
	}
}

func TestAReplysTextAndTargetAreBounded(t *testing.T) {
	got := decodeReply(
		t,
		`t:REPLY;;et:HELLO;;e:{"commandId":"1","type":"HELLO","commandStatus":"ERROR","errorDetails":`+long+
			`,"payload":{"targetId":`+long+`}}`,
	)
	if got.ErrorDetails != strings.Repeat("x", 1024) || got.HelloTargetID() != "" {
		t.Errorf("%d bytes of a reason, target of %d", len(got.ErrorDetails), len(got.HelloTargetID()))
	}
}
