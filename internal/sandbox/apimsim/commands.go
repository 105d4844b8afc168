package apimsim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gorilla/websocket"
)

// command is what is to be sent. subject is for the script alone.
type command struct {
	kind    string
	subject string
	payload any
}

// SendCommand sends any command to an integration's agent, by the route of the options, and waits
// for the reply, 60 s at most. It is never repeated. A reply with status ERROR is not an error here;
// UNKNOWN and NO_REPLY are, and then the reply is returned as well.
func (a *APIM) SendCommand(ctx context.Context, integrationID, commandType string, payload any) (Reply, error) {
	return a.SendCommandBy(ctx, a.opts.Route, integrationID, commandType, payload)
}

// SendCommandBy is SendCommand with a route of its own.
func (a *APIM) SendCommandBy(
	ctx context.Context, route Route, integrationID, commandType string, payload any,
) (Reply, error) {
	s, err := a.pick(route, integrationID)
	if err != nil {
		return Reply{}, err
	}
	return a.sendTo(ctx, s, command{kind: commandType, payload: payload})
}

// SendCommandTo is SendCommand over one connection, by its number.
func (a *APIM) SendCommandTo(ctx context.Context, conn int, commandType string, payload any) (Reply, error) {
	s := a.sessionByConn(conn)
	if s == nil {
		return Reply{}, fmt.Errorf("connection %d: %w", conn, ErrNoAgent)
	}
	return a.sendTo(ctx, s, command{kind: commandType, payload: payload})
}

// WriteRaw writes any bytes as one binary message over a connection: frames no controller would send.
func (a *APIM) WriteRaw(conn int, data []byte) error {
	s := a.sessionByConn(conn)
	if s == nil || !s.out.push(outItem{kind: websocket.BinaryMessage, data: data}) {
		return fmt.Errorf("connection %d: %w", conn, ErrNoAgent)
	}
	return nil
}

func (a *APIM) pick(route Route, integrationID string) (*session, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	primary, all := a.primary[integrationID], a.sessionsOfLocked(integrationID)
	if f := a.opts.Script.Channel; f != nil && route == a.opts.Route && len(all) > 1 {
		a.picked[integrationID]++
		return all[f(integrationID, a.picked[integrationID], len(all))], nil
	}
	for _, s := range all {
		if route == RouteAny || (s == primary) == (route == RoutePrimary) || route == RouteSecondary && len(all) == 1 {
			return s, nil
		}
	}
	return nil, fmt.Errorf("integration %s: %w", integrationID, ErrNoAgent)
}

// request sends a command by the options' route; its error covers replies of status ERROR as well.
func (a *APIM) request(ctx context.Context, integrationID string, c command) (Reply, error) {
	return a.requestBy(ctx, a.opts.Route, integrationID, c)
}

func (a *APIM) requestBy(ctx context.Context, route Route, integrationID string, c command) (Reply, error) {
	s, err := a.pick(route, integrationID)
	if f := a.opts.Script.Keep; errors.Is(err, ErrNoAgent) && f != nil && f(integrationID, c.kind) {
		return accepted(a.keep(ctx, integrationID, c))
	}
	if err != nil {
		return Reply{}, err
	}
	return accepted(a.sendTo(ctx, s, c))
}

func accepted(reply Reply, err error) (Reply, error) {
	if err == nil && reply.Status == StatusError {
		err = fmt.Errorf("%s: %w: %s", reply.Type, ErrRefused, reply.ErrorDetails)
	}
	return reply, err
}

func (a *APIM) sendTo(ctx context.Context, s *session, c command) (Reply, error) {
	id := a.newID()
	data, err := encodeFrame(kindCommand, c.kind, outCommand{ID: id, Type: c.kind, Payload: c.payload})
	if err != nil {
		return Reply{}, err
	}
	arrived := make(chan Reply, 1)
	a.mu.Lock()
	if s.pending == nil {
		a.mu.Unlock()
		return Reply{}, fmt.Errorf("%s: %w", c.kind, ErrChannelClosed)
	}
	s.pending[id] = arrived
	key := s.integrationID + " " + c.kind
	a.sent[key]++
	event := CommandEvent{IntegrationID: s.integrationID, Type: c.kind, Nth: a.sent[key], Subject: c.subject, Conn: s.conn}
	record := a.ledger.sent(CommandRecord{
		ID: id, Type: c.kind, IntegrationID: s.integrationID, Subject: c.subject, Conn: s.conn, SentAt: time.Now(),
	})
	a.mu.Unlock()

	fault := CommandFault{}
	if f := a.opts.Script.Command; f != nil {
		fault = f(event)
	}
	if fault.Delay > 0 {
		a.spawn(func() { a.writeCommand(s, data, fault) })
	} else {
		a.writeCommand(s, data, fault)
	}

	reply, err := a.await(ctx, c.kind, arrived)
	a.mu.Lock()
	delete(s.pending, id)
	record.Outcome = outcome(reply, err)
	a.mu.Unlock()
	if err != nil {
		err = fmt.Errorf("%s: %w", c.kind, err)
	}
	return reply, err
}

// await waits for the answer to a command, for as long as the controller does.
func (a *APIM) await(ctx context.Context, kind string, arrived <-chan Reply) (reply Reply, err error) {
	timeout := time.NewTimer(a.opts.CommandTimeout)
	defer timeout.Stop()
	select {
	case r, ok := <-arrived:
		if !ok {
			return r, ErrChannelClosed
		}
		return r, usable(kind, r)
	case <-timeout.C:
		return reply, ErrNoReply
	case <-ctx.Done():
		return reply, ctx.Err()
	case <-a.ctx.Done():
		return reply, ErrClosed
	}
}

// usable says what the real controller makes of a reply before anyone looks at its payload.
func usable(kind string, r Reply) error {
	switch r.Type {
	case kind:
		return nil
	case typeNoReply:
		return fmt.Errorf("%w: %s", ErrNotHandled, r.ErrorDetails)
	case typeUnknown:
		return fmt.Errorf("%w: %s", ErrUnknownCommand, r.ErrorDetails)
	default: // the cast to the command's reply class fails
		return fmt.Errorf("%w: its type is %q", ErrBadReply, r.Type)
	}
}

func outcome(r Reply, err error) string {
	switch {
	case err == nil:
		return r.Status
	case errors.Is(err, ErrNoReply):
		return "TIMEOUT"
	case errors.Is(err, ErrChannelClosed):
		return "CLOSED"
	default:
		return "FAILED"
	}
}

// writeCommand writes a command with whatever the script has in mind for it.
func (a *APIM) writeCommand(s *session, data []byte, fault CommandFault) {
	if !a.pause(fault.Delay, s.gone) || fault.Lose {
		return
	}
	if fault.CutBefore {
		s.cut()
		return
	}
	if fault.Copies > 0 && fault.CopyDelay > 0 {
		later := CommandFault{Delay: fault.CopyDelay, Copies: fault.Copies - 1}
		a.spawn(func() { a.writeCommand(s, data, later) })
		fault.Copies = 0
	}
	items := make([]outItem, 0, fault.Copies+1)
	for range fault.Copies + 1 {
		items = append(items, outItem{kind: websocket.BinaryMessage, data: data})
	}
	a.mu.Lock()
	if fault.HoldBack {
		s.heldBack = append(s.heldBack, items...)
		a.mu.Unlock()
		a.spawn(func() {
			if a.pause(longestHoldBack, s.gone) {
				s.out.push(s.takeHeldBack()...)
			}
		})
		return
	}
	a.mu.Unlock()
	items = append(items, s.takeHeldBack()...)
	if fault.CutAfter {
		items[len(items)-1].then = s.cut
	}
	s.out.push(items...)
}

// longestHoldBack is how long a command is held back when no other comes: it waits for a thread, not for an event.
const longestHoldBack = 2 * time.Second

func (s *session) takeHeldBack() []outItem {
	s.apim.mu.Lock()
	defer s.apim.mu.Unlock()
	held := s.heldBack
	s.heldBack = nil
	return held
}

// decode reads a reply's payload for a use case; a missing one is an error.
func decode(r Reply) (*reader, error) {
	if r.Payload == nil {
		return nil, fmt.Errorf("%s: %w: no payload", r.Type, ErrBadReply)
	}
	o, err := readObject(r.Payload)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", r.Type, ErrBadReply, err)
	}
	return &reader{object: o}, nil
}
