// Command federation-agent sends the REST APIs of AWS API Gateway to Gravitee APIM and turns APIM's subscriptions into
// API keys. Its other subcommands check a configuration, start stand-ins for APIM and AWS, and demonstrate the agent;
// see federation-agent --help.
package main

import (
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"federation-agent/internal/secrets"
)

func main() {
	// Two, so that the second signal is not lost while the first one is handled.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(execute(process{
		os.Args[0], os.Args[1:], os.Environ(), os.Stdout, os.Stderr, signals, os.Exit, secrets.New(),
	}))
}

// process is what a command may use of the process that it runs in.
type process struct {
	// program is the path that the user called, or that go run built and called.
	program        string
	args, environ  []string
	stdout, stderr io.Writer
	signals        <-chan os.Signal
	// end ends the process at once.
	end func(code int)
	// secrets holds what the settings refer to.
	secrets *secrets.Keeper
}

// invoked is how the user who started the program calls it again.
func (p process) invoked() string {
	// go run builds into a directory of this name, and deletes it.
	if strings.Contains(filepath.ToSlash(p.program), "/go-build") {
		return "go run ./cmd/federation-agent"
	}
	return p.program
}
