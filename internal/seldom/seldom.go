// Package seldom is a log for what would be written again and again: it counts, and writes a line now and then.
package seldom

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"federation-agent/internal/words"
)

const (
	// first is how long lines of one text are counted together when they begin: the count appears while somebody still
	// looks.
	first = 10 * time.Second
	// longest is how long they are counted together at most while they go on.
	longest = 10 * time.Minute
	// examples is how many lines of a flood are written at once. What people cause by hand stays below it.
	examples = 5

	// Cause is the field that tells faults of one text apart. Its values must be few, such as the classes of errors. Lines
	// with it are of one text if they are the same up to the first colon: the reason behind it has many words.
	Cause = "cause"
	// target is the field whose values are collected, and targets the one that names them.
	target, targets = "target", "targets"
	// repeated is the field with how many lines were left out; what stands beside it is of the last one.
	repeated = "repeated"
)

// rule says how much of one text is written.
type rule struct {
	most int // lines as they come
	// lasts: what is written once is of the same fault for the next window, too.
	lasts bool
	next  func(time.Duration) time.Duration
}

var (
	flood = rule{most: examples, next: func(window time.Duration) time.Duration { return min(2*window, longest) }}
	fault = rule{most: 1, lasts: true, next: func(time.Duration) time.Duration { return longest }}
)

// Floods gives a log for what the sender of commands can repeat as fast as the network carries them. It writes the first
// five lines of a text within ten seconds. What follows is one line with a count after that time, and then after twice as
// long each time, up to ten minutes, until nothing comes any more. Texts must be constant, but for what [Cause] allows.
func Floods(log *slog.Logger) *slog.Logger { return with(log, flood) }

// Faults gives a log for what lasts, and befalls many targets alike. It writes the first line of a text. What follows
// within ten seconds is one line with a count and the targets, and so is what follows in each ten minutes, until nothing
// comes any more. Texts must be constant, but for what [Cause] allows.
func Faults(log *slog.Logger) *slog.Logger { return with(log, fault) }

func with(log *slog.Logger, r rule) *slog.Logger {
	return slog.New(handler{Handler: log.Handler(), said: &said{rule: r, texts: map[key]*text{}}})
}

// handler writes the first lines of a text. The others it counts, until the window is over.
type handler struct {
	slog.Handler
	said *said
}

// said is what was logged in the windows that are open, by text. The texts are constants of the program, so they are
// few.
type said struct {
	rule  rule
	mu    sync.Mutex
	texts map[key]*text
}

type key struct {
	level       slog.Level
	text, cause string
}

type text struct {
	window time.Duration
	lines  int
	// targets are those of all lines, also of those that were written.
	targets []string
	// last is the last line that was left out, and by is who would have written it.
	last slog.Record
	by   slog.Handler
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
	k, of := key{level: line.Level, text: line.Message}, ""
	line.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case Cause:
			k.cause = a.Value.Resolve().String()
			k.text, _, _ = strings.Cut(line.Message, ":")
		case target:
			of = a.Value.Resolve().String()
		}
		return true
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.texts[k]
	if t == nil {
		t = &text{window: first}
		s.texts[k] = t
		time.AfterFunc(first, func() { s.end(k) })
	}
	t.lines++
	if of != "" && !slices.Contains(t.targets, of) {
		t.targets = append(t.targets, of)
	}
	if t.lines <= s.rule.most {
		return false
	}
	t.last, t.by = line.Clone(), by
	return true
}

// end is the end of a window: what was left out is told, and the next window begins.
func (s *said) end(k key) {
	s.mu.Lock()
	t := *s.texts[k]
	left := t.lines - s.rule.most
	if left > 0 || s.rule.lasts && t.window == first {
		next := s.rule.next(t.window)
		s.texts[k] = &text{window: next, lines: s.rule.most} // no more examples until it has stopped
		time.AfterFunc(next, func() { s.end(k) })
	} else {
		delete(s.texts, k)
	}
	s.mu.Unlock()
	if left <= 0 {
		return
	}
	t.last.Time = time.Now() // lines are in the order of their times
	t.last.AddAttrs(slog.Int(repeated, left))
	if len(t.targets) > 1 {
		t.last.AddAttrs(slog.String(targets, words.Few(t.targets, words.Many, ", ")))
	}
	_ = t.by.Handle(context.Background(), t.last) // as a Logger does, too
}
