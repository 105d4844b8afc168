// Command federation-agent feeds the REST APIs of AWS API Gateway to Gravitee APIM and turns APIM's
// subscriptions into API keys. Its other subcommands check a configuration, start stand-ins for APIM and
// AWS, and show the whole at work; see federation-agent --help.
package main

import (
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	// Two, so that the second one is not lost while the first is being looked at.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(execute(process{
		program: os.Args[0], args: os.Args[1:], environ: os.Environ(), stdout: os.Stdout, stderr: os.Stderr, signals: signals,
	}))
}

// process is what a command is given of the world around it.
type process struct {
	// program is what the user called, or what go run made and called.
	program string
	args    []string
	environ []string
	stdout  io.Writer
	stderr  io.Writer
	signals <-chan os.Signal
}

// invoked is how the program is called again, by who started it in this way.
func (p process) invoked() string {
	if strings.Contains(filepath.ToSlash(p.program), "/go-build") { // go run runs what it built in a directory of this name, and deletes it
		return "go run ./cmd/federation-agent"
	}
	return p.program
}
