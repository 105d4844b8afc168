package session

import (
	"time"

	"federation-agent/internal/exchange"
	"federation-agent/internal/exchange/wsconn"
	"federation-agent/messages"
)

// A command may be old when it is read: it lay in a socket, in the process while that stood still, or with the
// controller. It bears no time, and APIM has rejected a subscription whose SUBSCRIBE got no answer within 60 s. What
// bounds its age are pings: ours, in our time, and the controller's own, which go on where our clocks stand still.
const (
	// controllerWaits is how long the controller waits for the answer to a command.
	controllerWaits = time.Minute
	// uselessAfter is how many of the controller's pings, read behind a SUBSCRIBE, make a key for it useless: it has
	// waited for 45 s at least then, and our own time ends 5 s later.
	uselessAfter = uint64(messages.AnswerWithin / wsconn.PingInterval)
	// overAfter is how many of them may have come in more than the time that the controller waits.
	overAfter = uint64(controllerWaits / wsconn.PingInterval)
	// keptWithin is how soon behind HELLO's answer a command may be one that the controller had kept for the one who comes
	// next: in a cluster, APIM's queue hands on what nobody read, minutes late and within milliseconds of that answer.
	// A pong proves then that APIM has read the answer, not that it still wanted it.
	keptWithin = time.Second

	tooOld = "the command was too old when the agent read it; try again"
)

// asked is a command, and what is known of when it was sent.
type asked struct {
	exchange.Command
	notBefore time.Time
	pings     uint64 // the controller's, read before it
	kept      bool   // the controller may have kept it for long
}

// askedBy is a command as it came in a message.
func (s *session) askedBy(m wsconn.Message, c exchange.Command) asked {
	a := asked{Command: c, notBefore: s.helloAt, pings: m.PeerPings}
	if m.NotBefore.After(a.notBefore) {
		a.notBefore = m.NotBefore
	}
	a.kept = s.readyAt.IsZero() || time.Since(s.readyAt) < keptWithin
	return a
}

// useless reports whether the controller has waited so long for a command's answer that a key would not be taken.
func (a asked) useless(conn *wsconn.Conn) bool { return conn.PeerPings()-a.pings >= uselessAfter }

// delivery is what a receipt says of an answer. A pong proves that the controller has read it; in time, only if neither
// clock says otherwise.
func (a asked) delivery(o wsconn.Outcome, conn *wsconn.Conn) messages.Delivery {
	switch {
	case o == wsconn.NeverSent:
		return messages.NeverSent
	case o == wsconn.Delivered && !a.kept && time.Since(a.notBefore) < controllerWaits &&
		conn.PeerPings()-a.pings < overAfter:
		return messages.Delivered
	default:
		return messages.Unproved
	}
}
