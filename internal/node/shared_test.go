package node_test

import (
	"html"
	"net/http"
	"strings"
	"testing"
	"time"

	"federation-agent/internal/node"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
)

// sharing is a journal that is a table, with one agent that lives and one that is gone.
func sharing(board *status.Board) {
	board.Share(status.Shared{ID: "me", Table: "journal", Region: "eu-west-1"})
	board.Members([]status.Member{
		{ID: "one", Version: "1.2.3", Ready: []string{"i"}, SeenAt: time.Now()},
		{ID: "two", Version: "1.2.3", SeenAt: time.Now().Add(-time.Minute), Gone: true},
	})
}

func TestASharedJournalIsShown(t *testing.T) {
	board := status.NewBoard()
	r := newRig(t, func(o *node.Options) { o.Metrics, o.Board = true, board })
	sharing(board)
	board.Serve("i", time.Now())
	board.SessionUp("i", "https://apim", time.Now())
	if got, _ := r.get("/_node/ready"); got != http.StatusInternalServerError {
		t.Errorf("ready before the table has confirmed anything: %d", got)
	}
	board.Raised(time.Now(), "", true)
	if got, _ := r.get("/_node/ready"); got != http.StatusOK {
		t.Errorf("ready: %d", got)
	}
	_, metrics := r.get(metricsPath)
	for _, line := range []string{
		`store_table_up{region="eu-west-1",table="journal"} 1`, `store_members{region="eu-west-1",state="live",table="journal"} 2`,
		`store_members{region="eu-west-1",state="gone",table="journal"} 1`,
		`store_table_away_seconds{region="eu-west-1",table="journal"} 0`,
		`store_table_restored{region="eu-west-1",table="journal"} 0`,
		`store_table_calls_total{operation="UpdateItem",result="refused"} 0`,
		`store_table_calls_total{operation="GetItem",result="throttled"} 0`,
		`store_table_call_duration_seconds_count{operation="Query"} 0`,
		`store_table_call_duration_seconds_bucket{operation="DescribeTable",le="20"} 0`,
		`store_taken_over_total{kind="keys"} 0`, `store_taken_over_total{kind="ingest"} 0`, `store_contested_writes_total 0`,
	} {
		if !strings.Contains(metrics, "\nfederation_agent_"+line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
	board.Raised(time.Now(), "DynamoDB denies access", false)
	if got, _ := r.get("/_node/ready"); got != http.StatusOK {
		t.Errorf("a table that is away makes the agent unready: %d", got)
	}
	if _, body := r.get("/_node/federation"); !strings.Contains(body, `"failure": "DynamoDB denies access"`) ||
		!strings.Contains(body, `"problem": "DynamoDB denies access"`) || !strings.Contains(body, `"id": "two"`) {
		t.Error(body)
	}
}

func TestTheUseOfASharedJournalIsMeasured(t *testing.T) {
	r := newRig(t, func(o *node.Options) { o.Metrics = true })
	board := r.options.Board
	board.TableCalled(status.TableCall{Operation: "GetItem", Result: status.TableOK}, time.Second) // there is no table
	sharing(board)
	board.TableCalled(status.TableCall{Operation: "GetItem", Result: status.TableOK}, 30*time.Millisecond)
	board.TableCalled(status.TableCall{Operation: "UpdateItem", Result: status.TableRefused}, 6*time.Second)
	board.TookOver(status.TookKeys)
	board.Contested()
	board.TableAway(r.now.Add(-time.Minute))
	board.TableRestored(r.now.Add(-time.Hour))
	metrics := r.measure()
	for _, line := range []string{
		`store_table_calls_total{operation="GetItem",result="ok"} 1`,
		`store_table_calls_total{operation="UpdateItem",result="refused"} 1`,
		`store_table_call_duration_seconds_bucket{operation="GetItem",le="0.05"} 1`,
		`store_table_call_duration_seconds_bucket{operation="UpdateItem",le="5"} 0`,
		`store_table_call_duration_seconds_sum{operation="UpdateItem"} 6`,
		`store_taken_over_total{kind="keys"} 1`, `store_contested_writes_total 1`,
		`store_table_away_seconds{region="eu-west-1",table="journal"} 60`,
		`store_table_restored{region="eu-west-1",table="journal"} 1`,
	} {
		if !strings.Contains(metrics, "\nfederation_agent_"+line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
}

func TestThePageShowsWhoSharesTheJournalAndWhatEachHasOfTheQuota(t *testing.T) {
	r := newRig(t, nil)
	board, place := r.options.Board, status.Place{Account: "111122223333", Region: "eu-west-1"}
	board.Share(status.Shared{ID: "me", Host: "pod-a", Table: "journal", Region: "eu-west-1"})
	board.Raised(r.now, "", true)
	board.Members([]status.Member{
		{ID: "one", Host: "pod-b", Version: "1.2.4", Ready: []string{integration}, SeenAt: r.now},
		{ID: "two", Version: "1.2.3", SeenAt: r.now.Add(-time.Minute), Gone: true},
	})
	lent := func(rate float64, wanted bool, since time.Duration) string {
		board.Quota(place, status.Quota{Rate: rate, Share: 7, Lent: &status.Lent{
			Wanted: wanted, Others: map[string]float64{"one": 4.9}, KnownAt: r.now.Add(-since),
		}})
		return html.UnescapeString(r.page(""))
	}
	page := lent(2.1, true, time.Second)
	wants(t, page,
		"pod-a", "1.2.3, this agent", "2.10 a second in 111122223333:eu-west-1", "pod-b", "1.2.4",
		"4.90 a second in 111122223333:eu-west-1", "lent to this agent; the others have: pod-b 4.90",
		"No sign of life from 1 agent", "two, last seen 1 min ago",
	)
	if page = lent(0, true, time.Second); !strings.Contains(page, "it asks for its part; the others have: pod-b 4.90") {
		t.Error("it does not say that it waits for its part")
	}
	page = lent(0, false, 5*time.Minute)
	if !strings.Contains(page, "(5 min ago they had: pod-b 4.90)") ||
		!strings.Contains(page, "at rest, so all is lent to the others") || strings.Contains(page, "4.90 a second in") {
		t.Error("it does not say why nothing is lent to an agent at rest")
	}
	if _, body := r.get("/_node/federation"); !strings.Contains(body, `"said": "at rest, so all is lent to the others`) ||
		!strings.Contains(body, `"host": "pod-b"`) {
		t.Error(body)
	}
	board.TableAway(r.now.Add(-time.Minute))
	r.health = store.Health{Durable: true, Messages: []string{"DynamoDB denies access"}}
	page = lent(0, true, time.Second)
	wants(t, page, "The journal's table cannot be used", "nothing is lent while the table cannot be used")
	board.TableAway(time.Time{})
	board.TableRestored(r.now.Add(-time.Hour))
	if page = lent(0, true, 0); !strings.Contains(page, "The table journal was restored or copied from another one") {
		t.Error("it does not say that the table was restored")
	}
}
