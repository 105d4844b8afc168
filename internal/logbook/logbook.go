// Package logbook is the program's log: one form for all that is written, a level that can be changed while the program
// runs, and the last lines, for whoever asks afterwards.
package logbook

import (
	"io"
	"log/slog"
	"sync"
	"time"
)

// MaxRecent bounds the last lines that are kept, in bytes: a day or two at level info. It counts for the memory at rest,
// and a program that has said little has little of it.
const MaxRecent = 256 << 10

// Book is a log.
type Book struct {
	*slog.Logger
	// configured is the level until somebody changes it, and again afterwards.
	configured slog.Level
	level      slog.LevelVar
	lines      lines

	mu sync.Mutex
	// back has the configured level back at until; nil unless that is due.
	back  *time.Timer
	until time.Time
}

// New makes a log that writes lines in a form, text or json.
func New(w io.Writer, json bool, level slog.Level) *Book {
	b := &Book{configured: level, lines: lines{to: w}}
	b.level.Set(level)
	options := &slog.HandlerOptions{Level: &b.level}
	if json {
		options.ReplaceAttr = spellDurations
		b.Logger = slog.New(slog.NewJSONHandler(&b.lines, options))
	} else {
		b.Logger = slog.New(slog.NewTextHandler(&b.lines, options))
	}
	return b
}

// spellDurations writes durations in JSON as in text: slog's own JSON has nanoseconds without a unit.
func spellDurations(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// Level is the level that counts now, and until when: zero means as long as the program runs.
func (b *Book) Level() (now slog.Level, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.level.Level(), b.until
}

// SetLevel changes the level for a time; 0 means as long as the program runs. By is who wants that.
func (b *Book) SetLevel(level slog.Level, d time.Duration, by string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.set(level, by, slog.Duration("for", d))
	if d > 0 && level != b.configured {
		b.until = time.Now().Add(d)
		var back *time.Timer
		back = time.AfterFunc(d, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.back == back {
				b.set(b.configured, "the time that was given")
			}
		})
		b.back = back
	}
}

// Reset has the configured level back.
func (b *Book) Reset(by string) { b.SetLevel(b.configured, 0, by) }

func (b *Book) set(level slog.Level, by string, more ...any) {
	if b.back != nil {
		b.back.Stop()
	}
	b.back, b.until = nil, time.Time{}
	// It is said at whichever level is written: who reads the log later must know why it became silent.
	b.level.Set(min(level, slog.LevelInfo))
	b.Info("the level of the log changes", append([]any{"to", level, "by", by}, more...)...)
	b.level.Set(level)
}

// Recent is the last lines, the oldest first.
func (b *Book) Recent() []byte { return b.lines.recent() }

// lines writes lines, and keeps the last of them.
type lines struct {
	to io.Writer

	mu   sync.Mutex
	last [][]byte
	size int
}

// Write implements io.Writer. It gets one line at a time.
func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	kept := append([]byte(nil), line[:min(len(line), MaxRecent)]...)
	l.last, l.size = append(l.last, kept), l.size+len(kept)
	gone := 0
	for ; l.size > MaxRecent; gone++ {
		l.size -= len(l.last[gone])
		l.last[gone] = nil
	}
	l.last = l.last[gone:]
	l.mu.Unlock()
	return l.to.Write(line)
}

func (l *lines) recent() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]byte, 0, l.size)
	for _, line := range l.last {
		all = append(all, line...)
	}
	return all
}
