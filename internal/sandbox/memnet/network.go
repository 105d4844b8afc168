// Package memnet is a network in memory for simulations and tests:
// connections with buffers, latency, cuts and black holes.
//
// Unlike net.Pipe, whose writes return only once they are read, a write here returns when the buffer took it, so that
// "written but never delivered" can happen. All waiting is on sync.Cond and timers, so it stands still in a
// testing/synctest bubble as it should.
package memnet

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Network connects dialers to listeners. Its methods may be called from any goroutine.
type Network struct {
	plan func(ID) Plan

	mu        sync.Mutex
	listeners map[string]*listener
	dialled   map[ID]int // with N 0
	links     []*Link
	fenced    map[string]bool
}

// New makes a network. plan says what befalls each connection, and is called once for each, when it is dialled; nil
// means no faults.
func New(plan func(ID) Plan) *Network {
	if plan == nil {
		plan = func(ID) Plan { return NoPlan() }
	}
	return &Network{plan: plan, listeners: map[string]*listener{}, dialled: map[ID]int{}, fenced: map[string]bool{}}
}

// Listen takes an address, any text with a port behind a colon. It fails when the address is taken.
func (n *Network) Listen(address string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, taken := n.listeners[address]; taken {
		return nil, opError("listen", address, syscall.EADDRINUSE)
	}
	l := &listener{network: n, address: address}
	l.changed = sync.NewCond(&l.mu)
	n.listeners[address] = l
	return l, nil
}

// Dialer gives the dial function of one who is named from; it fits http.Transport and wsconn.Options.
func (n *Network) Dialer(from string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, _, address string) (net.Conn, error) { return n.dial(ctx, from, address) }
}

// Dial dials as "dialer".
func (n *Network) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return n.Dialer("dialer")(ctx, network, address)
}

func (n *Network) dial(ctx context.Context, from, address string) (net.Conn, error) {
	n.mu.Lock()
	key := ID{From: from, To: address}
	n.dialled[key]++
	id := ID{From: from, To: address, N: n.dialled[key]}
	n.mu.Unlock()

	plan := n.plan(id)
	switch {
	case plan.DialError != nil:
		return nil, opError("dial", address, plan.DialError)
	case plan.DialHangs:
		<-ctx.Done()
		return nil, opError("dial", address, ctx.Err())
	}
	if err := sleep(ctx, plan.ToListener.Latency+plan.ToDialer.Latency); err != nil {
		return nil, opError("dial", address, err)
	}

	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.listeners[address]
	if l == nil || n.fenced[from] {
		return nil, opError("dial", address, syscall.ECONNREFUSED)
	}
	link := newLink(id, plan)
	if !l.offer(link.listenerEnd) {
		return nil, opError("dial", address, syscall.ECONNREFUSED)
	}
	n.links = append(slices.DeleteFunc(n.links, (*Link).over), link)
	return link.dialerEnd, nil
}

// Links gives the connections that are open, in the order in which they were made.
func (n *Network) Links() []*Link {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.links = slices.DeleteFunc(n.links, (*Link).over)
	return slices.Clone(n.links)
}

// Fence takes one who dials off the network, as a crash does: all its connections are cut and it can open no other.
func (n *Network) Fence(from string) {
	n.mu.Lock()
	n.fenced[from] = true
	links := slices.Clone(n.links)
	n.mu.Unlock()
	for _, link := range links {
		if link.id.From == from {
			link.Cut()
		}
	}
}

// listener is a net.Listener.
type listener struct {
	network *Network
	address string

	mu      sync.Mutex
	changed *sync.Cond
	waiting []*conn
	closed  bool
}

func (l *listener) offer(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.waiting = append(l.waiting, c)
	l.changed.Broadcast()
	return true
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.waiting) == 0 && !l.closed {
		l.changed.Wait()
	}
	if l.closed {
		return nil, opError("accept", l.address, net.ErrClosed)
	}
	first := l.waiting[0]
	l.waiting = l.waiting[1:]
	return first, nil
}

// Close implements net.Listener. Connections that nobody accepted are cut; accepted ones live on.
func (l *listener) Close() error {
	l.network.mu.Lock()
	if l.network.listeners[l.address] == l {
		delete(l.network.listeners, l.address)
	}
	l.network.mu.Unlock()

	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return opError("close", l.address, net.ErrClosed)
	}
	l.closed = true
	orphans := l.waiting
	l.waiting = nil
	l.changed.Broadcast()
	l.mu.Unlock()
	for _, c := range orphans {
		c.link.Cut()
	}
	return nil
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return addr(l.address) }

// addr is a net.Addr.
type addr string

func (addr) Network() string  { return "tcp" } // what HTTP servers and clients expect
func (a addr) String() string { return string(a) }

func opError(op, address string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: addr(address), Err: err}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// String names the connection.
func (id ID) String() string { return fmt.Sprintf("%s->%s#%d", id.From, id.To, id.N) }
