package node_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"federation-agent/internal/node"
	"federation-agent/internal/status"
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
		`store_table_up{region="eu-west-1",table="journal"} 1`, `store_members{state="live"} 2`, `store_members{state="gone"} 1`,
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
