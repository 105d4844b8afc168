package ingest

import (
	"fmt"
	"testing"
	"time"

	"federation-agent/config"
	"federation-agent/internal/exports"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/messages"
)

func ready(n, size int) messages.APIReady {
	return messages.APIReady{ID: federation.ID{Account: "1", Region: "r", RestAPI: fmt.Sprint(n), Stage: "s"}, JSON: make([]byte, size)}
}

func box() outbox {
	return newOutbox(config.Ingest{BatchBytes: 1000, BatchCount: 4, BatchDelay: 10 * time.Second, MemoryBytes: 100_000}, 5000)
}

func TestAnOutboxSendsOnBytesOnCountOrOnDelay(t *testing.T) {
	begin := time.Unix(0, 0)
	for name, c := range map[string]struct {
		sizes []int
		after time.Duration
		last  bool
		want  int // APIs in the batch, 0 for none
	}{
		"too little, too early":         {[]int{100, 100}, 9 * time.Second, false, 0},
		"the first has waited":          {[]int{100, 100}, 10 * time.Second, false, 2},
		"nothing more comes":            {[]int{100}, 0, true, 1},
		"enough APIs":                   {[]int{1, 1, 1, 1, 1}, 0, false, 4},
		"enough bytes":                  {[]int{600, 300, 300}, 0, false, 2},
		"one larger than a batch alone": {[]int{3000, 10}, 0, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			o := box()
			for n, size := range c.sizes {
				o.add(ready(n, size), begin)
			}
			b := o.take(begin.Add(c.after), c.last)
			if (b == nil) != (c.want == 0) || b != nil && len(b.apis) != c.want {
				t.Errorf("got %+v, want %d APIs", b, c.want)
			}
		})
	}
}

func TestWhatStaysBehindABatchHasWaitedSinceItCame(t *testing.T) {
	begin := time.Unix(0, 0)
	o := box()
	for n := range 5 {
		o.add(ready(n, 1), begin.Add(time.Duration(n)*time.Second))
	}
	o.take(begin.Add(5*time.Second), false)
	if due, waits := o.due(); !waits || !due.Equal(begin.Add(14*time.Second)) {
		t.Errorf("due %s", due)
	}
}

func TestHalvesGoFirstAndTogetherAreTheWhole(t *testing.T) {
	o := box()
	b := &batch{}
	for n := range 5 {
		b.apis = append(b.apis, ready(n, 10))
	}
	o.add(ready(9, 2000), time.Unix(0, 0))
	o.halve(b)
	if o.held() != 2050 {
		t.Errorf("%d bytes held", o.held())
	}
	var got []string
	for range 2 {
		for _, api := range o.take(time.Unix(0, 0), false).apis {
			got = append(got, api.ID.RestAPI)
		}
	}
	if fmt.Sprint(got) != "[0 1 2 3 4]" {
		t.Errorf("got %v", got)
	}
}

func TestAnOutboxHasRoomAsFarAsItsShareGoesAndAlwaysForOne(t *testing.T) {
	o := box()
	o.share = 1 << 20
	if !o.hasRoom(0, nil) || !o.hasRoom(3, nil) || o.hasRoom(4, nil) {
		t.Error("1 MiB takes four documents of an assumed 128 KiB, each held twice")
	}
	for n := range 100 {
		o.add(ready(n, 1000), time.Unix(0, 0))
	}
	if !o.hasRoom(110, nil) || o.hasRoom(120, nil) {
		t.Error("small documents are reckoned with as they were")
	}
	in := &batch{apis: []messages.APIReady{ready(1, 900<<10)}}
	if o.hasRoom(10, in) {
		t.Error("a batch on its way is held, too")
	}
	o = box()
	o.share = 10
	if !o.hasRoom(0, nil) || o.hasRoom(1, nil) {
		t.Error("a document larger than the share passes alone")
	}
}

func named(target federation.Target, api string, stages ...string) []federation.NamedEntry {
	var entries []federation.NamedEntry
	for _, s := range stages {
		entries = append(entries, federation.NamedEntry{Target: target, Entry: federation.Entry{API: &gateway.RestAPI{ID: api}, Stage: s}})
	}
	return entries
}

func TestASlowTargetHoldsNoOtherUp(t *testing.T) {
	slow, fast := federation.Target{Account: "1", Region: "a"}, federation.Target{Account: "1", Region: "b"}
	var apis []federation.NamedEntry
	for n := range 6 {
		apis = append(apis, named(slow, fmt.Sprint("s", n), "x", "y")...)
		apis = append(apis, named(fast, fmt.Sprint("f", n), "x", "y")...)
	}
	p := exports.NewExportPlan(exports.ExportsOf(apis), 4)
	asked := map[federation.Target]int{}
	for !p.Finished() {
		e, ok := p.Next(time.Unix(0, 0))
		if !ok {
			break
		}
		target := e.Entries[0].Target
		asked[target] += len(e.Entries)
		if target == fast {
			for _, entry := range e.Entries {
				p.Arrived(entry.ID())
			}
		}
	}
	if asked[slow] != 4 || asked[fast] != 12 {
		t.Errorf("asked for %v: the slow one keeps to its window of 4, the fast one is through", asked)
	}
	again := p.Again(slow)
	if len(again) != 2 || len(again[0].Entries) != 2 || len(p.Again(fast)) != 0 {
		t.Errorf("again: %+v", again)
	}
	if p.Arrived(again[0].Entries[0].ID()) != true || p.Arrived(again[0].Entries[0].ID()) != false {
		t.Error("an answer counts once")
	}
}

func TestChooseTakesABareIDWhereItIsTheOnlyOne(t *testing.T) {
	target := federation.Target{Account: "1", Region: "a"}
	apis := append(named(target, "one", "prod"), named(target, "two", "prod", "dev")...)
	chosen, missing := choose(apis, []string{"one", "1:a:one:prod", "two", "1:a:two:dev", "1:a:two:gone"})
	if len(chosen) != 2 || fmt.Sprint(missing) != "[two 1:a:two:gone]" {
		t.Errorf("chosen %v, missing %v", chosen, missing)
	}
}
