package wsconn

import (
	"errors"
	"math"
	"net"
	"sync/atomic"
)

var errHandshakeTooBig = errors.New("the answer to the upgrade request does not end")

// meter counts the bytes of a connection.
type meter struct {
	net.Conn
	// written is the number of bytes that the connection accepted.
	written atomic.Int64
	// readFailed is set once a read failed. It tells a lost connection from a peer that broke the protocol.
	readFailed atomic.Bool
	// budget is how many bytes may still be read.
	budget atomic.Int64
}

// unlimited is a budget that no connection uses up.
const unlimited = math.MaxInt64

func newMeter(conn net.Conn, budget int64) *meter {
	m := &meter{Conn: conn}
	m.budget.Store(budget)
	return m
}

func (m *meter) Read(p []byte) (int, error) {
	if m.budget.Load() <= 0 {
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
