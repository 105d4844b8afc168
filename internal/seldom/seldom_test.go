package seldom

import (
	"bytes"
	"fmt"
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

// logs gives a log by a rule, and what it has written since it was last asked.
func logs(by func(*slog.Logger) *slog.Logger) (log *slog.Logger, lines func() []string) {
	var out buffer
	return by(slog.New(slog.NewTextHandler(&out, nil))), func() []string {
		synctest.Wait()
		return strings.FieldsFunc(out.take(), func(r rune) bool { return r == '\n' })
	}
}

func TestAFloodIsCountedAndNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, lines := logs(Floods)
		for n := range 100_000 {
			log.Warn("refused", "n", n)
		}
		log.Warn("another text")
		log.Error("refused", "n", "an error")
		if got := lines(); len(got) != examples+2 || !strings.Contains(got[0], "n=0") {
			t.Errorf("at once: %q", got)
		}
		time.Sleep(first)
		if got := lines(); len(got) != 1 || !strings.HasSuffix(got[0], "level=WARN msg=refused n=99999 repeated=99995") {
			t.Errorf("after the window: %q", got)
		}
		for window := 2 * first; window < 4*longest; window *= 2 { // while it goes on, one line a window
			log.Warn("refused", "n", "later")
			log.Warn("refused", "n", "last")
			if got := lines(); len(got) != 0 {
				t.Errorf("it goes on: %q", got)
			}
			time.Sleep(min(window, longest))
			if got := lines(); len(got) != 1 || !strings.HasSuffix(got[0], "n=last repeated=2") {
				t.Errorf("it goes on: %q", got)
			}
		}
		time.Sleep(longest)
		if got := lines(); len(got) != 0 {
			t.Errorf("nothing is left to tell: %q", got)
		}
		log.With("who", "me").WithGroup("g").Error("refused", "n", 1)
		if got := lines(); len(got) != 1 || !strings.HasSuffix(got[0], "level=ERROR msg=refused who=me g.n=1") {
			t.Errorf("once it has stopped: %q", got)
		}
	})
}

func TestAFaultOfManyTargetsIsOneLineWithThemAndThenOneInTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, lines := logs(Faults)
		for region := range 10 {
			log.Error("AWS cannot be used: no answer of region "+strings.Repeat("x", region), Cause, "unreachable",
				"target", fmt.Sprint("t", region))
		}
		log.Error("AWS cannot be used: denied", Cause, "denied", "target", "t3")
		if got := lines(); len(got) != 2 || !strings.Contains(got[0], "target=t0") || !strings.Contains(got[1], "denied") {
			t.Errorf("at once: %q", got)
		}
		time.Sleep(first)
		if got := lines(); len(got) != 1 || !strings.HasSuffix(got[0],
			`target=t9 repeated=9 targets="t0, t1, t2, t3, t4, t5, t6, t7, t8, t9"`) {
			t.Errorf("over all targets: %q", got)
		}
		for range 3 {
			for range 100 {
				time.Sleep(longest / 100)
				log.Error("AWS cannot be used: no answer", Cause, "unreachable", "target", "t1")
			}
			if got := lines(); len(got) != 1 || !strings.Contains(got[0], "unreachable target=t1 repeated=") {
				t.Errorf("in ten minutes: %q", got)
			}
		}
		time.Sleep(2 * longest)
		lines()
		log.Error("AWS cannot be used: no answer", Cause, "unreachable", "target", "t1")
		if got := lines(); len(got) != 1 || strings.Contains(got[0], "repeated") {
			t.Errorf("after ten minutes without: %q", got)
		}
	})
}

func TestAFaultThatComesBackWithinTenMinutesIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, lines := logs(Faults)
		log.Warn("closed")
		time.Sleep(time.Minute)
		log.Warn("closed")
		if got := lines(); len(got) != 1 {
			t.Errorf("at once: %q", got)
		}
		time.Sleep(longest)
		if got := lines(); len(got) != 1 || !strings.HasSuffix(got[0], "msg=closed repeated=1") {
			t.Errorf("in ten minutes: %q", got)
		}
	})
}
