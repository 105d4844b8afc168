package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"federation-agent/config"
	"federation-agent/internal/node"
	"federation-agent/internal/trust"
)

// askWithin bounds how long a running agent may take to answer: less than the 30 s after which Docker by default ends a
// health check.
const askWithin = 5 * time.Second

// maxAnswer, in bytes, bounds what is read of an answer. A status page with ten thousand listed keys has some 5 MB.
const maxAnswer = 64 << 20

func healthCommand(p process) *cobra.Command {
	command := &cobra.Command{
		Use:   "health",
		Short: "Asks the agent that runs on this machine whether it is healthy",
		Long: `Asks the node API of the agent that runs on this machine (or in the same container) and has the same
configuration, and prints its answer. An image without a shell can use it as its health check.
Exit code 0: healthy. 1: not healthy, or no answer. 2: configuration fault, or the node API is switched off.`,
	}
	live := command.Flags().Bool("live", false, "ask only for what a restart can mend")
	ready := command.Flags().Bool("ready", false, "ask whether every integration has a session to APIM")
	command.MarkFlagsMutuallyExclusive("live", "ready")
	return askCommand(p, func() string {
		switch {
		case *live:
			return "/_node/live"
		case *ready:
			return "/_node/ready"
		}
		return "/_node/health"
	}, command)
}

func statusCommand(p process) *cobra.Command {
	return askCommand(p, func() string { return "/_node/federation" }, &cobra.Command{
		Use:   "status",
		Short: "Prints what the agent that runs on this machine is doing, and what needs attention",
		Long: `Asks the node API of the agent that runs on this machine (or in the same container) and has the same
configuration. Prints its status page as JSON: sessions, accounts and regions, running ingests, keys to check.
Exit code 0: printed. 1: no answer. 2: configuration fault, or the node API is switched off.`,
	})
}

func askCommand(p process, path func() string, command *cobra.Command) *cobra.Command {
	// Secrets that only a session or AWS needs are not read: a health check every few seconds must not depend on them.
	return configured(p, command, "services.", func(cfg config.Config, _ []string) error {
		return ask(p, cfg.Services.HTTP, path())
	})
}

// ask prints what the node API of a running agent answers.
func ask(p process, cfg config.NodeHTTP, path string) error {
	switch {
	case !cfg.Enabled:
		return exit(exitConfiguration, "the node API is switched off by %s", nodeEnabled)
	case cfg.Port == 0:
		return exit(exitConfiguration, "only the agent's log names the node API's port; set %s to ask there", nodePort)
	}
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	response, err := request(ctx, cfg, path)
	if _, known := errors.AsType[*exitError](err); known {
		return err
	}
	if err != nil {
		return exit(exitInternal, "no agent answers here: %v", err)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return exit(exitInternal, "reading the agent's answer: %v", err)
	}
	if response.StatusCode == http.StatusUnauthorized {
		return exit(exitInternal, "the agent accepts no user of this configuration; see %sNAME", nodeUsers)
	}
	if _, err := p.stdout.Write(body); err != nil {
		return exit(exitInternal, "printing: %v", err)
	}
	if response.StatusCode != http.StatusOK {
		return exit(exitInternal, "answered with %s", response.Status)
	}
	return nil
}

// request asks the node API that has this configuration. The caller closes the answer.
func request(ctx context.Context, cfg config.NodeHTTP, path string) (*http.Response, error) {
	transport, scheme := &http.Transport{DisableKeepAlives: true}, "http" // this machine is reached without a proxy
	if cfg.Secured {
		self, err := trust.NewServer(cfg.ServerTLS(slog.New(slog.DiscardHandler)))
		if err != nil {
			return nil, notTrusted(err)
		}
		transport.TLSClientConfig, scheme = self.Self(), "https"
	}
	url := scheme + "://" + node.Address(cfg.Host, cfg.Port) + path
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, exit(exitConfiguration, "fault: %s: %v", nodeHost, err)
	}
	if users := userNames(cfg.Authentication); cfg.Authentication.Type == config.AuthenticationBasic && len(users) > 0 {
		request.SetBasicAuth(users[0], cfg.Authentication.Users[users[0]].Reveal())
	}
	return (&http.Client{Transport: transport}).Do(request)
}
