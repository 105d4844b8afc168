package discovery

import (
	"errors"
	"testing"
	"time"

	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
)

func TestAListingThatForgetsOldStagesAsksForAllOfThemAgain(t *testing.T) {
	begin := time.Unix(0, 0)
	r := newListingRun(nil, federation.Filter{AcceptWithoutPlan: true}, begin)
	r.full = true
	r.listedAt = begin // both lists were read, and of two APIs one's stages are known
	r.stages = federation.Stages{"a": {&gateway.Stage{Name: "prod"}}}
	r.wanted = []string{"b"}
	r.running = 1
	r.take(listingStep{api: "b", err: errors.New("refused")}, begin)

	r.resume(begin.Add(resumeWithin+time.Second), time.Hour)

	if r.listed() || len(r.stages) > 0 {
		t.Fatal("what is too old is still there")
	}
	if r.complete() {
		t.Error("a listing without its lists is called complete")
	}
	calls := r.next()
	if len(calls) != 2 || calls[0].list == nil || calls[1].list == nil {
		t.Errorf("it continues with %d calls, want the two lists", len(calls))
	}
}
