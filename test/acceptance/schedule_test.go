package acceptance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/status"
	"federation-agent/internal/store/storetest"
	"federation-agent/test/world"
)

// hourly is a world with an hourly schedule, whose rounds begin on the hour.
func hourly(o world.Options, more ...string) world.Options {
	return withREST(o, append([]string{"ingest_schedule", "@hourly", "ingest_scheduleJitter", "0s"}, more...)...)
}

// untilPast lets time pass until so long after the next full hour.
func untilPast(hour time.Duration) {
	pass(time.Until(time.Now().Truncate(time.Hour).Add(time.Hour + hour)))
}

func scheduleOf(t *testing.T, i *world.Instance) status.Schedule {
	t.Helper()
	s := i.Board.Read().Integrations[0].Schedule
	if s == nil {
		t.Fatal("the board has no schedule")
	}
	return *s
}

func driftOf(t *testing.T, i *world.Instance) status.Drift {
	t.Helper()
	d := i.Board.Read().Integrations[0].Drift
	if d == nil || d.At.IsZero() {
		t.Fatalf("nothing was compared: %+v", d)
	}
	return *d
}

// differs is what a report counts, as in "1 gone, 2 new".
func differs(d status.Drift) string {
	var parts []string
	for kind, n := range d.Counts {
		if n > 0 {
			parts = append(parts, fmt.Sprint(n, " ", kind))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// What changes in AWS is in APIM after the next full hour, and nothing else is sent: what each kind of change costs.
func TestWhatEachChangeCostsOnAnHourlySchedule(t *testing.T) {
	const apis = 20
	o := hourly(world.Options{AWS: oneRegion(apis, 1, 2)})
	run(t, o, func(t *testing.T, w *world.World) {
		agent := settled(w)
		succeed(w)
		pass(10 * time.Second)
		subs := map[string]apimsim.Subscription{}
		for n, a := range w.APIM.APIs() {
			if n < 10 {
				subs[a.ProviderID] = accepted(w, a)
			}
			if err := w.APIM.ChangeAPI(a.ID, func(a *apimsim.API) error {
				a.Lifecycle = apimsim.LifecyclePublished
				for n := range a.Plans {
					a.Plans[n].Validation, a.Plans[n].Order = apimsim.ValidationAutomatic, 7
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		touched := map[string]bool{} // what changed in AWS, so that its plans are written again
		all := w.APIM.APIs()
		scope, _, _ := partOf(all[0].ProviderID)
		rest := 0
		requests(w, &rest)
		counts(w)

		// quiet is the price of an hour without changes: two lists, and a GetStages for each REST API.
		hour := func(what string, change func(), aws map[string]int64, asked map[string]int, drift string, ids ...string) {
			t.Helper()
			change()
			before := writes(w)
			untilPast(10 * time.Minute)
			slices.Sort(ids)
			if got := written(w, before); !slices.Equal(got, ids) {
				t.Errorf("%s: %v were sent, want %v", what, got, ids)
			}
			for _, id := range ids {
				touched[id] = true
			}
			if got := counts(w); !sameCounts(got, aws) {
				t.Errorf("%s: AWS was asked %v, want %v", what, got, aws)
			}
			if got := requests(w, &rest); !sameCounts(got, asked) {
				t.Errorf("%s: APIM was asked %v, want %v", what, got, asked)
			}
			if !w.Log.Has("AWS and APIM are compared", `by="a scheduled round" next=20`) {
				t.Errorf("%s: the log does not say that it was a scheduled round, and when the next is", what)
			}
			if got := differs(driftOf(t, agent)); got != drift {
				t.Errorf("%s: the report says %q, want %q", what, got, drift)
			}
		}
		quiet := map[string]int{opIntegration: 1, opList: 1}
		sends := map[string]int{opIntegration: 2, opList: 2, opIngest: 1} // and a report behind the ingest
		listing := func(stages, exports int64) map[string]int64 {
			got := map[string]int64{awssim.OpGetRestAPIs: 1, awssim.OpGetUsagePlans: 1, awssim.OpGetStages: stages}
			if exports > 0 {
				got[awssim.OpGetExport] = exports
			}
			return got
		}
		// sent adds what the ingest itself asks: the stages of what it sends. The round's lists are young enough.
		sent := func(stages, exports, again int64) map[string]int64 { return listing(stages+again, exports) }
		nothing := func() {}
		hour("nothing", nothing, listing(apis, 0), quiet, "")
		hour("nothing again", nothing, listing(apis, 0), quiet, "")

		deployed := []string{all[2].ProviderID, all[11].ProviderID}
		hour("two are deployed", func() {
			for _, id := range deployed {
				_, rest, stage := partOf(id)
				if _, err := w.AWS.Redeploy(scope, rest, stage); err != nil {
					t.Fatal(err)
				}
			}
		}, sent(apis, 2, 2), sends, "", deployed...)

		fresh := "100000000000:eu-west-1:fresh00001:prod"
		hour("a REST API is made", func() {
			must(t, w.AWS.PutRestAPI(scope, awssim.RestAPI{ID: "fresh00001", Name: "Fresh", Stages: []awssim.Stage{{Name: "prod"}}}))
			must(t, w.AWS.Link(scope, planOf(t, w, all[0]), "fresh00001", "prod"))
		}, sent(apis+1, 1, 1), sends, "", fresh)

		_, renamedRest, _ := partOf(all[4].ProviderID)
		hour("one is renamed in AWS", func() {
			must(t, w.AWS.EditRestAPI(scope, renamedRest, func(a *awssim.RestAPI) { a.Name = "Orders of 2026" }))
		}, sent(apis+1, 0, 1), sends, "", all[4].ProviderID)

		deleteInAPIM(t, w, all[15].ID)
		requests(w, &rest)
		hour("one was deleted in APIM", nothing, sent(apis+1, 0, 1), sends, "", all[15].ProviderID)

		hour("one is renamed in APIM", func() {
			must(t, w.APIM.ChangeAPI(all[16].ID, func(a *apimsim.API) error { a.Name = "Mine"; return nil }))
		}, listing(apis+1, 0), quiet, "1 renamed")

		_, goneRest, _ := partOf(all[17].ProviderID)
		hour("a REST API is deleted in AWS", func() {
			must(t, w.AWS.DeleteRestAPI(scope, goneRest))
		}, listing(apis, 0), quiet, "1 gone, 1 renamed")

		_, stageRest, stage := partOf(all[18].ProviderID)
		hour("a stage is deleted in AWS", func() {
			must(t, w.AWS.Unlink(scope, planOf(t, w, all[18]), stageRest, stage))
			must(t, w.AWS.DeleteStage(scope, stageRest, stage))
		}, listing(apis, 0), quiet, "1 renamed, 2 gone")

		_, planlessRest, planless := partOf(all[19].ProviderID)
		hour("one is taken out of its usage plan", func() {
			must(t, w.AWS.Unlink(scope, planOf(t, w, all[19]), planlessRest, planless))
		}, listing(apis, 0), quiet, "1 omitted, 1 renamed, 2 gone")
		hour("and put back", func() {
			must(t, w.AWS.Link(scope, planOf(t, w, all[19]), planlessRest, planless))
		}, listing(apis, 0), quiet, "1 renamed, 2 gone")

		for _, a := range w.APIM.APIs() {
			kept := a.ProviderID == fresh || touched[a.ProviderID]
			for _, p := range a.Plans {
				if !kept && (p.Validation != apimsim.ValidationAutomatic || p.Order != 7) {
					t.Errorf("%s: what a user has set on its plan is lost: %+v", a.Name, p)
				}
			}
			if a.ID == all[16].ID && a.Name != "Mine" {
				t.Errorf("a person's name was undone: %s", a.Name)
			}
		}
		for id, sub := range subs {
			at := slices.IndexFunc(w.APIM.Subscriptions(), func(s apimsim.Subscription) bool { return s.ID == sub.ID })
			if at < 0 || w.APIM.Subscriptions()[at].Status != apimsim.SubscriptionAccepted {
				t.Errorf("the subscription to %s is lost", id)
			}
		}
		if s := scheduleOf(t, agent); s.Rounds[status.RoundSent] != 4 || s.Rounds[status.RoundFailed] != 0 ||
			s.Rounds[status.RoundUnchanged] != 7 || s.Last.Result != status.RoundUnchanged {
			t.Errorf("%+v", s)
		}
		if n := w.Log.Count("level=WARN", "AWS has deleted APIs that APIM still shows"); n != 2 {
			t.Errorf("the log asks for somebody %d times, want once for each that was deleted", n)
		}
		healthy(t, w)
	})
}

func sameCounts[N int | int64](got, want map[string]N) bool {
	if len(got) != len(want) {
		return false
	}
	for what, n := range want {
		if got[what] != n {
			return false
		}
	}
	return true
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func planOf(t *testing.T, _ *world.World, a apimsim.API) string {
	t.Helper()
	if len(a.Plans) == 0 {
		t.Fatalf("%s has no plan", a.Name)
	}
	return a.Plans[0].ProviderID
}

func TestOfTwoAgentsOnlyThePrimaryKeepsTheSchedule(t *testing.T) {
	run(t, hourly(world.Options{AWS: oneRegion(3, 1, 1)}), func(t *testing.T, w *world.World) {
		first := w.Connected()
		second := w.StartAgentWith(world.AgentOptions{Disk: &storetest.Model{}})
		w.Await("both to be connected", func() bool { return len(w.APIM.Agents()) == 2 })
		untilPast(5 * time.Minute)
		if got := w.APIM.Jobs(); len(got) != 1 || got[0].Total != 3 || got[0].Status != apimsim.JobSuccess {
			t.Errorf("%+v", got)
		}
		rounds := func(i *world.Instance) (n uint64) {
			for _, of := range scheduleOf(t, i).Rounds {
				n += of
			}
			return n
		}
		if rounds(first) != 1 || rounds(second) != 0 {
			t.Errorf("%d and %d rounds", rounds(first), rounds(second))
		}
		first.Drain()
		first.Stop()
		untilPast(5 * time.Minute)
		if rounds(second) != 1 {
			t.Errorf("%d rounds of the one that is left", rounds(second))
		}
		healthy(t, w)
	})
}

// APIM gives commands to any of an integration's agents. What the primary cannot see to be sent, it has sent once.
func TestWhatAnotherAgentWasGivenToIngestIsNotSentEachHour(t *testing.T) {
	o := hourly(world.Options{AWS: oneRegion(3, 1, 1)})
	o.APIM.Route = apimsim.RouteSecondary
	run(t, o, func(t *testing.T, w *world.World) {
		first := settled(w)
		succeed(w)
		w.StartAgentWith(world.AgentOptions{Disk: &storetest.Model{}})
		w.Await("both to be connected", func() bool { return len(w.APIM.Agents()) == 2 })
		succeed(w) // by the second one, so that both know all
		changed := w.APIM.APIs()[0].ProviderID
		for hour, want := range [][]string{{changed}, nil, nil, {changed}, nil} {
			if want != nil {
				scope, rest, stage := partOf(changed)
				_, err := w.AWS.Redeploy(scope, rest, stage)
				must(t, err)
			}
			before := writes(w)
			untilPast(5 * time.Minute)
			if got := written(w, before); !slices.Equal(got, want) {
				t.Errorf("hour %d: %v were sent, want %v", hour, got, want)
			}
			if got := differs(driftOf(t, first)); hour > 0 && want == nil && got != "" {
				t.Errorf("hour %d: the report says %q", hour, got)
			}
		}
		healthy(t, w)
	})
}

// slowIngests has APIM take so long for each INGEST.
func slowIngests(o world.Options, d time.Duration) world.Options {
	o.APIM.Script = &apimsim.Script{Ingest: func(apimsim.IngestEvent) apimsim.IngestFault {
		return apimsim.IngestFault{StoreDelay: d}
	}}
	return o
}

func TestAScheduledIngestWaitsForOneThatRuns(t *testing.T) {
	o := slowIngests(hourly(world.Options{AWS: oneRegion(3, 1, 1)}), 2*time.Minute)
	run(t, o, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		pass(time.Until(time.Now().Truncate(time.Hour).Add(time.Hour - 30*time.Second)))
		job := startIngest(w)
		pass(time.Minute)
		if s := scheduleOf(t, agent); s.Last == nil || s.Last.Result != status.RoundPutOff || s.Last.Why != "an ingest runs" {
			t.Errorf("%+v", s.Last)
		}
		rest := 0
		if got := requests(w, &rest); got[opIngest] != 0 || got[opIntegration] != 0 {
			t.Errorf("APIM was asked %v", got)
		}
		if job = ended(w, job); job.Status != apimsim.JobSuccess {
			t.Errorf("%+v", job)
		}
		pass(5 * time.Minute)
		if s := scheduleOf(t, agent); s.Last.Result != status.RoundUnchanged || s.Rounds[status.RoundPutOff] != 1 {
			t.Errorf("%+v", s)
		}
		if n := len(w.APIM.Jobs()); n != 1 {
			t.Errorf("%d jobs", n)
		}
		healthy(t, w)
	})
}

// The console hides its button while a job runs, and APIM itself refuses none.
func TestAScheduledIngestWaitsForAJobThatOnlyAPIMKnowsOf(t *testing.T) {
	o := hourly(world.Options{AWS: oneRegion(3, 1, 1)})
	lose := true
	o.APIM.Script = &apimsim.Script{Ingest: func(apimsim.IngestEvent) apimsim.IngestFault {
		return apimsim.IngestFault{CutStored: lose} // the agent gives the job up with its process
	}}
	run(t, o, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		pass(time.Until(time.Now().Truncate(time.Hour).Add(time.Hour - time.Minute)))
		job := startIngest(w)
		pass(2 * time.Second)
		agent.Crash()
		lose = false
		agent = w.StartAgentWith(world.AgentOptions{Disk: &storetest.Model{}}) // which knows of no job
		pass(2 * time.Minute)
		if s := scheduleOf(t, agent); s.Last == nil || s.Last.Result != status.RoundPutOff || !strings.Contains(s.Last.Why, job.ID) {
			t.Errorf("%+v", s.Last)
		}
		pass(10 * time.Minute) // APIM gives the job up after five
		if s := scheduleOf(t, agent); s.Last.Result != status.RoundSent {
			t.Errorf("%+v", s.Last)
		}
		if len(w.APIM.APIs()) != 3 {
			t.Errorf("%d APIs", len(w.APIM.APIs()))
		}
	})
}

func TestARoundIngestsWhatIsWholeAndSaysWhatIsMissing(t *testing.T) {
	o := twoRegions(hourly(world.Options{}))
	o.AWS.Estate.Accounts[0].Regions[1].Disabled = true
	run(t, o, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		untilPast(10 * time.Minute)
		here := 0
		for _, a := range o.AWS.Estate.Accounts[0].Regions[0].RestAPIs {
			here += len(a.Stages)
		}
		if got := len(w.APIM.APIs()); got != here {
			t.Errorf("%d APIs, want the %d of the region that can be listed", got, here)
		}
		d := driftOf(t, agent)
		if len(d.Unlisted) != 1 || !strings.Contains(d.Unlisted[0], "enable the region") || differs(d) != "" {
			t.Errorf("%+v", d)
		}
		if s := scheduleOf(t, agent); s.Last.Result != status.RoundSent {
			t.Errorf("%+v", s.Last)
		}
	})
}

// By a wrong environment, each API looks missing: to send them all each hour would reset all plans each hour.
func TestAWrongEnvironmentSendsNothingAndIsNamed(t *testing.T) {
	o := hourly(world.Options{AWS: oneRegion(3, 1, 1)})
	o.APIM.Readable = map[string]string{"DEFAULT": "default-by-name"}
	o.Settings["gravitee_agent_apim_environmentId"] = "default-by-name"
	run(t, o, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		succeed(w)
		before := writes(w)
		untilPast(10 * time.Minute)
		untilPast(10 * time.Minute)
		if got := written(w, before); len(got) > 0 {
			t.Errorf("%v were sent", got)
		}
		if s := scheduleOf(t, agent); s.Rounds[status.RoundFailed] != 2 ||
			!strings.Contains(s.Last.Why, "agent.apim.environmentId") {
			t.Errorf("%+v", s)
		}
		if !w.Log.Has("level=ERROR", "a round could not bring to APIM", "agent.apim.environmentId") {
			t.Error("the log does not say so")
		}
	})
}

// A lost plan is the guard's matter: the schedule leaves the API out until a second listing confirms it.
func TestTheScheduleKeepsToThePlanGuard(t *testing.T) {
	run(t, hourly(world.Options{AWS: oneRegion(3, 1, 1)}), func(t *testing.T, w *world.World) {
		agent := w.Connected()
		succeed(w)
		api := w.APIM.APIs()[0]
		scope, rest, stage := partOf(api.ProviderID)
		must(t, w.AWS.PutUsagePlan(scope, awssim.UsagePlan{ID: "other1", Name: "Other"}))
		must(t, w.AWS.Link(scope, "other1", rest, stage))
		must(t, w.AWS.Unlink(scope, planOf(t, w, api), rest, stage))
		untilPast(time.Minute)
		if got := differs(driftOf(t, agent)); got != "1 omitted" {
			t.Errorf("the first round: %q", got)
		}
		if got, err := w.APIM.API(api.ID); err != nil || got.Writes != api.Writes {
			t.Errorf("it was sent: %+v %v", got, err)
		}
		untilPast(time.Minute)
		got, err := w.APIM.API(api.ID)
		if err != nil || len(got.Plans) != 1 || got.Plans[0].ProviderID != "other1" || differs(driftOf(t, agent)) != "" {
			t.Errorf("after a second listing: %+v %v, %q", got.Plans, err, differs(driftOf(t, agent)))
		}
	})
}

func TestWithoutAScheduleNothingIsAskedBeyondTheReports(t *testing.T) {
	run(t, withREST(world.Options{AWS: oneRegion(3, 1, 1)}), func(t *testing.T, w *world.World) {
		agent := w.Connected()
		rest := 0
		pass(time.Hour)
		if got := requests(w, &rest); len(got) > 0 || w.AWS.CallCount(awssim.OpGetRestAPIs) > 0 {
			t.Errorf("before anybody ingests: %v", got)
		}
		succeed(w)
		if got := requests(w, &rest); !sameCounts(got, map[string]int{opList: 2}) { // before the ingest, and for the report
			t.Errorf("an ingest: %v", got)
		}
		counts(w)
		pass(24 * time.Hour)
		if got := requests(w, &rest); len(got) > 0 || len(counts(w)) > 0 {
			t.Errorf("afterwards: %v", got)
		}
		succeed(w, w.APIM.APIs()[0].ProviderID)
		if got := requests(w, &rest); !sameCounts(got, map[string]int{opList: 1}) {
			t.Errorf("an ingest of one API: %v", got)
		}
		if differs(driftOf(t, agent)) != "" {
			t.Errorf("%+v", driftOf(t, agent))
		}
	})
}

func TestARoundThatComparesBaseURLsSendsNothingWhereNoneHasChanged(t *testing.T) {
	o := hourly(granted(t, oneRegion(3, 1, 1), regional(0)))
	run(t, o, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		untilPast(10 * time.Minute)
		before := writes(w)
		if len(before) != 3 {
			t.Fatalf("%v", before)
		}
		agent.Stop()
		w.StartAgent() // which knows of no domain
		untilPast(10 * time.Minute)
		untilPast(10 * time.Minute)
		if got := written(w, before); len(got) > 0 {
			t.Errorf("%v were sent", got)
		}
		must(t, w.AWS.PutDomain(uniform(), regional(1)))
		untilPast(10 * time.Minute)
		if got := written(w, before); len(got) != 1 || !strings.Contains(got[0], "a000000001") {
			t.Errorf("%v were sent, want the one that has a domain now", got)
		}
	})
}

// AWS may not tell base URLs for a while. What APIM has of them must not be taken away by that, nor plans be reset.
func TestARoundSendsNoAPIWhoseBaseURLsAreNotKnown(t *testing.T) {
	o := hourly(granted(t, oneRegion(3, 1, 1), regional(0)))
	run(t, o, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		succeed(w)
		before := writes(w)
		agent.Stop()
		w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpGetDomainNames, Fault: awssim.Throttling(0)})
		agent = w.StartAgent()
		untilPast(30 * time.Minute)
		if got := written(w, before); len(got) > 0 {
			t.Errorf("%v were sent", got)
		}
		if got := differs(driftOf(t, agent)); got != "3 omitted" {
			t.Errorf("the report says %q", got)
		}
	})
}

// What a round costs where nothing has changed, in an account with as many REST APIs as AWS allows in a region.
func TestTheCostOfARoundOf600RESTAPIs(t *testing.T) {
	run(t, hourly(world.Options{AWS: withLatency(oneRegion(600, 1, 5))}), func(t *testing.T, w *world.World) {
		agent := settled(w)
		succeed(w)
		pass(10 * time.Minute)
		rest := 0
		requests(w, &rest)
		counts(w)
		untilPast(0)
		began := time.Now()
		w.Await("the end of the round", func() bool { return scheduleOf(t, agent).Last != nil })
		took := time.Since(began)
		if got := scheduleOf(t, agent).Last.Result; got != status.RoundUnchanged {
			t.Errorf("%s", got)
		}
		want := map[string]int64{awssim.OpGetRestAPIs: 2, awssim.OpGetUsagePlans: 1, awssim.OpGetStages: 600}
		if got := counts(w); !sameCounts(got, want) {
			t.Errorf("AWS was asked %v, want %v", got, want)
		}
		if got := requests(w, &rest); !sameCounts(got, map[string]int{opIntegration: 1, opList: 2}) { // of 500 each
			t.Errorf("APIM was asked %v", got)
		}
		if took > 100*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}
