// Package proxy is a TCP proxy that cuts or silences connections where a contract case wants it: at a byte, or at
// a text in what the controller sends (what the agent sends is masked, so only its bytes can be counted).
package proxy

import (
	"net"
	"sync"
)

// Direction of a connection.
type Direction int

// The directions.
const (
	// ToTarget is from the agent to the controller.
	ToTarget Direction = iota
	// ToClient is the other way.
	ToClient
)

// Action is what a trigger does.
type Action int

// The actions.
const (
	// Note does nothing but tell that it was reached.
	Note Action = iota
	// CutBefore resets the connection both ways; what was looked for and all behind it is not forwarded.
	CutBefore
	// CutBehind forwards what was looked for, then closes both ways without a word of websocket.
	CutBehind
)

// Trigger waits for a place in one direction of a connection.
type Trigger struct {
	Direction Direction
	// Text is looked for; without one, Bytes are counted.
	Text string
	// Nth is which occurrence of Text it is; 0 means the first.
	Nth int
	// Bytes may pass before the trigger is reached, counted from when it was set.
	Bytes  int
	Action Action
	// Then is set once this one is reached.
	Then *Trigger
}

// Proxy listens on loopback and forwards to one address. Close ends it and all connections.
type Proxy struct {
	listener net.Listener
	target   string
	plan     func(connection int) *Trigger
	reached  chan int
	done     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	count  int
	links  map[*link]bool
}

// New starts a proxy. plan gives the trigger of each connection, numbered from 1; nil sets none on any.
func New(target string, plan func(connection int) *Trigger) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	if plan == nil {
		plan = func(int) *Trigger { return nil }
	}
	p := &Proxy{
		listener: listener, target: target, plan: plan, reached: make(chan int, maxReached), links: map[*link]bool{},
	}
	p.done.Go(p.accept)
	return p, nil
}

// maxReached is more triggers than any case sets.
const maxReached = 100

// Address is host:port of the proxy.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Reached yields the number of a connection each time that its last trigger was reached.
func (p *Proxy) Reached() <-chan int { return p.reached }

// Silence swallows, from now on, whatever either side of the present connections sends, their end included: both
// are half-open. Later connections are not concerned.
func (p *Proxy) Silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.silence()
	}
}

// Cut resets the present connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.cut(true)
	}
}

// Close ends the proxy.
func (p *Proxy) Close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Cut()
	p.done.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		target, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.count++
		l := &link{number: p.count, client: client, target: target, trigger: p.plan(p.count), reached: p.reached}
		p.links[l] = true
		closed := p.closed
		p.mu.Unlock()
		if closed {
			l.cut(true)
		}
		p.done.Go(func() { p.serve(l) })
	}
}

// serve pumps both ways; a link is known until both have ended, so that Close reaches a half-open one.
func (p *Proxy) serve(l *link) {
	var pumps sync.WaitGroup
	pumps.Go(func() { l.pump(ToTarget) })
	pumps.Go(func() { l.pump(ToClient) })
	pumps.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}
