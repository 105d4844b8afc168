package apimsim

import (
	"github.com/gorilla/websocket"
)

// onMessage is what the controller does with a message. It reports whether a script cuts the
// connection now.
//
// Close codes, all read in gravitee-exchange: text message 1003; t: neither COMMAND nor REPLY 1002;
// COMMAND without e: 1002; another command before HELLO 1002; REPLY without e: or commandId 1011.
// JSON that cannot be read is thrown away in silence.
func (s *session) onMessage(kind int, data []byte) (cut bool) {
	if kind == websocket.TextMessage {
		s.apim.problem(Problem{Code: ProblemTextMessage, Integration: s.integrationID})
		s.closeWith(websocket.CloseUnsupportedData, "Unsupported text frame")
		return false
	}
	if len(data) == 0 || s.isClosed() {
		return false
	}
	frame := wholeFrame(string(data))
	if s.apim.features.splits {
		frame = splitFrame(string(data))
	}
	fault := s.receivedFault(frame)
	if fault.CutBefore {
		return true
	}
	if !fault.Ignore {
		s.handle(frame)
	}
	return fault.CutAfter
}

func (s *session) isClosed() bool {
	s.apim.mu.Lock()
	defer s.apim.mu.Unlock()
	return s.closeCode != 0
}

func (s *session) receivedFault(f rawFrame) ReceivedFault {
	s.received++
	key := f.kind + " " + f.exchangeType
	s.receivedByType[key]++
	if s.apim.opts.Script.Received == nil {
		return ReceivedFault{}
	}
	return s.apim.opts.Script.Received(ReceivedEvent{
		Conn: s.conn, Nth: s.received, Kind: f.kind, Type: f.exchangeType,
		NthOfType: s.receivedByType[key], IntegrationID: s.integrationID,
	})
}

func (s *session) handle(f rawFrame) {
	switch {
	case f.kind == "":
		s.closeWith(websocket.CloseProtocolError, "Exchange message unknown")
	case f.kind == kindCommand && !f.hasExchange:
		s.closeWith(websocket.CloseProtocolError, "Unrecognized incoming exchange")
	case f.kind == kindCommand:
		c, err := readCommand(f.exchange, s.apim.known)
		if err != nil {
			s.unreadable(f, err)
			return
		}
		s.onCommand(c)
	case !f.hasExchange:
		s.closeWith(websocket.CloseInternalServerErr, "Unexpected error while handling incoming websocket exchange")
	default:
		r, err := readReply(f.exchange)
		if err != nil {
			s.unreadable(f, err)
			return
		}
		if r.CommandID == "" {
			s.closeWith(websocket.CloseInternalServerErr, "Unexpected error while handling incoming websocket exchange")
			return
		}
		s.onReply(r)
	}
}

func (s *session) unreadable(f rawFrame, err error) {
	s.apim.problem(Problem{
		Code: ProblemUnreadable, Integration: s.integrationID,
		Subject: f.kind + " " + f.exchangeType, Detail: err.Error(),
	})
}

func (s *session) onCommand(c inCommand) {
	a := s.apim
	a.mu.Lock()
	active := s.active
	a.mu.Unlock()
	switch {
	case c.kind == typeHello:
		s.onHello(c)
	case !active:
		s.closeWith(websocket.CloseProtocolError, "Hello Command is first expected to initialize the exchange channel")
	case c.kind == typeGoodBye: // no handler is registered for it in APIM
		s.closeWith(websocket.CloseTryAgainLater, "")
	case c.kind == typeIngest:
		s.onIngest(c)
	case c.kind == typeUnknown:
		s.reply(outReply{
			CommandID: c.id, Type: typeUnknown, CommandStatus: StatusError, ErrorDetails: "Command unknown", Payload: empty{},
		})
	default:
		s.reply(outReply{
			CommandID: c.id, Type: typeNoReply, CommandStatus: StatusError, Payload: empty{},
			ErrorDetails: a.noHandler(c.kind),
		})
	}
}

// noHandler is NO_REPLY's text; 4.4 writes the type without quotes (run).
func (a *APIM) noHandler(kind string) string {
	if !a.features.legacy {
		kind = "'" + kind + "'"
	}
	return "No handler found for command type " + kind + ". Ignoring"
}

// onReply hands a reply to whoever waits for it on this channel, and notes it either way.
func (s *session) onReply(r Reply) {
	a := s.apim
	a.mu.Lock()
	waiting, ok := s.pending[r.CommandID]
	delete(s.pending, r.CommandID)
	fault := a.ledger.replied(r, s.conn, ok)
	a.mu.Unlock()
	if fault != "" {
		a.problem(Problem{Code: fault, Integration: s.integrationID, Subject: r.Type + " " + r.CommandID})
	}
	if ok {
		waiting <- r
	}
}
