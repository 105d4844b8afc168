package apimsim

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAnINGESTBeforeTheJobIsStoredIsDroppedAndStillAnsweredSUCCEEDED(t *testing.T) {
	run(t, Options{StoreDelay: time.Second}, func(t *testing.T, w *world) {
		c := w.connect()
		c.expect("PRIMARY")
		started := make(chan Job, 1)
		go func() { job, _ := w.StartIngest(t.Context(), integrationID, []string{"a"}); started <- job }()
		m := c.expect("START_INGEST")
		if diff := cmp.Diff([]any{"a"}, m.payload("apiIds")); diff != "" {
			t.Error(diff)
		}
		id := m.payload("ingestJobId").(string)
		c.answer(m, map[string]any{"ingestJobId": id, "total": 1})
		if r := c.ingest(id, true, sample("a")); r.Status != "SUCCEEDED" {
			t.Errorf("%+v", r)
		}
		if got := <-started; got.ID != id || len(w.APIs()) != 0 {
			t.Errorf("job %+v, %d APIs", got, len(w.APIs()))
		}
		if diff := cmp.Diff([]ProblemCode{ProblemBatchDropped}, codes(w.Problems())); diff != "" {
			t.Error(diff)
		}
		c.ingest(id, true, sample("a"))
		if job, _ := w.Job(id); job.Status != JobSuccess || len(w.APIs()) != 1 {
			t.Errorf("job %+v", job)
		}
	})
}

func TestTheTotalOfSTART_INGESTDecidesWhatStarts(t *testing.T) {
	for name, test := range map[string]struct {
		payload map[string]any
		status  string // "" when the start fails
		jobs    int
	}{
		"some":        {map[string]any{"total": 3}, JobPending, 1},
		"none at all": {map[string]any{"total": 0}, JobSuccess, 0},
		"null":        {map[string]any{}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, Options{}, func(t *testing.T, w *world) {
				c := w.connect()
				c.expect("PRIMARY")
				type result struct {
					job Job
					err error
				}
				done := make(chan result, 1)
				go func() {
					job, err := w.StartIngest(t.Context(), integrationID, nil)
					done <- result{job, err}
				}()
				m := c.expect("START_INGEST")
				if diff := cmp.Diff([]any{}, m.payload("apiIds")); diff != "" {
					t.Error(diff)
				}
				test.payload["ingestJobId"] = m.payload("ingestJobId")
				c.answer(m, test.payload)
				got := <-done
				if got.job.Status != test.status || (got.err != nil) != (test.status == "") || len(w.Jobs()) != test.jobs {
					t.Errorf("%+v, %d jobs", got, len(w.Jobs()))
				}
			})
		})
	}
}

func TestAJobTimesOutFiveMinutesAfterItsLastINGESTAndALateOneIsStillTaken(t *testing.T) {
	run(t, Options{}, func(t *testing.T, w *world) {
		c := w.connect()
		c.expect("PRIMARY")
		id := w.startJob(c, 1)
		status := func() string { synctest.Wait(); job, _ := w.Job(id); return job.Status }
		time.Sleep(4 * time.Minute)
		c.ingest(id, false) // an empty one moves the deadline, too
		time.Sleep(5 * time.Minute)
		if got := status(); got != JobPending {
			t.Errorf("%s after five minutes", got)
		}
		time.Sleep(time.Second)
		if got := status(); got != JobTimedOut {
			t.Errorf("%s later", got)
		}
		c.ingest(id, false, sample("a"))
		if got := status(); got != JobPending || len(w.APIs()) != 1 {
			t.Errorf("%s, %d APIs after a late INGEST", got, len(w.APIs()))
		}
		c.ingest(id, true)
		c.ingest(id, true, sample("b"))
		if got := status(); got != JobSuccess || len(w.APIs()) != 2 {
			t.Errorf("%s, %d APIs at the end", got, len(w.APIs()))
		}
		if diff := cmp.Diff([]ProblemCode{ProblemLateIngest, ProblemAfterDone}, codes(w.Problems())); diff != "" {
			t.Error(diff)
		}
	})
}

func TestIdsAreNameBasedSoThatASecondIngestUpdates(t *testing.T) {
	run(t, Options{}, func(t *testing.T, w *world) {
		c := w.connect()
		c.expect("PRIMARY")
		id := w.startJob(c, 1)
		c.ingest(id, false, sample("a", set("version", nil)))
		first := w.APIs()[0]
		c.ingest(id, true, sample("a", set("name", "Orders 2"),
			set("metadata", []any{map[string]any{"name": "new", "value": "1", "format": "STRING"}})))
		if len(w.APIs()) != 1 {
			t.Fatalf("%d APIs", len(w.APIs()))
		}
		second := w.APIs()[0]
		if first.Version != "0.0.0" || second.Name != "Orders 2" || second.Writes != 2 || second.ID != first.ID ||
			second.Plans[0].ID != first.Plans[0].ID {
			t.Errorf("%+v\n%+v", first, second)
		}
		if first.ID != nameBased("env", integrationID, "a") || first.Plans[0].ID != nameBased(first.ID, "plan-1") {
			t.Errorf("ids %s, %s", first.ID, first.Plans[0].ID)
		}
		if len(second.Metadata) != 3 { // those left out are never removed
			t.Errorf("metadata %+v", second.Metadata)
		}
		if nameBased("hello") != "5d41402a-bc4b-3a76-b971-9d911017c592" { // Java's nameUUIDFromBytes("hello")
			t.Error(nameBased("hello"))
		}
	})
}

func TestANullIdentityMakesADuplicateAtEveryIngest(t *testing.T) {
	run(t, Options{}, func(t *testing.T, w *world) {
		c := w.connect()
		c.expect("PRIMARY")
		id := w.startJob(c, 1)
		c.ingest(id, false, sample("a", set("uniqueId", nil)))
		c.ingest(id, true, sample("a", set("uniqueId", nil)))
		if len(w.APIs()) != 2 || len(w.ProblemsOf(ProblemRandomIdentity)) != 2 {
			t.Errorf("%d APIs, %+v", len(w.APIs()), w.Problems())
		}
	})
}

func TestWhatFailsAnAPIIsRecordedAndTheINGESTStillAnsweredSUCCEEDED(t *testing.T) {
	long := strings.Repeat("ä", 65)
	page := func(name any) map[string]any {
		return map[string]any{"pageType": "SWAGGER", "content": "{}", "filename": name}
	}
	withPlan := func(key string, value any) func(map[string]any) {
		p := plan("p")
		p[key] = value
		return set("plans", []any{p})
	}
	for name, test := range map[string]struct {
		change func(map[string]any)
		reason string
		update bool // fails on an update only
	}{
		"null name":               {set("name", nil), "name is null", false},
		"null plan type":          {withPlan("planSecurityType", nil), "planSecurityType", false},
		"null plan name":          {withPlan("name", nil), "name of a plan", false},
		"duplicate plan ids":      {set("plans", []any{plan("p"), plan("p")}), "twice", false},
		"duplicate page names":    {set("pages", []any{page("a"), page("a")}), "twice", false},
		"null page name":          {set("pages", []any{page(nil)}), "filename", false},
		"long plan name":          {withPlan("name", long), "65 characters", false},
		"long characteristic":     {withPlan("characteristics", []any{long}), "65 characters", false},
		"long page name":          {set("pages", []any{page(long)}), "65 characters", false},
		"null pages on an update": {set("pages", nil), "pages is null", true},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, Options{}, func(t *testing.T, w *world) {
				c := w.connect()
				c.expect("PRIMARY")
				id := w.startJob(c, 2)
				if test.update {
					c.ingest(id, false, sample("bad", test.change))
					if p := w.Problems(); len(p) != 0 {
						t.Errorf("on creation: %+v", p)
					}
				}
				r := c.ingest(id, true, sample("bad", test.change), sample("good"))
				problems := w.ProblemsOf(ProblemAPIFailed)
				if r.Status != "SUCCEEDED" || len(problems) != 1 || problems[0].Subject != "bad" ||
					!strings.Contains(problems[0].Detail, test.reason) {
					t.Errorf("%+v, %+v", r, w.Problems())
				}
				if _, err := w.API("good"); err != nil {
					t.Error("the other API is missing")
				}
			})
		})
	}
}

func TestTheLimitsCountCharactersAndCanBeTurnedOff(t *testing.T) {
	p := plan("p")
	p["name"] = strings.Repeat("ä", 64)
	for name, test := range map[string]struct {
		o    Options
		plan map[string]any
	}{
		"at the limit": {Options{}, p},
		"without limits": {
			Options{NoSQLLimits: true},
			map[string]any{"id": "p", "name": strings.Repeat("x", 500), "planSecurityType": "API_KEY"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, test.o, func(t *testing.T, w *world) {
				c := w.connect()
				c.expect("PRIMARY")
				c.ingest(w.startJob(c, 1), true, sample("a", set("plans", []any{test.plan})))
				if p := w.Problems(); len(p) != 0 || len(w.APIs()[0].Plans) != 1 {
					t.Errorf("%+v", p)
				}
			})
		})
	}
}

func TestBadMetadataAbortTheRestOfTheBatch(t *testing.T) {
	for name, entry := range map[string]map[string]any{
		"null format": {"name": "n", "value": "v"},
		"long key":    {"name": strings.Repeat("x", 65), "value": "v", "format": "STRING"},
		"long value":  {"name": "n", "value": strings.Repeat("x", 1025), "format": "STRING"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, Options{}, func(t *testing.T, w *world) {
				c := w.connect()
				c.expect("PRIMARY")
				id := w.startJob(c, 2)
				r := c.ingest(id, true, sample("a", set("metadata", []any{entry})), sample("b"))
				if r.Status != "ERROR" || len(w.APIs()) != 1 || len(w.ProblemsOf(ProblemBatchAborted)) != 1 {
					t.Errorf("%+v, %d APIs, %+v", r, len(w.APIs()), w.Problems())
				}
				if job, _ := w.Job(id); job.Status != JobPending {
					t.Errorf("done was applied: %+v", job)
				}
			})
		})
	}
}

func TestPagesAreMatchedByNameAndAnEmptyListDeletesThem(t *testing.T) {
	page := func(kind, name, content string) map[string]any {
		return map[string]any{"pageType": kind, "content": content, "filename": name}
	}
	run(t, Options{}, func(t *testing.T, w *world) {
		c := w.connect()
		c.expect("PRIMARY")
		id := w.startJob(c, 1)
		names := func(pages ...any) (out []string) {
			if pages == nil {
				pages = []any{}
			}
			c.ingest(id, false, sample("a", set("pages", pages)))
			for _, p := range w.APIs()[0].Pages {
				out = append(out, p.Name+"="+p.Content)
			}
			return out
		}
		for _, step := range []struct{ got, want []string }{
			{names(page("SWAGGER", "a", "1"), page("ASYNCAPI", "b", "2"), page("MARKDOWN", "c", "3")), []string{"a=1", "b=2"}},
			{names(page("SWAGGER", "b", "4")), []string{"b=4"}},
			{names(), nil},
		} {
			if diff := cmp.Diff(step.want, step.got); diff != "" {
				t.Error(diff)
			}
		}
		if diff := cmp.Diff([]ProblemCode{ProblemPageSkipped}, codes(w.Problems())); diff != "" {
			t.Error(diff)
		}
	})
}

func TestINGESTIsAnsweredAsScripted(t *testing.T) {
	for name, test := range map[string]struct {
		fault  IngestFault
		check  func(t *testing.T, w *world, c *client, start time.Time)
		stored int
	}{
		"late": {IngestFault{AnswerDelay: 90 * time.Second}, func(t *testing.T, w *world, c *client, start time.Time) {
			c.expect("INGEST")
			if time.Since(start) != 90*time.Second {
				t.Errorf("after %s", time.Since(start))
			}
		}, 1},
		"twice": {IngestFault{Copies: 1}, func(t *testing.T, w *world, c *client, _ time.Time) {
			c.expect("INGEST")
			c.expect("INGEST")
		}, 1},
		"never": {IngestFault{NoAnswer: true}, func(t *testing.T, w *world, c *client, _ time.Time) {
			time.Sleep(time.Minute)
			c.quiet()
		}, 1},
		"ERROR": {IngestFault{Fail: "full"}, func(t *testing.T, w *world, c *client, _ time.Time) {
			if r := c.expect("INGEST"); r.Status != "ERROR" || r.Error != "full" {
				t.Errorf("%+v", r)
			}
		}, 0},
		"cut before": {
			IngestFault{CutBefore: true}, func(t *testing.T, w *world, c *client, _ time.Time) { c.closeCode() }, 0,
		},
		"cut stored": {
			IngestFault{CutStored: true}, func(t *testing.T, w *world, c *client, _ time.Time) { c.closeCode() }, 1,
		},
		"slow stored": {
			IngestFault{StoreDelay: time.Second}, func(t *testing.T, w *world, c *client, _ time.Time) { c.expect("INGEST") }, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			script := &Script{Ingest: func(e IngestEvent) IngestFault {
				if e.Nth != 2 {
					return IngestFault{}
				}
				return test.fault
			}}
			run(t, Options{Script: script}, func(t *testing.T, w *world) {
				c := w.connect()
				c.expect("PRIMARY")
				id := w.startJob(c, 1)
				c.ingest(id, false)
				start := time.Now()
				c.sendIngest("2", id, false, sample("a"))
				test.check(t, w, c, start)
				synctest.Wait()
				if len(w.APIs()) != test.stored {
					t.Errorf("%d APIs stored, want %d", len(w.APIs()), test.stored)
				}
			})
		})
	}
}

func TestAHeldINGESTHoldsThoseBehindItButNotTheChannel(t *testing.T) {
	var release chan struct{}
	script := &Script{Ingest: func(e IngestEvent) IngestFault {
		if e.Nth != 1 {
			return IngestFault{}
		}
		return IngestFault{Hold: release}
	}}
	run(t, Options{Script: script}, func(t *testing.T, w *world) {
		release = make(chan struct{})
		c := w.connect()
		c.expect("PRIMARY")
		id := w.startJob(c, 1)
		c.sendIngest("1", id, false, sample("a"))
		c.sendIngest("2", id, false, sample("b"))
		time.Sleep(10 * time.Minute) // HEALTH_CHECKs are answered all the while
		c.quiet()
		if len(w.APIs()) != 1 {
			t.Errorf("%d APIs while the first is held", len(w.APIs()))
		}
		close(release)
		if first, second := c.expect("INGEST"), c.expect("INGEST"); first.ID != "1" || second.ID != "2" {
			t.Errorf("%s, %s", first.ID, second.ID)
		}
	})
}

func TestAConnectionIsCutAtTheScriptedMessage(t *testing.T) {
	for name, test := range map[string]struct {
		fault  ReceivedFault
		stored int
	}{
		"before": {ReceivedFault{CutBefore: true}, 0},
		"after":  {ReceivedFault{CutAfter: true}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			script := &Script{Received: func(e ReceivedEvent) ReceivedFault {
				if e.Type == "INGEST" && e.NthOfType == 2 {
					return test.fault
				}
				return ReceivedFault{}
			}}
			run(t, Options{Script: script}, func(t *testing.T, w *world) {
				c := w.connect()
				c.expect("PRIMARY")
				id := w.startJob(c, 1)
				c.ingest(id, false)
				c.sendIngest("2", id, false, sample("a"))
				c.closeCode()
				synctest.Wait()
				if len(w.APIs()) != test.stored {
					t.Errorf("%d APIs", len(w.APIs()))
				}
			})
		})
	}
}

func TestPageContentCanBeDropped(t *testing.T) {
	run(t, Options{DropPageContent: true}, func(t *testing.T, w *world) {
		c := w.connect()
		c.expect("PRIMARY")
		c.ingest(w.startJob(c, 1), true, sample("a"))
		// sha256 of {}
		want := Page{
			Name: "openapi.json", Type: "SWAGGER", Size: 2,
			SHA256: "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
		}
		if diff := cmp.Diff(want, w.APIs()[0].Pages[0]); diff != "" {
			t.Error(diff)
		}
	})
}
