package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"federation-agent/config"
)

// configured makes a subcommand that loads the configuration before it does anything else. needed begins the keys whose
// references it needs; empty for all.
func configured(
	p process, command *cobra.Command, needed string, do func(config.Config, []string) error,
) *cobra.Command {
	var files []string
	command.Flags().StringArrayVar(&files, "config", nil,
		"gravitee.yml `FILE[,FILE]`, later ones override; the environment overrides all of them")
	command.Args = cobra.NoArgs
	command.RunE = func(*cobra.Command, []string) error {
		cfg, warnings, err := load(config.Sources{
			Environ: p.environ, Files: files, OpenSecrets: p.openSecrets, Needed: needed,
		})
		if err != nil {
			return err
		}
		return do(cfg, warnings)
	}
	return command
}

// load reads the configuration. Where it is faulty, the error contains warnings and faults for the user.
func load(src config.Sources) (config.Config, []string, error) {
	cfg, warnings, err := config.Load(src)
	if err == nil {
		return cfg, warnings, nil
	}
	var text strings.Builder
	for _, w := range warnings {
		fmt.Fprintf(&text, "warning: %s\n", w)
	}
	faults := strings.Split(err.Error(), "\n")
	for _, f := range faults {
		fmt.Fprintf(&text, "fault: %s\n", f)
	}
	return cfg, nil, exit(exitConfiguration, "%sConfiguration faults: %d. Nothing was started.", &text, len(faults))
}
