package apimsim

import (
	"context"
	"fmt"
	"time"

	"github.com/gorilla/websocket"
)

// keptCommand is a command that waits in a cluster's queue, since no node has a channel. It knows no time: whoever comes
// next gets it, also when nobody waits for its answer any more.
type keptCommand struct {
	id      string
	of      command
	data    []byte
	arrived chan Reply // has room for the answer
}

// keep puts a command into the queue, and waits for the answer as if it had been sent.
func (a *APIM) keep(ctx context.Context, integrationID string, c command) (Reply, error) {
	k := keptCommand{id: a.newID(), of: c, arrived: make(chan Reply, 1)}
	var err error
	if k.data, err = encodeFrame(kindCommand, c.kind, outCommand{ID: k.id, Type: c.kind, Payload: c.payload}); err != nil {
		return Reply{}, err
	}
	a.mu.Lock()
	a.kept[integrationID] = append(a.kept[integrationID], k)
	a.mu.Unlock()
	reply, err := a.await(ctx, c.kind, k.arrived)
	if err != nil {
		err = fmt.Errorf("%s: %w", c.kind, err)
	}
	return reply, err
}

// handOver gives a session that has just registered what the queue has kept.
func (a *APIM) handOver(s *session, integrationID string) {
	a.mu.Lock()
	kept := a.kept[integrationID]
	if s.pending == nil { // it is gone again
		kept = nil
	} else {
		delete(a.kept, integrationID)
	}
	for _, k := range kept {
		s.pending[k.id] = k.arrived
		a.ledger.sent(CommandRecord{
			ID: k.id, Type: k.of.kind, IntegrationID: integrationID, Subject: k.of.subject, Conn: s.conn, SentAt: time.Now(),
		})
	}
	a.mu.Unlock()
	for _, k := range kept {
		s.out.push(outItem{kind: websocket.BinaryMessage, data: k.data})
	}
}
