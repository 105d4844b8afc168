package main

import (
	"strings"
	"testing"

	"federation-agent/config"
)

func TestTheStartSaysWhereUnnamedSettingsCameFrom(t *testing.T) {
	var written strings.Builder
	cfg := config.Config{Notes: []string{"a file is read"}}
	logStart(newLogger(&written, config.Log{Format: "text"}).Logger, cfg, []string{"b is not read"})
	for _, want := range []string{
		`level=INFO msg="configuration: a file is read"`, `level=WARN msg="configuration: b is not read"`,
	} {
		if !strings.Contains(written.String(), want) {
			t.Errorf("%s\nwithout %s", written.String(), want)
		}
	}
}
