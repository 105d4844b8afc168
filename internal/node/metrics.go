package node

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

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
		ErrorLog: slog.NewLogLogger(a.Log.Handler(), slog.LevelWarn), Timeout: requestWithin,
		MaxRequestsInFlight: maxScrapes,
		ErrorHandling:       promhttp.ContinueOnError, // a journal that cannot be read hides nothing else
	})
}

// collector reads the figures at each scrape; nothing is counted twice. The number of series is bounded by the
// configuration: integrations, and accounts and regions times operations and results.
type collector struct{ *api }

// metric is one metric's description. Labels follow the help.
func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("federation_agent_"+name, help, labels, nil)
}

var (
	buildInfo       = metric("build_info", "Which program this is; always 1.", "version", "commit", "goversion")
	storeDegraded   = metric("store_degraded", "Whether new data is lost with the process.")
	sessionUp       = metric("session_up", "Whether the integration has a session to APIM.", "integration")
	reconnects      = metric("session_reconnects_total", "Sessions to APIM after the first one.", "integration")
	commands        = metric("commands_total", "Commands from APIM by outcome.", "integration", "type", "outcome")
	ingestedAPIs    = metric("ingested_apis_total", "APIs that APIM acknowledged, repeated ones too.", "integration")
	omittedAPIs     = metric("omitted_apis_total", "APIs that ingests left out though AWS has them.", "integration")
	guardTripped    = metric("plan_guard_tripped", "Whether plans are missing in AWS that APIM has.", "integration")
	unconfirmedKeys = metric("unconfirmed_keys", "API keys that APIM may have; see /_node/federation.", "integration")
	lostCreates     = metric("lost_creates", "API keys that AWS may have made; see /_node/federation.", "integration")
	unservedKeys    = metric("unserved_keys",
		"API keys to be deleted that nothing configured reaches; see /_node/federation.", "integration")
	awsCalls = metric("aws_calls_total", "Calls to API Gateway, retries included.",
		"account", "region", "operation", "result")
)

// Describe implements prometheus.Collector. It declares nothing, so that a new metric needs no second list; the
// registry then checks every metric when it is collected.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	board := c.Board.Read()
	keys := c.keys(board)
	gauge(buildInfo, 1, c.Build.Version, c.Build.Commit, c.Build.Go)
	gauge(storeDegraded, oneIf(!c.StoreHealth().Durable))
	for _, i := range board.Integrations {
		gauge(sessionUp, oneIf(i.Session.State == status.Up), i.ID)
		gauge(guardTripped, oneIf(len(i.Guard) > 0), i.ID)
		count(reconnects, max(i.Session.Connects, 1)-1, i.ID)
		count(ingestedAPIs, i.IngestedAPIs, i.ID)
		count(omittedAPIs, i.OmittedAPIs, i.ID)
		for command, n := range i.Counts {
			count(commands, n, i.ID, command.Type, string(command.Outcome))
		}
	}
	for call, n := range board.Calls {
		count(awsCalls, n, call.Account, call.Region, call.Operation, call.Result)
	}
	if keys.Problem != "" {
		out <- prometheus.NewInvalidMetric(unconfirmedKeys, errors.New(keys.Problem))
		return
	}
	for desc, listed := range map[*prometheus.Desc][]keyReport{
		unconfirmedKeys: keys.Unconfirmed, lostCreates: keys.LostCreates, unservedKeys: keys.Unserved,
	} {
		counts := map[string]int{}
		for _, i := range board.Integrations {
			counts[i.ID] = 0 // a series begins before its first key
		}
		for _, k := range listed {
			counts[k.Integration]++
		}
		for id, n := range counts {
			gauge(desc, float64(n), id)
		}
	}
}

func oneIf(so bool) float64 {
	if so {
		return 1
	}
	return 0
}
