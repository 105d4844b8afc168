package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"federation-agent/internal/status"
)

// shown is a status page with something of everything.
const shown = `{
  "now": "2026-01-02T12:00:00Z",
  "agent": {"version": "1.2.3", "commit": "abc", "startedAt": "2026-01-01T09:00:00Z"},
  "attention": [{"what": "AWS cannot be used in ap-east-1", "why": "it is off", "do": "enable it"}],
  "store": {"durable": false},
  "keys": {"unconfirmed": [{}, {}], "lostCreates": [{}], "underWay": 4, "beingDeleted": 3},
  "quotas": [{"account": "111122223333", "region": "eu-west-1", "rate": 3.5, "share": 7, "calls": 90, "throttled": 2}],
  "integrations": [{
    "id": "i-1",
    "session": {"state": "away", "since": "2026-01-02T11:59:20Z", "primary": false, "nextTryAt": "2026-01-02T12:00:08Z",
      "lastError": "connection refused"},
    "targets": [
      {"account": "111122223333", "region": "eu-west-1", "state": "ready", "since": "2026-01-02T09:30:00Z",
        "listedAt": "2026-01-02T11:57:00Z", "restApis": 40, "stages": 117},
      {"region": "ap-east-1", "state": "failed", "since": "2026-01-02T11:59:59Z"},
      {"account": "111122223333", "region": "us-east-1", "state": "ready", "since": "2026-01-02T11:59:20Z"},
      {"region": "us-west-2", "state": "resolving", "since": "2026-01-02T11:59:20Z"}
    ],
    "ingests": [{"job": "j-1", "startedAt": "2026-01-02T11:58:00Z", "total": 117, "acknowledged": 30, "documentsTotal": 110,
      "documentsDone": 60, "leftOut": 7}],
    "lastIngest": {"endedAt": "2026-01-02T11:00:00Z", "sent": 57, "withoutDocument": 3, "leftOut": 60,
      "leftOutByReason": {"access_denied": 59, "unavailable": 1}},
    "failedCommands": [{"type": "SUBSCRIBE", "at": "2026-01-02T11:59:00Z", "subscription": "s-1", "reason": "no such plan"}]
  }, {"id": "i-2", "session": {"state": "connected", "since": "2026-01-02T11:00:00Z", "endpoint": "https://apim", "primary": true},
    "lastIngest": {"endedAt": "2026-01-02T11:00:00Z", "sent": 5, "failure": "a region is missing"}},
    {"id": "i-3", "session": {"state": "away", "since": "2026-01-02T11:59:58Z"}}]
}`

func TestTheStatusIsReadInAMinute(t *testing.T) {
	var s seen
	if err := json.Unmarshal([]byte(shown), &s); err != nil {
		t.Fatal(err)
	}
	text := s.inWords()
	for _, want := range []string{
		"federation-agent 1.2.3 (abc), up for 27 h; 2026-01-02 12:00:00 UTC\n",
		"ATTENTION: AWS cannot be used in ap-east-1\n  why: it is off\n  do:  enable it\n",
		"Integration i-1: away for 40 s, not primary: another agent is: connection refused; next try in 8 s\n",
		"111122223333:eu-west-1  ready                2 h    3 min ago                  40         117\n",
		"ap-east-1               failed               1 s    not since the agent began  0          0\n",
		"111122223333:us-east-1  not listed yet       40 s   not since the agent began  0          0\n",
		"us-west-2               finding the account  40 s   not since the agent began  0          0\n",
		"Integration i-3: connecting for 2 s\n",
		"Ingest j-1 runs for 2 min: 60 of 110 APIs are ready, 30 of 117 are sent, 7 left out\n",
		"The last ingest ended 1 h ago: 57 APIs sent, 3 of them without a document, 60 left out (access_denied 59, " +
			"unavailable 1)\n",
		"SUBSCRIBE s-1 failed 1 min ago: no such plan\n",
		"Integration i-2: connected for 1 h to https://apim, primary\n",
		"The last ingest failed 1 h ago, after 5 APIs: a region is missing\n",
		"Keys: 2 unconfirmed, 1 lost creates, 3 being deleted, 4 being made\nJournal: in memory only\n",
		"111122223333:eu-west-1  3.5                7   90     2\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q\n%s", want, text)
		}
	}
}

func TestAWatchGoesOnWhileTheAgentIsAwayAndEndsByCtrlC(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte(shown))
	}))
	defer agent.Close()
	c := start(t, nil, "status", "--watch", "--interval", leastInterval.String(), "--url", agent.URL)
	c.prints("the agent refuses it: 503 Service Unavailable\n")
	c.signal(os.Interrupt)
	if code := c.exit(); code != exitOrderly || strings.Contains(c.Stdout.String(), "\x1b") {
		t.Errorf("exit code %d\n%s%s", code, c.Stdout.String(), c.log())
	}
	for args, want := range map[string]string{
		"--watch --interval 1ms": "--interval: 500ms at least", "--watch --json": "none of the others can be",
	} {
		_, text, code := said(nil, append([]string{"status", "--url", agent.URL}, strings.Fields(args)...)...)
		if code != exitConfiguration || !strings.Contains(text, want) {
			t.Errorf("%s: exit code %d, %s", args, code, text)
		}
	}
}

func TestTheStatusOfARunningAgentIsForPeopleOrForPrograms(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	environ := settings(t, s, withNode()...)
	agent := start(t, environ)
	connected(t, s)
	ingested(t, s)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(nodeURL(agent), "http://"))
	environ = append(environ, nodePort+"="+port)
	people := start(t, environ, "status")
	if code := people.exit(); code != exitOrderly {
		t.Errorf("exit code %d\n%s", code, people.log())
	}
	people.prints("Nothing needs anybody.")
	people.prints(": connected for ", "primary")
	people.prints(":eu-west-1", "ready", "ago", "6", "12")
	people.prints("The last ingest ended ", "12 APIs sent", "0 left out")
	programs := start(t, environ, "status", "--json")
	if code := programs.exit(); code != exitOrderly {
		t.Errorf("exit code %d\n%s", code, programs.log())
	}
	var page map[string]any
	if err := json.Unmarshal([]byte(programs.Stdout.String()), &page); err != nil || page["attention"] == nil {
		t.Errorf("%v\n%s", err, programs.Stdout.String())
	}
	agent.signal(os.Interrupt)
	agent.exit()
}

func TestTheStatusShowsScheduleDriftAndRemovalsWhereThereAreAny(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 27, 8, 0, 0, 0, time.UTC)
	i := seenIntegration{ID: "one"}
	if text := (seen{Now: now, Integrations: []seenIntegration{i}}).inWords(); strings.Contains(text, "Schedule") ||
		strings.Contains(text, "Drift") || strings.Contains(text, "Gone") || strings.Contains(text, "Events") {
		t.Error(text)
	}
	i.Reconciled = status.Reconciled{
		Schedule: &status.Schedule{
			Next: now.Add(time.Hour), Last: &status.Round{At: now.Add(-time.Hour), Result: status.RoundSent, Sent: 3},
		},
		Events:  &status.Events{Results: map[status.EventResult]uint64{status.EventTaken: 4}, Failure: "refused"},
		Drift:   &status.Drift{At: now.Add(-time.Minute), InAPIM: 9, Counts: map[string]int{"new": 2, "gone": 1, "missing": 0}},
		Removal: &status.Removal{How: "delete", Results: map[status.RemovalResult]uint64{status.RemovalDone: 5}, APIs: make([]status.RemovalNote, 1)},
	}
	text := (seen{Now: now, Integrations: []seenIntegration{i}}).inWords()
	for _, want := range []string{
		": sent 3 APIs", "Events: 4 of this agent's APIs; refused", "9 APIs in APIM (new 2, gone 1)\n",
		"Gone in AWS: 5 removed from APIM (delete), 1 still there\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("want %s in\n%s", want, text)
		}
	}
}
