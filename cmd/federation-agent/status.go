package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"federation-agent/internal/status"
	"federation-agent/internal/words"
)

const (
	statusPath = "/_node/federation"
	// leastInterval keeps a watch from being a load.
	leastInterval = 500 * time.Millisecond
	// shownFailures is how many failed commands are shown: the page has more.
	shownFailures = 3
)

// seen is what status reads of the status page, whose names in JSON do not change between versions. What an older agent
// does not say is left out.
type seen struct {
	Now   time.Time `json:"now"`
	Agent struct {
		Version   string    `json:"version"`
		Commit    string    `json:"commit"`
		StartedAt time.Time `json:"startedAt"`
	} `json:"agent"`
	Attention []struct {
		What string `json:"what"`
		Why  string `json:"why"`
		Do   string `json:"do"`
	} `json:"attention"`
	Store struct {
		Durable bool           `json:"durable"`
		Shared  *status.Shared `json:"shared"`
	} `json:"store"`
	Keys struct {
		Unconfirmed  []any `json:"unconfirmed"`
		LostCreates  []any `json:"lostCreates"`
		UnderWay     int   `json:"underWay"`
		BeingDeleted int   `json:"beingDeleted"`
	} `json:"keys"`
	Quotas []struct {
		Account   string  `json:"account"`
		Region    string  `json:"region"`
		Rate      float64 `json:"rate"`
		Share     float64 `json:"share"`
		Calls     uint64  `json:"calls"`
		Throttled uint64  `json:"throttled"`
		Said      string  `json:"said"`
	} `json:"quotas"`
	Integrations []seenIntegration `json:"integrations"`
}

type seenIntegration struct {
	ID string `json:"id"`
	status.Reconciled
	Session struct {
		State     status.SessionState `json:"state"`
		Since     time.Time           `json:"since"`
		Endpoint  string              `json:"endpoint"`
		Primary   *bool               `json:"primary"`
		NextTry   time.Time           `json:"nextTryAt"`
		LastError string              `json:"lastError"`
	} `json:"session"`
	Targets []struct {
		Account  string             `json:"account"`
		Region   string             `json:"region"`
		State    status.TargetState `json:"state"`
		Since    time.Time          `json:"since"`
		ListedAt time.Time          `json:"listedAt"`
		RestAPIs int                `json:"restApis"`
		Stages   int                `json:"stages"`
	} `json:"targets"`
	Ingests []struct {
		Job            string    `json:"job"`
		StartedAt      time.Time `json:"startedAt"`
		Total          int       `json:"total"`
		Acknowledged   int       `json:"acknowledged"`
		DocumentsTotal int       `json:"documentsTotal"`
		DocumentsDone  int       `json:"documentsDone"`
		LeftOut        int       `json:"leftOut"`
	} `json:"ingests"`
	LastIngest *struct {
		EndedAt         time.Time      `json:"endedAt"`
		Sent            int            `json:"sent"`
		WithoutDocument int            `json:"withoutDocument"`
		Unchanged       int            `json:"unchanged"`
		LeftOut         int            `json:"leftOut"`
		LeftOutByReason map[string]int `json:"leftOutByReason"`
		Failure         string         `json:"failure"`
	} `json:"lastIngest"`
	FailedCommands []struct {
		Type         string    `json:"type"`
		At           time.Time `json:"at"`
		Subscription string    `json:"subscription"`
		Reason       string    `json:"reason"`
	} `json:"failedCommands"`
}

func statusCommand(p process) *cobra.Command {
	command := &cobra.Command{
		Use:   "status",
		Short: "Shows what a running agent does, and what needs somebody",
		Long: `Asks the node API of a running agent and shows first everything that needs somebody, each with what to do;
then sessions, accounts and regions, ingests, schedule, events, drift and removals where they are configured, commands
that failed, keys, and the quota.
` + whichAgent + `

Exit code 0: printed, whatever it says; health tells by its exit code. 1: no answer, or it was refused.
2: configuration fault, or the node API is switched off.`,
		Example: `  federation-agent status
  federation-agent status --watch
  federation-agent status --json | jq -r '.attention[] | [.what, .why, .do] | @tsv'
  federation-agent status --url https://agent.example.com:18084 --user admin --password-file password.txt
  kubectl exec deployment/federation-agent-aws-api-gateway -- /federation-agent status`,
		Args: cobra.NoArgs,
	}
	flags := command.Flags()
	asJSON := flags.Bool("json", false, "print the status page as JSON")
	watch := flags.Bool("watch", false, "show it again and again, until Ctrl-C")
	interval := flags.Duration("interval", 2*time.Second, "time between two looks of --watch")
	command.MarkFlagsMutuallyExclusive("json", "watch")
	return asking(p, command, func(ctx context.Context, agent *peer, _ []string) error {
		switch {
		case flags.Changed("interval") && !*watch:
			return exit(exitConfiguration, "--interval is for --watch")
		case *asJSON:
			said, err := agent.served(ctx, statusPath)
			if err == nil {
				_, err = io.WriteString(p.stdout, said.text)
			}
			return err
		case *watch && *interval < leastInterval:
			return exit(exitConfiguration, "--interval: %s at least", leastInterval)
		case *watch:
			return watchStatus(ctx, p, agent, *interval)
		}
		text, err := statusOf(ctx, agent)
		if err == nil {
			_, err = io.WriteString(p.stdout, text)
		}
		return err
	})
}

// watchStatus shows the status until it is interrupted: on a terminal in the same place, else one after the other. An
// agent that does not answer may come back.
func watchStatus(ctx context.Context, p process, agent *peer, interval time.Duration) error {
	begin := ""
	if drawsOver(p.stdout) {
		begin = "\x1b[H\x1b[2J"
	}
	for again := time.Tick(interval); ; {
		text := statusOrWhyNot(ctx, agent)
		select {
		case <-ctx.Done():
			return nil // what the answer says of that is of no interest
		default:
		}
		if begin == "" {
			text += "\n"
		}
		if _, err := io.WriteString(p.stdout, begin+text); err != nil {
			return exit(exitInternal, "printing: %v", err)
		}
		select {
		case <-again:
		case <-ctx.Done():
			return nil
		}
	}
}

func statusOrWhyNot(ctx context.Context, agent *peer) string {
	text, err := statusOf(ctx, agent)
	if err != nil {
		return fmt.Sprintf("%s  %v\n", time.Now().UTC().Format(time.DateTime), err)
	}
	return text
}

// statusOf gives the status of an agent in words.
func statusOf(ctx context.Context, agent *peer) (string, error) {
	var s seen
	if err := agent.getJSON(ctx, statusPath, &s); err != nil {
		return "", err
	}
	return s.inWords(), nil
}

func (s seen) inWords() string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	up := ""
	if !s.Agent.StartedAt.IsZero() {
		up = ", up for " + s.span(s.Agent.StartedAt)
	}
	fmt.Fprintf(w, "federation-agent %s (%s)%s; %s UTC\n\n", s.Agent.Version, s.Agent.Commit, up,
		s.Now.UTC().Format(time.DateTime))
	if len(s.Attention) == 0 {
		fmt.Fprintln(w, "Nothing needs anybody.")
	}
	for _, a := range s.Attention {
		fmt.Fprintf(w, "ATTENTION: %s\n", a.What)
		if a.Why != "" {
			fmt.Fprintf(w, "  why: %s\n", a.Why)
		}
		fmt.Fprintf(w, "  do:  %s\n", a.Do)
	}
	for _, i := range s.Integrations {
		fmt.Fprintf(w, "\nIntegration %s: %s\n", i.ID, s.session(i))
		s.targets(w, i)
		s.ingests(w, i)
		s.reconciled(w, i.Reconciled)
		for _, c := range i.FailedCommands[:min(len(i.FailedCommands), shownFailures)] {
			fmt.Fprintf(w, "%s failed %s: %s\n", strings.TrimSpace(c.Type+" "+c.Subscription), s.ago(c.At), c.Reason)
		}
	}
	fmt.Fprintf(w, "\nKeys: %d unconfirmed, %d lost creates, %d being deleted, %d being made\n",
		len(s.Keys.Unconfirmed), len(s.Keys.LostCreates), s.Keys.BeingDeleted, s.Keys.UnderWay)
	fmt.Fprintf(w, "Journal: %s\n", s.journal())
	if len(s.Quotas) > 0 {
		fmt.Fprintln(w, "\nQUOTA\tREQUESTS A SECOND\tOF\tCALLS\tTHROTTLED")
	}
	for _, q := range s.Quotas {
		fmt.Fprintf(w, "%s\t%.3g\t%.3g\t%d\t%d\n", words.Place(q.Account, q.Region), q.Rate, q.Share, q.Calls, q.Throttled)
	}
	for _, q := range s.Quotas {
		if q.Said != "" {
			fmt.Fprintf(w, "%s: %s\n", words.Place(q.Account, q.Region), q.Said)
		}
	}
	_ = w.Flush() // to memory
	return text.String()
}

func (s seen) journal() string {
	shared := s.Store.Shared
	switch {
	case shared == nil:
		return map[bool]string{true: "on disk", false: "in memory only"}[s.Store.Durable]
	case !shared.Stands:
		return fmt.Sprintf("the table %s in %s, which does not confirm this agent%s", shared.Table, shared.Region, because(shared.Failure))
	}
	live, gone := 0, 0
	for _, other := range shared.Others {
		if other.Gone {
			gone++
		} else {
			live++
		}
	}
	return fmt.Sprintf("the table %s in %s; of the others that share it, %d live and %d are gone", shared.Table, shared.Region, live, gone)
}

func (s seen) session(i seenIntegration) string {
	c := i.Session
	text := fmt.Sprintf("%s for %s", c.State.Said(c.LastError), s.span(c.Since))
	if c.Endpoint != "" {
		text += " to " + c.Endpoint
	}
	switch {
	case c.Primary != nil && *c.Primary:
		text += ", primary"
	case c.Primary != nil:
		text += ", not primary: another agent is"
	}
	if c.State == status.Away && c.LastError != "" {
		text += ": " + c.LastError
	}
	if c.NextTry.After(s.Now) {
		text += "; next try " + s.ago(c.NextTry)
	}
	return text
}

func (s seen) targets(w io.Writer, i seenIntegration) {
	fmt.Fprintln(w, "TARGET\tSTATE\tSINCE\tLISTED\tREST APIS\tSTAGES")
	for _, t := range i.Targets {
		listed := "not since the agent began"
		if !t.ListedAt.IsZero() {
			listed = s.ago(t.ListedAt)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\n", words.Place(t.Account, t.Region), t.State.Said(t.ListedAt), s.span(t.Since), listed,
			t.RestAPIs, t.Stages)
	}
}

func (s seen) ingests(w io.Writer, i seenIntegration) {
	for _, j := range i.Ingests {
		fmt.Fprintf(w, "Ingest %s runs for %s: %d of %d APIs are ready, %d of %d are sent, %d left out\n", j.Job,
			s.span(j.StartedAt), j.DocumentsDone, cmp.Or(j.DocumentsTotal, j.Total), j.Acknowledged, j.Total, j.LeftOut)
	}
	switch last := i.LastIngest; {
	case last == nil:
		fmt.Fprintln(w, "No ingest has ended since the agent began.")
	case last.Failure != "":
		fmt.Fprintf(w, "The last ingest failed %s, after %d APIs: %s\n", s.ago(last.EndedAt), last.Sent, last.Failure)
	default:
		fmt.Fprintf(w, "The last ingest ended %s: %d APIs sent, %d of them without a document, %d left out%s%s\n",
			s.ago(last.EndedAt), last.Sent, last.WithoutDocument, last.LeftOut, reasons(last.LeftOutByReason),
			unchanged(last.Unchanged))
	}
}

// reconciled says what is known of the schedule, of events, and of how AWS and APIM differ, where they are asked for.
func (s seen) reconciled(w io.Writer, r status.Reconciled) {
	if c := r.Schedule; c != nil && !c.Next.IsZero() {
		last := "none was tried since the agent began"
		if c.Last != nil {
			last = fmt.Sprintf("the last %s: %s", s.ago(c.Last.At), strings.ReplaceAll(string(c.Last.Result), "_", " "))
			if c.Last.Result == status.RoundSent {
				last += fmt.Sprintf(" %d APIs", c.Last.Sent)
			}
		}
		fmt.Fprintf(w, "Schedule: the next ingest %s, %s\n", s.ago(c.Next), last)
	}
	if e := r.Events; e != nil {
		fmt.Fprintf(w, "Events: %d of this agent's APIs%s\n", e.Results[status.EventTaken], because(e.Failure))
	}
	if d := r.Drift; d != nil && !d.At.IsZero() {
		fmt.Fprintf(w, "Drift %s: %d APIs in APIM%s%s\n", s.ago(d.At), d.InAPIM, reasons(differing(d.Counts)), because(d.Doubt))
	}
	if m := r.Removal; m != nil {
		fmt.Fprintf(w, "Gone in AWS: %d removed from APIM (%s), %d still there%s\n", m.Removed(), m.How, len(m.APIs), because(m.Refused))
	}
}

// differing leaves out the kinds of which there is no API.
func differing(counts map[string]int) map[string]int {
	counts = maps.Clone(counts)
	maps.DeleteFunc(counts, func(_ string, n int) bool { return n == 0 })
	return counts
}

// because gives a reason, if there is one.
func because(why string) string {
	if why == "" {
		return ""
	}
	return "; " + why
}

// unchanged says how many APIs need not be sent, if any.
func unchanged(apis int) string {
	if apis == 0 {
		return ""
	}
	return fmt.Sprintf("; %d more have not changed since APIM took them", apis)
}

// reasons names the reasons, the most frequent first.
func reasons(by map[string]int) string {
	names := words.MostFirst(by)
	for n, name := range names {
		names[n] = fmt.Sprintf("%s %d", name, by[name])
	}
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}

// span is for how long something lasts, and ago how long ago it was, by the agent's own clock.
func (s seen) span(since time.Time) string { return words.Span(s.Now.Sub(since)) }
func (s seen) ago(at time.Time) string     { return words.Ago(s.Now.Sub(at)) }
