// Package wsconn is one websocket to an integration controller: dialled, read by one goroutine, written by another, and closed for
// good. Reconnecting is the session's task.
//
//   - The reader hands whole messages to the [Handler]. It never waits for what a message asks for: a message that makes work takes
//     a credit, and the credit comes back as soon as somebody took the message over ([Conn.ReturnCredit]), not when the work is done.
//     That is why waiting for one is safe: pongs and close frames are processed within the same read call, and a reader that waited
//     for work would let a healthy connection die of its own pong deadline.
//   - The writer alone writes: messages, pings, pongs and the close frame. Between two frames of a long message it lets control
//     frames pass. (gorilla/websocket itself writes a close frame where the peer breaks RFC 6455 or the message limit; the connection
//     is over then.)
//   - A ping follows each message whose delivery is to be proved. Controllers answer it only after they have read what came before
//     (run with exchange 1.8.2 and 2.0.1), so its pong proves delivery.
package wsconn
