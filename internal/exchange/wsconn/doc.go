// Package wsconn is one websocket to an integration controller: one goroutine reads it, another writes it, and once
// closed it stays closed. To connect again is the session's task.
//
//   - The reader hands over whole messages. It never waits for the work that a message asks for. A message takes a
//     credit, whatever it is: a flood of replies fills memory as well as one of commands. The credit comes back as soon
//     as the message was accepted ([Conn.Accepted]), not when the work is done. So to wait for a credit is safe. A
//     reader that waited for the work would let a healthy connection end at its own pong deadline, because pongs and
//     close frames are read by the same call.
//   - Only the writer writes: messages, pings, pongs and the close frame. Between two frames of a long message it
//     writes the control frames that wait. (gorilla/websocket itself writes a close frame if the peer breaks RFC 6455
//     or the message limit. The connection is over then.)
//   - A ping follows each message whose delivery must be proved. Controllers answer it only after they have read the
//     message (seen in runs with exchange 1.8.2 and 2.0.1), so the pong proves the delivery.
//   - A message that is read may be old: the process stood still, or the network held it up. Pings of both sides bound
//     its age ([Message]).
package wsconn
