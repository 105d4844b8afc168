package acceptance

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

const filterVariable = "gravitee_integration_providers_0_configuration_filter_"

// filters are settings of filters, each as NAME=VALUE.
func filters(assignments ...string) map[string]string {
	settings := map[string]string{}
	for _, a := range assignments {
		name, value, _ := strings.Cut(a, "=")
		settings[filterVariable+name] = value
	}
	return settings
}

// halfPublic gives every second REST API, and every second one's stages, the tag visibility=public.
func halfPublic(o awssim.Options) awssim.Options {
	public := map[string]string{"visibility": "public"}
	for n := range o.Estate.Accounts[0].Regions[0].RestAPIs {
		if api := &o.Estate.Accounts[0].Regions[0].RestAPIs[n]; n%2 == 0 {
			api.Tags = public
			for s := range api.Stages {
				api.Stages[s].Tags = public
			}
		}
	}
	return o
}

// A filter of REST APIs saves calls. One of stage tags makes a listing ask each REST API that the others let pass for its
// stages. The exports of an ingest of everything need not ask again.
func TestWhatAFilterOf600APIsCosts(t *testing.T) {
	calls := func(stages, exports int64) map[string]int64 {
		all := map[string]int64{
			awssim.OpGetRestAPIs: 2, awssim.OpGetUsagePlans: 1, awssim.OpGetCallerIdentity: 1,
			awssim.OpGetStages: stages, awssim.OpGetExport: exports,
		}
		maps.DeleteFunc(all, func(_ string, n int64) bool { return n == 0 })
		return all
	}
	for name, c := range map[string]struct {
		filter map[string]string
		all    bool // also those in no plan
		// previewed is what a preview costs before the ingest, which uses its listing.
		previewed, want map[string]int64
	}{
		"none":              {want: calls(600, 600)},
		"by API tag":        {filter: filters("includeApiTags=visibility=public"), want: calls(300, 300)},
		"by API name":       {filter: filters("excludeApis=service-1*,service-2??,service-3??"), want: calls(289, 289)},
		"by stage name":     {filter: filters("includeStages=dev"), want: calls(600, 600)},
		"by stage tag":      {filter: filters("excludeStageTags=visibility"), want: calls(600, 300)},
		"by API, stage tag": {filter: filters("includeApiTags=visibility", "includeStageTags=visibility=public"), want: calls(300, 300)},
		"previewed": {
			filter: filters("includeApiTags=visibility"), previewed: calls(0, 0),
			want: map[string]int64{awssim.OpGetStages: 300, awssim.OpGetExport: 300},
		},
		"previewed, by API, stage tag": {
			filter: filters("includeApiTags=visibility", "includeStageTags=visibility=public"), previewed: calls(300, 0),
			want: map[string]int64{awssim.OpGetExport: 300},
		},
		"without plans, by API tag": {filter: filters("excludeApiTags=visibility=p*"), all: true, want: calls(300, 300)},
	} {
		t.Run(name, func(t *testing.T) {
			o := world.Options{AWS: halfPublic(oneRegion(600, 1, 3)), Settings: c.filter}
			if c.all {
				o = acceptAll(o)
			}
			run(t, o, func(t *testing.T, w *world.World) {
				w.Connected()
				if c.previewed != nil {
					if p := preview(w); p.Partial || len(p.APIs) != 300 {
						t.Errorf("%d APIs", len(p.APIs))
					}
					if diff := cmp.Diff(c.previewed, counts(w)); diff != "" {
						t.Errorf("preview: %s", diff)
					}
				}
				job := succeed(w)
				if diff := cmp.Diff(c.want, counts(w)); diff != "" {
					t.Error(diff)
				}
				if n := int64(len(w.APIM.APIs())); n != c.want[awssim.OpGetExport] || int64(job.Ingested) != n {
					t.Errorf("%d APIs, %d ingested", n, job.Ingested)
				}
				healthy(t, w)
			})
		})
	}
}

// What a filter removes stays in APIM as it is, is named once, and loses no plan; its subscriptions end and begin.
func TestWhatAFilterRemovesStaysInAPIMAndItsSubscriptionsCanBeEnded(t *testing.T) {
	for name, filter := range map[string]map[string]string{
		"by API name":  filters("excludeApis=service-1"),
		"by API tag":   filters("excludeApiTags=kept=out"),
		"by stage tag": filters("excludeStageTags=kept"),
		"by stage": {
			"gravitee_integration_providers_0_configuration_0_stage": "prod", // which nothing has
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := world.Options{AWS: oneRegion(3, 2, 2)}
			api := &o.AWS.Estate.Accounts[0].Regions[0].RestAPIs[0]
			api.Tags = map[string]string{"kept": "out"}
			for n := range api.Stages {
				api.Stages[n].Tags = api.Tags
			}
			run(t, o, func(t *testing.T, w *world.World) {
				agent := w.Connected()
				succeed(w)
				at := slices.IndexFunc(w.APIM.APIs(), func(a apimsim.API) bool { return strings.Contains(a.ProviderID, api.ID) })
				before := w.APIM.APIs()[at]
				sub := accepted(w, before)
				agent.Stop()

				second := w.StartAgentWith(world.AgentOptions{Settings: filter})
				w.Await("the agent to be connected", func() bool { return len(w.APIM.Agents()) > 0 })
				scope, rest, stage := partOf(before.ProviderID)
				if err := w.AWS.Unlink(scope, before.Plans[0].ProviderID, rest, stage); err != nil {
					t.Fatal(err)
				}
				for range 3 {
					for _, p := range preview(w).APIs {
						if p.ID == before.ProviderID {
							t.Errorf("%s is in the preview", p.ID)
						}
					}
					if job := w.Ingest(); job.Status != apimsim.JobSuccess {
						t.Errorf("%+v", job)
					}
					pass(6 * time.Minute) // longer than a claim takes to be confirmed
				}
				at = slices.IndexFunc(w.APIM.APIs(), func(a apimsim.API) bool { return a.ProviderID == before.ProviderID })
				if at < 0 {
					t.Fatal("it is gone")
				}
				if after := w.APIM.APIs()[at]; after.Writes != before.Writes || len(after.Plans) != len(before.Plans) {
					t.Errorf("written %d times, was %d; %d plans", after.Writes, before.Writes, len(after.Plans))
				}
				if held := second.Board.Read().Integrations[0].Guard; len(held) > 0 {
					t.Errorf("its plans count as lost: %v", held)
				}
				if n := w.Log.Count("level=INFO", "filters leave out what AWS has", rest); n != 1 {
					t.Errorf("the log names it %d times", n)
				}
				if w.Log.Has("APIs that were ingested before are deleted") {
					t.Error("the log calls it deleted")
				}
				if err := w.APIM.Unsubscribe(context.Background(), sub.ID); err != nil {
					t.Errorf("ending a subscription: %v", err)
				}
				if n := len(w.AWS.Keys()); n != 0 {
					t.Errorf("%d keys are left", n)
				}
				if err := w.AWS.Link(scope, before.Plans[0].ProviderID, rest, stage); err != nil {
					t.Fatal(err)
				}
				if again := accepted(w, before); invoke(w, before, again.APIKey.Reveal()) != 200 {
					t.Error("a new key opens nothing")
				}
				keysAreSubscriptions(t, w)
				oneReplyEach(t, w)
				healthy(t, w)
			})
		})
	}
}

// A claim from before the filter was set names a loss that no ingest will carry out.
func TestALossOfPlansOfWhatAFilterLeavesOutIsNotHeldForEver(t *testing.T) {
	o := world.Options{AWS: oneRegion(2, 1, 2)}
	api := &o.AWS.Estate.Accounts[0].Regions[0].RestAPIs[0]
	api.Stages[0].Tags = map[string]string{"kept": "out"}
	run(t, o, func(t *testing.T, w *world.World) {
		guard := func(i *world.Instance) []string { return i.Board.Read().Integrations[0].Guard }
		agent := w.Connected()
		succeed(w)
		at := slices.IndexFunc(w.APIM.APIs(), func(a apimsim.API) bool { return strings.Contains(a.ProviderID, api.ID) })
		before := w.APIM.APIs()[at]
		scope, rest, stage := partOf(before.ProviderID)
		for _, p := range []string{"p00000", "p00001"} { // the API is in one of them, and from now on in the other one
			change := w.AWS.Link
			if before.Plans[0].ProviderID == p {
				change = w.AWS.Unlink
			}
			if err := change(scope, p, rest, stage); err != nil {
				t.Fatal(err)
			}
		}
		pass(2 * time.Minute)
		succeed(w)
		if len(guard(agent)) != 1 {
			t.Fatalf("the guard holds %v", guard(agent))
		}
		agent.Stop()
		second := w.StartAgentWith(world.AgentOptions{Settings: filters("excludeStageTags=kept")})
		w.Await("the agent to be connected", func() bool { return len(w.APIM.Agents()) > 0 })
		pass(7 * time.Minute) // the second look asks for this API alone, and does not see tags
		if len(guard(second)) != 1 {
			t.Errorf("before an ingest the guard holds %v", guard(second))
		}
		succeed(w)
		if len(guard(second)) != 0 {
			t.Errorf("the guard holds %v", guard(second))
		}
		if after := w.APIM.APIs()[at]; after.Writes != before.Writes || len(after.Plans) != len(before.Plans) {
			t.Errorf("written %d times, was %d; %d plans", after.Writes, before.Writes, len(after.Plans))
		}
	})
}

// An ingest by ids makes no listing of stages: the export sees the tags.
func TestAStageWhoseTagsDoNotPassIsLeftOutWithoutAnError(t *testing.T) {
	o := world.Options{AWS: halfPublic(oneRegion(4, 1, 1)), Settings: filters("includeStageTags=visibility=public")}
	run(t, o, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		p := preview(w)
		if len(p.APIs) != 2 || p.Partial {
			t.Fatalf("%+v", p)
		}
		const other = "a000000001"
		otherID := strings.Replace(p.APIs[0].ID, "a000000000", other, 1)
		pass(2 * time.Minute) // the listing is too old
		counts(w)
		if job := succeed(w, p.APIs[0].ID, otherID); job.Ingested != 1 || w.APIM.APIs()[0].ProviderID != p.APIs[0].ID {
			t.Errorf("%+v", job)
		}
		if diff := cmp.Diff(map[string]int64{
			awssim.OpGetRestAPIs: 1, awssim.OpGetUsagePlans: 1, awssim.OpGetStages: 2, awssim.OpGetExport: 1,
		}, counts(w)); diff != "" {
			t.Error(diff)
		}
		if n := w.Log.Count("level=INFO", "APIs are left out of this ingest", "configuration.filter.includeStageTags names only",
			"visibility=public", otherID); n != 1 {
			t.Errorf("the log says so %d times", n)
		}
		if last := agent.Board.Read().Integrations[0].LastIngest; last.Omitted != 0 || last.Failure != "" {
			t.Errorf("it counts as a failure: %+v", last)
		}
		err := w.AWS.EditRestAPI(uniform(), other, func(a *awssim.RestAPI) {
			a.Stages[0].Tags = map[string]string{"visibility": "public"}
		})
		if err != nil {
			t.Fatal(err)
		}
		if job := succeed(w, otherID); job.Ingested != 1 || len(w.APIM.APIs()) != 2 {
			t.Errorf("with its tag: %+v", job)
		}
		if p := preview(w); len(p.APIs) != 3 {
			t.Errorf("%+v", p.APIs)
		}
		healthy(t, w)
	})
}

// What is filtered out lengthens no name, by whatever a listing or an ingest asks for.
func TestNamesDoNotChangeWithWhatIsAskedForWhileAFilterIsSet(t *testing.T) {
	for name, filter := range map[string]map[string]string{
		"by API tag": filters("includeApiTags=visibility"), "by stage tag": filters("includeStageTags=visibility"),
	} {
		t.Run(name, func(t *testing.T) {
			o := world.Options{AWS: halfPublic(oneRegion(4, 1, 1)), Settings: filter}
			for n := range 4 {
				o.AWS.Estate.Accounts[0].Regions[0].RestAPIs[n].Name = []string{"Orders", "Orders", "Bills", "Orders"}[n]
			}
			run(t, o, func(t *testing.T, w *world.World) {
				w.Connected()
				succeed(w)
				want := names(w)
				if len(want) != 2 || want[providerIDs(w)[0]] == want[providerIDs(w)[1]] {
					t.Fatalf("%v", want)
				}
				for id, name := range want {
					if strings.Contains(name, "[") {
						t.Errorf("%s is called %s", id, name)
					}
					out := strings.NewReplacer("a000000000", "a000000001", "a000000002", "a000000001").Replace(id)
					if job := succeed(w, id, out); job.Ingested != 1 {
						t.Errorf("%+v", job)
					}
					if diff := cmp.Diff(want, names(w)); diff != "" {
						t.Errorf("after an ingest of %s: %s", id, diff)
					}
				}
				pass(2 * time.Minute)
				for _, a := range preview(w).APIs {
					if want[a.ID] != a.Name {
						t.Errorf("the preview calls %s %s", a.ID, a.Name)
					}
				}
			})
		})
	}
}

func TestAnEntryOfAFilterThatMatchesNothingIsNamedOnceWithWhatWasMeant(t *testing.T) {
	o := world.Options{AWS: halfPublic(oneRegion(4, 1, 1)), Settings: filters(
		"includeApis=service-*,Service-2,nothing-like-it", "excludeApiTags=visibilty=private", "excludeStageTags=Visibility=PUBLIC",
		"excludeStages=dev?",
	)}
	run(t, o, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		for range 2 {
			if p := preview(w); len(p.APIs) != 4 {
				t.Errorf("%d APIs", len(p.APIs))
			}
			pass(2 * time.Minute)
		}
		for setting, says := range map[string]string{
			"includeApis":      `entries="[Service-2 nothing-like-it]" did_you_mean=service-2 known="service-1, service-2, service-3, service-4"`,
			"excludeApiTags":   `entries="[visibilty=private]" did_you_mean=visibility known="visibility=public"`,
			"excludeStageTags": `entries="[Visibility=PUBLIC]" did_you_mean="visibility=public"`,
			"excludeStages":    `entries=[dev?] did_you_mean=dev known=dev`,
		} {
			if n := w.Log.Count("level=WARN", "a filter has entries that do nothing", "setting=configuration.filter."+setting+" ",
				says); n != 1 {
				t.Errorf("the log names %s %d times", setting, n)
			}
		}
		shown := agent.Board.Read().Integrations[0].UnusedFilters
		if len(shown) != 4 || !strings.Contains(shown[0].Entries, "Service-2, nothing-like-it; did you mean service-2?") {
			t.Errorf("%+v", shown)
		}
	})
}
