package node_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/status"
)

func TestHealthIs200WhenAllProbesAreHealthyElse500(t *testing.T) {
	r := newRig(t, nil)
	code, probes := r.probes("/_node/health")
	if code != http.StatusOK || len(probes) != 7 {
		t.Errorf("%d %+v", code, probes)
	}
	for name, p := range probes {
		if !p.Healthy || p.Message != "" {
			t.Errorf("%s: %+v", name, p)
		}
	}
	r.options.Board.SessionAway(integration, "no route to host", r.now)
	r.now = r.now.Add(10 * time.Minute)
	if code, probes := r.probes(
		"/_node/health",
	); code != http.StatusInternalServerError || probes["session"].Healthy ||
		!probes["store"].Healthy {
		t.Errorf("%d %+v", code, probes)
	}
}

func TestProbesAreChosenAndAnUnknownOneIsUnhealthy(t *testing.T) {
	r := newRig(t, nil)
	good, unknown := probe{Healthy: true}, probe{Message: "probe not found"}
	for query, want := range map[string]struct {
		code   int
		probes map[string]probe
	}{
		"store,session":              {http.StatusOK, map[string]probe{"store": good, "session": good}},
		"store&probes=session,store": {http.StatusOK, map[string]probe{"store": good, "session": good}},
		"store,nothing": {
			http.StatusInternalServerError,
			map[string]probe{"store": good, "nothing": unknown},
		},
		"": {http.StatusInternalServerError, map[string]probe{"": unknown}},
	} {
		code, probes := r.probes("/_node/health?probes=" + query)
		if diff := cmp.Diff(want.probes, probes); diff != "" || code != want.code {
			t.Errorf("%q: %d, want %d (-want +got)\n%s", query, code, want.code, diff)
		}
	}
}

func TestASessionThatIsAwayIsUnhealthyOnlyAfterTenMinutes(t *testing.T) {
	r := newRig(t, nil)
	r.options.Board.SessionAway(integration, "connection refused", r.now)
	r.now = r.now.Add(10*time.Minute - time.Second)
	r.wantProbe("session", true, integration, "for 9 min", "connection refused", "keeps trying")
	r.now = r.now.Add(time.Second)
	r.wantProbe("session", false, "for 10 min")
	r.options.Board.SessionUp(integration, "https://apim", r.now)
	r.wantProbe("session", true)
}

func TestOneIntegrationWithASessionKeepsTheProcessHealthy(t *testing.T) {
	r := newRig(t, nil)
	r.options.Board.Serve("other", r.now)
	r.options.Board.SessionAway("other", "Integration not found", r.now)
	r.now = r.now.Add(24 * time.Hour)
	r.wantProbe("session", true, "integration other", "for 24 h", "Integration not found")
	r.options.Board.SessionAway(integration, "cut", r.now)
	r.wantProbe("session", false, "other", integration)
	r.options.Board.SessionEnded("other", r.now)
	r.wantProbe("session", true, integration)
}

func TestADegradedStoreIsHealthyAndSaysWhatCannotBePromised(t *testing.T) {
	r := newRig(t, nil)
	r.health = inMemory().Health()
	r.wantProbe("store", true, "Do not restart the agent: repair it", "which plans the last ingest sent")
	if r.health.Durable {
		t.Error("a store in memory is durable")
	}
}

func TestATrippedGuardIsHealthyAndSaysWhatToDo(t *testing.T) {
	r := newRig(t, nil)
	r.options.Board.Guard(integration, []string{"111122223333:eu-west-1: 4 of 4 plans"})
	r.wantProbe("plan-guard", true, integration, "4 of 4 plans", "deletes these plans in APIM")
	r.options.Board.Guard(integration, nil)
	r.wantProbe("plan-guard", true)
}

func TestATargetThatCannotBeUsedIsHealthyAndSaysWhatToDo(t *testing.T) {
	r := newRig(t, nil)
	r.wantProbe("aws", true)
	board := r.options.Board
	for _, region := range []string{"eu-west-1", "us-east-1"} {
		board.Target(integration, status.Target{
			Account: "111122223333", Region: region, State: status.Ready, Since: r.now.Add(-time.Hour),
		})
	}
	r.wantProbe("aws", true)
	place := status.Place{Account: "111122223333", Region: "us-east-1"}
	board.ListingEnded(integration, place, "us-east-1 does not know the access key; enable the region", r.now)
	board.Target(integration, status.Target{
		Region: "eu-west-1", Role: "arn:aws:iam::444455556666:role/x", State: status.Failed, Since: r.now, Failure: "check roleArn",
	})
	r.now = r.now.Add(5 * time.Minute)
	r.wantProbe("aws", true, "2 of 3 accounts and regions", "111122223333 in us-east-1 for 5 min: us-east-1 does not know",
		"arn:aws:iam::444455556666:role/x in eu-west-1 for 5 min: check roleArn")
	board.ListingEnded(integration, place, "", r.now)
	r.wantProbe("aws", true, "1 of 3 accounts and regions")
}

func TestAnIngestThatFailedOrLeftOutAPIsIsHealthyAndSaysWhy(t *testing.T) {
	r := newRig(t, nil)
	r.wantProbe("ingest", true)
	board := r.options.Board
	board.IngestEnded(integration, status.Ingest{
		Job: "job-1", At: r.now.Add(-time.Hour), Failure: "all 3 APIs were left out", Omitted: 3,
		OmittedBy: map[string]int{"access_denied": 2, "too_late": 1},
	})
	r.wantProbe("ingest", true, "integration "+integration+" (job job-1, 1 h ago) failed: all 3 APIs were left out",
		"3 APIs that AWS has (access_denied: 2, too_late: 1)", "/_node/federation")
	board.IngestEnded(integration, status.Ingest{Job: "job-2", At: r.now, Omitted: 1, OmittedBy: map[string]int{"invalid": 1}})
	r.wantProbe("ingest", true, "(job job-2, 0 s ago) succeeded; it left out 1 APIs that AWS has (invalid: 1)")
	board.IngestEnded(integration, status.Ingest{Job: "job-3", At: r.now, Sent: 7})
	r.wantProbe("ingest", true)
}

func TestListedKeysAreHealthyAndPointAtTheStatusPage(t *testing.T) {
	r := newRig(t, nil)
	r.wantProbe("keys", true)
	r.listKeys()
	r.wantProbe("keys", true, "1 unconfirmed keys", "1 lost creates", "/_node/federation")
	r.options.Board.Unserved(map[string]string{"record-4": "configure the account and region again"})
	r.wantProbe(
		"keys",
		true,
		"1 unconfirmed keys",
		"1 keys to be deleted that nothing configured reaches, first key-4 in "+
			"111122223333:eu-west-1: configure the account and region again",
	)
}

func TestActorsThatAreSilentAreUnhealthyOnlyAfterTwoMinutes(t *testing.T) {
	r := newRig(t, nil)
	r.now = r.now.Add(time.Hour) // nobody asked for long: the silence begins with the first question
	r.alive = errSilent
	r.wantProbe("actors", true, errSilent.Error())
	r.now = r.now.Add(2*time.Minute - time.Second)
	r.wantProbe("actors", true, "for 1 min")
	r.now = r.now.Add(time.Second)
	r.wantProbe("actors", false, errSilent.Error())
	r.alive = nil
	r.wantProbe("actors", true)
	r.alive = errSilent
	r.wantProbe("actors", true, "for 0 s")
}

func TestAnIntegrationThatHasNotConnectedYetIsHealthyAtFirst(t *testing.T) {
	r := newRig(t, nil)
	r.options.Board = status.NewBoard()
	r.options.Board.Serve(integration, r.now)
	r.rebuild()
	r.now = r.now.Add(30 * time.Second)
	r.wantProbe("session", true, "for 30 s")
	r.now = r.now.Add(10 * time.Minute)
	r.wantProbe("session", false, "for 10 min")
}

// A wrong token, or an APIM that is away, is mended by no restart.
func TestLiveIs500OnlyWhereTheActorsAreSilent(t *testing.T) {
	r := newRig(t, nil)
	r.options.Board.SessionAway(integration, "401", r.now)
	r.now = r.now.Add(24 * time.Hour)
	code, probes := r.probes("/_node/live?probes=session")
	if diff := cmp.Diff(map[string]probe{"actors": {Healthy: true}}, probes); diff != "" || code != http.StatusOK {
		t.Errorf("%d (-want +got)\n%s", code, diff)
	}
	r.alive = errSilent
	r.probes("/_node/live")
	r.now = r.now.Add(2 * time.Minute)
	if code, probes := r.probes("/_node/live"); code != http.StatusInternalServerError || probes["actors"].Healthy {
		t.Errorf("%d %+v", code, probes)
	}
}

func TestReadyIs200WhileEveryIntegrationThatIsServedHasASession(t *testing.T) {
	r := newRig(t, nil)
	want := func(code int, fragment string) {
		t.Helper()
		got, probes := r.probes("/_node/ready")
		p := probes["session"]
		if got != code || p.Healthy != (code == http.StatusOK) || !strings.Contains(p.Message, fragment) || len(probes) != 1 {
			t.Errorf("%d %+v, want %d with %q", got, probes, code, fragment)
		}
	}
	r.options.Board.SessionUp(integration, "https://apim", r.now)
	want(http.StatusOK, "")
	r.options.Board.SessionAway(integration, "cut", r.now)
	want(http.StatusInternalServerError, integration)
	r.options.Board.SessionUp(integration, "https://apim", r.now)
	r.options.Board.Serve("other", r.now)
	want(http.StatusInternalServerError, "other")
	r.options.Board.SessionEnded("other", r.now) // dismissed: nothing is to be waited for
	want(http.StatusOK, "")
	r.options.Board.SessionEnded(integration, r.now)
	want(http.StatusInternalServerError, "")
}
