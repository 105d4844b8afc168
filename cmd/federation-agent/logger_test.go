package main

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"federation-agent/config"
)

func TestDurationsReadTheSameInBothFormsOfTheLog(t *testing.T) {
	for format, want := range map[string]string{
		"json": `"delay":"1.973s","g":{"timeout":"8s"}`, "text": "delay=1.973s g.timeout=8s",
	} {
		var written strings.Builder
		newLogger(&written, config.Log{Format: format}).Info("x", "delay", 1973*time.Millisecond,
			slog.Group("g", "timeout", 8*time.Second))
		if !strings.Contains(written.String(), want) {
			t.Errorf("%s: %s, want %s", format, written.String(), want)
		}
	}
}

func TestTheStartSaysWhereUnnamedSettingsCameFrom(t *testing.T) {
	var written strings.Builder
	cfg := config.Config{Notes: []string{"a file is read"}}
	logStart(newLogger(&written, config.Log{Format: "text"}), cfg, []string{"b is not read"})
	for _, want := range []string{
		`level=INFO msg="configuration: a file is read"`, `level=WARN msg="configuration: b is not read"`,
	} {
		if !strings.Contains(written.String(), want) {
			t.Errorf("%s\nwithout %s", written.String(), want)
		}
	}
}
