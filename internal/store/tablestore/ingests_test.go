package tablestore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"federation-agent/internal/store"
	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table"
	"federation-agent/internal/table/tablesim"
)

func begin(t *testing.T, s *tablestore.Store, owner, id string) {
	t.Helper()
	must(t, s.Start(t.Context(), store.IngestJob{OwnedJob: job(id, owner), StartedAt: start, Total: 2}))
}

func job(id, owner string) store.OwnedJob {
	return store.OwnedJob{Integration: "I", JobID: id, Owner: owner}
}

// send notes the plans of a batch, which no other job has sent meanwhile.
func send(t *testing.T, s *tablestore.Store, of store.OwnedJob, plans map[string][]string) {
	t.Helper()
	overtaken, err := s.Sending(t.Context(), of, plans)
	if err != nil || len(overtaken) > 0 {
		t.Fatal(overtaken, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAJobIsReadAsItWasWritten(t *testing.T) {
	model := tablesim.New(nil)
	a, b := open(model, "a"), open(model, "b")
	begin(t, a, "a", "J")
	send(t, a, job("J", "a"), map[string][]string{"x": {"1", "2"}, "y": {}})
	must(t, a.Acknowledge(t.Context(), job("J", "a"), []string{"x", "y"}, map[string]string{"x": "d"}, start.Add(time.Second)))
	must(t, a.SendingDone(t.Context(), job("J", "a")))
	must(t, a.SaveClaims(t.Context(), "I", map[string][]string{"y": {"3"}}))
	jobs, err := b.Running(t.Context(), "I")
	want := store.IngestJob{
		OwnedJob: job("J", "a"), StartedAt: start, LastAckAt: start.Add(time.Second), Total: 2,
		Acked: []string{"x", "y"}, DoneSent: true,
	}
	if err != nil || len(jobs) != 1 || fmt.Sprint(jobs[0]) != fmt.Sprint(want) {
		t.Errorf("%+v, %v", jobs, err)
	}
	sent, err := b.Sent(t.Context(), "I")
	if err != nil || fmt.Sprint(sent) != "{map[x:[1 2] y:[]] map[x:d] map[y:[3]] 6}" {
		t.Errorf("%v, %v", sent, err)
	}
	must(t, a.ForgetTaken(t.Context(), "I"))
	if sent, err = b.Sent(t.Context(), "I"); err != nil || len(sent.Taken) > 0 || len(sent.Plans) != 2 {
		t.Errorf("%v, %v", sent, err)
	}
	must(t, b.ForgetSent(t.Context(), "I", []string{"x"}))
	must(t, b.Finish(t.Context(), job("J", "a")))
	must(t, b.Finish(t.Context(), job("J", "a")))
	jobs, _ = a.Running(t.Context(), "I")
	sent, _ = a.Sent(t.Context(), "I")
	if len(jobs) > 0 || fmt.Sprint(sent.Plans) != "map[y:[]]" {
		t.Errorf("%v, %v", jobs, sent)
	}
	if jobs, err = a.Running(t.Context(), "other"); err != nil || len(jobs) > 0 {
		t.Errorf("another integration: %v, %v", jobs, err)
	}
}

func TestAnOwnerWhoseJobWasTakenOverSendsNothing(t *testing.T) {
	model := tablesim.New(nil)
	a, b := open(model, "a"), open(model, "b")
	begin(t, a, "a", "J")
	must(t, b.Adopt(t.Context(), job("J", "a"), "b"))
	old := map[string][]string{"x": {"old"}}
	for what, err := range map[string]error{
		"sending":     sending(t, a, job("J", "a"), old),
		"done":        a.SendingDone(t.Context(), job("J", "a")),
		"a second":    open(model, "c").Adopt(t.Context(), job("J", "a"), "c"),
		"acknowledge": a.Acknowledge(t.Context(), job("J", "a"), []string{"x"}, nil, start),
	} {
		if !errors.Is(err, store.ErrMoved) {
			t.Errorf("%s: %v", what, err)
		}
	}
	must(t, a.Finish(t.Context(), job("J", "a"))) // which is not its own any more
	send(t, b, job("J", "b"), map[string][]string{"x": {"new"}})
	must(t, b.Finish(t.Context(), job("J", "b")))
	if err := sending(t, a, job("J", "a"), old); !errors.Is(err, store.ErrUnknownJob) {
		t.Errorf("%v", err)
	}
	if sent, _ := a.Sent(t.Context(), "I"); fmt.Sprint(sent.Plans) != "map[x:[new]]" {
		t.Errorf("%v", sent)
	}
}

func sending(t *testing.T, s *tablestore.Store, of store.OwnedJob, plans map[string][]string) error {
	t.Helper()
	_, err := s.Sending(t.Context(), of, plans)
	return err
}

// APIM must not hear an old list of plans after a new one.
func TestAJobLeavesOutWhatAJobThatBeganLaterHasSent(t *testing.T) {
	model := tablesim.New(nil)
	a, b := open(model, "a"), open(model, "b")
	begin(t, a, "a", "early")
	send(t, a, job("early", "a"), map[string][]string{"w": {"1"}})
	begin(t, b, "b", "late")
	send(t, b, job("late", "b"), map[string][]string{"w": {"2"}, "x": {"2"}, "y": {"2"}})
	overtaken, err := a.Sending(t.Context(), job("early", "a"), map[string][]string{"x": {"1"}, "y": {"1"}, "z": {"1"}})
	if err != nil || fmt.Sprint(overtaken) != "[x y]" {
		t.Errorf("%v, %v", overtaken, err)
	}
	send(t, b, job("late", "b"), map[string][]string{"x": {"2"}}) // once more, as its answer was lost
	if sent, _ := a.Sent(t.Context(), "I"); fmt.Sprint(sent.Plans) != "map[w:[2] x:[2] y:[2] z:[1]]" {
		t.Errorf("%v", sent.Plans)
	}
	must(t, b.Finish(t.Context(), job("late", "b")))
	if overtaken, _ = a.Sending(t.Context(), job("early", "a"), map[string][]string{"y": {"1"}}); len(overtaken) != 1 {
		t.Error("what a job has sent is forgotten at its end, while another one runs")
	}
}

// Between the judgement of what a job may send and its begin lies up to a minute, while APIs are compared.
func TestAJobLeavesOutWhatWasSentSinceItWasJudged(t *testing.T) {
	for name, runs := range map[string]bool{"the other has ended": false, "the other runs": true} {
		t.Run(name, func(t *testing.T) {
			model := tablesim.New(nil)
			a, b := open(model, "a"), open(model, "b")
			begin(t, b, "b", "other")
			before, err := a.Sent(t.Context(), "I")
			must(t, err)
			send(t, b, job("other", "b"), map[string][]string{"x": {"1", "2"}})
			if !runs {
				must(t, b.Finish(t.Context(), job("other", "b")))
			}
			after, err := a.Sent(t.Context(), "I")
			must(t, err)
			for id, c := range map[string]struct {
				at   int64
				want string
			}{"early": {before.At, "[x]"}, "late": {after.At, "[]"}} {
				must(t, a.Start(t.Context(), store.IngestJob{OwnedJob: job(id, "a"), StartedAt: start, JudgedAt: c.at}))
				overtaken, err := a.Sending(t.Context(), job(id, "a"), map[string][]string{"x": {"1"}})
				if must(t, err); c.at == 0 || fmt.Sprint(overtaken) != c.want {
					t.Errorf("%s, judged at %d: %v", id, c.at, overtaken)
				}
				must(t, a.Finish(t.Context(), job(id, "a")))
			}
		})
	}
}

// The first ingests of a table are judged when nothing is in it.
func TestAJobThatWasJudgedByAnEmptyTableLeavesOutWhatWasSentSince(t *testing.T) {
	model := tablesim.New(nil)
	a, b := open(model, "a"), open(model, "b")
	judged, err := a.Sent(t.Context(), "I")
	must(t, err)
	begin(t, b, "b", "other")
	send(t, b, job("other", "b"), map[string][]string{"x": {"1", "2"}})
	must(t, a.Start(t.Context(), store.IngestJob{OwnedJob: job("late", "a"), StartedAt: start, JudgedAt: judged.At}))
	overtaken, err := a.Sending(t.Context(), job("late", "a"), map[string][]string{"x": {"1"}})
	if err != nil || fmt.Sprint(overtaken) != "[x]" {
		t.Errorf("%v, %v", overtaken, err)
	}
}

// What the newer list had is noted once more, by the job that gives way: that makes it neither the sender nor changes what
// is noted.
func TestAJobThatGivesWayIsNotTheSender(t *testing.T) {
	a := open(tablesim.New(nil), "a")
	begin(t, a, "a", "early")
	send(t, a, job("early", "a"), map[string][]string{"x": {"1"}})
	begin(t, a, "a", "late")
	send(t, a, job("late", "a"), map[string][]string{"x": {"1", "2"}})
	overtaken, err := a.Sending(t.Context(), job("early", "a"), map[string][]string{"x": {"1", "2"}})
	if err != nil || fmt.Sprint(overtaken) != "[x]" {
		t.Errorf("%v, %v", overtaken, err)
	}
	send(t, a, job("late", "a"), map[string][]string{"x": {"1", "2"}}) // in halves, say
	must(t, a.Acknowledge(t.Context(), job("late", "a"), []string{"x"}, map[string]string{"x": "digest"}, time.Now()))
	sent, err := a.Sent(t.Context(), "I")
	if must(t, err); fmt.Sprint(sent.Plans, sent.Taken) != "map[x:[1 2]] map[x:digest]" {
		t.Errorf("%v", sent)
	}
}

func batch(dice *rand.Rand, n int) map[string][]string {
	plans := map[string][]string{}
	for i := range 100 {
		api := fmt.Sprintf("123456789012:eu-west-1:%x:stage%d", dice.Uint64(), i)
		plans[api] = []string{fmt.Sprintf("plan-%d-%x", n, dice.Uint64())}
	}
	return plans
}

// What is written is more than an item holds, and a copy more than a part.
func TestAHistoryOfAnySizeIsCopied(t *testing.T) {
	dice, model := rand.New(rand.NewPCG(1, 1)), tablesim.New(nil)
	a := open(model, "a")
	want := map[string][]string{}
	for n := range 150 {
		plans := batch(dice, n)
		maps.Copy(want, plans)
		of := job(fmt.Sprint("J", n), "a")
		begin(t, a, "a", of.JobID)
		send(t, a, of, plans)
		must(t, a.Finish(t.Context(), of))
	}
	sent, err := open(model, "b").Sent(t.Context(), "I")
	got := sent.Plans
	if err != nil || !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("%d of %d, %v", len(got), len(want), err)
	}
	parts, _ := model.Client("x").Query(t.Context(), table.Query{Partition: "course-part"})
	head, _ := model.Client("x").Get(t.Context(), table.Key{Partition: "course", Sort: "I/"})
	if len(parts) < 2 || len(parts) != int(head["parts"].Number()) {
		t.Errorf("%d parts, the head names %d", len(parts), head["parts"].Number())
	}
	for _, item := range append(parts, table.Found{Item: head}) {
		bytes := 0
		for name, value := range item.Item {
			bytes += len(name) + len(value.Text()) + len(value.Bytes())
		}
		if bytes > 400<<10 {
			t.Errorf("an item has %d bytes", bytes)
		}
	}
}

// TestNoHistoryIsLost has several processes write to one history over a table that loses answers. What was confirmed is
// there, in order, and nothing is there that nobody tried to write.
func TestNoHistoryIsLost(t *testing.T) {
	for seed := range uint64(15) {
		dice := rand.New(rand.NewPCG(seed, 0))
		faulty := true
		model := tablesim.New(func(context.Context, tablesim.Call) tablesim.Fault {
			if !faulty {
				return tablesim.None
			}
			return tablesim.Fault(max(0, dice.IntN(12)-7))
		})
		stores := []*tablestore.Store{open(model, "a"), open(model, "b"), open(model, "c")}
		sure, may := map[string]string{}, map[string][]string{} // the value last confirmed; those that may be there since
		for n := range 80 {
			s := stores[dice.IntN(3)]
			api, value := fmt.Sprint("api", dice.IntN(20)), fmt.Sprint(n)
			claims := map[string][]string{}
			for range dice.IntN(40) {
				claims[fmt.Sprint(dice.Uint64())] = []string{fmt.Sprint(dice.Uint64())} // so that copies are made
			}
			_ = s.SaveClaims(t.Context(), "I", claims)
			of := job("J"+value, "me")
			if s.Start(t.Context(), store.IngestJob{OwnedJob: of, StartedAt: start}) != nil {
				continue
			}
			switch err := sending(t, s, of, map[string][]string{api: {value}}); {
			case err == nil:
				sure[api], may[api] = value, nil
			case errors.Is(err, store.ErrUnknown):
				may[api] = append(may[api], value)
			}
		}
		faulty = false
		for name, s := range map[string]*tablestore.Store{"a new one": open(model, "x"), "a": stores[0], "b": stores[1]} {
			sent, err := s.Sent(t.Context(), "I")
			must(t, err)
			got := sent.Plans
			for api := range maps.Keys(got) {
				if is := got[api][0]; is != sure[api] && !slices.Contains(may[api], is) {
					t.Fatalf("seed %d, %s: %s is %s, not %s or %v", seed, name, api, is, sure[api], may[api])
				}
			}
			for api := range sure {
				if got[api] == nil {
					t.Fatalf("seed %d, %s: %s is missing", seed, name, api)
				}
			}
		}
	}
}
