package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	actors "federation-agent/actors/agent"
	"federation-agent/actors/life"
	"federation-agent/actors/quota"
	"federation-agent/config"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/survey"
	"federation-agent/internal/table"
)

const (
	// besideAgent, in percent of AWS's quota, is the most that is used beside an agent that runs: that has its own share,
	// and both together leave something to others.
	besideAgent config.Share = 10
	// rememberWithin bounds the reading of a table: a large history and its listings take a second.
	rememberWithin = 10 * time.Second
	// drawEvery is the time between two lines of progress.
	drawEvery = 200 * time.Millisecond
)

func discoverCommand(p process) *cobra.Command {
	command := &cobra.Command{
		Use:   "discover",
		Short: "Shows what this configuration would federate, and what not and why",
		Long: `Lists each account and region as an ingest does, by the same code and within the same share of AWS's quota, and
prints what APIM would get: each API with its unique name and its plans; what the filters or a missing usage plan
leave out; what is new, changed or gone since the last ingest; what each entry of a filter keeps or drops, and those
that do nothing; and how many calls and how much time an ingest takes. It only reads, from AWS and from the journal
in agent.store.path or in the table agent.store.table.name, also while agents use it. Documents are not compared: that
would cost a call for each REST API.

It asks nothing of APIM, but with --diff, which needs agent.apim.url: one request for each integration tells what APIM
has. Then each API that differs is listed with its id here and in APIM: new, changed, missing in APIM, renamed there,
gone in AWS, left out (omitted), or none of this agent's (foreign).

--foreign is for coming from the vendor's agent, or from another one. It lists the APIs that another agent made: in the
same integration, or with --from in another one. Of each it tells the state in APIM, plans and active subscriptions,
which API of this agent replaces it, what that rests on, and whether APIM has that API already. It needs agent.apim.url
too, and changes nothing. Each of those APIs costs 4 requests, which are dear for APIM: it says how many before it asks,
one after the other, and asks for --limit APIs at most. The token's account must be a member of those APIs: see
docs/runbooks.md, "Coming from the vendor's agent".

Beside a running agent the calls are made at 10 % of AWS's quota at most. For an agent that runs elsewhere with the
same accounts, say so: gravitee_agent_quota_share=10 federation-agent discover.

Exit code 0: all was listed. 1: something needs attention: an account or region, or the stages of a REST API, could
not be listed, an entry of a filter does nothing, the plan-loss guard holds an API back, there is nothing to
federate; with --diff, APIM did not answer, has what AWS has deleted, or fits nothing that was sent; with --foreign,
APIM did not answer, or not for each API; or it was interrupted. 2: configuration fault, as with validate, or --diff or
--foreign without agent.apim.url.`,
		Example: `  federation-agent discover
  federation-agent discover --changed
  federation-agent discover --diff
  federation-agent discover --foreign --name orders
  federation-agent discover --from 7a1d6fa5-3a1e-4c8e-9d6f-a53a1e0c8e12 --limit 0
  federation-agent discover --target eu-west-1 --stage prod --name orders
  federation-agent discover --json | jq -r '.integrations[].leftOut[] | [.name, .stage, .text] | @tsv'
  docker compose run --rm integration-agent discover`,
	}
	var only struct {
		target, stage, name string
		changed             bool
	}
	var asks asksAPIM
	flags := command.Flags()
	asJSON := flags.Bool("json", false, "print everything for programs")
	verbose := flags.Bool("verbose", false, "the agent's log, on the standard error")
	flags.StringVar(&only.target, "target", "", "show those whose `ACCOUNT:REGION` contains this")
	flags.StringVar(&only.stage, "stage", "", "show those of this `STAGE`")
	flags.StringVar(&only.name, "name", "", "show those whose `NAME` contains this, in upper or lower case")
	flags.BoolVar(&only.changed, "changed", false, "show only what is new, changed or gone since the last ingest")
	flags.BoolVar(&asks.diff, "diff", false, "compare with what APIM has, by its REST API (agent.apim.url)")
	flags.BoolVar(&asks.foreign, "foreign", false, "show the APIs that another agent made, and what replaces each")
	flags.StringVar(&asks.from, "from", "", "show those of this `INTEGRATION`, by its id, as with --foreign")
	flags.IntVar(&asks.limit, "limit", foreignLimit,
		"of how many `APIS` of another agent APIM is asked, with 4 requests each; 0 for their names alone")
	configured(p, command, func(cfg config.Config, warnings []string) error {
		for _, w := range warnings {
			fmt.Fprintf(p.stderr, "warning: %s\n", w)
		}
		log := slog.New(slog.DiscardHandler) // the report says it
		if *verbose {
			log = newLogger(p.stderr, cfg.Agent.Log).Logger
		}
		asks.foreign, asks.name = asks.foreign || asks.from != "", only.name
		switch {
		case asks.limit < 0:
			return exit(exitConfiguration, "--limit: 0 at least")
		case flags.Changed("limit") && !asks.foreign:
			return exit(exitConfiguration, "--limit says of how many APIs of another agent APIM is asked: add --foreign or --from")
		}
		if (asks.diff || asks.foreign) && !cfg.Agent.APIM.IsOn() {
			return exit(exitConfiguration, "fault: %s needs gravitee_agent_apim_url, gravitee_agent_apim_token and "+
				"gravitee_agent_apim_environmentId: APIM must be asked what it has", asks.flag())
		}
		report, err := discover(p, cfg, log, asks)
		if err != nil {
			return err
		}
		shown := survey.Match{Target: only.target, Stage: only.stage, Name: only.name}
		report.Matching(shown, only.changed)
		for n := range report.Drift {
			report.Drift[n].matching(shown)
			report.Healthy = report.Healthy && report.Drift[n].healthy()
		}
		for n := range report.Foreign {
			report.Foreign[n].matching(shown)
			report.Healthy = report.Healthy && report.Foreign[n].healthy()
		}
		if *asJSON {
			err = printJSON(p, report)
		} else {
			err = report.print(p.stdout)
		}
		switch {
		case err != nil:
			return exit(exitInternal, "printing: %v", err)
		case !report.Healthy:
			return &exitError{code: exitInternal}
		}
		return nil
	})
	offer(command, "target", func() []string { return targetsOf(configuredHere(p, command)) })
	offer(command, "stage", func() (stages []string) {
		for _, provider := range configuredHere(p, command).Providers {
			stages = append(stages, provider.Stages...)
		}
		return stages
	})
	return command
}

// discover lists everything, and works out what an ingest would do.
func discover(p process, cfg config.Config, log *slog.Logger, asks asksAPIM) (report compared, err error) {
	ctx, done := untilInterrupted(p)
	defer done()
	remembered, err := remember(ctx, cfg, log)
	if err != nil {
		return report, err
	}
	before := map[string]survey.Before{}
	for _, i := range cfg.Providers {
		b := survey.Before{Unknown: remembered.unreadable}
		// A store in memory has no errors.
		sent, _ := remembered.Sent(ctx, i.IntegrationID)
		b.Plans = sent.Plans
		b.Listings, _ = remembered.Listings(ctx, i.IntegrationID)
		if b.Unknown == "" && len(b.Plans) == 0 {
			b.Unknown = "the journal in " + remembered.where + " remembers none"
		}
		before[i.IntegrationID] = b
	}
	rate := cfg.Agent.Quota.Rate * cfg.Agent.Quota.Share.Part()
	if remembered.used {
		if cfg.Agent.Quota.Share.Part() > besideAgent.Part() {
			cfg.Agent.Quota.Share = besideAgent
		}
		fmt.Fprintf(p.stderr, "note: an agent uses the journal, so AWS is asked %g times a second at most\n",
			cfg.Agent.Quota.Rate*cfg.Agent.Quota.Share.Part())
	}
	board, began := status.NewBoard(), time.Now()
	stop := showProgress(p, board, began)
	env := life.Env{
		Log: log, Now: time.Now, NewID: uuid.NewString, Jitter: rand.Float64,
		Ingests: remembered.FileStore, Listings: remembered.FileStore, Board: board,
	}
	found, err := actors.Look(ctx, env, cfg)
	stop()
	if err != nil {
		return report, exit(exitInternal, "interrupted; nothing was changed")
	}
	report.Report = survey.Of(found, before, survey.Quota{Rate: rate, Name: func(account, region string) string {
		return quota.Name(cfg.Agent.Quota, account, region)
	}})
	report.Calls, report.Seconds = callsOf(board.Read()), time.Since(began).Seconds()
	if !asks.diff && !asks.foreign {
		return report, nil
	}
	if env.TLS, env.Dial, err = wayToAPIM(cfg, env.Log); err != nil {
		return report, err
	}
	differs := compare(ctx, cfg, env, found, before, report.Report)
	if asks.diff {
		report.Drift = differs
	}
	if asks.foreign {
		report.Foreign = foreign(ctx, p, cfg, env, asks, report.Report, differs)
	}
	if ctx.Err() != nil {
		return report, exit(exitInternal, "interrupted; nothing was changed")
	}
	return report, nil
}

// memory is what the agent remembers, to read.
type memory struct {
	*store.FileStore
	// where it is, in words, and why it cannot be read.
	where, unreadable string
	// used: an agent uses it at this moment, or did a moment ago.
	used bool
}

// remember reads the journal, and writes nothing to it. Without one there is nothing to compare with, which is no fault.
func remember(ctx context.Context, cfg config.Config, log *slog.Logger) (m memory, err error) {
	settings := cfg.Agent.Store
	if settings.Table.IsOn() {
		ctx, cancel := context.WithTimeout(ctx, rememberWithin)
		defer cancel()
		made, err := openTable(ctx, cfg, nil, log)
		if err != nil {
			return m, exit(exitConfiguration, "fault: %v", err)
		}
		m.where = fmt.Sprintf("the table %s in %s (agent.store.table.name)", made.Name(), made.Region())
		journal := tablestore.New(made, uuid.NewString)
		integrations := make([]string, len(cfg.Providers))
		for n, p := range cfg.Providers {
			integrations[n] = p.IntegrationID
		}
		there, err := journal.Members(ctx)
		if err == nil {
			m.FileStore, err = store.Remember(ctx, journal, integrations, time.Now())
		}
		m.used = len(there) > 0
		if err != nil {
			m.FileStore, m.unreadable = store.Memory(), err.Error()
		}
		if away := table.Away(err); away != nil {
			m.unreadable = away.Explain()
		}
		return m, nil
	}
	m.where, m.used = settings.Path+" (agent.store.path)", store.Held(settings.Path)
	if m.FileStore, err = store.Peek(settings.Path); err != nil {
		m.FileStore, m.unreadable = store.Memory(), err.Error()
	}
	return m, nil
}

// callsOf is the calls that count against API Gateway's quota. Those to STS, which have no account, do not.
func callsOf(board status.Snapshot) (n uint64) {
	for call, of := range board.Calls {
		if call.Account != "" {
			n += of
		}
	}
	return n
}

// untilInterrupted ends with the first signal. The second one, unless it is the same once more, ends the process.
func untilInterrupted(p process) (ctx context.Context, done func()) {
	ctx, interrupted := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		first := time.Time{}
		for {
			select {
			case s := <-p.signals:
				if first.IsZero() {
					first = time.Now()
					interrupted()
				} else if time.Since(first) >= sameSignal {
					p.end(codeOf(s))
				}
			case <-over:
				return
			}
		}
	}()
	return ctx, func() {
		interrupted()
		close(over)
	}
}

// showProgress draws a line over and over, where somebody watches.
func showProgress(p process, board *status.Board, began time.Time) (stop func()) {
	if !drawsOver(p.stderr) {
		return func() {}
	}
	ended, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		for tick := time.Tick(drawEvery); ; {
			select {
			case <-tick:
				fmt.Fprintf(p.stderr, "\r\x1b[K%s", progress(board.Read(), time.Since(began)))
			case <-ended:
				fmt.Fprint(p.stderr, "\r\x1b[K")
				return
			}
		}
	}()
	return func() {
		close(ended)
		<-gone
	}
}

func progress(board status.Snapshot, took time.Duration) string {
	all, listed, failed := 0, 0, 0
	for _, i := range board.Integrations {
		for _, t := range i.Targets {
			if t.State == status.Off || t.State == status.Standby {
				continue
			}
			all++
			switch {
			case !t.At.IsZero():
				listed++
			case t.State == status.Failed, t.Listed.Failure != "":
				failed++
			}
		}
	}
	return fmt.Sprintf("asking AWS: %d of %d accounts and regions are listed, %d failed; %d calls, %s",
		listed, all, failed, callsOf(board), took.Round(time.Second))
}

// drawsOver reports whether lines of an output can be drawn over.
func drawsOver(out io.Writer) bool {
	file, is := out.(*os.File)
	return is && term.IsTerminal(int(file.Fd()))
}
