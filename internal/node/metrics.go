package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"federation-agent/internal/gateway"
	"federation-agent/internal/status"
)

// maxScrapes is how many scrapes may run at a time, as in gravitee-node. More are answered 503.
const maxScrapes = 3

// metrics serves the board's counts, the journal's lists and the Go runtime's figures.
func (a *api) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	process := collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})
	registry.MustRegister(collectors.NewGoCollector(), process, collector{a})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: missed{a.repeats}, Timeout: requestWithin, MaxRequestsInFlight: maxScrapes,
		ErrorHandling: promhttp.ContinueOnError, // a journal that cannot be read hides nothing else
	})
}

// missed takes what promhttp logs, which may come with each scrape.
type missed struct{ log *slog.Logger }

// Println implements promhttp.Logger.
func (m missed) Println(what ...any) {
	m.log.Warn("a scrape lacks metrics", "error", strings.TrimSpace(fmt.Sprintln(what...)))
}

// collector reads the figures at each scrape; nothing is counted twice. The number of series is bounded by the
// configuration: integrations, targets, and accounts and regions times operations and results. What counts, or measures
// durations, begins at 0 with the process wherever its labels are known, so that the first fault shows as an increase.
type collector struct{ *api }

// metric is one metric's description. Labels follow the help.
func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("federation_agent_"+name, help, labels, nil)
}

var (
	buildInfo    = metric("build_info", "Which program this is; always 1.", "version", "commit", "goversion")
	journalBytes = metric("journal_size_bytes", "Size of the journal on disk.")
	cacheBytes   = metric("export_cache_size_bytes", "Size of the exports that are kept.")
	degraded     = metric("store_degraded", "Whether new data is lost with the process.")

	tableUp = metric("store_table_up", "Whether the journal's table confirms that this agent lives; absent without a table.",
		"table", "region")
	tableLost = metric("store_table_unconfirmed_total", "Signs of life that the journal's table did not confirm.", "table", "region")
	tableAway = metric("store_table_away_seconds", "For how long the journal's table cannot be used; 0 while it can.",
		"table", "region")
	tableRestored = metric("store_table_restored", "Whether the journal's table was restored or copied, and nobody has accepted that.",
		"table", "region")
	tableCalls = metric("store_table_calls_total", "Calls of the journal's table; the SDK's retries are part of a call.",
		"operation", "result")
	tableTime = metric("store_table_call_duration_seconds", "Duration of calls of the journal's table, retries included.",
		"operation")
	sharing   = metric("store_members", "Agents that share the journal, this one included.", "table", "region", "state")
	takenOver = metric("store_taken_over_total", "What this agent took over from another one, which was gone or too slow.",
		"kind")
	contested = metric("store_contested_writes_total",
		"Writes of a subscription's keys that another agent came before, so that they were decided anew.")

	sessionUp    = metric("session_up", "Whether the integration has a session to APIM.", "integration")
	primary      = metric("primary", "Whether APIM made this agent the integration's primary.", "integration")
	reconnects   = metric("session_reconnects_total", "Sessions to APIM after the first one.", "integration")
	sessionsLost = metric("sessions_lost_total", "Sessions to APIM that ended.", "integration", "reason")

	commands    = metric("commands_total", "Commands from APIM by outcome.", "integration", "type", "outcome")
	open        = metric("open_commands", "Commands from APIM without an answer.", "integration", "type")
	commandTime = metric("command_duration_seconds", "Time to the answer of a command.", "integration", "type")

	ingests       = metric("ingests_total", "Ingests that ended.", "integration", "result")
	running       = metric("running_ingests", "Ingests that run.", "integration")
	ingestTime    = metric("ingest_duration_seconds", "Duration of ingests.", "integration")
	ingestSuccess = metric("ingest_last_success_timestamp_seconds",
		"When an ingest last ended as a success; absent until one has.", "integration")
	ingestedAPIs = metric("ingested_apis_total", "APIs that APIM acknowledged, repeated ones too.", "integration")
	omittedAPIs  = metric("omitted_apis_total", "APIs that ingests left out though AWS has them.",
		"integration", "reason")
	filterUnused  = metric("stage_filter_unused", "Whether the stage filter names stages that no API has.", "integration")
	filtersUnused = metric("filter_unused", "Settings of the other filters with entries that do nothing.", "integration")
	guardTripped  = metric("plan_guard_tripped", "Whether plans are missing in AWS that APIM has.", "integration")

	drifting = metric("drift_apis",
		"APIs that differ between AWS and APIM, when they were last compared; absent until they were.", "integration", "kind")
	driftAt = metric("drift_last_report_timestamp_seconds",
		"When AWS and APIM were last compared; absent until they were.", "integration")
	rounds   = metric("scheduled_ingests_total", "Tries at scheduled ingests.", "integration", "result")
	removals = metric("removals_total", "Tries to unpublish or delete in APIM what AWS has deleted.",
		"integration", "how", "result")
	tooMany = metric("removals_refused", "Whether more is gone in AWS than may be removed from APIM at a time.", "integration")
	heard   = metric("events_total", "Messages of the events queue, by what they turned out to be.", "integration", "result")
	hears   = metric("events_up", "Whether events can be received, as far as was tried.", "integration")

	keysMade        = metric("keys_made_total", "API keys that AWS made.", "integration")
	keysDeleted     = metric("keys_deleted_total", "API keys that AWS deleted, or that were gone.", "integration")
	keysSettled     = metric("keys_settled_total", "Unconfirmed API keys that APIM has, or not.", "integration", "outcome")
	pendingKeys     = metric("pending_keys", "API keys that are being made or answered.", "integration")
	deletingKeys    = metric("deleting_keys", "API keys that are being deleted.", "integration")
	unconfirmedKeys = metric("unconfirmed_keys", "API keys that APIM may have; see /_node/federation.", "integration")
	lostCreates     = metric("lost_creates", "API keys that AWS may have made; see /_node/federation.", "integration")
	unservedKeys    = metric("unserved_keys",
		"API keys to be deleted that nothing configured reaches; see /_node/federation.", "integration")
	oldestKey = metric("oldest_key_age_seconds",
		"Age of the oldest API key in a state that passes or that somebody must end; 0 without one.", "integration", "state")

	targetUp = metric("target_up", "Whether AWS could be used the last time that the agent tried.",
		"integration", "account", "region", "role")
	targetStates = metric("targets", "Accounts and regions by state.", "integration", "state")
	targetListed = metric("target_last_listed_timestamp_seconds",
		"When the last complete listing began; absent until there is one.", "integration", "account", "region", "role")

	allowedRate = metric("aws_allowed_calls_per_second", "Calls a second that the agent allows itself now.",
		"account", "region")
	share = metric("aws_share_calls_per_second", "Calls a second that the agent would allow itself.", "account", "region")
	alone = metric("aws_quota_alone", "Whether nobody else is noticed, so that nearly all of the quota is used; absent where "+
		"agent.quota.share is a number.", "account", "region")
	awsCalls = metric("aws_calls_total", "Calls to API Gateway and STS, retries included. STS's have no account.",
		"account", "region", "operation", "result")
	awsTime = metric("aws_call_duration_seconds", "Duration of calls to AWS, without the wait for a permit.",
		"region", "operation")
	permitWait = metric("aws_permit_wait_seconds", "Wait of calls for the request quota.", "account", "region")
)

// Describe implements prometheus.Collector. It declares nothing, so that a new metric needs no second list; the
// registry then checks every metric when it is collected.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	board, m := c.Board.Read(), measures{out}
	m.gauge(buildInfo, 1, c.Build.Version, c.Build.Commit, c.Build.Go)
	m.gauge(degraded, oneIf(!c.StoreHealth().Durable))
	sizes := c.Sizes()
	m.gauge(journalBytes, float64(sizes.Journal))
	m.gauge(cacheBytes, float64(sizes.Exports))
	m.shared(board.Shared, c.Now())
	for _, i := range board.Integrations {
		m.session(i.ID, i.Session)
		m.commands(i.ID, i.Commands)
		m.ingests(i.ID, i.Ingested)
		m.reconciled(i.ID, i.Reconciled)
		m.gauge(filterUnused, oneIf(i.UnusedStages != ""), i.ID)
		m.gauge(filtersUnused, float64(len(i.UnusedFilters)), i.ID)
		m.gauge(guardTripped, oneIf(len(i.Guard) > 0), i.ID)
		m.count(keysMade, i.Keys.Made, i.ID)
		m.count(keysDeleted, i.Keys.Deleted, i.ID)
		m.count(keysSettled, i.Keys.Settled.Kept, i.ID, "kept")
		m.count(keysSettled, i.Keys.Settled.Deleted, i.ID, "deleted")
		states := map[status.TargetState]int{}
		for _, t := range i.Targets {
			m.target(i.ID, t)
			states[t.State]++
		}
		for _, state := range status.TargetStates() {
			m.gauge(targetStates, float64(states[state]), i.ID, string(state))
		}
	}
	m.aws(board)
	ctx, cancel := context.WithTimeout(context.Background(), requestWithin)
	defer cancel()
	keys := c.keys(ctx, board)
	if keys.Problem != "" {
		out <- prometheus.NewInvalidMetric(unconfirmedKeys, errors.New(keys.Problem))
		return
	}
	m.keys(keys, c.Now())
}

// measures gives metrics, a subject a method.
type measures struct{ out chan<- prometheus.Metric }

func (m measures) gauge(d *prometheus.Desc, v float64, labels ...string) {
	m.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (m measures) count(d *prometheus.Desc, n uint64, labels ...string) {
	m.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

// instant gives a gauge in Unix seconds; none for an instant that has not been.
func (m measures) instant(d *prometheus.Desc, at time.Time, labels ...string) {
	if !at.IsZero() {
		m.gauge(d, float64(at.UnixMilli())/1000, labels...)
	}
}

// times gives a histogram, which is not nil.
func (m measures) times(d *prometheus.Desc, h *status.Histogram, labels ...string) {
	below, upTo := uint64(0), make(map[float64]uint64, len(h.Bounds))
	for n, bound := range h.Bounds {
		below += h.Counts[n]
		upTo[bound] = below
	}
	m.out <- prometheus.MustNewConstHistogram(d, below+h.Counts[len(h.Bounds)], h.Sum, upTo, labels...)
}

// shared gives what there is only where the journal is a table.
func (m measures) shared(s *status.Shared, now time.Time) {
	if s == nil {
		return
	}
	m.gauge(tableUp, oneIf(s.Stands), s.Table, s.Region)
	m.count(tableLost, s.Unconfirmed, s.Table, s.Region)
	away := 0.0
	if !s.AwaySince.IsZero() {
		away = max(0, now.Sub(s.AwaySince).Seconds())
	}
	m.gauge(tableAway, away, s.Table, s.Region)
	m.gauge(tableRestored, oneIf(!s.RestoredAt.IsZero()), s.Table, s.Region)
	counts, took, none := map[status.TableCall]uint64{}, map[string]*status.Histogram{}, status.NoTableCalls()
	for _, call := range status.TableCalls() {
		counts[call], took[call.Operation] = 0, none
	}
	for call, n := range over(counts, s.Calls) {
		m.count(tableCalls, n, call.Operation, string(call.Result))
	}
	for operation, h := range over(took, s.Took) {
		m.times(tableTime, h, operation)
	}
	for kind, n := range s.TakenOver {
		m.count(takenOver, n, string(kind))
	}
	m.count(contested, s.Contested)
	live, gone := 1, 0
	for _, other := range s.Others {
		if other.Gone {
			gone++
		} else {
			live++
		}
	}
	m.gauge(sharing, float64(live), s.Table, s.Region, "live")
	m.gauge(sharing, float64(gone), s.Table, s.Region, "gone")
}

func (m measures) session(id string, s status.Session) {
	m.gauge(sessionUp, oneIf(s.State == status.Up), id)
	m.gauge(primary, oneIf(s.Primary != nil && *s.Primary), id)
	m.count(reconnects, max(s.Connects, 1)-1, id)
	for _, reason := range status.Losses() {
		m.count(sessionsLost, s.Lost[reason], id, string(reason))
	}
}

func (m measures) commands(id string, c status.Commands) {
	counts := map[status.Command]uint64{{Type: status.Unreadable, Outcome: status.Unanswered}: 0}
	none := status.NoCommands()
	for _, kind := range status.CommandTypes() {
		for _, outcome := range status.Outcomes() {
			counts[status.Command{Type: kind, Outcome: outcome}] = 0
		}
		m.gauge(open, float64(c.Open[kind]), id, kind)
		m.times(commandTime, cmp.Or(c.Took[kind], none), id, kind)
	}
	for command, n := range over(counts, c.Counts) {
		m.count(commands, n, id, command.Type, string(command.Outcome))
	}
}

func (m measures) ingests(id string, g status.Ingested) {
	m.count(ingests, g.Succeeded, id, "succeeded")
	m.count(ingests, g.Failed, id, "failed")
	m.gauge(running, float64(len(g.Progress)), id)
	m.times(ingestTime, cmp.Or(g.IngestsTook, status.NoIngests()), id)
	m.instant(ingestSuccess, g.LastSuccess, id)
	m.count(ingestedAPIs, g.IngestedAPIs, id)
	counts := map[string]uint64{}
	for _, reason := range gateway.Reasons() {
		counts[string(reason)] = 0
	}
	for reason, n := range over(counts, g.OmittedBy) {
		m.count(omittedAPIs, n, id, reason)
	}
}

// reconciled gives what there is only where APIM's REST API, or a schedule, is configured.
func (m measures) reconciled(id string, r status.Reconciled) {
	if r.Schedule != nil {
		for result, n := range r.Schedule.Rounds {
			m.count(rounds, n, id, string(result))
		}
	}
	if r.Removal != nil {
		for result, n := range r.Removal.Results {
			m.count(removals, n, id, r.Removal.How, string(result))
		}
		m.gauge(tooMany, oneIf(r.Removal.Refused != ""), id)
	}
	if r.Events != nil {
		for result, n := range r.Events.Results {
			m.count(heard, n, id, string(result))
		}
		m.gauge(hears, oneIf(r.Events.Failure == ""), id)
	}
	if r.Drift != nil && !r.Drift.At.IsZero() { // nobody knows before: a 0 would say that nothing differs
		for kind, n := range r.Drift.Counts {
			m.gauge(drifting, float64(n), id, kind)
		}
		m.instant(driftAt, r.Drift.At, id)
	}
}

func (m measures) target(id string, t status.Target) {
	if t.State != status.Standby && t.State != status.Off { // nobody tries it
		m.gauge(targetUp, oneIf(t.State == status.Ready), id, t.Account, t.Region, t.Role)
	}
	m.instant(targetListed, t.At, id, t.Account, t.Region, t.Role)
}

// aws gives what is known of accounts and regions. Several integrations may use one.
func (m measures) aws(board status.Snapshot) {
	counts, noCalls, noWaits := map[status.Call]uint64{}, status.NoCalls(), status.NoWaits()
	took, waited := map[status.Operation]*status.Histogram{}, map[status.Place]*status.Histogram{}
	known := func(p status.Place, operations []gateway.Operation) {
		for _, operation := range operations {
			took[status.Operation{Region: p.Region, Name: string(operation)}] = noCalls
			for _, class := range operation.Results() {
				counts[status.Call{Place: p, Operation: string(operation), Result: class.String()}] = 0
			}
		}
	}
	for _, i := range board.Integrations {
		for _, t := range i.Targets {
			known(status.Place{Region: t.Region}, gateway.STSOperations())
		}
	}
	for p, q := range board.Quotas {
		known(p, gateway.Operations())
		waited[p] = noWaits
		m.gauge(allowedRate, q.Rate, p.Account, p.Region)
		m.gauge(share, q.Share, p.Account, p.Region)
		if q.Others != "" {
			m.gauge(alone, oneIf(q.Others == string(gateway.OthersNone)), p.Account, p.Region)
		}
	}
	for call, n := range over(counts, board.Calls) {
		m.count(awsCalls, n, call.Account, call.Region, call.Operation, call.Result)
	}
	for operation, h := range over(took, board.Took) {
		m.times(awsTime, h, operation.Region, operation.Name)
	}
	for p, h := range over(waited, board.Waited) {
		m.times(permitWait, h, p.Account, p.Region)
	}
}

func (m measures) keys(keys keysReport, now time.Time) {
	unserved := map[string]int{}
	for _, k := range keys.Unserved {
		unserved[k.Integration]++
	}
	for id, of := range keys.Backlog { // also of integrations that are not configured any more
		for state, d := range map[keyState]*prometheus.Desc{
			keyPending: pendingKeys, keyDeleting: deletingKeys, keyUnconfirmed: unconfirmedKeys, keyLostCreate: lostCreates,
		} {
			w := of[state]
			age := 0.0
			if w.Count > 0 {
				age = max(0, now.Sub(w.Oldest).Seconds())
			}
			m.gauge(d, float64(w.Count), id)
			m.gauge(oldestKey, age, id, string(state))
		}
		m.gauge(unservedKeys, float64(unserved[id]), id)
	}
}

// over puts what was counted over the zeros of what may be.
func over[K comparable, V any](zeros, counts map[K]V) map[K]V {
	maps.Copy(zeros, counts)
	return zeros
}

func oneIf(so bool) float64 {
	if so {
		return 1
	}
	return 0
}
