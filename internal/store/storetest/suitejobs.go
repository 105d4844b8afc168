package storetest

import (
	"errors"
	"testing"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/store"
)

func jobsKeepAcknowledgements(t *testing.T, subject Subject) {
	s := subject.Store
	must(t, s.Start(store.IngestJob{
		Integration: "i", JobID: "later", APIIDs: []string{"a", "b", "c"}, StartedAt: start.Add(time.Hour), Total: 3,
	}))
	must(t, s.Start(store.IngestJob{Integration: "i", JobID: "earlier", APIIDs: []string{}, StartedAt: start, Total: 9}))
	must(t, s.Acknowledge("i", "later", []string{"b"}, start.Add(2*time.Hour)))
	must(t, s.Acknowledge("i", "later", []string{"b", "a", "a"}, start.Add(3*time.Hour)))
	must(t, s.Acknowledge("i", "later", nil, start.Add(4*time.Hour)))
	must(t, s.SendingDone("i", "later"))
	got, err := s.Running("i")
	must(t, err)
	same(t, "jobs", []store.IngestJob{
		{Integration: "i", JobID: "earlier", StartedAt: start, Total: 9},
		{Integration: "i", JobID: "later", APIIDs: []string{"a", "b", "c"}, StartedAt: start.Add(time.Hour), Total: 3,
			Acked: []string{"b", "a"}, LastAckAt: start.Add(4 * time.Hour), DoneSent: true},
	}, got)
	outlives(t, subject, "i")
}

func startIsIdempotent(t *testing.T, subject Subject) {
	s := subject.Store
	must(t, s.Start(store.IngestJob{
		Integration: "i", JobID: "j", StartedAt: start, Total: 2, Acked: []string{"z"}, LastAckAt: start,
	}))
	must(t, s.Acknowledge("i", "j", []string{"a"}, start.Add(time.Minute)))
	want := everything(t, s, "i")
	must(t, s.Start(store.IngestJob{Integration: "i", JobID: "j", StartedAt: start.Add(time.Hour), Total: 5}))
	same(t, "the job", want, everything(t, s, "i"))
	same(t, "acknowledged", []string{"z", "a"}, want.Jobs["i"][0].Acked)
	outlives(t, subject, "i")
}

func endedJobs(t *testing.T, subject Subject) {
	s := subject.Store
	must(t, s.Start(store.IngestJob{Integration: "i", JobID: "j", StartedAt: start}))
	must(t, s.Acknowledge("i", "j", []string{"a"}, start))
	must(t, s.Finish("i", "j"))
	must(t, s.Finish("i", "j"))
	if err := s.Acknowledge("i", "j", []string{"b"}, start); !errors.Is(err, store.ErrUnknownJob) {
		t.Errorf("acknowledging: %v", err)
	}
	if err := s.SendingDone("i", "j"); !errors.Is(err, store.ErrUnknownJob) {
		t.Errorf("done: %v", err)
	}
	must(t, s.Start(store.IngestJob{Integration: "i", JobID: "j", StartedAt: start}))
	got, err := s.Running("i")
	must(t, err)
	same(t, "a job of the same id begins empty", []store.IngestJob{{Integration: "i", JobID: "j", StartedAt: start}}, got)
	outlives(t, subject, "i")
}

func jobsAreApart(t *testing.T, subject Subject) {
	s := subject.Store
	must(t, s.Start(store.IngestJob{Integration: "i", JobID: "j", StartedAt: start, Total: 1}))
	must(t, s.Start(store.IngestJob{Integration: "k", JobID: "j", StartedAt: start, Total: 2}))
	must(t, s.Finish("i", "j"))
	got, err := s.Running("k")
	must(t, err)
	want := []store.IngestJob{{Integration: "k", JobID: "j", StartedAt: start, Total: 2}}
	same(t, "the other integration's job", want, got)
	outlives(t, subject, "i", "k")
}

func plans(t *testing.T, subject Subject) {
	s := subject.Store
	must(t, s.RememberPlans("i", map[string][]string{"a": {"q", "p", "p"}, "b": {"p"}}))
	must(t, s.RememberPlans("i", map[string][]string{"b": nil}))
	must(t, s.RememberPlans("other", map[string][]string{"a": {"z"}}))
	got, err := s.RememberedPlans("i")
	must(t, err)
	same(t, "plans", map[string][]string{"a": {"p", "q"}, "b": {}}, got)
	got["a"][0] = "what is given is the asker's own"
	got, err = s.RememberedPlans("i")
	must(t, err)
	same(t, "plans, once more", map[string][]string{"a": {"p", "q"}, "b": {}}, got)
	got, err = s.RememberedPlans("never")
	must(t, err)
	same(t, "plans of nobody", map[string][]string{}, got)
	outlives(t, subject, "i", "other")
}

func lazyAcknowledgements(t *testing.T, subject Subject) {
	if subject.Reopen == nil {
		t.Skip("nothing outlives this store, as it says in its health")
	}
	s := subject.Store
	acked := func() []string {
		jobs, err := s.Running("i")
		must(t, err)
		if len(jobs) != 1 {
			t.Fatalf("jobs: %+v", jobs)
		}
		return jobs[0].Acked
	}
	must(t, s.Start(store.IngestJob{Integration: "i", JobID: "j", StartedAt: start}))
	must(t, s.Acknowledge("i", "j", []string{"a"}, start))
	must(t, s.Acknowledge("i", "j", []string{"b"}, start.Add(store.AckFlushInterval/2)))
	same(t, "at once in memory", []string{"a", "b"}, acked())
	s = subject.Reopen(true)
	same(t, "the first of an interval is durable, the others may be lost", []string{"a"}, acked())
	must(t, s.Acknowledge("i", "j", []string{"c"}, start))
	must(t, s.Acknowledge("i", "j", []string{"d"}, start))
	reach(t, s, record("r", "", 0), keys.Intent)
	s = subject.Reopen(true)
	same(t, "they come along with a durable write", []string{"a", "c", "d"}, acked())
	must(t, s.Acknowledge("i", "j", []string{"e"}, start))
	must(t, s.Acknowledge("i", "j", []string{"f"}, start))
	must(t, s.Flush())
	s = subject.Reopen(true)
	same(t, "flushed", []string{"a", "c", "d", "e", "f"}, acked())
	must(t, s.Acknowledge("i", "j", []string{"g"}, start))
	must(t, s.Acknowledge("i", "j", []string{"h"}, start))
	must(t, s.Acknowledge("i", "j", []string{"k"}, start.Add(-time.Hour))) // the wall clock was set back
	s = subject.Reopen(true)
	same(t, "a clock that jumps delays nothing", []string{"a", "c", "d", "e", "f", "g", "h", "k"}, acked())
	must(t, s.Acknowledge("i", "j", []string{"l"}, start))
	must(t, s.Acknowledge("i", "j", []string{"m"}, start))
	s = subject.Reopen(false)
	same(t, "closed", []string{"a", "c", "d", "e", "f", "g", "h", "k", "l", "m"}, acked())
}

func taken(t *testing.T, subject Subject) {
	s := subject.Store
	is := func(integration, api, want string) {
		t.Helper()
		got, err := s.Taken(integration, api)
		must(t, err)
		same(t, integration+" "+api, want, got)
	}
	is("i", "a", "")
	must(t, s.RememberPlans("i", map[string][]string{"a": {"p"}, "b": nil, "c": {"q"}}))
	must(t, s.RememberTaken("i", map[string]string{"a": "one", "b": "two", "c": "three"}))
	must(t, s.RememberTaken("other", map[string]string{"a": "elsewhere"}))
	is("i", "a", "one")
	must(t, s.RememberPlans("i", map[string][]string{"a": {"p"}})) // the same plans: it is sent, all the same
	is("i", "a", "")
	is("i", "b", "two")
	is("other", "a", "elsewhere")
	must(t, s.ForgetSent("i", []string{"c", "never sent"}))
	is("i", "c", "")
	left, err := s.RememberedPlans("i")
	must(t, err)
	same(t, "plans", map[string][]string{"a": {"p"}, "b": {}}, left)
	outlives(t, subject, "i", "other")
}
