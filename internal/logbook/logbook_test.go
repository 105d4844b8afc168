package logbook

import (
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestDurationsReadTheSameInBothFormsOfTheLog(t *testing.T) {
	for json, want := range map[bool]string{
		true: `"delay":"1.973s","g":{"timeout":"8s"}`, false: "delay=1.973s g.timeout=8s",
	} {
		var written strings.Builder
		New(&written, json, slog.LevelInfo).Info("x", "delay", 1973*time.Millisecond, slog.Group("g", "timeout", 8*time.Second))
		if !strings.Contains(written.String(), want) {
			t.Errorf("%s, want %s", written.String(), want)
		}
	}
}

func TestALevelIsChangedForATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var written strings.Builder
		b := New(&written, false, slog.LevelInfo)
		is := func(want slog.Level, until time.Time) {
			t.Helper()
			synctest.Wait()
			if got, at := b.Level(); got != want || !at.Equal(until) || b.Enabled(t.Context(), want-1) || !b.Enabled(t.Context(), want) {
				t.Errorf("level %s until %s, want %s until %s", got, at, want, until)
			}
		}
		is(slog.LevelInfo, time.Time{})
		b.SetLevel(slog.LevelDebug, 10*time.Minute, "anna")
		is(slog.LevelDebug, time.Now().Add(10*time.Minute))
		time.Sleep(9 * time.Minute)
		b.SetLevel(slog.LevelWarn, 10*time.Minute, "anna") // the end of the first time is not that of the second
		time.Sleep(9 * time.Minute)
		is(slog.LevelWarn, time.Now().Add(time.Minute))
		time.Sleep(time.Minute)
		is(slog.LevelInfo, time.Time{})
		b.SetLevel(slog.LevelError, 0, "anna")
		time.Sleep(24 * time.Hour)
		is(slog.LevelError, time.Time{})
		b.Reset("anna")
		is(slog.LevelInfo, time.Time{})
		for _, want := range []string{"to=DEBUG by=anna for=10m0s", "to=WARN by=anna", `to=INFO by="the time that was given"`, "to=ERROR"} {
			if !strings.Contains(written.String(), `level=INFO msg="the level of the log changes" `+want) {
				t.Errorf("%s\nwithout %s", &written, want)
			}
		}
	})
}

func TestTheLastLinesAreKept(t *testing.T) {
	b := New(io.Discard, true, slog.LevelInfo)
	for n := range 10_000 {
		b.Info("a line", "n", n, "text", strings.Repeat("x", 100))
	}
	b.Debug("is not written")
	b.Info(strings.Repeat("y", 100<<10))
	recent := string(b.Recent())
	if len(recent) > MaxRecent || len(recent) < MaxRecent-1000 || !strings.HasPrefix(recent, `{"time"`) ||
		!strings.Contains(recent, `"n":9999`) || strings.Contains(recent, `"n":1,`) || strings.Contains(recent, "is not") {
		t.Errorf("%d bytes: %.100s", len(recent), recent)
	}
	b.Info(strings.Repeat("z", MaxRecent))
	if recent := b.Recent(); len(recent) > MaxRecent {
		t.Errorf("%d bytes", len(recent))
	}
	fresh := New(io.Discard, false, slog.LevelInfo)
	fresh.Info("one")
	if got := string(fresh.Recent()); !strings.HasSuffix(got, "level=INFO msg=one\n") {
		t.Errorf("%q", got)
	}
}
