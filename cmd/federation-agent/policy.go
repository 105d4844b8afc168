package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"federation-agent/config"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/iam"
	"federation-agent/internal/secret"
)

// The identities that are no role. Others are providers[N], by the access key of the provider.
const (
	defaultChain  = "default-chain"
	secretsAccess = "secrets.aws"
)

func policyCommand(p process) *cobra.Command {
	command := &cobra.Command{
		Use:   "policy",
		Short: "Prints the IAM policies that this configuration needs in AWS",
		Long: `Prints what this configuration needs of AWS IAM, and no more: the permissions in API Gateway, narrowed to the
configured regions; the right to assume the configured roles, and the trust policy of each; the right to read the
secrets of Secrets Manager that settings refer to, and the queue of events; the right to use the table that is the
journal, and, apart from it, to make that table. Each with what it is for, and what happens without it.
Nothing is read but the configuration, and nobody is asked: it works before the agent has any right at all, and where
what else the agent needs, such as its token, is not known.
Exit code 0: printed. 2: a fault in what concerns AWS, or --of fits no document or several.`,
		Example: `  federation-agent policy
  federation-agent policy --of permissions > policy.json
  aws iam put-role-policy --role-name AGENT --policy-name federation --policy-document file://policy.json
  federation-agent policy --of permissions --for arn:aws:iam::111122223333:role/federation
  federation-agent policy --of trust --principal arn:aws:iam::123456789012:role/AGENT`,
	}
	var of, holder string
	var principals []string
	flags := command.Flags()
	asJSON := flags.Bool("json", false, "print everything as JSON")
	flags.StringVar(&of, "of", "", "print one document: "+strings.Join(kinds(), ", "))
	flags.StringVar(&holder, "for", "", "of one identity or role `HOLDER`, as the whole output names it")
	flags.StringSliceVar(&principals, "principal", nil, "`ARN` of the agent's role or user, for the trust policies")
	command.MarkFlagsMutuallyExclusive("json", "of")
	offer(command, "of", kinds)
	files := fromFiles(command)
	offer(command, "for", func() (holders []string) {
		x, _ := config.Explain(config.Sources{Environ: p.environ, Files: *files}, false)
		needs, _ := needsOf(x, nil)
		grants, _ := needs.Grants() // what is known, where something is wrong
		for _, g := range grants {
			holders = append(holders, g.For)
		}
		return slices.Compact(holders)
	})
	command.RunE = func(*cobra.Command, []string) error {
		x, err := config.Explain(config.Sources{Environ: p.environ, Files: *files}, false)
		if err = aboutAWS(err); err != nil {
			return faulty(x.Warnings, err)
		}
		needs, err := needsOf(x, principals)
		if err != nil {
			return exit(exitConfiguration, "fault: %v", err)
		}
		grants, err := needs.Grants()
		if err != nil {
			return exit(exitInternal, "%v", err)
		}
		var chosen []iam.Grant
		for _, g := range grants {
			if (of == "" || of == string(g.Kind)) && (holder == "" || holder == g.For) {
				chosen = append(chosen, g)
			}
		}
		switch {
		case of != "" && !slices.Contains(kinds(), of):
			return exit(exitConfiguration, "--of %s: there are only %s", of, strings.Join(kinds(), ", "))
		case of != "" && of != string(iam.Trust) && len(principals) > 0:
			return exit(exitConfiguration, "--principal is for trust policies, and --of says %s", of)
		case len(chosen) == 0:
			return exit(exitConfiguration, "this configuration needs nothing of that; federation-agent policy shows all")
		case of != "":
			return printDocument(p, chosen, len(principals) > 0)
		}
		stacks := needs.Stacks(defaultChain)
		if *asJSON {
			return printJSON(p, map[string]any{"grants": chosen, "cloudFormation": stacks})
		}
		return printPolicies(p, chosen, stacks)
	}
	return command
}

func kinds() (names []string) {
	for _, k := range iam.Kinds() {
		names = append(names, string(k))
	}
	return names
}

// aboutAWS are the faults that could make the policies wrong. Where the policies are made, the token to APIM need not be
// known, nor need its certificates be there.
func aboutAWS(faults error) error {
	if faults == nil {
		return nil
	}
	joined, _ := faults.(interface{ Unwrap() []error }) // as config.Explain joins them
	var some []error
	for _, one := range joined.Unwrap() {
		fault, _ := errors.AsType[config.Fault](one)
		isPart := fault.Key == "" || !strings.HasSuffix(fault.Key, ".integrationId") && slices.ContainsFunc(
			[]string{"integration.providers", "agent.aws.", "agent.discovery.", "agent.keys.", "agent.events.",
				"agent.store.table.", "secrets.aws."},
			func(group string) bool { return strings.HasPrefix(fault.Key, group) })
		if isPart {
			some = append(some, one)
		}
	}
	return errors.Join(some...)
}

// needsOf takes what concerns IAM out of a configuration.
func needsOf(x config.Explanation, principals []string) (iam.Needs, error) {
	cfg, set := x.Config, map[string]config.Setting{}
	n := iam.Needs{
		Principals: principals, Lookup: cfg.Agent.Keys.Lookup,
		Domains: cfg.Agent.Discovery.CustomDomains,
		Secrets: iam.Secrets{Identity: defaultChain, Region: cfg.Secrets.AWS.Region, Account: cfg.Agent.AWS.AccountID},
	}
	if cfg.Secrets.AWS.Auth.Provider == config.AuthStatic {
		n.Secrets.Identity = secretsAccess
	}
	for _, s := range x.Settings {
		set[s.Key] = s
		if r, err := secret.ParseReference(s.Reference); err == nil && r.Provider == secret.AWS {
			n.Secrets.Names = append(n.Secrets.Names, r.Path)
		}
		if s.Reference != "" && isPartOfPolicy(s.Key) {
			return n, fmt.Errorf("%s: refers to %s, which is not read here; to have it in the policies, set the value "+
				"itself for this command", s.Origin, s.Reference)
		}
	}
	owners := map[string]string{} // by access key id, or what refers to it
	for i, provider := range cfg.Providers {
		identity := fmt.Sprintf("providers[%d]", i)
		key, isSet := set["integration."+identity+".configuration.accessKeyId"]
		id := cmp.Or(key.Reference, provider.AccessKeyID.Reveal())
		if !isSet {
			identity = defaultChain
		} else if owner, known := owners[id]; known {
			identity = owner
		}
		owners[id] = identity
		for _, a := range cfg.Accesses(provider) {
			n.Uses = append(n.Uses, iam.Use{
				Identity: identity, Role: a.Role, ExternalID: a.ExternalID, ExternalIDFrom: a.ExternalIDFrom, Regions: a.Regions,
				All: a.All,
			})
		}
	}
	if e := cfg.Agent.Events; e.IsOn() && len(n.Uses) > 0 {
		use := iam.Use{Identity: n.Uses[0].Identity, Role: e.RoleARN}
		use.ExternalID, use.ExternalIDFrom = cfg.EventsExternalID()
		n.Events = iam.Queue{Use: use, Region: e.Region}
		n.Events.Account, n.Events.Name = e.Queue()
	}
	if t := cfg.Agent.Store.Table; t.IsOn() && len(n.Uses) > 0 {
		n.Table = iam.Table{
			Use: iam.Use{
				Identity: n.Uses[0].Identity, Role: t.RoleARN, ExternalID: t.ExternalID, ExternalIDFrom: "agent.store.table.externalId",
			},
			Region: t.Region, Account: cfg.Agent.AWS.AccountID, Name: t.Name,
		}
		if t.RoleARN != "" {
			n.Table.Account = apigateway.AccountOfRole(t.RoleARN)
		}
	}
	return n, n.CheckPrincipals()
}

// isPartOfPolicy is about settings that are no secrets.
func isPartOfPolicy(key string) bool {
	return strings.HasSuffix(key, ".configuration.region") || strings.HasSuffix(key, ".configuration.roleArn") ||
		strings.Contains(key, ".configuration.accounts[") || strings.HasPrefix(key, "agent.events.") ||
		strings.HasPrefix(key, "agent.store.table.") ||
		key == "agent.aws.externalId" || key == "agent.aws.accountId"
}

// printDocument prints the one document that was asked for, so that another program can take it as it is.
func printDocument(p process, chosen []iam.Grant, isTrusted bool) error {
	var holders []string
	isOne := true
	for _, g := range chosen {
		holders = append(holders, g.For)
		isOne = isOne && reflect.DeepEqual(g.Document, chosen[0].Document)
	}
	switch {
	case !isOne:
		return exit(exitConfiguration, "there are several; choose one by --for:\n  %s", strings.Join(holders, "\n  "))
	case chosen[0].Kind == iam.Trust && !isTrusted:
		return exit(exitConfiguration, "name who is trusted by --principal, such as arn:aws:iam::123456789012:role/AGENT; "+
			"aws sts get-caller-identity shows the agent's identity where it runs")
	}
	for _, hint := range chosen[0].Hints {
		fmt.Fprintf(p.stderr, "note: %s\n", hint)
	}
	return printJSON(p, chosen[0].Document)
}

func printPolicies(p process, grants []iam.Grant, stacks []iam.Stack) error {
	var text strings.Builder
	last := ""
	for _, g := range grants {
		if g.For != last {
			fmt.Fprintf(&text, "# %s\n\n", described(g.For))
			last = g.For
		}
		fmt.Fprintf(&text, "## %s (--of %s --for %s)\n\n", titles[g.Kind], g.Kind, g.For)
		for _, r := range g.Reasons {
			fmt.Fprintf(&text, "%s: %s. Without it, %s.\n", r.Action, r.Purpose, r.Without)
		}
		for _, hint := range g.Hints {
			fmt.Fprintf(&text, "Note: %s.\n", hint)
		}
		for _, grant := range g.Optional {
			fmt.Fprintf(&text, "Optional: %s.\n", grant)
		}
		document, err := json.MarshalIndent(g.Document, "", "  ")
		if err != nil {
			return exit(exitInternal, "%v", err)
		}
		fmt.Fprintf(&text, "\n%s\n\n", document)
	}
	if len(stacks) > 0 {
		text.WriteString("# The same by CloudFormation: templates in deployments/cloudformation, for all regions\n\n")
	}
	for _, s := range stacks {
		fmt.Fprintf(&text, "%s makes %s:\n", s.Template, s.Makes)
		for _, parameter := range s.Parameters {
			fmt.Fprintf(&text, "  %s\n", parameter)
		}
	}
	_, err := fmt.Fprintln(p.stdout, strings.TrimSpace(text.String()))
	return err
}

var titles = map[iam.Kind]string{
	iam.Permissions: "Permissions in API Gateway", iam.AssumeRole: "Permission to assume roles",
	iam.Trust: "Trust policy", iam.ReadSecrets: "Permission to read secrets",
	iam.ReadEvents: "Permission to read the queue of events",
	iam.UseTable:   "Permission to use the table of the journal", iam.CreateTable: "Permission to make that table",
}

// described says who a holder is.
func described(holder string) string {
	switch {
	case holder == defaultChain:
		return "The agent's identity, as the AWS SDK's default chain finds it (aws sts get-caller-identity shows it)"
	case holder == secretsAccess:
		return "The user of the access key in secrets.aws.auth.config"
	case strings.HasPrefix(holder, "arn:"):
		return "The role " + holder
	}
	return "The user of the access key in integration." + holder + ".configuration"
}
