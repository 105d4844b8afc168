package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/spf13/cobra"

	actors "federation-agent/actors/agent"
	"federation-agent/config"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/doctor"
	"federation-agent/internal/node"
)

func doctorCommand(p process) *cobra.Command {
	command := &cobra.Command{
		Use:   "doctor",
		Short: "Checks online what validate cannot: APIM, AWS, the disk and the port",
		Long: `Loads the configuration as run does, asks APIM and AWS whether they would serve this agent, and prints
what each check found and what to do about it: name, connection, TLS, proxy, token and integration of APIM,
and what agent.apim.token may do in its REST API, where agent.apim.url is set; credentials, roles, regions,
permissions to list, the queue of events, and the clock, of AWS; the store, a directory or a table; the node API's port.

It changes nothing, and an agent that runs is not disturbed: to APIM it says HELLO as another kind of agent,
which APIM refuses, and what it says of the integration then is the answer. To AWS it makes two calls for each
account and region, and some to STS. Whether keys may be made and deleted is not tried without --make-a-key.

Exit code 0: all is good. 1: something needs attention, or it was interrupted.
2: configuration fault, as with validate.`,
		Example: `  federation-agent doctor
  federation-agent doctor --config gravitee.yml
  federation-agent doctor --make-a-key
  federation-agent doctor --json | jq '.checks[] | select(.verdict == "attention")'
  docker compose run --rm integration-agent doctor
  kubectl exec deployment/federation-agent-aws-api-gateway -- /federation-agent doctor`,
	}
	asJSON := command.Flags().Bool("json", false, "print the results for programs")
	makeAKey := command.Flags().Bool("make-a-key", false,
		"make an API key in each account and region, try to attach it, and delete it (3 more calls each)")
	return configured(p, command, func(cfg config.Config, warnings []string) error {
		for _, w := range warnings {
			fmt.Fprintf(p.stderr, "warning: %s\n", w)
		}
		return examine(p, cfg, *asJSON, *makeAKey)
	})
}

func examine(p process, cfg config.Config, asJSON, makeAKey bool) error {
	quiet := slog.New(slog.DiscardHandler) // the results say it
	secured, dial, err := wayToAPIM(cfg, quiet)
	if err != nil {
		return err
	}
	options := doctor.Options{
		Config: cfg, MakeAKey: makeAKey, TLS: secured, Dial: dial,
		Credentials: func(ctx context.Context, of config.Provider) (*apigateway.Credentials, error) {
			signIn := actors.CredentialsOf(cfg, of)
			signIn.Log = quiet
			return apigateway.NewCredentials(ctx, signIn)
		},
		Table:   func(ctx context.Context) (doctor.Table, error) { return openTable(ctx, cfg, nil, quiet) },
		AskNode: func(ctx context.Context) error { return askWhoServes(ctx, cfg.Services.HTTP) },
		Listen: func() error {
			l, err := node.Listen(cfg.Services.HTTP.Host, cfg.Services.HTTP.Port)
			if err != nil {
				return err
			}
			return l.Close()
		},
	}
	if through := cfg.SessionProxy(); through != nil {
		options.Proxy = through.Address()
	}
	ctx, done := untilInterrupted(p)
	defer done()
	results := doctor.Examine(ctx, options)
	if asJSON {
		err = doctor.PrintJSON(p.stdout, results)
	} else {
		err = doctor.PrintTable(p.stdout, results, doctor.Look{Wrapped: drawsOver(p.stdout), Coloured: showsColours(p)})
	}
	switch {
	case err != nil:
		return exit(exitInternal, "printing: %v", err)
	case ctx.Err() != nil:
		return exit(exitInternal, "interrupted")
	case !doctor.Healthy(results):
		return &exitError{code: exitInternal}
	}
	return nil
}

// askWhoServes gives nil if a node API answers. The agent may have other users than this configuration.
func askWhoServes(ctx context.Context, cfg config.NodeHTTP) error {
	agent, err := peerOf(cfg)
	if err != nil {
		return err
	}
	answer, err := agent.send(ctx, http.MethodGet, "/_node", nil)
	if err != nil {
		return err
	}
	if !node.Ours(answer) {
		err = errors.New("what answers is no federation agent")
	}
	return errors.Join(err, answer.Body.Close())
}

// showsColours reports whether the standard output is a terminal that shows colours (https://no-color.org).
func showsColours(p process) bool {
	return drawsOver(p.stdout) && p.getenv("NO_COLOR") == ""
}
