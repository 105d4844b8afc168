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
