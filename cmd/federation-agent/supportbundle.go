package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"mime"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

func supportBundleCommand(p process) *cobra.Command {
	command := &cobra.Command{
		Use:   "support-bundle",
		Short: "Writes what somebody who is asked for help wants to know of a running agent into one file",
		Long: `Asks a running agent for a support bundle, and writes it into a file (.tar.gz): its configuration without secrets,
status page, health, metrics, what the journal knows, the last lines of the log, what the program is doing, version and
build. No token, password, secret access key or value of an API key is in it; names, account ids, role ARNs and key ids
are.
` + whichAgent + `

It needs a user of the node API. Where that has none (services.core.http.authentication.type=none), the command must
run on the agent's own machine, or in its container, with the agent's configuration. If no agent answers, config print
and doctor say what can be said.
Exit code 0: written. 1: no answer, or refused, or the file cannot be made; none is written over.
2: configuration fault, or the node API is switched off.`,
		Example: `  federation-agent support-bundle
  kubectl exec deployment/federation-agent -- /federation-agent support-bundle --output - > support.tar.gz
  docker compose exec -T integration-agent /federation-agent support-bundle --output - > support.tar.gz
  federation-agent support-bundle --url https://agent.example.com:18084 --user admin --password-file password.txt`,
		Args: cobra.NoArgs,
	}
	output := command.Flags().StringP("output", "o", "", "`FILE` to write, - for the standard output; by default a name "+
		"with the time, in this directory")
	return asking(p, command, func(ctx context.Context, agent *peer, _ []string) error {
		said, err := agent.served(ctx, "/_node/federation/support-bundle")
		switch {
		case err != nil:
			return err
		case *output == "-":
			_, err := fmt.Fprint(p.stdout, said.text)
			return err
		}
		_, params, _ := mime.ParseMediaType(said.header.Get("Content-Disposition"))
		name := cmp.Or(*output, filepath.Base(params["filename"]))
		if err := writeNew(name, said.text); err != nil {
			return exit(exitInternal, "%v; name another file by --output, or - for the standard output", err)
		}
		_, err = fmt.Fprintf(p.stdout, "%s (%d KiB)\n", name, (len(said.text)+1023)>>10)
		return err
	})
}

// writeNew makes a file that only its owner reads, and writes over none.
func writeNew(name, content string) error {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(content)
	return errors.Join(err, file.Close())
}
