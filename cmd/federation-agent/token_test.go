package main

import (
	"bytes"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"federation-agent/config"
)

// open is the configuration of an agent whose node API has no users.
func open(store string) config.Config {
	var cfg config.Config
	cfg.Services.HTTP = config.NodeHTTP{
		Enabled: true, Port: 18084, Authentication: config.NodeAuthentication{Type: config.AuthenticationNone},
	}
	cfg.Agent.Store.Path = store
	return cfg
}

func TestTheTokenIsInAFileForItsUserAloneUntilTheAgentEnds(t *testing.T) {
	for name, where := range map[string]func(*testing.T) (store, beside string){
		"beside the journal": func(t *testing.T) (string, string) {
			dir := t.TempDir()
			return dir, dir
		},
		"the journal's directory cannot be had": func(t *testing.T) (string, string) {
			dir := t.TempDir()
			t.Setenv("TMPDIR", dir)
			return filepath.Join(file(t, "no-directory", ""), "data"), dir
		},
	} {
		t.Run(name, func(t *testing.T) {
			store, beside := where(t)
			cfg := open(store)
			stale := filepath.Join(beside, "federation-agent-18084.token")
			if err := os.WriteFile(stale, []byte("of a process that was killed"), 0o644); err != nil {
				t.Fatal(err)
			}
			token, remove := newToken(cfg, &net.TCPAddr{Port: 18084}, slog.New(slog.DiscardHandler))
			info, err := os.Stat(stale)
			if err != nil || info.Mode() != fs.FileMode(0o600) {
				t.Fatalf("%v %v", info, err)
			}
			if got := readToken(cfg); got != token.Reveal() || len(got) < 40 {
				t.Errorf("the command reads a token of %d characters, want that of the agent", len(got))
			}
			next, removeNext := newToken(cfg, &net.TCPAddr{Port: 18084}, slog.New(slog.DiscardHandler))
			remove() // a next process has begun
			if readToken(cfg) != next.Reveal() {
				t.Error("a process that ends takes the next one's token away")
			}
			removeNext()
			if left, _ := os.ReadDir(beside); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestWithoutAPlaceForTheTokenTheLogSaysWhatToSet(t *testing.T) {
	var log bytes.Buffer
	nowhere := filepath.Join(file(t, "no-directory", ""), "data")
	t.Setenv("TMPDIR", nowhere)
	token, _ := tokenIn([]string{filepath.Join(nowhere, "x")}, slog.New(slog.NewTextHandler(&log, nil)))
	if token.Reveal() != "" || !strings.Contains(log.String(), nodeUsers) {
		t.Errorf("%s", log.String())
	}
}
