package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"federation-agent/config"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/region"
)

// offer gives a flag the values that a shell completes. It panics where the command has no such flag.
func offer(command *cobra.Command, flag string, values func() []string) {
	err := command.RegisterFlagCompletionFunc(flag, func(
		_ *cobra.Command, _ []string, typed string,
	) ([]string, cobra.ShellCompDirective) {
		// Of a list, only what follows the last comma is being typed.
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		var fitting []string
		for _, v := range values() {
			if strings.HasPrefix(before+v, typed) {
				fitting = append(fitting, before+v)
			}
		}
		return fitting, cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err)
	}
}

// offerFiles completes the names of files.
func offerFiles(command *cobra.Command, flag string, extensions ...string) {
	if err := command.MarkFlagFilename(flag, extensions...); err != nil {
		panic(err)
	}
}

// configuredHere is what a completion can know of the configuration: no secret is read, and a fault is no reason
// to complete nothing.
func configuredHere(p process, command *cobra.Command) config.Config {
	files, _ := command.Flags().GetStringArray(configFlag) // each command that has a configuration has it
	x, _ := config.Explain(config.Sources{Environ: p.environ, Files: files}, false)
	return x.Config
}

// targetsOf are the regions of the configuration, and those with the account where a role's ARN names it.
func targetsOf(cfg config.Config) (targets []string) {
	for _, p := range cfg.Providers {
		for _, a := range cfg.Accesses(p) {
			targets = append(targets, a.Regions...)
			if account := apigateway.AccountOfRole(a.Role); account != "" {
				for _, r := range a.Regions {
					targets = append(targets, account+":"+r)
				}
			}
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(targets)))
}

// offerStandIns completes the flags of the stand-ins.
func offerStandIns(command *cobra.Command) {
	offer(command, "regions", region.All)
	offerFiles(command, "estate")
	offer(command, "apim-version", func() []string {
		return []string{"4.4", "4.5", "4.6", "4.7", "4.8", "4.9", "4.10", "4.11", "4.12"}
	})
	for _, flag := range []string{"latency", "quota"} {
		offer(command, flag, func() []string { return []string{"true", "false"} })
	}
}

// knownCommand refuses a subcommand that there is not, and names what was perhaps meant.
func knownCommand(command *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	command.SuggestionsMinimumDistance = 2
	text := fmt.Sprintf("unknown command %q for %q", args[0], command.CommandPath())
	if like := command.SuggestionsFor(args[0]); len(like) > 0 {
		text += "; did you mean " + strings.Join(like, " or ") + "?"
	}
	return errors.New(text)
}

// knownFlag names what was perhaps meant by a flag that there is not.
func knownFlag(command *cobra.Command, err error) error {
	missing, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return err
	}
	var names []string
	command.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if like := config.Meant(missing.GetSpecifiedName(), names); like != "" {
		return fmt.Errorf("%w; did you mean --%s?", err, like)
	}
	return err
}
