package node

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"federation-agent/internal/status"
	"federation-agent/internal/store"
)

// maxScrapes is how many scrapes may run at a time, as in gravitee-node; those beyond are answered 503.
const maxScrapes = 3

// metrics serves the board's counts, the journal's lists and the Go runtime's figures.
func (a *api) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newCollector(a))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(a.Log.Handler(), slog.LevelWarn), MaxRequestsInFlight: maxScrapes, Timeout: requestWithin,
		ErrorHandling: promhttp.ContinueOnError, // a journal that cannot be read hides nothing else
	})
}

// collector reads what it tells at each scrape; nothing is counted twice. The number of series is bounded by the
// configuration: integrations, and accounts and regions times operations and results.
type collector struct {
	*api
	build, up, reconnects, commands, calls, ingested, unconfirmed, lostCreates, guard, degraded *prometheus.Desc
}

func newCollector(a *api) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("federation_agent_"+name, help, labels, nil)
	}
	return &collector{
		api:         a,
		build:       desc("build_info", "Which program this is; always 1.", "version", "commit", "goversion"),
		up:          desc("session_up", "Whether the integration has a session to APIM.", "integration"),
		reconnects:  desc("session_reconnects_total", "Sessions to APIM after the first one.", "integration"),
		commands:    desc("commands_total", "Commands from APIM by what came of them: succeeded, error, unanswered.", "integration", "type", "outcome"),
		calls:       desc("aws_calls_total", "Attempts to call API Gateway, retries included, by result: ok, throttled, ….", "account", "region", "operation", "result"),
		ingested:    desc("ingested_apis_total", "APIs that APIM has acknowledged; one ingested again counts again.", "integration"),
		unconfirmed: desc("unconfirmed_keys", "API keys of which nobody knows whether APIM has them; /_node/federation names them.", "integration"),
		lostCreates: desc("lost_creates", "API keys that AWS may have made without its answer arriving; /_node/federation names them.", "integration"),
		guard:       desc("plan_guard_tripped", "Whether the plan-loss guard refuses the integration's ingests.", "integration"),
		degraded:    desc("store_degraded", "Whether what is written does not outlive the process."),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.build, c.up, c.reconnects, c.commands, c.calls, c.ingested, c.unconfirmed, c.lostCreates, c.guard, c.degraded,
	} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	board := c.Board.Read()
	gauge(c.build, 1, c.Build.Version, c.Build.Commit, c.Build.Go)
	gauge(c.degraded, oneIf(!c.StoreHealth().Durable))
	unconfirmed, lostCreates := map[string]int{}, map[string]int{}
	for _, i := range board.Integrations {
		unconfirmed[i.ID], lostCreates[i.ID] = 0, 0 // so that a series does not begin with its first trouble
		gauge(c.up, oneIf(i.Session.State == status.Up), i.ID)
		gauge(c.guard, oneIf(len(i.Guard) > 0), i.ID)
		count(c.reconnects, max(i.Session.Connects, 1)-1, i.ID)
		count(c.ingested, i.IngestedAPIs, i.ID)
		for command, n := range i.Commands {
			count(c.commands, n, i.ID, command.Type, string(command.Outcome))
		}
	}
	for call, n := range board.Calls {
		count(c.calls, n, call.Account, call.Region, call.Operation, call.Result)
	}
	records, err := c.Keys.Records(store.Filter{States: listed()})
	if err != nil {
		out <- prometheus.NewInvalidMetric(c.unconfirmed, err)
		return
	}
	for _, r := range records {
		if r.State == store.StateLostCreate {
			lostCreates[r.Integration]++
		} else {
			unconfirmed[r.Integration]++
		}
	}
	for id, n := range unconfirmed {
		gauge(c.unconfirmed, float64(n), id)
	}
	for id, n := range lostCreates {
		gauge(c.lostCreates, float64(n), id)
	}
}

func oneIf(so bool) float64 {
	if so {
		return 1
	}
	return 0
}
