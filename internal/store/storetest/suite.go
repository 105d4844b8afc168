package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/keys"
	"federation-agent/internal/store"
)

// Subject is a fresh, empty store under test.
type Subject struct {
	Store *store.FileStore
	// Reopen ends the store, by Close or, with crash, by whatever a kill leaves, and gives what the next process
	// finds. Nil: nothing outlives this store.
	Reopen func(crash bool) *store.FileStore
}

// Start is the suite's point in time; nothing depends on its value.
var start = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)

// Run holds a store to the behaviour that all implementations share. open is called once per test.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	t.Helper()
	for _, test := range []struct {
		name string
		run  func(*testing.T, Subject)
	}{
		{"KeyRecordsAreFoundByEachFilterOldestFirst", recordsAreFiltered},
		{"ARecordThatSkipsAStateIsRefusedAndChangesNothing", transitionsAreHeld},
		{"ARecordThatCannotBeReadBackIsRefused", invalidIsRefused},
		{"TimesAreReadBackInUTC", timesAreUTC},
		{"RemovingIsIdempotent", removingIsIdempotent},
		{"TheEndOfASubscriptionForgetsItsKeysAlone", endForgetsKeys},
		{"WhatIsReadIsACopy", readsAreCopies},
		{"AJobKeepsWhatWasAcknowledged", jobsKeepAcknowledgements},
		{"AJobStartedTwiceKeepsItsAcknowledgements", startIsIdempotent},
		{"AnEndedJobTakesNoMoreAcknowledgements", endedJobs},
		{"JobsOfAnIntegrationAreTheirOwn", jobsAreApart},
		{"PlansAreRememberedPerAPI", plans},
		{"WhatAPIMHasTakenCountsUntilTheAPIIsSentAgain", taken},
		{"IDsOfAnySpellingStayApart", strangeIDs},
		{"EachDurableWriteOutlivesACrash", durableWritesOutlive},
		{"LazyAcknowledgementsComeAlongWithTheNextDurableWrite", lazyAcknowledgements},
		{"ConcurrentWritersLoseNothing", concurrentWriters},
		{"AFencedStoreTakesNothing", fenced},
		{"AClosedStoreTakesNothing", closed},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
	RunListings(t, func(t *testing.T) Listings {
		subject := open(t)
		l := Listings{Now: func() store.Listings { return subject.Store }}
		if subject.Reopen != nil {
			l.Next = func() store.Listings {
				subject.Store = subject.Reopen(false)
				return subject.Store
			}
		}
		return l
	})
}

// Record gives a key record of the suite, in the state given.
func record(id string, state keys.State, age time.Duration) keys.Record {
	return keys.Record{
		ID: id, Integration: "integration", Account: "111122223333", Region: "eu-west-1", SubscriptionID: "sub-" + id,
		APIID: "111122223333:eu-west-1:a1b2c3:prod", UsagePlanID: "plan", KeyName: "app-" + id, State: state,
		CommandID: "command-" + id, CreatedAt: start.Add(age), UpdatedAt: start.Add(age), Reason: "because; of ünïcode",
	}
}

// reach writes a record through all states up to the one given, as the agent would.
func reach(t *testing.T, s *store.FileStore, rec keys.Record, path ...keys.State) keys.Record {
	t.Helper()
	for _, state := range path {
		rec.State = state
		if state == keys.Created {
			rec.KeyID = "aws-" + rec.ID
		}
		rec.UpdatedAt = rec.UpdatedAt.Add(time.Second)
		must(t, Put(s, rec))
	}
	return rec
}

// must takes what is in memory only as written: a store without a disk is one, too.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, store.ErrInMemory) {
		t.Fatal(err)
	}
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func ids(t *testing.T, s *store.FileStore, filter store.Filter) []string {
	t.Helper()
	records, err := Records(s, filter)
	must(t, err)
	found := []string{}
	for _, rec := range records {
		found = append(found, rec.ID)
	}
	return found
}

// all is everything that a store tells about the integrations named.
type all struct {
	Records  []keys.Record
	Jobs     map[string][]store.IngestJob
	Listings map[string]map[string][]store.RememberedAPI
	Plans    map[string]map[string][]string
	Taken    map[string]string // of the APIs with plans
}

func everything(t *testing.T, s *store.FileStore, integrations ...string) all {
	t.Helper()
	a := all{
		Jobs: map[string][]store.IngestJob{}, Listings: map[string]map[string][]store.RememberedAPI{},
		Plans: map[string]map[string][]string{}, Taken: map[string]string{},
	}
	var err error
	a.Records, err = Records(s, store.Filter{})
	must(t, err)
	for _, integration := range integrations {
		a.Jobs[integration], err = s.Running(t.Context(), integration)
		must(t, err)
		a.Listings[integration], err = s.Listings(context.Background(), integration)
		must(t, err)
		a.Plans[integration], err = PlansOf(s, integration)
		must(t, err)
		for api := range a.Plans[integration] {
			a.Taken[api], err = takenOf(s, integration, api)
			must(t, err)
		}
	}
	return a
}

// outlives checks that the store reads the same after a close and after a crash.
func outlives(t *testing.T, subject Subject, integrations ...string) {
	t.Helper()
	if subject.Reopen == nil {
		return
	}
	want := everything(t, subject.Store, integrations...)
	for _, crash := range []bool{true, false} {
		s := subject.Reopen(crash)
		same(t, fmt.Sprintf("after reopening (crash: %v)", crash), want, everything(t, s, integrations...))
	}
}

func recordsAreFiltered(t *testing.T, subject Subject) {
	s := subject.Store
	for i, change := range []func(*keys.Record){
		func(*keys.Record) {},
		func(rec *keys.Record) { rec.Integration = "other" },
		func(rec *keys.Record) { rec.Account = "444455556666" },
		func(rec *keys.Record) { rec.Region = "eu-west-3" },
		func(rec *keys.Record) { rec.SubscriptionID = "sub-r0" },
	} {
		rec := record(fmt.Sprintf("r%d", i), "", -time.Duration(i)*time.Hour)
		change(&rec)
		reach(t, s, rec, keys.Intent, keys.Creating)
	}
	reach(t, s, record("q", "", 0), keys.Intent) // as old as r0
	for _, row := range []struct {
		filter store.Filter
		want   []string
	}{
		{store.Filter{}, []string{"r4", "r3", "r2", "r1", "q", "r0"}},
		{store.Filter{Integration: "other"}, []string{"r1"}},
		{store.Filter{Account: "444455556666"}, []string{"r2"}},
		{store.Filter{Region: "eu-west-3"}, []string{"r3"}},
		{store.Filter{SubscriptionID: "sub-r0"}, []string{"r4", "r0"}},
		{store.Filter{States: []keys.State{keys.Intent, keys.Deleting}}, []string{"q"}},
		{store.Filter{Integration: "other", Region: "eu-west-3"}, []string{}},
	} {
		same(t, fmt.Sprintf("%+v", row.filter), row.want, ids(t, s, row.filter))
	}
	outlives(t, subject)
}

func transitionsAreHeld(t *testing.T, subject Subject) {
	s := subject.Store
	rec := reach(t, s, record("r", "", 0), keys.Intent, keys.Creating, keys.Created, keys.Attached)
	skipped := rec
	skipped.State = keys.Delivered
	if err := Put(s, skipped); !errors.Is(err, store.ErrTransition) {
		t.Errorf("attached -> delivered: %v", err)
	}
	got, err := Records(s, store.Filter{})
	must(t, err)
	same(t, "the record", []keys.Record{rec}, got)
	rec = reach(t, s, rec, keys.Deleting, keys.Deleting)
	rec.State = keys.Answered
	if err := Put(s, rec); !errors.Is(err, store.ErrTransition) {
		t.Errorf("deleting -> answered: %v", err)
	}
	outlives(t, subject)
}

func invalidIsRefused(t *testing.T, subject Subject) {
	s := subject.Store
	for name, change := range map[string]func(*keys.Record){
		"no id":               func(rec *keys.Record) { rec.ID = "" },
		"no integration":      func(rec *keys.Record) { rec.Integration = "" },
		"an unknown state":    func(rec *keys.Record) { rec.State = "half" },
		"an id of megabytes":  func(rec *keys.Record) { rec.ID = strings.Repeat("x", 1<<20) },
		"an id not in UTF-8":  func(rec *keys.Record) { rec.ID = "\xff" },
		"a year of 5 figures": func(rec *keys.Record) { rec.CreatedAt = rec.CreatedAt.AddDate(9000, 0, 0) },
	} {
		rec := record("r", keys.Intent, 0)
		change(&rec)
		if err := Put(s, rec); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"a job without id":      s.Start(t.Context(), store.IngestJob{OwnedJob: job("i", "")}),
		"a listing of nothing":  s.SaveListing(context.Background(), "i", "", nil),
		"plans of no API":       Note(s, "i", map[string][]string{"": nil}),
		"plans without a place": Note(s, "", map[string][]string{"a": nil}),
	} {
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	same(t, "records", []string{}, ids(t, s, store.Filter{}))
	outlives(t, subject, "i")
}

func timesAreUTC(t *testing.T, subject Subject) {
	s := subject.Store
	rec := record("r", keys.Intent, 0)
	rec.CreatedAt = start.In(time.FixedZone("far", 9*3600))
	must(t, Put(s, rec))
	must(t, s.Start(t.Context(), store.IngestJob{OwnedJob: job("i", "j"), StartedAt: rec.CreatedAt}))
	must(t, s.Acknowledge(t.Context(), job("i", "j"), nil, nil, rec.CreatedAt))
	records, err := Records(s, store.Filter{})
	must(t, err)
	jobs, err := s.Running(t.Context(), "i")
	must(t, err)
	for _, got := range []time.Time{records[0].CreatedAt, jobs[0].StartedAt, jobs[0].LastAckAt} {
		if got != start { // not Equal: two readings of one record compare as values
			t.Errorf("%v", got)
		}
	}
	outlives(t, subject, "i")
}

func removingIsIdempotent(t *testing.T, subject Subject) {
	s := subject.Store
	reach(t, s, record("r", "", 0), keys.Intent)
	must(t, Remove(s, "r"))
	must(t, Remove(s, "r"))
	must(t, Remove(s, "never"))
	same(t, "records", []string{}, ids(t, s, store.Filter{}))
	reach(t, s, record("r", "", 0), keys.Delivered) // a record's first state is the caller's
	outlives(t, subject)
}

func endForgetsKeys(t *testing.T, subject Subject) {
	s := subject.Store
	of := record("first", "", 0).Subscription()
	for _, id := range []string{"first", "second", "no key", "another"} {
		rec := record(id, "", 0)
		if id != "another" {
			rec.SubscriptionID = of.ID
		}
		rec = reach(t, s, rec, keys.Intent, keys.Creating)
		if id != "no key" {
			reach(t, s, rec, keys.Created)
		}
	}
	must(t, store.Policy{KeyJournal: s}.End(context.Background(), store.Entry{Of: of}, start))
	must(t, store.Policy{KeyJournal: s}.End(context.Background(), store.Entry{Of: of}, start))
	same(t, "records", []string{"another", "no key"}, ids(t, s, store.Filter{}))
	outlives(t, subject)
}

func readsAreCopies(t *testing.T, subject Subject) {
	s := subject.Store
	apis := []string{"a"}
	must(t, s.Start(t.Context(), store.IngestJob{OwnedJob: job("i", "j"), APIIDs: apis, StartedAt: start}))
	listing := []store.RememberedAPI{{ID: "a", Name: "n"}}
	must(t, s.SaveListing(context.Background(), "i", "t", listing))
	sent := map[string][]string{"a": {"p"}}
	must(t, Note(s, "i", sent))
	want := everything(t, s, "i")
	apis[0], listing[0].Name, sent["a"][0] = "changed", "changed", "changed"
	read := everything(t, s, "i")
	read.Jobs["i"][0].APIIDs[0], read.Listings["i"]["t"][0].Name, read.Plans["i"]["a"][0] = "changed", "changed", "changed"
	same(t, "after others wrote into their copies", want, everything(t, s, "i"))
}

func strangeIDs(t *testing.T, subject Subject) {
	s := subject.Store
	pairs := [][2]string{
		{"a/b", "c"}, {"a", "b/c"}, {"a%2Fb", "c"}, {"a\x00", "b"}, {"a", "\x00b"},
		{"ü;;", "日本"}, {" ", "."}, {"..", "%"},
	}
	var integrations []string
	for n, pair := range pairs {
		must(t, s.Start(t.Context(), store.IngestJob{OwnedJob: job(pair[0], pair[1]), StartedAt: start, Total: n}))
		must(t, s.Acknowledge(t.Context(), job(pair[0], pair[1]), []string{pair[1]}, nil, start.Add(time.Duration(n)*time.Hour)))
		must(t, Note(s, pair[0], map[string][]string{pair[1]: {pair[0]}}))
		integrations = append(integrations, pair[0])
	}
	for n, pair := range pairs {
		jobs, err := s.Running(t.Context(), pair[0])
		must(t, err)
		at := slices.IndexFunc(jobs, func(job store.IngestJob) bool { return job.JobID == pair[1] })
		if at < 0 || jobs[at].Total != n || !slices.Equal(jobs[at].Acked, []string{pair[1]}) {
			t.Errorf("%q: %+v", pair, jobs)
		}
	}
	outlives(t, subject, integrations...)
}

func durableWritesOutlive(t *testing.T, subject Subject) {
	if subject.Reopen == nil {
		t.Skip("nothing outlives this store, as it says in its health")
	}
	s := subject.Store
	reach(t, s, record("r", "", 0), keys.Intent, keys.Creating, keys.Created)
	s = subject.Reopen(true)
	rec, err := Records(s, store.Filter{})
	must(t, err)
	if len(rec) != 1 || rec[0].State != keys.Created || rec[0].KeyID != "aws-r" {
		t.Fatalf("after the first crash: %+v", rec)
	}
	reach(t, s, rec[0], keys.Deleting)
	s = subject.Reopen(true)
	same(t, "deleting", []string{"r"}, ids(t, s, store.Filter{States: []keys.State{keys.Deleting}}))
	must(t, Remove(s, "r"))
	must(t, s.Start(t.Context(), store.IngestJob{OwnedJob: job("i", "j"), StartedAt: start}))
	must(t, s.SendingDone(t.Context(), job("i", "j")))
	s = subject.Reopen(true)
	same(t, "removed", []string{}, ids(t, s, store.Filter{}))
	jobs, err := s.Running(t.Context(), "i")
	must(t, err)
	if len(jobs) != 1 || !jobs[0].DoneSent {
		t.Errorf("jobs: %+v", jobs)
	}
	must(t, s.Finish(t.Context(), job("i", "j")))
	s = subject.Reopen(true)
	if jobs, err = s.Running(t.Context(), "i"); err != nil || len(jobs) != 0 {
		t.Errorf("a finished job came back: %+v %v", jobs, err)
	}
}

func concurrentWriters(t *testing.T, subject Subject) {
	s := subject.Store
	const writers, each = 8, 12
	must(t, s.Start(t.Context(), store.IngestJob{OwnedJob: job("i", "j"), StartedAt: start}))
	var wait sync.WaitGroup
	errs := make(chan error, writers*each*5)
	for w := range writers {
		wait.Go(func() {
			for n := range each {
				name := fmt.Sprintf("w%d-%02d", w, n)
				rec := record(name, keys.Intent, 0)
				errs <- Put(s, rec)
				rec.State = keys.Creating
				errs <- Put(s, rec)
				errs <- s.Acknowledge(t.Context(), job("i", "j"), []string{name}, nil, start)
				errs <- Note(s, "i", map[string][]string{name: {"p"}})
				if n%3 == 0 {
					errs <- Remove(s, name)
				}
				_, err := Records(s, store.Filter{SubscriptionID: "sub-" + name})
				errs <- err
			}
		})
	}
	go func() { wait.Wait(); close(errs) }()
	for err := range errs {
		must(t, err)
	}
	creating := ids(t, s, store.Filter{States: []keys.State{keys.Creating}})
	if got, want := len(creating), writers*each*2/3; got != want {
		t.Errorf("%d records, want %d", got, want)
	}
	must(t, s.Flush())
	outlives(t, subject, "i")
}

// writes is one call of each kind that writes.
func writes(s *store.FileStore) map[string]error {
	return map[string]error{
		"Put":           Put(s, record("late", keys.Intent, 0)),
		"Remove":        Remove(s, "r"),
		"End":           s.End(context.Background(), store.Entry{Of: record("r", "", 0).Subscription()}, start),
		"Start":         s.Start(context.Background(), store.IngestJob{OwnedJob: job("i", "late"), StartedAt: start}),
		"Acknowledge":   s.Acknowledge(context.Background(), job("i", "j"), []string{"late"}, nil, start),
		"SendingDone":   s.SendingDone(context.Background(), job("i", "j")),
		"Finish":        s.Finish(context.Background(), job("i", "j")),
		"SaveListing":   s.SaveListing(context.Background(), "i", "late", nil),
		"ForgetListing": s.ForgetListing(context.Background(), "i", "t"),
		"Sending":       Note(s, "i", map[string][]string{"late": nil}),
		"SaveClaims":    s.SaveClaims(context.Background(), "i", map[string][]string{"late": {"p"}}),
		"ForgetTaken":   s.ForgetTaken(context.Background(), "i"),
		"ForgetSent":    s.ForgetSent(context.Background(), "i", []string{"a"}),
		"Flush":         s.Flush(),
	}
}

func fill(t *testing.T, s *store.FileStore) {
	t.Helper()
	reach(t, s, record("r", "", 0), keys.Intent)
	must(t, s.Start(context.Background(), store.IngestJob{OwnedJob: job("i", "j"), StartedAt: start}))
	must(t, s.SaveListing(context.Background(), "i", "t", nil))
	must(t, Note(s, "i", map[string][]string{"a": {"p"}}))
	must(t, s.Acknowledge(context.Background(), job("i", "j"), nil, map[string]string{"a": "digest"}, start))
}

func fenced(t *testing.T, subject Subject) {
	s := subject.Store
	fill(t, s)
	want := everything(t, s, "i")
	s.Fence()
	for name, err := range writes(s) {
		if !errors.Is(err, store.ErrFenced) {
			t.Errorf("%s: %v", name, err)
		}
	}
	same(t, "what it reads", want, everything(t, s, "i"))
	outlives(t, subject, "i")
}

func closed(t *testing.T, subject Subject) {
	s := subject.Store
	fill(t, s)
	want := everything(t, s, "i")
	if err := s.Close(); (err == nil) != (subject.Reopen != nil) {
		t.Errorf("closed with %v: what is lost is an error, and nothing else", err)
	}
	must(t, s.Close())
	for name, err := range writes(s) {
		if !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if subject.Reopen != nil {
		same(t, "after reopening", want, everything(t, subject.Reopen(false), "i"))
	}
}
