package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// execute carries one command line out and gives the process's exit code.
func execute(p process) int {
	root := rootCommand(p)
	root.SetArgs(p.args)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	command, err := root.ExecuteC()
	var exit *exitError
	switch {
	case err == nil:
		return exitOrderly
	case !errors.As(err, &exit): // cobra's own: a command line that it cannot read
		exit = &exitError{code: exitConfiguration, text: err.Error() + "\nRun " + command.CommandPath() + " --help for what there is."}
	}
	if exit.text != "" {
		fmt.Fprintln(p.stderr, exit.text)
	}
	return exit.code
}

func rootCommand(p process) *cobra.Command {
	run := runCommand(p)
	root := &cobra.Command{
		Use:   "federation-agent",
		Short: "Federates AWS API Gateway with Gravitee APIM",
		Long: `Keeps a session to Gravitee APIM, discovers the REST APIs of AWS API Gateway, feeds them to APIM's
ingestion, and turns subscriptions into API keys.

Without a subcommand it runs the agent, as federation-agent run does. The configuration comes from the
environment and from gravitee.yml files; docs/configuration.md lists all of it.

` + exitCodes,
		Args:          cobra.NoArgs,
		RunE:          run.RunE,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.Version = thisBuild().Version // what makes cobra take --version; the line is that of the subcommand
	root.SetVersionTemplate(thisBuild().line())
	root.Flags().AddFlagSet(run.Flags())
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(run, validateCommand(p), healthCommand(p), statusCommand(p), versionCommand(p), sandboxCommand(p), demoCommand(p))
	return root
}
