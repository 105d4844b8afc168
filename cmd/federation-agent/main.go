// Command federation-agent feeds the REST APIs of AWS API Gateway to Gravitee APIM and turns APIM's
// subscriptions into API keys. Its other subcommands check a configuration, start stand-ins for APIM and
// AWS, and show the whole at work; see federation-agent --help.
package main

import (
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// Two, so that the second one is not lost while the first is being looked at.
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	os.Exit(execute(process{
		args: os.Args[1:], environ: os.Environ(), stdout: os.Stdout, stderr: os.Stderr, signals: signals,
	}))
}

// process is what a command is given of the world around it.
type process struct {
	args    []string
	environ []string
	stdout  io.Writer
	stderr  io.Writer
	signals <-chan os.Signal
}
