package process

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Wire is a TCP proxy that delays every byte, and that can lose a connection in the ways that networks do.
type Wire struct {
	listener net.Listener
	to       string
	latency  time.Duration
	running  sync.WaitGroup

	mu    sync.Mutex
	pairs map[string]*pair // by the address that APIM sees
}

// pair is one connection: near is the agent's half, far APIM's.
type pair struct {
	near, far net.Conn
	// Which way bytes vanish.
	toNear, toFar atomic.Bool
}

// NewWire makes one of its own on a free port of loopback, to host:port. Each byte takes latency, each way.
func NewWire(to string, latency time.Duration) (*Wire, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &Wire{listener: listener, to: to, latency: latency, pairs: map[string]*pair{}}
	w.running.Go(w.accept)
	return w, nil
}

// Address is the host:port at which it listens.
func (w *Wire) Address() string { return w.listener.Addr().String() }

// Close ends it with all of its connections.
func (w *Wire) Close() {
	_ = w.listener.Close()
	w.mu.Lock()
	for _, p := range w.pairs {
		p.reset()
	}
	w.mu.Unlock()
	w.running.Wait()
}

// Carries reports whether a connection is there, by the address that APIM sees.
func (w *Wire) Carries(remoteAddress string) bool { return w.pair(remoteAddress) != nil }

// Cut ends a connection at once, both ways: what was under way is lost. It reports whether there was one.
func (w *Wire) Cut(remoteAddress string) bool {
	p := w.pair(remoteAddress)
	if p != nil {
		p.reset()
	}
	return p != nil
}

// Swallow makes a hole of a connection: it stays open, and what is sent towards the agent, or towards APIM, vanishes
// until one end gives up. It reports whether there was a connection.
func (w *Wire) Swallow(remoteAddress string, toAgent, toAPIM bool) bool {
	p := w.pair(remoteAddress)
	if p != nil {
		p.toNear.Store(toAgent)
		p.toFar.Store(toAPIM)
	}
	return p != nil
}

func (w *Wire) pair(remoteAddress string) *pair {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pairs[remoteAddress]
}

func (w *Wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", w.to)
		if err != nil {
			_ = near.Close()
			continue
		}
		p, name := &pair{near: near, far: far}, far.LocalAddr().String()
		w.mu.Lock()
		w.pairs[name] = p
		w.mu.Unlock()
		w.running.Go(func() {
			var both sync.WaitGroup
			both.Go(func() { w.carry(near, far, &p.toFar) })
			both.Go(func() { w.carry(far, near, &p.toNear) })
			both.Wait()
			w.mu.Lock()
			delete(w.pairs, name)
			w.mu.Unlock()
		})
	}
}

// reset drops both halves without a word: their peers see a reset.
func (p *pair) reset() {
	for _, half := range []net.Conn{p.near, p.far} {
		if tcp, ok := half.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = half.Close()
	}
}

type parcel struct {
	bytes []byte
	due   time.Time
}

// carry brings what comes from one end to the other, late. When the one ends, so does the other.
func (w *Wire) carry(from, to net.Conn, swallow *atomic.Bool) {
	parcels := make(chan parcel, 1024)
	var delivering sync.WaitGroup
	defer delivering.Wait()
	delivering.Go(func() {
		for p := range parcels {
			time.Sleep(time.Until(p.due))
			if !swallow.Load() {
				_, _ = to.Write(p.bytes) // an end that is gone shows in the other direction
			}
		}
		_ = to.Close()
	})
	defer close(parcels)
	for {
		buffer := make([]byte, 16<<10)
		n, err := from.Read(buffer)
		if n > 0 {
			parcels <- parcel{bytes: buffer[:n], due: time.Now().Add(w.latency)}
		}
		if err != nil {
			_ = from.Close()
			return
		}
	}
}
