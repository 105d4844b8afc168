package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"federation-agent/config"
)

// configured makes a subcommand that loads the configuration before it does anything else.
func configured(
	p process, command *cobra.Command, do func(config.Config, []string) error,
) *cobra.Command {
	files := fromFiles(command)
	command.RunE = func(*cobra.Command, []string) error {
		cfg, warnings, err := load(config.Sources{
			Environ: p.environ, Files: *files, OpenSecrets: p.openSecrets,
		})
		if err != nil {
			return err
		}
		return do(cfg, warnings)
	}
	return command
}

// configFlag names the configuration's files.
const configFlag = "config"

// fromFiles gives a subcommand that takes no other arguments the flag that names the configuration's files.
func fromFiles(command *cobra.Command) *[]string {
	command.Args = cobra.NoArgs
	files := command.Flags().StringArray(configFlag, nil,
		"gravitee.yml `FILE[,FILE]`, later ones override; the environment overrides all of them")
	offerFiles(command, configFlag, "yml", "yaml")
	return files
}

// load reads the configuration. Where it is faulty, the error contains warnings and faults for the user.
func load(src config.Sources) (config.Config, []string, error) {
	cfg, warnings, err := config.Load(src)
	if err == nil {
		return cfg, warnings, nil
	}
	return cfg, nil, faulty(warnings, err)
}

// faulty ends a command with the warnings and faults of a configuration.
func faulty(warnings []string, err error) error {
	var text strings.Builder
	for _, w := range warnings {
		fmt.Fprintf(&text, "warning: %s\n", w)
	}
	faults := strings.Split(err.Error(), "\n")
	for _, f := range faults {
		fmt.Fprintf(&text, "fault: %s\n", f)
	}
	return exit(exitConfiguration, "%sConfiguration faults: %d. Nothing was started.", &text, len(faults))
}
