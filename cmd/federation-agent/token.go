package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"federation-agent/actors/life"
	"federation-agent/config"
	"federation-agent/internal/node"
	"federation-agent/internal/secret"
)

// Where the node API has no users, a command on the agent's own machine, or in its container, proves itself by a token
// of a file that only the agent's user can read. Each start makes a new one.

// sharedMemory is writable in a container with a read-only root, and in a pod, without any volume.
const sharedMemory = "/dev/shm"

// tokenFiles are where the file may be, the best first: beside the journal, which may be read-only or missing. The port
// tells agents apart that share a machine.
func tokenFiles(cfg config.Config, port int) []string {
	name := fmt.Sprintf("federation-agent-%d.token", port)
	var files []string
	for _, dir := range []string{cfg.Agent.Store.Path, os.TempDir(), sharedMemory} {
		files = append(files, filepath.Join(dir, name))
	}
	return files
}

// newToken makes the token and its file, where the node API needs one. remove removes the file, unless a next process
// has made its own meanwhile.
func newToken(cfg config.Config, served net.Addr, log *slog.Logger) (token secret.String, remove func()) {
	if cfg.Services.HTTP.Authentication.Type != config.AuthenticationNone {
		return secret.String{}, func() {}
	}
	port := 0
	if tcp, is := served.(*net.TCPAddr); is {
		port = tcp.Port // that of the configuration, or the one that the system chose
	}
	return tokenIn(tokenFiles(cfg, port), log)
}

// tokenIn makes the first of the files that can be made.
func tokenIn(files []string, log *slog.Logger) (token secret.String, remove func()) {
	token = node.NewToken()
	var all error
	for _, name := range files {
		err := writeToken(name, token)
		if err == nil {
			return token, func() {
				if text, err := os.ReadFile(name); err == nil && string(text) == token.Reveal() {
					_ = os.Remove(name)
				}
			}
		}
		all = errors.Join(all, err)
	}
	log.Warn("no file can be made for the token of commands beside the agent, so none of them can change anything or "+
		"see the settings; configure a user of the node API", life.LogSetting, nodeUsers+"NAME", life.LogError, all)
	return secret.String{}, func() {}
}

// writeToken makes the file anew: what somebody else has put there is not written to.
func writeToken(name string, token secret.String) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(token.Reveal())
	return errors.Join(err, file.Close())
}

// readToken gives the token of the agent that has this configuration; empty if there is no file. The newest counts: a
// process that was killed leaves its own.
func readToken(cfg config.Config) (token string) {
	var newest time.Time
	for _, name := range tokenFiles(cfg, cfg.Services.HTTP.Port) {
		info, err := os.Stat(name)
		if err != nil || !info.ModTime().After(newest) {
			continue
		}
		if text, err := os.ReadFile(name); err == nil {
			token, newest = strings.TrimSpace(string(text)), info.ModTime()
		}
	}
	return token
}
