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
	must(t, s.Start(t.Context(), store.IngestJob{OwnedJob: job("i", "later"), APIIDs: []string{"a", "b", "c"}, StartedAt: start.Add(time.Hour), Total: 3}))
	must(t, s.Start(t.Context(), store.IngestJob{OwnedJob: job("i", "earlier"), APIIDs: []string{}, StartedAt: start, Total: 9}))
	must(t, s.Acknowledge(t.Context(), job("i", "later"), []string{"b"}, nil, start.Add(2*time.Hour)))
	must(t, s.Acknowledge(t.Context(), job("i", "later"), []string{"b", "a", "a"}, nil, start.Add(3*time.Hour)))
	must(t, s.Acknowledge(t.Context(), job("i", "later"), nil, nil, start.Add(4*time.Hour)))
	must(t, s.SendingDone(t.Context(), job("i", "later")))
	got, err := s.Running(t.Context(), "i")
	must(t, err)
	same(t, "jobs", []store.IngestJob{
		{OwnedJob: job("i", "earlier"), StartedAt: start, Total: 9},
		{OwnedJob: job("i", "later"), APIIDs: []string{"a", "b", "c"}, StartedAt: start.Add(time.Hour), Total: 3,
			Acked: []string{"b", "a"}, LastAckAt: start.Add(4 * time.Hour), DoneSent: true},
	}, got)
	outlives(t, subject, "i")
}

func startIsIdempotent(t *testing.T, subject Subject) {
	s := subject.Store
	must(t, s.Start(t.Context(), store.IngestJob{OwnedJob: job("i", "j"), StartedAt: start, Total: 2, Acked: []string{"z"}, LastAckAt: start}))
	must(t, s.Acknowledge(t.Context(), job("i", "j"), []string{"a"}, nil, start.Add(time.Minute)))
	want := everything(t, s, "i")
	must(t, s.Start(t.Context(), store.IngestJob{OwnedJob: job("i", "j"), StartedAt: start.Add(time.Hour), Total: 5}))
	same(t, "the job", want, everything(t, s, "i"))
	same(t, "acknowledged", []string{"z", "a"}, want.Jobs["i"][0].Acked)
	outlives(t, subject, "i")
}

func endedJobs(t *testing.T, subject Subject) {
	s := subject.Store
	must(t, s.Start(t.Context(), store.IngestJob{OwnedJob: job("i", "j"), StartedAt: start}))
	must(t, s.Acknowledge(t.Context(), job("i", "j"), []string{"a"}, nil, start))
	must(t, s.Finish(t.Context(), job("i", "j")))
	must(t, s.Finish(t.Context(), job("i", "j")))
	if err := s.Acknowledge(t.Context(), job("i", "j"), []string{"b"}, nil, start); !errors.Is(err, store.ErrUnknownJob) {
		t.Errorf("acknowledging: %v", err)
	}
	if err := s.SendingDone(t.Context(), job("i", "j")); !errors.Is(err, store.ErrUnknownJob) {
		t.Errorf("done: %v", err)
	}
	must(t, s.Start(t.Context(), store.IngestJob{OwnedJob: job("i", "j"), StartedAt: start}))
	got, err := s.Running(t.Context(), "i")
	must(t, err)
	same(t, "a job of the same id begins empty", []store.IngestJob{{OwnedJob: job("i", "j"), StartedAt: start}}, got)
	outlives(t, subject, "i")
}

func jobsAreApart(t *testing.T, subject Subject) {
	s := subject.Store
	must(t, s.Start(t.Context(), store.IngestJob{OwnedJob: job("i", "j"), StartedAt: start, Total: 1}))
	must(t, s.Start(t.Context(), store.IngestJob{OwnedJob: job("k", "j"), StartedAt: start, Total: 2}))
	must(t, s.Finish(t.Context(), job("i", "j")))
	got, err := s.Running(t.Context(), "k")
	must(t, err)
	want := []store.IngestJob{{OwnedJob: job("k", "j"), StartedAt: start, Total: 2}}
	same(t, "the other integration's job", want, got)
	outlives(t, subject, "i", "k")
}

func plans(t *testing.T, subject Subject) {
	s := subject.Store
	must(t, Note(s, "i", map[string][]string{"a": {"q", "p", "p"}, "b": {"p"}}))
	must(t, Note(s, "i", map[string][]string{"b": nil}))
	must(t, Note(s, "other", map[string][]string{"a": {"z"}}))
	got, err := PlansOf(s, "i")
	must(t, err)
	same(t, "plans", map[string][]string{"a": {"p", "q"}, "b": {}}, got)
	got["a"][0] = "what is given is the asker's own"
	got, err = PlansOf(s, "i")
	must(t, err)
	same(t, "plans, once more", map[string][]string{"a": {"p", "q"}, "b": {}}, got)
	got, err = PlansOf(s, "never")
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
		jobs, err := s.Running(t.Context(), "i")
		must(t, err)
		if len(jobs) != 1 {
			t.Fatalf("jobs: %+v", jobs)
		}
		return jobs[0].Acked
	}
	must(t, s.Start(t.Context(), store.IngestJob{OwnedJob: job("i", "j"), StartedAt: start}))
	must(t, s.Acknowledge(t.Context(), job("i", "j"), []string{"a"}, nil, start))
	must(t, s.Acknowledge(t.Context(), job("i", "j"), []string{"b"}, nil, start.Add(store.AckFlushInterval/2)))
	same(t, "at once in memory", []string{"a", "b"}, acked())
	s = subject.Reopen(true)
	same(t, "the first of an interval is durable, the others may be lost", []string{"a"}, acked())
	must(t, s.Acknowledge(t.Context(), job("i", "j"), []string{"c"}, nil, start))
	must(t, s.Acknowledge(t.Context(), job("i", "j"), []string{"d"}, nil, start))
	reach(t, s, record("r", "", 0), keys.Intent)
	s = subject.Reopen(true)
	same(t, "they come along with a durable write", []string{"a", "c", "d"}, acked())
	must(t, s.Acknowledge(t.Context(), job("i", "j"), []string{"e"}, nil, start))
	must(t, s.Acknowledge(t.Context(), job("i", "j"), []string{"f"}, nil, start))
	must(t, s.Flush())
	s = subject.Reopen(true)
	same(t, "flushed", []string{"a", "c", "d", "e", "f"}, acked())
	must(t, s.Acknowledge(t.Context(), job("i", "j"), []string{"g"}, nil, start))
	must(t, s.Acknowledge(t.Context(), job("i", "j"), []string{"h"}, nil, start))
	must(t, s.Acknowledge(t.Context(), job("i", "j"), []string{"k"}, nil, start.Add(-time.Hour))) // the wall clock was set back
	s = subject.Reopen(true)
	same(t, "a clock that jumps delays nothing", []string{"a", "c", "d", "e", "f", "g", "h", "k"}, acked())
	must(t, s.Acknowledge(t.Context(), job("i", "j"), []string{"l"}, nil, start))
	must(t, s.Acknowledge(t.Context(), job("i", "j"), []string{"m"}, nil, start))
	s = subject.Reopen(false)
	same(t, "closed", []string{"a", "c", "d", "e", "f", "g", "h", "k", "l", "m"}, acked())
}

func taken(t *testing.T, subject Subject) {
	s := subject.Store
	is := func(integration, api, want string) {
		t.Helper()
		got, err := takenOf(s, integration, api)
		must(t, err)
		same(t, integration+" "+api, want, got)
	}
	is("i", "a", "")
	must(t, s.Start(t.Context(), store.IngestJob{OwnedJob: job("i", "j"), StartedAt: start}))
	must(t, s.Start(t.Context(), store.IngestJob{OwnedJob: job("other", "j"), StartedAt: start}))
	must(t, Note(s, "i", map[string][]string{"a": {"p"}, "b": nil, "c": {"q"}}))
	must(t, s.Acknowledge(t.Context(), job("i", "j"), nil, map[string]string{"a": "one", "b": "two", "c": "three"}, start))
	must(t, s.Acknowledge(t.Context(), job("other", "j"), nil, map[string]string{"a": "elsewhere"}, start.Add(store.AckFlushInterval)))
	is("i", "a", "one")
	must(t, Note(s, "i", map[string][]string{"a": {"p"}})) // the same plans: it is sent, all the same
	is("i", "a", "")
	is("i", "b", "two")
	is("other", "a", "elsewhere")
	must(t, s.ForgetSent(t.Context(), "i", []string{"c", "never sent"}))
	is("i", "c", "")
	left, err := PlansOf(s, "i")
	must(t, err)
	same(t, "plans", map[string][]string{"a": {"p"}, "b": {}}, left)
	outlives(t, subject, "i", "other")
}
