package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"federation-agent/config"
)

// askWithin bounds how long a running agent may take to say how it is: less than the 30 s after which Docker gives a
// health check up unless told otherwise.
const askWithin = 5 * time.Second

// maxAnswer bounds what is read of an answer. A status page with ten thousand listed keys has some 5 MB.
const maxAnswer = 64 << 20

func healthCommand(p process) *cobra.Command {
	return askCommand(p, "/_node/health", &cobra.Command{
		Use:   "health",
		Short: "Asks the agent that runs on this machine whether it is healthy",
		Long: `Asks the node API of the agent that runs on this machine, in the same container for one, with the same configuration,
and prints its answer. An image without a shell checks its health with it.
Exit code 0: healthy. 1: not healthy, or no answer. 2: configuration fault, or the node API is switched off.`,
	})
}

func statusCommand(p process) *cobra.Command {
	return askCommand(p, "/_node/federation", &cobra.Command{
		Use:   "status",
		Short: "Prints what the agent that runs on this machine is doing, and what is to be looked at",
		Long: `Asks the node API of the agent that runs on this machine, in the same container for one, with the same configuration,
for its status page, and prints it as JSON: sessions, accounts and regions, running ingests, unconfirmed keys, lost creates.
Exit code 0: printed. 1: no answer. 2: configuration fault, or the node API is switched off.`,
	})
}

func askCommand(p process, path string, command *cobra.Command) *cobra.Command {
	var files []string
	command.Args = cobra.NoArgs
	command.RunE = func(*cobra.Command, []string) error {
		cfg, _, err := load(p.environ, files)
		if err != nil {
			return err
		}
		return ask(p, cfg.Services.HTTP, path)
	}
	configFlag(command, &files)
	return command
}

// ask prints what the node API of a running agent answers.
func ask(p process, cfg config.NodeHTTP, path string) error {
	switch {
	case !cfg.Enabled:
		return &exitError{code: exitConfiguration, text: "the node API is switched off by " + nodeEnabled}
	case cfg.Port == 0:
		return &exitError{code: exitConfiguration, text: "the agent's log says which port the node API took; set " + nodePort + " to ask there"}
	}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+net.JoinHostPort(reachable(cfg.Host), fmt.Sprint(cfg.Port))+path, nil)
	if err != nil {
		return &exitError{code: exitConfiguration, text: fmt.Sprintf("fault: %s: %v", nodeHost, err)}
	}
	if users := userNames(cfg.Authentication); cfg.Authentication.Type == config.AuthenticationBasic && len(users) > 0 {
		request.SetBasicAuth(users[0], cfg.Authentication.Users[users[0]].Reveal())
	}
	client := http.Client{Timeout: askWithin, Transport: &http.Transport{}} // no proxy leads to this machine
	response, err := client.Do(request)
	if err != nil {
		return &exitError{code: exitInternal, text: fmt.Sprintf("no agent answers here: %v", err)}
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return &exitError{code: exitInternal, text: fmt.Sprintf("reading the agent's answer: %v", err)}
	}
	if response.StatusCode == http.StatusUnauthorized {
		return &exitError{code: exitInternal, text: "the agent lets nobody in that this configuration names; see " + nodeUsers + "NAME"}
	}
	if _, err := p.stdout.Write(body); err != nil {
		return &exitError{code: exitInternal, text: fmt.Sprintf("printing: %v", err)}
	}
	if response.StatusCode != http.StatusOK {
		return &exitError{code: exitInternal, text: "answered with " + response.Status}
	}
	return nil
}

// reachable is where somebody who listens on all addresses, or on localhost, is found.
func reachable(host string) string {
	if host == "localhost" {
		return "127.0.0.1"
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		if ip.To4() != nil {
			return "127.0.0.1"
		}
		return "::1"
	}
	return host
}
