package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"federation-agent/config"
)

func validateCommand(p process) *cobra.Command {
	var files []string
	command := &cobra.Command{
		Use:   "validate",
		Short: "Checks the configuration without starting anything",
		Long:  "Loads the configuration as run does, prints warnings and all faults, or a summary without secrets.\nExit code 0: it is good. 2: it is not.",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, warnings, err := load(p.environ, files)
			if err != nil {
				return err
			}
			for _, w := range warnings {
				fmt.Fprintf(p.stderr, "warning: %s\n", w)
			}
			return printSummary(p, cfg)
		},
	}
	configFlag(command, &files)
	return command
}

// printSummary shows what would be run. Header values, secret keys and tokens are not in it; an access key's id is, as it
// tells which of several is meant and opens nothing.
func printSummary(p process, cfg config.Config) error {
	out := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "The configuration is good.")
	fmt.Fprintf(out, "  APIM\t%s\n", strings.Join(cfg.Connector.Endpoints, ", "))
	for _, provider := range cfg.Providers {
		fmt.Fprintf(out, "  Integration\t%s\n", provider.IntegrationID)
		fmt.Fprintf(out, "    regions\t%s\n", strings.Join(provider.Regions, ", "))
		fmt.Fprintf(out, "    accounts\t%s\n", strings.Join(accountsOf(provider), ", "))
		fmt.Fprintf(out, "    credentials\t%s\n", credentialsOf(provider))
		fmt.Fprintf(out, "    stages\t%s\n", orAll(provider.Stages))
	}
	q := cfg.Agent.Quota
	fmt.Fprintf(out, "  Quota\t%d %% of %g requests a second, burst %d\n", q.Share, q.Rate, q.Burst)
	fmt.Fprintf(out, "  Journal\t%s\n", cfg.Agent.Store.Path)
	fmt.Fprintf(out, "  Node API\t%s\n", nodeSummary(cfg.Services.HTTP))
	return out.Flush()
}

func credentialsOf(p config.Provider) string {
	if p.AccessKeyID == "" {
		return "the AWS SDK's default chain"
	}
	return "access key " + p.AccessKeyID
}

func orAll(stages []string) string {
	if len(stages) == 0 {
		return "all"
	}
	return strings.Join(stages, ", ")
}
