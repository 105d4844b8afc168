package node_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"federation-agent/internal/node"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
)

const metricsPath = "/_node/metrics/prometheus"

// measured is a rig that serves metrics, with a little of everything to be counted, and an integration that has seen
// nothing yet.
func measured(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, func(o *node.Options) { o.Metrics = true })
	r.busy()
	r.removes()
	r.listKeys()
	board, place := r.options.Board, status.Place{Account: "111122223333", Region: "eu-west-1"}
	sharing(board)
	board.SessionAway(integration, "cut", r.now)
	board.SessionLost(integration, status.LostNetwork)
	board.SessionUp(integration, "https://apim", r.now)
	board.Primary(integration, true)
	board.Opened(integration, "DISCOVER")
	board.Ingesting(integration, "job-2", status.Progress{Started: r.now})
	board.IngestEnded(integration, status.Ingest{
		Job: "job-1", Started: r.now.Add(-100 * time.Second), At: r.now, Omitted: 3,
		OmittedBy: map[string]int{"access_denied": 2, "too_late": 1},
	})
	board.KeyMade(integration)
	board.KeyDeleted(integration)
	board.KeySettled(integration, true)
	board.Waited(place, 3*time.Second)
	board.Called(status.Call{Place: status.Place{Region: "eu-west-1"}, Operation: "AssumeRole", Result: "ok"}, r.now, time.Second)
	board.Serve("idle", r.now)
	board.Target("idle", status.Target{Region: "eu-west-1", State: status.Resolving, Since: r.now})
	board.Unserved(map[string]string{"record-4": "configure the account and region again"})
	return r
}

func (r *rig) measure() string {
	r.t.Helper()
	code, body := r.get(metricsPath)
	if code != http.StatusOK {
		r.t.Fatalf("%d %s", code, body)
	}
	return "\n" + body
}

func TestMetricsAreServedOnlyWhenEnabled(t *testing.T) {
	if code, _ := newRig(t, nil).get(metricsPath); code != http.StatusNotFound {
		t.Errorf("%d where metrics are not enabled", code)
	}
}

func TestMetricsCountWhatTheStatusShows(t *testing.T) {
	r := measured(t)
	r.now = r.now.Add(10 * time.Second)
	body := r.measure()
	const (
		place = `account="111122223333",region="eu-west-1"`
		calls = `account="111122223333",operation="GetRestApis",region="eu-west-1"`
	)
	for _, line := range []string{
		`build_info{commit="abc",goversion="go1.26",version="1.2.3"} 1`,
		"store_degraded 0", "journal_size_bytes 4096", "export_cache_size_bytes 1.048576e+06",
		"session_up{I} 1", "session_reconnects_total{I} 1", `sessions_lost_total{I,reason="network"} 1`, "primary{I} 1",
		`commands_total{I,outcome="error",type="SUBSCRIBE"} 1`, `open_commands{I,type="DISCOVER"} 1`,
		`command_duration_seconds_bucket{I,type="SUBSCRIBE",le="2"} 0`,
		`command_duration_seconds_bucket{I,type="SUBSCRIBE",le="5"} 1`,
		`command_duration_seconds_sum{I,type="SUBSCRIBE"} 3`, `command_duration_seconds_count{I,type="SUBSCRIBE"} 1`,
		`ingests_total{I,result="succeeded"} 1`, `ingests_total{I,result="failed"} 0`, "running_ingests{I} 1",
		`ingest_duration_seconds_bucket{I,le="300"} 1`, "ingest_last_success_timestamp_seconds{I} 1.8e+09",
		`drift_apis{I,kind="gone"} 1`, `drift_apis{I,kind="new"} 0`,
		"drift_last_report_timestamp_seconds{I} 1.79999994e+09",
		`scheduled_ingests_total{I,result="sent"} 1`, `scheduled_ingests_total{I,result="failed"} 0`,
		`events_total{I,result="taken"} 1`, `events_total{I,result="unreadable"} 0`, "events_up{I} 1",
		`removals_total{how="unpublish",I,result="removed"} 1`, `removals_total{how="unpublish",I,result="failed"} 0`,
		"removals_refused{I} 0",
		"ingested_apis_total{I} 6", `omitted_apis_total{I,reason="access_denied"} 2`,
		`omitted_apis_total{I,reason="too_late"} 1`, "plan_guard_tripped{I} 0",
		"keys_made_total{I} 1", "keys_deleted_total{I} 1", `keys_settled_total{I,outcome="kept"} 1`,
		`keys_settled_total{I,outcome="deleted"} 0`, "pending_keys{I} 1", "deleting_keys{I} 1",
		"unconfirmed_keys{I} 1", "lost_creates{I} 1", "unserved_keys{I} 1",
		`oldest_key_age_seconds{I,state="pending"} 10`, `oldest_key_age_seconds{I,state="lost_create"} 10`,
		`target_up{account="111122223333",I,region="eu-west-1",role=""} 1`,
		`target_up{account="",I,region="us-east-1",role="arn:aws:iam::444455556666:role/x"} 0`,
		`target_last_listed_timestamp_seconds{account="111122223333",I,region="eu-west-1",role=""} 1.79999994e+09`,
		"aws_allowed_calls_per_second{" + place + "} 3.5", "aws_share_calls_per_second{" + place + "} 7",
		`aws_calls_total{` + calls + `,result="ok"} 1`, `aws_calls_total{` + calls + `,result="throttled"} 1`,
		`aws_calls_total{account="",operation="AssumeRole",region="eu-west-1",result="ok"} 1`,
		`aws_call_duration_seconds_count{operation="GetRestApis",region="eu-west-1"} 2`,
		"aws_permit_wait_seconds_sum{" + place + "} 3",
	} {
		want := "\nfederation_agent_" + strings.ReplaceAll(line, "I", `integration="`+integration+`"`) + "\n"
		want = strings.ReplaceAll(want, `Dintegration="`+integration+`"SCOVER`, "DISCOVER")
		want = strings.ReplaceAll(want, `SUBSCRintegration="`+integration+`"BE`, "SUBSCRIBE")
		if !strings.Contains(body, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	r.health = inMemory().Health()
	if !strings.Contains(r.measure(), "\nfederation_agent_store_degraded 1") {
		t.Error("a store in memory is not degraded")
	}
	r.options.Board.RemovalRefused(integration, "12 are gone, and agent.ingest.goneAtMost is 10")
	if want := "\nfederation_agent_removals_refused{integration=\"" + integration + "\"} 1\n"; !strings.Contains(r.measure(), want) {
		t.Errorf("the metrics lack %s", want)
	}
}

// A 0 would say that AWS and APIM do not differ.
func TestBeforeTheFirstReportNoMetricSaysHowAWSAndAPIMDiffer(t *testing.T) {
	r := newRig(t, func(o *node.Options) { o.Metrics, o.Board = true, status.NewBoard() })
	board := r.options.Board
	board.Serve(integration, r.now)
	board.Compares(integration, []string{"new", "gone"})
	if body := r.measure(); strings.Contains(body, "federation_agent_drift_") {
		t.Error("there are metrics of a report that was never made")
	}
	board.Drifted(integration, status.Drift{At: r.now, Counts: map[string]int{"new": 0, "gone": 0}})
	want := `federation_agent_drift_apis{integration="` + integration + `",kind="new"} 0`
	if body := r.measure(); !strings.Contains(body, want) {
		t.Errorf("the metrics lack %s", want)
	}
}

// With a series that appears only with its first fault, increase() sees no increase.
func TestWhatCountsBeginsAtZero(t *testing.T) {
	r := newRig(t, func(o *node.Options) { o.Metrics, o.Board = true, status.NewBoard() })
	board := r.options.Board
	board.Serve("idle", r.now)
	board.Target("idle", status.Target{Account: "111122223333", Region: "eu-west-1", State: status.Ready, Since: r.now})
	board.Quota(status.Place{Account: "111122223333", Region: "eu-west-1"}, status.Quota{Rate: 7, Share: 7})
	body := r.measure()
	for _, line := range []string{
		`sessions_lost_total{integration="idle",reason="silent"} 0`,
		`commands_total{integration="idle",outcome="error",type="SUBSCRIBE"} 0`,
		`commands_total{integration="idle",outcome="unanswered",type="unreadable"} 0`,
		`open_commands{integration="idle",type="FETCH"} 0`,
		`ingests_total{integration="idle",result="failed"} 0`, `omitted_apis_total{integration="idle",reason="access_denied"} 0`,
		`keys_made_total{integration="idle"} 0`, `unconfirmed_keys{integration="idle"} 0`,
		`oldest_key_age_seconds{integration="idle",state="deleting"} 0`, `unserved_keys{integration="idle"} 0`,
		`aws_calls_total{account="111122223333",operation="CreateApiKey",region="eu-west-1",result="hard_limit"} 0`,
		`aws_calls_total{account="111122223333",operation="GetExport",region="eu-west-1",result="access_denied"} 0`,
		`aws_calls_total{account="",operation="AssumeRole",region="eu-west-1",result="access_denied"} 0`,
		`primary{integration="idle"} 0`,
		`command_duration_seconds_count{integration="idle",type="SUBSCRIBE"} 0`,
		`command_duration_seconds_bucket{integration="idle",type="DISCOVER",le="50"} 0`,
		`ingest_duration_seconds_count{integration="idle"} 0`, `ingest_duration_seconds_bucket{integration="idle",le="7200"} 0`,
		`aws_call_duration_seconds_count{operation="CreateApiKey",region="eu-west-1"} 0`,
		`aws_call_duration_seconds_bucket{operation="AssumeRole",region="eu-west-1",le="40"} 0`,
		`aws_permit_wait_seconds_count{account="111122223333",region="eu-west-1"} 0`,
		`aws_permit_wait_seconds_bucket{account="111122223333",region="eu-west-1",le="50"} 0`,
	} {
		if !strings.Contains(body, "\nfederation_agent_"+line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
	for _, name := range []string{"ingest_last_success_timestamp", "target_last_listed_timestamp"} {
		if strings.Contains(body, name) {
			t.Errorf("%s shows an instant that has not been", name)
		}
	}
}

func TestTheMetricsAreWrittenAsPrometheusWantsThem(t *testing.T) {
	problems, err := promlint.New(strings.NewReader(measured(t).measure())).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", err, problems)
	}
}

var named = regexp.MustCompile("federation_agent_[a-z_]+")

func TestEveryMetricIsDocumentedAndNoOther(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n### Metrics\n")
	table, _, _ := strings.Cut(section, "\nThe metrics of the Go runtime")
	var served []string
	for line := range strings.Lines(measured(t).measure()) {
		if name, is := strings.CutPrefix(line, "# TYPE federation_agent_"); is {
			served = append(served, "federation_agent_"+strings.Fields(name)[0])
		}
	}
	documented := slices.Compact(slices.Sorted(slices.Values(named.FindAllString(table, -1))))
	if diff := cmp.Diff(served, documented); diff != "" || len(served) < 30 {
		t.Errorf("(-served +documented)\n%s", diff)
	}
}

// unreadable is a journal that cannot be read.
type unreadable struct{ store.KeyJournal }

func (unreadable) Entries(context.Context, store.Filter, bool) ([]store.Entry, error) {
	return nil, errors.New("closed")
}

func TestAJournalThatCannotBeReadHidesNoOtherMetric(t *testing.T) {
	r := measured(t)
	r.options.Keys = unreadable{}
	r.rebuild()
	if body := r.measure(); !strings.Contains(body, "\nfederation_agent_session_up") ||
		strings.Contains(body, "\nfederation_agent_unconfirmed_keys") {
		t.Error(body)
	}
}

func TestAJournalThatCannotBeReadIsSaidOnceAndNotForEachScrape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := measured(t)
		r.options.Keys = unreadable{}
		r.rebuild()
		scraped := 0
		for end := time.Now().Add(time.Hour); time.Now().Before(end); scraped++ {
			r.measure()
			time.Sleep(15 * time.Second)
		}
		lines := strings.Count(r.log.String(), "\n")
		if said := strings.Count(r.log.String(), "a scrape lacks metrics"); said != lines || lines == 0 || lines > 8 {
			t.Errorf("%d scrapes are %d lines, %d of them as documented:\n%s", scraped, lines, said, r.log.String())
		}
		if !strings.Contains(r.log.String(), "closed") || !strings.Contains(r.log.String(), "repeated=") {
			t.Errorf("it says neither why nor how often:\n%s", r.log.String())
		}
	})
}
