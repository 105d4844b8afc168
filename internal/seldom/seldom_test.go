package seldom

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// buffer is what was logged since it was last taken.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.text.Reset()
	return b.text.String()
}

func TestARepeatedFaultIsCountedAndNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out buffer
		log := New(slog.New(slog.NewTextHandler(&out, nil)))
		lines := func() []string {
			synctest.Wait()
			return strings.FieldsFunc(out.take(), func(r rune) bool { return r == '\n' })
		}
		for n := range 100_000 {
			log.Warn("refused", "n", n)
		}
		log.Warn("another text")
		if got := lines(); len(got) != most+1 || !strings.Contains(got[0], "n=0") {
			t.Errorf("at once: %q", got)
		}
		time.Sleep(window)
		if got := lines(); len(got) != 1 || !strings.HasSuffix(got[0], "level=WARN msg=refused n=99999 repeated=99995") {
			t.Errorf("after the window: %q", got)
		}
		for range 3 { // while it goes on, one line a window
			log.Warn("refused", "n", "later")
			log.Warn("refused", "n", "last")
			if got := lines(); len(got) != 0 {
				t.Errorf("it goes on: %q", got)
			}
			time.Sleep(window)
			if got := lines(); len(got) != 1 || !strings.HasSuffix(got[0], "n=last repeated=2") {
				t.Errorf("it goes on: %q", got)
			}
		}
		time.Sleep(window)
		if got := lines(); len(got) != 0 {
			t.Errorf("nothing is left to tell: %q", got)
		}
		log.With("who", "me").WithGroup("g").Error("refused", "n", 1)
		if got := lines(); len(got) != 1 || !strings.HasSuffix(got[0], "level=ERROR msg=refused who=me g.n=1") {
			t.Errorf("once it has stopped: %q", got)
		}
	})
}
