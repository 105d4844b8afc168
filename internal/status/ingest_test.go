package status_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/status"
)

func TestTheLastIngestsAreKeptAndAllAreCounted(t *testing.T) {
	b := status.NewBoard()
	b.Serve("i", at(0))
	const ended = status.IngestsKept + 5
	for n := range ended {
		e := status.Ingest{
			Job: strconv.Itoa(n), Started: at(10 * n), At: at(10*n + 5), Sent: 7, Omitted: 3,
			OmittedBy: map[string]int{"access_denied": 2, "too_late": 1},
		}
		if n%2 == 1 {
			e.Failure = "a target is missing"
		}
		b.IngestEnded("i", e)
	}
	got := b.Read().Integrations[0].Ingested
	if len(got.History) != status.IngestsKept || got.History[0].Job != "24" || got.History[19].Job != "5" {
		t.Errorf("%d are kept, from %s to %s", len(got.History), got.History[0].Job, got.History[len(got.History)-1].Job)
	}
	if got.LastIngest.Job != "24" || got.Succeeded != 13 || got.Failed != 12 || !got.LastSuccess.Equal(at(245)) {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff(map[string]uint64{"access_denied": 2 * ended, "too_late": ended}, got.OmittedBy); diff != "" ||
		got.OmittedAPIs != 3*ended {
		t.Errorf("%d %s", got.OmittedAPIs, diff)
	}
	if took := got.IngestsTook; took.Sum != 5*ended || took.Counts[1] != ended {
		t.Errorf("%+v", took)
	}
}

func TestAnIngestsProgressGoesWithIt(t *testing.T) {
	b := status.NewBoard()
	b.Serve("i", at(0))
	running := func() int { return len(b.Read().Integrations[0].Progress) }
	for _, job := range []string{"a", "b", "c"} {
		b.Ingesting("i", job, status.Progress{Started: at(1), Total: 5, Done: 2, Sent: 1})
	}
	if got := b.Read().Integrations[0].Progress["a"]; got.Total != 5 || got.Done != 2 || got.Sent != 1 {
		t.Errorf("%+v", got)
	}
	b.IngestEnded("i", status.Ingest{Job: "a"})
	if got := running(); got != 2 {
		t.Errorf("%d run after one has ended", got)
	}
	b.IngestGone("i", "b")
	if got := running(); got != 1 {
		t.Errorf("%d run after another is gone", got)
	}
	b.NoIngest("i")
	if got := running(); got != 0 {
		t.Errorf("%d run after all are gone", got)
	}
}

func TestATextThatAPIMChoseIsCut(t *testing.T) {
	b := status.NewBoard()
	b.Serve("i", at(0))
	long := strings.Repeat("ä", 1<<20)
	b.IngestEnded("i", status.Ingest{LeftOut: []string{long}, Failure: long})
	f := failed("SUBSCRIBE", long)
	f.Reason, f.API, f.Subscription, f.Job = long, long, long, long
	b.TurnedAway("i", f)
	i := b.Read().Integrations[0]
	for name, text := range map[string]string{
		"example": i.LastIngest.LeftOut[0], "failure": i.LastIngest.Failure, "reason": i.Failures[0].Reason,
		"id": i.Failures[0].ID, "api": i.Failures[0].API, "subscription": i.Failures[0].Subscription, "job": i.Failures[0].Job,
	} {
		if len(text) > 1100 || !strings.HasSuffix(text, "ä…") {
			t.Errorf("%s has %d bytes", name, len(text))
		}
	}
}
