package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"federation-agent/config"
	"federation-agent/internal/node"
	"federation-agent/internal/schedule"
	"federation-agent/internal/secret"
)

func configCommand(p process) *cobra.Command {
	command := &cobra.Command{
		Use:   "config",
		Short: "Shows the configuration",
		Long: "Shows the configuration: config print. Without a subcommand it prints this help.\nExit code 0: printed. " +
			"2: there is no such subcommand.",
		Example: `  federation-agent config print --all`,
	}
	command.AddCommand(configPrintCommand(p))
	return command
}

func configPrintCommand(p process) *cobra.Command {
	command := &cobra.Command{
		Use:   "print",
		Short: "Prints each setting with its value and where it comes from",
		Long: `Prints each setting that is set: its key, its value, and the variable or FILE:LINE that sets it, in the order
of docs/configuration.md. Secrets are masked. What refers to a file or a secret store is shown as the reference, and
not read, so this needs no access to any store. Warnings and faults go to the standard error.
Exit code 0: printed. 2: printed, and the configuration is faulty; a faulty value is not shown, because it may be a
secret in the wrong place.`,
		Example: `  federation-agent config print                       # what is set
  federation-agent config print --all                 # with the defaults of what is not
  docker compose run --rm integration-agent config print
  federation-agent config print --json | jq -r '.[] | select(.origin | startswith("/etc/")) | .key'`,
	}
	all := command.Flags().Bool("all", false, "the defaults of what is not set, too")
	asJSON := command.Flags().Bool("json", false, "print JSON")
	files := fromFiles(command)
	command.RunE = func(*cobra.Command, []string) error {
		x, err := config.Explain(config.Sources{Environ: p.environ, Files: *files}, *all)
		if printed := printSettings(p, x.Settings, *asJSON); printed != nil {
			return printed
		}
		if err != nil {
			return faulty(x.Warnings, err)
		}
		for _, w := range x.Warnings {
			fmt.Fprintf(p.stderr, "warning: %s\n", w)
		}
		return nil
	}
	return command
}

func printSettings(p process, settings []config.Setting, asJSON bool) error {
	if asJSON {
		return printJSON(p, append([]config.Setting{}, settings...)) // none are [], not null
	}
	out := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "SETTING\tVALUE\tFROM")
	for _, s := range settings {
		shown := shownSetting(s)
		fmt.Fprintf(out, "%s\t%s\t%s\n", shown.Key, shown.Value, shown.Origin)
	}
	return out.Flush()
}

// shownSetting is a setting as people read it.
func shownSetting(s config.Setting) node.Setting {
	origin := s.Origin
	if len(s.Placeholders) > 0 {
		origin += ", with " + strings.Join(s.Placeholders, ", ")
	}
	value := cmp.Or(s.Value, s.Reference, "-")
	switch {
	case s.Faulty:
		value = "(faulty)"
	case s.Secret:
		value = secret.Redacted
	case s.Key == "agent.ingest.schedule":
		if when, err := schedule.Parse(s.Value); err == nil && when.IsOn() {
			value += " (next at " + when.Words(time.Now()) + ")"
		}
	}
	return node.Setting{Key: s.Key, Value: value, Origin: origin}
}

// shownSettings gives what is set, for the status page. It reads the configuration once more: what was read at the start
// keeps no origins, and to find them takes longer than the rest of the start.
func shownSettings(src config.Sources) func() []node.Setting {
	return func() []node.Setting {
		x, _ := config.Explain(src, false) // a fault since the start is the next start's to report
		settings := make([]node.Setting, 0, len(x.Settings))
		for _, s := range x.Settings {
			settings = append(settings, shownSetting(s))
		}
		return settings
	}
}

// printJSON is for machines: what people must read is on the standard error.
func printJSON(p process, value any) error {
	encoder := json.NewEncoder(p.stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
