package main

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"federation-agent/config"
	"federation-agent/internal/schedule"
)

func validateCommand(p process) *cobra.Command {
	return configured(p, &cobra.Command{
		Use:   "validate",
		Short: "Checks the configuration without starting anything",
		Long: "Loads the configuration as run does, with the secrets that it refers to.\n" +
			"Prints warnings and all faults, or a summary without secrets.\n" +
			"Exit code 0: it is good. 2: it is not.",
		Example: `  federation-agent validate
  federation-agent validate --config gravitee.yml,gravitee-prod.yml
  docker compose run --rm integration-agent validate`,
	}, func(cfg config.Config, warnings []string) error {
		for _, n := range cfg.Notes {
			fmt.Fprintf(p.stderr, "note: %s\n", n)
		}
		for _, w := range warnings {
			fmt.Fprintf(p.stderr, "warning: %s\n", w)
		}
		return printSummary(p, cfg)
	})
}

// printSummary shows what would be run. It contains no header values, secret keys or tokens. It contains the id of an
// access key, which tells the key from others and gives access to nothing.
func printSummary(p process, cfg config.Config) error {
	out := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "The configuration is good.")
	fmt.Fprintf(out, "  APIM\t%s\n", strings.Join(cfg.Connector.Endpoints, ", "))
	fmt.Fprintf(out, "    reached\t%s\n", apimRoute(cfg))
	if rest := cfg.Agent.APIM; rest.IsOn() {
		fmt.Fprintf(out, "    REST API\t%s, environment %s\n", rest.URL, rest.EnvironmentID)
	}
	fmt.Fprintf(out, "  AWS\treached %s\n", awsRoutes(cfg))
	for _, provider := range cfg.Providers {
		fmt.Fprintf(out, "  Integration\t%s\n", provider.IntegrationID)
		all := cfg.Accesses(provider)
		fmt.Fprintf(out, "    regions\t%s\n", strings.Join(config.RegionsOf(all, config.Access.RegionNames), ", "))
		fmt.Fprintf(out, "    accounts\t%s\n", strings.Join(accountsOf(all), ", "))
		if len(provider.Accounts) > 0 {
			for _, a := range all {
				fmt.Fprintf(out, "      %s\t%s\n", accountsOf([]config.Access{a})[0], strings.Join(a.RegionNames(), ", "))
			}
		}
		fmt.Fprintf(out, "    access key\t%s\n", cmp.Or(provider.AccessKeyID.Reveal(), "none: the AWS SDK's default chain"))
		fmt.Fprintf(out, "    stages\t%s\n", cmp.Or(strings.Join(provider.Stages, ", "), "all"))
		for _, list := range provider.Filter.Lists() {
			if _, name, _ := strings.Cut(list.Setting, "filter."); len(list.Entries) > 0 {
				fmt.Fprintf(out, "    %s\t%s\n", name, strings.Join(list.Entries, ", "))
			}
		}
	}
	fmt.Fprintf(out, "  Custom domains\t%s\n", onOrOff(cfg.Agent.Discovery.CustomDomains))
	fmt.Fprintf(out, "  Key lookup\t%s\n", onOrOff(cfg.Agent.Keys.Lookup))
	if when, _ := schedule.Parse(cfg.Agent.Ingest.Schedule); when.IsOn() { // it was checked
		fmt.Fprintf(out, "  Schedule\tnext at %s, %s\n", when.Words(time.Now()), lateness(when, cfg.Agent.Ingest.ScheduleJitter))
	}
	if of := cfg.Agent.Ingest; of.RemovesGone() {
		kept := "none that has subscriptions"
		if of.GoneWithSubscriptions {
			kept = "also with their subscriptions"
		}
		fmt.Fprintf(out, "  Gone in AWS\t%s in APIM, %d at a time at most, %s\n", of.Gone, of.GoneAtMost, kept)
	}
	if e := cfg.Agent.Events; e.IsOn() {
		account, name := e.Queue()
		who := "the agent's identity"
		if e.RoleARN != "" {
			who = e.RoleARN
		}
		fmt.Fprintf(out, "  Events\tqueue %s of %s in %s, read by %s\n", name, account, e.Region, who)
	}
	q := cfg.Agent.Quota
	share := q.Share.String() + " %"
	if q.Share == config.AutoShare {
		share = fmt.Sprintf("%s %%, or nearly all while nobody else is noticed,", config.PoliteShare)
	}
	fmt.Fprintf(out, "  Quota\t%s of %g requests a second, burst %d\n", share, q.Rate, q.Burst)
	fmt.Fprintf(out, "  Journal\t%s\n", journalSummary(cfg.Agent.Store))
	fmt.Fprintf(out, "  Node API\t%s\n", nodeSummary(cfg.Services.HTTP))
	return out.Flush()
}

// lateness says how much later than at the times of a schedule its rounds begin.
func lateness(when schedule.Schedule, wanted time.Duration) string {
	most := when.MostJitter(time.Now(), wanted)
	if most == 0 {
		return "each at once"
	}
	return fmt.Sprintf("each up to %s later", most)
}

func onOrOff(isOn bool) string {
	if isOn {
		return "on"
	}
	return "off"
}

func journalSummary(s config.Store) string {
	switch t := s.Table; {
	case !t.IsOn():
		return s.Path
	case t.Region != "":
		return "the table " + t.Name + " of DynamoDB in " + t.Region
	default:
		return "the table " + t.Name + " of DynamoDB"
	}
}
