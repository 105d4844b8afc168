package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// execute runs one command line and gives the process's exit code.
func execute(p process) int {
	root := rootCommand(p)
	root.SetArgs(p.args)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(p.args...)
	failing(root)
	command, err := root.ExecuteC()
	if err == nil {
		return exitOrderly
	}
	failed, ok := errors.AsType[*exitError](err)
	if !ok { // cobra's own: a command line that it cannot read
		failed = &exitError{exitConfiguration, err.Error() + "\nRun " + command.CommandPath() + " --help for a list."}
	}
	complain(p, command, failed.text)
	return failed.code
}

// failing has each command end with the code that it documents. What fails while it works is no fault of its command
// line, other than cobra's own errors are. A group of commands, and help, know no command but their own; cobra prints a
// help for any other, as if that were fine.
func failing(command *cobra.Command) {
	switch run := command.RunE; {
	case run != nil:
		command.RunE = func(command *cobra.Command, args []string) error {
			err := run(command, args)
			if _, has := errors.AsType[*exitError](err); err == nil || has {
				return err
			}
			return exit(exitInternal, "%v", err)
		}
	case command.Name() == "help":
		command.Args = func(_ *cobra.Command, args []string) error {
			of, unknown, err := command.Root().Find(args)
			if err != nil {
				return err
			}
			return knownCommand(of, unknown)
		}
	case !command.Runnable():
		command.Args = knownCommand
		command.RunE = func(command *cobra.Command, _ []string) error { return command.Help() }
	}
	for _, one := range command.Commands() {
		failing(one)
	}
}

func rootCommand(p process) *cobra.Command {
	run := runCommand(p)
	root := &cobra.Command{
		Use:   "federation-agent",
		Short: "Federates AWS API Gateway with Gravitee APIM",
		Long: `Keeps a session to Gravitee APIM, discovers the REST APIs of AWS API Gateway, sends them to APIM's
ingestion, and turns subscriptions into API keys.

Without a subcommand it runs the agent, as federation-agent run does. The configuration is read from the
environment and from gravitee.yml files; docs/configuration.md lists all of it.

` + exitCodes,
		Example: `  federation-agent doctor                # what keeps the agent from working
  federation-agent discover              # what would be federated
  federation-agent run --config gravitee.yml
  federation-agent status --watch        # what a running agent does, and what needs somebody
  source <(federation-agent completion bash)`,
		Args:          knownCommand,
		RunE:          run.RunE,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.Version = thisBuild().Version // enables --version; it prints the line of the subcommand
	root.SetVersionTemplate(versionLine())
	root.Flags().AddFlagSet(run.Flags())
	root.SetFlagErrorFunc(knownFlag)
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	offerFiles(root, configFlag, "yml", "yaml")
	root.AddCommand(run, validateCommand(p), doctorCommand(p), discoverCommand(p), healthCommand(p), statusCommand(p),
		logLevelCommand(p), supportBundleCommand(p),
		keysCommand(p), storeCommand(p), configCommand(p), policyCommand(p), versionCommand(p), sandboxCommand(p), demoCommand(p))
	return root
}
