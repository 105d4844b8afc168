package main

import (
	"errors"
	"net"
	"sync"
	"time"
)

// wire is a TCP proxy that delays every byte.
type wire struct {
	listener net.Listener
	to       string
	latency  time.Duration
	running  sync.WaitGroup
}

func newWire(to string, latency time.Duration) (*wire, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &wire{listener: listener, to: to, latency: latency}
	w.running.Go(w.accept)
	return w, nil
}

func (w *wire) address() string { return w.listener.Addr().String() }

func (w *wire) close() {
	_ = w.listener.Close()
	w.running.Wait()
}

func (w *wire) accept() {
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
		w.running.Go(func() { w.carry(near, far) })
		w.running.Go(func() { w.carry(far, near) })
	}
}

type parcel struct {
	bytes []byte
	due   time.Time
}

// carry brings what comes from one end to the other, late. When the one ends, so does the other.
func (w *wire) carry(from, to net.Conn) {
	parcels := make(chan parcel, 1024)
	w.running.Go(func() {
		broken := false
		for p := range parcels {
			time.Sleep(time.Until(p.due))
			if broken {
				continue
			}
			if _, err := to.Write(p.bytes); err != nil {
				broken = true
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
			if errors.Is(err, net.ErrClosed) {
				return
			}
			_ = from.Close()
			return
		}
	}
}
