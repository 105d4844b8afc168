// Package seldom is a log for faults that the sender of commands can repeat as fast as the network carries them.
package seldom

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// window is how long lines of one text are counted together: the count appears while somebody still looks.
	window = 10 * time.Second
	// most is how many of them are written in a window, as examples. What people cause by hand stays below it.
	most = 5
	// repeated is the field with how many lines were left out; what stands beside it is of the last one.
	repeated = "repeated"
)

// handler writes the first lines of a text. The others it counts, until the window is over.
type handler struct {
	slog.Handler
	said *said
}

// said is what was logged in the windows that are open, by text. The texts are constants of the program, so they are
// few.
type said struct {
	mu    sync.Mutex
	texts map[string]*text
}

type text struct {
	lines int
	// last is the last line that was left out, and by is who would have written it.
	last slog.Record
	by   slog.Handler
}

// New gives a log that writes through another, and what is repeated only as a count. Texts must be constant.
func New(log *slog.Logger) *slog.Logger {
	return slog.New(handler{Handler: log.Handler(), said: &said{texts: map[string]*text{}}})
}

// Handle implements slog.Handler.
func (h handler) Handle(ctx context.Context, line slog.Record) error {
	if h.said.leavesOut(line, h.Handler) {
		return nil
	}
	return h.Handler.Handle(ctx, line)
}

// WithAttrs implements slog.Handler.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{Handler: h.Handler.WithAttrs(attrs), said: h.said}
}

// WithGroup implements slog.Handler.
func (h handler) WithGroup(name string) slog.Handler {
	return handler{Handler: h.Handler.WithGroup(name), said: h.said}
}

func (s *said) leavesOut(line slog.Record, by slog.Handler) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.texts[line.Message]
	if t == nil {
		t = &text{}
		s.texts[line.Message] = t
		time.AfterFunc(window, func() { s.end(line.Message) })
	}
	t.lines++
	if t.lines <= most {
		return false
	}
	t.last, t.by = line.Clone(), by
	return true
}

// end is the end of a window: what was left out is told, and the next window begins.
func (s *said) end(message string) {
	s.mu.Lock()
	t := *s.texts[message]
	if t.lines > most {
		s.texts[message] = &text{lines: most} // it goes on, probably: no more examples until it has stopped
		time.AfterFunc(window, func() { s.end(message) })
	} else {
		delete(s.texts, message)
	}
	s.mu.Unlock()
	if left := t.lines - most; left > 0 {
		t.last.AddAttrs(slog.Int(repeated, left))
		_ = t.by.Handle(context.Background(), t.last) // as a Logger does, too
	}
}
