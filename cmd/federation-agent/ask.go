package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

func healthCommand(p process) *cobra.Command {
	command := &cobra.Command{
		Use:   "health",
		Short: "Asks a running agent whether it is healthy",
		Long: `Asks the node API of a running agent whether it is healthy, and prints its answer. An image without a shell
can use it as its health check.
` + whichAgent + `

Exit code 0: healthy. 1: not healthy, or no answer. 2: configuration fault, or the node API is switched off.`,
		Example: `  federation-agent health
  federation-agent health --live
  federation-agent health --url https://agent.example.com:18084 --user admin --password-file password.txt`,
	}
	live := command.Flags().Bool("live", false, "ask only for what a restart can mend")
	ready := command.Flags().Bool("ready", false, "ask whether every integration has a session to APIM")
	command.MarkFlagsMutuallyExclusive("live", "ready")
	command.Args = cobra.NoArgs
	return asking(p, command, func(ctx context.Context, agent *peer, _ []string) error {
		path := "/_node/health"
		switch {
		case *live:
			path = "/_node/live"
		case *ready:
			path = "/_node/ready"
		}
		return show(ctx, p, agent, path)
	})
}

// show prints what a running agent answers, also that it is not healthy.
func show(ctx context.Context, p process, agent *peer, path string) error {
	said, err := agent.get(ctx, path)
	if err == nil {
		_, err = fmt.Fprint(p.stdout, said.text)
	}
	if err == nil && said.code != http.StatusOK {
		err = exit(exitInternal, "answered with %s", said.status)
	}
	return err
}
