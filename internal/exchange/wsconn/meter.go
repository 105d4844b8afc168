package wsconn

import (
	"errors"
	"net"
	"sync/atomic"
)

var errHandshakeTooBig = errors.New("the answer to the upgrade request does not end")

// meter counts what passes over a connection.
type meter struct {
	net.Conn
	// written counts bytes that the connection accepted.
	written atomic.Int64
	// readFailed is set once reading failed, which tells a lost connection from a peer that broke the protocol.
	readFailed atomic.Bool
	// budget is how many bytes may still be read while upgrading is true.
	upgrading atomic.Bool
	budget    atomic.Int64
}

func (m *meter) Read(p []byte) (int, error) {
	if m.upgrading.Load() && m.budget.Load() <= 0 {
		return 0, errHandshakeTooBig
	}
	n, err := m.Conn.Read(p)
	m.budget.Add(int64(-n))
	if err != nil {
		m.readFailed.Store(true)
	}
	return n, err
}

func (m *meter) Write(p []byte) (int, error) {
	n, err := m.Conn.Write(p)
	m.written.Add(int64(n))
	return n, err
}
