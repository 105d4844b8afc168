package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"federation-agent/internal/keys"
	"federation-agent/internal/words"
)

const (
	keysPath = "/_node/federation/keys"
	// keysAtOnce is how many keys one request asks for at most.
	keysAtOnce = 1000
	// completeWithin bounds how long a shell waits for the ids that it offers.
	completeWithin = 2 * time.Second
	// goneEvery is the time between two looks at a key that is being deleted.
	goneEvery = 500 * time.Millisecond
	// The orders, as the paths of the node API name them.
	orderAck    = "ack"
	orderDelete = "delete"
	// shownID is how much of a key's id a table shows. It is enough to name the key.
	shownID = 8
)

// listedKey is a key as the node API lists it.
type listedKey struct {
	ID           string               `json:"id"`
	State        keys.State           `json:"state"`
	KeyID        string               `json:"keyId,omitempty"`
	KeyName      string               `json:"keyName"`
	Account      string               `json:"account"`
	Region       string               `json:"region"`
	UsagePlan    string               `json:"usagePlanId"`
	Integration  string               `json:"integration"`
	Subscription string               `json:"subscription"`
	API          string               `json:"api"`
	APIName      string               `json:"apiName,omitempty"`
	Since        time.Time            `json:"since"`
	Reason       string               `json:"reason,omitempty"`
	LastError    string               `json:"lastError,omitempty"`
	Do           string               `json:"do"`
	Acknowledged keys.Acknowledgement `json:"acknowledged,omitzero"`
}

// keyList is what the node API lists, in one part or all parts together.
type keyList struct {
	Now    time.Time          `json:"now"`
	Total  int                `json:"total"`
	Counts map[keys.State]int `json:"counts"`
	Keys   []listedKey        `json:"keys"`
	Next   string             `json:"next,omitempty"`
}

func keysCommand(p process) *cobra.Command {
	command := &cobra.Command{
		Use:   "keys",
		Short: "Lists the API keys that somebody should know of, acknowledges and deletes them",
		Long: `Shows the API keys of a running agent that somebody should know of, and has them acknowledged or deleted:

  unconfirmed  APIM may have the key or not: there is no proof that its answer arrived. Most of them are in use.
  lost-create  AWS may have made the key, and its answer was lost. It opens nothing.
  deleting     the key is being deleted, and tried again until AWS says that it is gone.

Without a subcommand it prints this help. Exit code 0: printed. 2: there is no such subcommand.`,
		Example: `  federation-agent keys list
  federation-agent keys ack 0f3c1a2b --reason "accepted in APIM, ticket 4711"
  federation-agent keys delete 0f3c1a2b --reason "rejected in APIM" --even-if-in-use`,
	}
	command.AddCommand(keysListCommand(p), keysAckCommand(p), keysDeleteCommand(p))
	return command
}

func keysListCommand(p process) *cobra.Command {
	command := &cobra.Command{
		Use:   "list",
		Short: "Lists unconfirmed keys, lost creates and keys in deletion, with what to do",
		Long: `Lists unconfirmed keys, lost creates and keys in deletion, the oldest first, each with its age, last error,
account, region, subscription, API and plan, and what to do. No key value is ever shown: nobody has it but APIM.
` + whichAgent + `

Exit code 0: listed, whether there are any or not. 1: no answer. 2: configuration fault, or a wrong flag.`,
		Example: `  federation-agent keys list
  federation-agent keys list --all --target 111122223333:eu-west-1
  federation-agent keys list --state unconfirmed --json | jq -r '.keys[] | [.subscription, .keyName] | @tsv'
  kubectl exec deployment/federation-agent-aws-api-gateway -- /federation-agent keys list`,
		Args: cobra.NoArgs,
	}
	flags := command.Flags()
	asJSON := flags.Bool("json", false, "print the keys for programs")
	all := flags.Bool("all", false, "also those that are acknowledged or under way")
	states := flags.StringSlice("state", nil, "only `STATE`s: unconfirmed, lost-create, deleting, delivered, …")
	target := flags.String("target", "", "only those of `ACCOUNT[:REGION]`")
	integration := flags.String("integration", "", "only those of the integration with this `ID`")
	subscription := flags.String("subscription", "", "only those of the subscription with this `ID`")
	limit := flags.Int("limit", 100, "how many at most; 0: all")
	_ = command.RegisterFlagCompletionFunc("state", cobra.FixedCompletions([]string{
		string(keys.Unconfirmed), string(keys.LostCreate), string(keys.Deleting), string(keys.Delivered),
	}, cobra.ShellCompDirectiveNoFileComp))
	return asking(p, command, func(ctx context.Context, agent *peer, _ []string) error {
		if *limit < 0 {
			return exit(exitConfiguration, "--limit: 0 at least")
		}
		asked := url.Values{}
		for name, value := range map[string]string{
			"state": strings.Join(*states, ","), "target": *target, "integration": *integration,
			"subscription": *subscription,
		} {
			if value != "" {
				asked.Set(name, value)
			}
		}
		if *all {
			asked.Set("all", "true")
		}
		list, err := listKeys(ctx, agent, asked, *limit)
		switch {
		case err != nil:
			return err
		case *asJSON:
			return printJSON(p, list)
		}
		return printKeys(p.stdout, list)
	})
}

// listKeys asks for keys, part by part, up to a limit if there is one.
func listKeys(ctx context.Context, agent *peer, asked url.Values, limit int) (all keyList, err error) {
	all.Keys = []listedKey{} // scripts go through it, also where there is none
	for {
		most := keysAtOnce
		if limit > 0 {
			most = min(keysAtOnce, limit-len(all.Keys))
		}
		asked.Set("limit", strconv.Itoa(most))
		var part keyList
		if err := agent.getJSON(ctx, keysPath+"?"+asked.Encode(), &part); err != nil {
			return all, err
		}
		part.Keys = append(all.Keys, part.Keys...)
		all = part
		if all.Next == "" || limit > 0 && len(all.Keys) >= limit {
			return all, nil
		}
		asked.Set("after", all.Next)
	}
}

// printKeys writes a table, in which each key has a line of its own and some lines below it, and what to do.
func printKeys(w io.Writer, list keyList) error {
	if list.Total == 0 {
		_, err := fmt.Fprintln(w, "no keys: nothing needs somebody")
		return err
	}
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSTATE\tAGE\tACCOUNT AND REGION\tKEY ID\tNAME")
	for _, k := range list.Keys {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", shortID(k.ID), k.State, words.Span(list.Now.Sub(k.Since)),
			words.Place(k.Account, k.Region), cmp.Or(k.KeyID, "unknown"), k.KeyName)
	}
	_ = table.Flush() // a Builder takes everything
	lines, advice := strings.SplitAfter(out.String(), "\n"), []string{}
	out.Reset()
	out.WriteString(lines[0])
	for n, k := range list.Keys {
		out.WriteString(lines[n+1])
		api := k.API
		if k.APIName != "" {
			api = k.APIName + " (" + k.API + ")"
		}
		fmt.Fprintf(&out, "    subscription %s\n    API %s, plan %s\n", k.Subscription, api, k.UsagePlan)
		if k.Reason != "" {
			fmt.Fprintf(&out, "    why: %s\n", k.Reason)
		}
		if k.LastError != "" {
			fmt.Fprintf(&out, "    last error: %s\n", k.LastError)
		}
		if a := k.Acknowledged; a.By != "" {
			fmt.Fprintf(&out, "    acknowledged by %s, %s: %s\n", a.By, a.At.UTC().Format(time.DateTime), a.Reason)
		}
		if do := string(k.State) + ": " + k.Do; k.Do != "" && !slices.Contains(advice, do) {
			advice = append(advice, do)
		}
	}
	out.WriteString("\n" + countsOf(list) + "\n")
	for _, do := range advice {
		out.WriteString("What to do about " + do + "\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// countsOf says how many keys there are of each state, and how many are shown.
func countsOf(list keyList) string {
	var counts []string
	for state, n := range list.Counts {
		counts = append(counts, fmt.Sprintf("%d %s", n, state))
	}
	slices.Sort(counts)
	text := strings.Join(counts, ", ")
	if len(list.Keys) < list.Total {
		text += fmt.Sprintf("; the oldest %d are shown, --limit 0 shows all", len(list.Keys))
	}
	return text
}

func shortID(id string) string { return id[:min(len(id), shownID)] }

// ordered is what the node API says of an order.
type ordered struct {
	Key      listedKey `json:"key"`
	Warnings []string  `json:"warnings,omitempty"`
}

// orderResult is what a command prints of one key for programs.
type orderResult struct {
	ID   string `json:"id"`
	Done bool   `json:"done"`
	// Gone: AWS has said that the key does not exist any more.
	Gone  bool       `json:"gone,omitempty"`
	Error string     `json:"error,omitempty"`
	Key   *listedKey `json:"key,omitempty"`
}

func keysAckCommand(p process) *cobra.Command {
	command := &cobra.Command{
		Use:   "ack ID... --reason TEXT",
		Short: "Writes down that somebody has looked at a key, and why it may stay",
		Long: `Writes down who has looked at a key, when and why. Health, metrics and status page do not count it any more;
keys list --all still lists it. It counts again if its state changes.

ID is one of keys list: the whole id, the first 8 characters of it, or AWS's id of the key.
` + whichAgent + whoMayChange + `

Exit code 0: all of them are acknowledged. 1: one is not, and why; or no answer. 2: configuration fault, or a
wrong flag.`,
		Example: `  federation-agent keys ack 0f3c1a2b --reason "accepted in APIM, ticket 4711"
  federation-agent keys ack 9x2k4m7p1q 5d6e7f80 --reason "deleted in the console"`,
	}
	reason := reasonOf(command)
	return orderCommand(p, command, orderAck, []keys.State{keys.Unconfirmed, keys.LostCreate}, func() any {
		return map[string]any{"reason": *reason}
	}, func(context.Context, *peer, *orderResult) string { return "acknowledged" })
}

func keysDeleteCommand(p process) *cobra.Command {
	command := &cobra.Command{
		Use:   "delete ID... --reason TEXT",
		Short: "Deletes keys in AWS",
		Long: `Has the agent delete keys in AWS, within its share of the quota, and try again until AWS says that they are
gone. It goes on after a restart, and where AWS cannot be reached now. The command waits for that for a moment.

A key that APIM has, or may have, is deleted only with --even-if-in-use. See in APIM first: if the subscription is
accepted, a customer uses the key. That customer would get 403 from then on, and APIM would go on showing the
subscription as accepted: end it in APIM instead, which deletes the key, too.

ID is one of keys list: the whole id, the first 8 characters of it, or AWS's id of the key.
` + whichAgent + whoMayChange + `

Exit code 0: all of them are deleted, or are being deleted. 1: one is not, and why; or no answer.
2: configuration fault, or a wrong flag.`,
		Example: `  federation-agent keys delete 0f3c1a2b --reason "rejected in APIM" --even-if-in-use
  federation-agent keys delete 9x2k4m7p1q --reason "AWS permits it again" --wait 1m`,
	}
	reason := reasonOf(command)
	evenIfInUse := command.Flags().Bool("even-if-in-use", false,
		"delete a key that APIM has or may have: a customer who uses it gets 403, and APIM does not learn of it")
	wait := command.Flags().Duration("wait", 5*time.Second, "how long to wait until AWS says that it is gone")
	command.PreRunE = func(*cobra.Command, []string) error {
		if *wait < 0 {
			return exit(exitConfiguration, "--wait: 0s at least")
		}
		return nil
	}
	return orderCommand(p, command, orderDelete, []keys.State{keys.Unconfirmed, keys.Deleting}, func() any {
		return map[string]any{"reason": *reason, "evenIfInUse": *evenIfInUse}
	}, func(ctx context.Context, agent *peer, result *orderResult) string {
		if gone(ctx, agent, result, *wait) {
			return "deleted"
		}
		text := "being deleted; the agent tries again until it is gone"
		if why := result.Key.LastError; why != "" {
			text += ". Last error: " + why
		}
		return text
	})
}

const whoMayChange = `
Where the node API has no users, run it on the agent's own machine, or in its container, with the agent's
configuration: it proves itself with a file that only the agent's user can read.`

func reasonOf(command *cobra.Command) *string {
	reason := command.Flags().String("reason", "", "why, in `TEXT`: it is kept with the key and in the agent's log")
	_ = command.MarkFlagRequired("reason")
	return reason
}

// orderCommand makes a subcommand that gives an order about each key that it is given. say completes the line about a
// key whose order is in the journal.
func orderCommand(
	p process, command *cobra.Command, order string, offered []keys.State, body func() any,
	say func(ctx context.Context, agent *peer, result *orderResult) string,
) *cobra.Command {
	command.Args = cobra.MinimumNArgs(1)
	asJSON := command.Flags().Bool("json", false, "print what was done for programs")
	find := finding(p, command)
	command.ValidArgsFunction = func(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
		return offerKeys(find, offered, given), cobra.ShellCompDirectiveNoFileComp
	}
	command.RunE = func(_ *cobra.Command, ids []string) error {
		ctx, done := untilInterrupted(p)
		defer done()
		agent, err := find()
		if err != nil {
			return err
		}
		results := make([]orderResult, 0, len(ids))
		failed := false
		for _, id := range ids {
			result, warnings, err := agent.order(ctx, id, order, body())
			if err != nil {
				return err
			}
			text := ""
			if result.Done {
				text = say(ctx, agent, &result)
			}
			results, failed = append(results, result), failed || !result.Done
			switch {
			case !result.Done:
				fmt.Fprintf(p.stderr, "%s: not done: %s\n", id, result.Error)
			case !*asJSON:
				fmt.Fprintf(p.stdout, "%s %s: %s\n", shortID(result.ID), result.Key.KeyName, text)
			}
			for _, w := range warnings {
				fmt.Fprintf(p.stderr, "warning: %s\n", w)
			}
		}
		if *asJSON {
			if err := printJSON(p, results); err != nil {
				return err
			}
		}
		if failed {
			return &exitError{code: exitInternal}
		}
		return nil
	}
	return command
}

// order gives an order about one key. Its error ends the command; a refusal is part of the result.
func (a *peer) order(
	ctx context.Context, id, order string, body any,
) (result orderResult, warnings []string, err error) {
	said, err := a.post(ctx, keysPath+"/"+url.PathEscape(id)+"/"+order, body)
	if err != nil {
		return result, nil, err
	}
	result.ID = id
	switch said.code {
	case http.StatusOK:
	case http.StatusBadRequest: // as for every other key
		return result, nil, said.refusal()
	default:
		result.Error = said.why()
		if order == orderDelete && strings.Contains(said.text, `"`+string(keys.InUse)+`"`) {
			result.Error += " (--even-if-in-use)"
		}
		return result, nil, nil
	}
	var done ordered
	if err := said.read(&done); err != nil {
		return result, nil, err
	}
	return orderResult{ID: done.Key.ID, Done: true, Key: &done.Key}, done.Warnings, nil
}

// gone waits until a key that is being deleted is gone.
func gone(ctx context.Context, agent *peer, result *orderResult, wait time.Duration) bool {
	for until := time.Now().Add(wait); ; {
		said, err := agent.get(ctx, keysPath+"/"+result.ID)
		if err != nil {
			return false // what was ordered is in the journal all the same
		}
		if said.code == http.StatusNotFound {
			result.Gone = true
			return true
		}
		var now listedKey
		if json.Unmarshal([]byte(said.text), &now) == nil && now.ID == result.ID {
			result.Key = &now
		}
		if !time.Now().Add(goneEvery).Before(until) {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(goneEvery):
		}
	}
}

// offerKeys gives a shell the ids of keys that an order is likely to be about, without those that are given already.
func offerKeys(find func() (*peer, error), states []keys.State, given []string) (ids []string) {
	agent, err := find()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), completeWithin)
	defer cancel()
	wanted := make([]string, len(states))
	for n, s := range states {
		wanted[n] = string(s)
	}
	list, err := listKeys(ctx, agent, url.Values{"state": {strings.Join(wanted, ",")}}, keysAtOnce)
	if err != nil {
		return nil
	}
	for _, k := range list.Keys {
		if id := shortID(k.ID); !slices.Contains(given, id) {
			ids = append(ids, cobra.CompletionWithDesc(id, string(k.State)+" "+k.KeyName))
		}
	}
	return ids
}
