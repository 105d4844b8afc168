package awssim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/google/go-cmp/cmp"
)

func TestTheDemoEstateIsWhatItsCommentSays(t *testing.T) {
	e := DemoEstate(1)
	apis, stages, regions := 0, 0, 0
	names := map[string]int{}
	var unplanned, unexportable []string
	for _, a := range e.Accounts {
		for _, g := range a.Regions {
			if g.Disabled {
				continue
			}
			regions++
			covered := map[string]int{}
			for _, p := range g.UsagePlans {
				for _, l := range p.APIStages {
					covered[l.RestAPI+l.Stage]++
				}
			}
			for _, api := range g.RestAPIs {
				apis++
				names[api.Name]++
				in, bad := 0, 0
				for _, s := range api.Stages {
					stages++
					in += min(covered[api.ID+s.Name], 1)
					if s.ExportError != "" {
						bad++
					}
				}
				if in == 0 {
					unplanned = append(unplanned, api.Name)
				} else if in != 3 {
					t.Errorf("%s has %d of 3 stages in plans", api.Name, in)
				}
				if bad == 3 {
					unexportable = append(unexportable, api.Name)
				}
			}
		}
	}
	if len(e.Accounts) != 2 || regions != 4 || apis != 40 || stages != 120 {
		t.Errorf("got %d accounts, %d regions, %d APIs, %d stages", len(e.Accounts), regions, apis, stages)
	}
	if names["Orders"] != 3 || names["Customers"] != 3 || names["Identity"] != 3 || names["Track & Trace"] != 2 {
		t.Errorf("got collisions %v", names)
	}
	if diff := cmp.Diff([]string{DemoUnplannedAPI}, unplanned); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{DemoUnexportableAPI}, unexportable); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(e, DemoEstate(1)); diff != "" {
		t.Error("the same seed makes another estate")
	}
	if e.Accounts[0].Regions[0].RestAPIs[0].ID == DemoEstate(2).Accounts[0].Regions[0].RestAPIs[0].ID {
		t.Error("another seed makes the same ids")
	}
	r := newRig(t, Options{Estate: e})
	for _, key := range []string{DemoAccessKeyIDA, DemoAccessKeyIDB, DemoNeighbourKeyIDA, DemoNeighbourKeyIDB} {
		got := must(r.gateway(key).GetRestApis(context.Background(), &apigateway.GetRestApisInput{}))(t)
		if len(got.Items) != 10 {
			t.Errorf("%s sees %d APIs", key, len(got.Items))
		}
	}
}

func TestBigDocumentsThatLieTogetherAreAllStagesOfRESTAPIsInARow(t *testing.T) {
	e := UniformEstate(UniformOptions{
		APIs: 61, StagesPerAPI: 10, DocumentBytes: 1, BigDocuments: 20, BigDocumentBytes: 2, BigTogether: true,
	})
	var whole []int
	for i, api := range e.Accounts[0].Regions[0].RestAPIs {
		big := 0
		for _, s := range api.Stages {
			big += s.DocumentBytes - 1
		}
		if big == len(api.Stages) {
			whole = append(whole, i)
		} else if big > 0 {
			t.Errorf("%d of %d stages of one REST API", big, len(api.Stages))
		}
	}
	if len(whole) != 2 || whole[1] != whole[0]+1 {
		t.Errorf("got %v", whole)
	}
}

func TestAUniformEstateHasWhatWasAskedFor(t *testing.T) {
	type link struct{ api, stage string }
	e := UniformEstate(UniformOptions{
		Accounts: 2, Regions: []string{"eu-west-1", "us-east-1"}, APIs: 60, StagesPerAPI: 10, Plans: 7, DocumentBytes: 2048,
		BigDocuments: 20, BigDocumentBytes: 6 << 20,
	})
	for _, a := range e.Accounts {
		for _, g := range a.Regions {
			stages, big, linked := 0, 0, map[link]bool{}
			for _, api := range g.RestAPIs {
				for _, s := range api.Stages {
					stages++
					switch s.DocumentBytes {
					case 6 << 20:
						big++
					case 2048:
					default:
						t.Errorf("a document of %d bytes", s.DocumentBytes)
					}
				}
			}
			for _, p := range g.UsagePlans {
				for _, l := range p.APIStages {
					linked[link{l.RestAPI, l.Stage}] = true
				}
			}
			if len(g.RestAPIs) != 60 || stages != 600 || big != 20 || len(linked) != 600 || len(g.UsagePlans) != 7 {
				t.Errorf("got %d APIs, %d stages, %d big, %d in %d plans", len(g.RestAPIs), stages, big, len(linked),
					len(g.UsagePlans))
			}
		}
	}
	none := UniformEstate(UniformOptions{APIs: 2})
	if g := none.Accounts[0].Regions[0]; len(g.RestAPIs) != 2 || len(g.UsagePlans) != 0 || len(g.RestAPIs[1].Stages) != 0 {
		t.Errorf("got %+v", g)
	}
	r := newRig(t, Options{Estate: e})
	for i := range 2 {
		for _, key := range []string{UniformAccessKeyID(i), UniformNeighbourKeyID(i)} {
			must(r.gateway(key).GetRestApis(context.Background(), &apigateway.GetRestApisInput{}))(t)
		}
		in := assume()
		in.RoleArn = aws.String(UniformRoleARN(i))
		must(r.sts(UniformAccessKeyID(0)).AssumeRole(context.Background(), in))(t)
	}
}

func TestAnEstateWithFaultsIsRefusedWithAllOfThem(t *testing.T) {
	_, err := New(Options{Estate: Estate{Accounts: []Account{
		{ID: "12", Principals: []Principal{{Name: "a", AccessKeyID: "K"}, {Name: "b", AccessKeyID: "K"}}},
		{ID: accountA, Regions: []Region{
			{Name: "nowhere"},
			{Name: region1, RestAPIs: []RestAPI{{ID: "x"}, {ID: "x"}}, UsagePlans: []UsagePlan{{ID: "p"}, {ID: "p"}}},
		}},
		{ID: accountA},
	}}})
	if err == nil {
		t.Fatal("the estate was taken")
	}
	for _, want := range []string{
		`account "12"`, `principal "b"`, `region "nowhere"`, `REST API "x"`, `usage plan "p"`, "listed twice",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing from: %v", want, err)
		}
	}
}

func TestAnEstateSurvivesJSON(t *testing.T) {
	encoded, err := json.Marshal(smallEstate())
	if err != nil {
		t.Fatal(err)
	}
	var got Estate
	if err := json.Unmarshal(encoded, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(smallEstate(), got); diff != "" {
		t.Error(diff)
	}
}

func TestMutatorsChangeWhatTheNextListingShows(t *testing.T) {
	r := newRig(t, Options{Quota: Quota{Off: true}})
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := scopeA()
	before, err := r.Snapshot(at)
	ok(err)
	ok(r.Link(at, "empty1", "orders0001", "dev"))
	ok(r.Link(at, "empty1", "orders0001", "dev")) // once is enough
	ok(r.Unlink(at, "gold01", "orders0001", "prod"))
	ok(r.PutStage(at, "orders0001", Stage{Name: "test", DeploymentID: "dep009"}))
	ok(r.PutStage(at, "orders0001", Stage{Name: "prod", DeploymentID: "dep010"}))
	ok(r.EditRestAPI(at, "orders0001", func(a *RestAPI) { a.Name, a.Tags["team"] = "Sales", "sales" }))
	ok(r.EditUsagePlan(at, "gold01", func(p *UsagePlan) { p.Name = "Platinum" }))
	ok(r.PutUsagePlan(at, UsagePlan{ID: "new001", Name: "New"}))
	after, err := r.Snapshot(at)
	ok(err)
	api := after.RestAPIs[0]
	if api.Name != "Sales" || api.Tags["team"] != "sales" || len(api.Stages) != 3 ||
		api.Stages[0].DeploymentID != "dep010" {
		t.Errorf("got %+v", api)
	}
	plans := after.UsagePlans
	if len(plans) != 3 || plans[0].Name != "Platinum" || len(plans[0].APIStages) != 0 || len(plans[1].APIStages) != 1 {
		t.Errorf("got %+v", plans)
	}
	if before.RestAPIs[0].Tags["team"] != "shop" || len(before.UsagePlans[0].APIStages) != 1 {
		t.Error("an older snapshot changed with it")
	}

	key := must(r.gateway(agentKeyA).CreateApiKey(context.Background(), createKey("k")))(t)
	must(r.gateway(agentKeyA).CreateUsagePlanKey(context.Background(), attach("empty1", *key.Id)))(t)
	ok(r.DeleteStage(at, "orders0001", "dev"))
	after, err = r.Snapshot(at)
	ok(err)
	if len(after.RestAPIs[0].Stages) != 2 || len(after.UsagePlans[1].APIStages) != 0 {
		t.Errorf("a deleted stage is still there: %+v", after)
	}
	ok(r.DeleteUsagePlan(at, "empty1"))
	if k, _ := r.Key(at, *key.Id); len(k.Plans) != 0 {
		t.Errorf("the key still has plans %v", k.Plans)
	}
	ok(r.RemoveKey(at, *key.Id))
	if len(r.Keys()) != 0 {
		t.Error("the key is still there")
	}
	ok(r.DeleteRestAPI(at, "orders0001"))

	nowhere := Scope{"999999999999", region1}
	_, redeployed := r.Redeploy(at, "orders0001", "prod")
	_, snapshot := r.Snapshot(nowhere)
	for name, err := range map[string]error{
		"redeploying what is gone": redeployed, "an unknown account": snapshot,
		"deleting an API twice": r.DeleteRestAPI(at, "orders0001"), "unknown stage": r.DeleteStage(at, "metrics001", "x"),
		"unknown plan": r.Link(at, "x", "y", "z"), "unknown key": r.RemoveKey(at, "x"),
		"plan elsewhere": r.PutUsagePlan(nowhere, UsagePlan{}),
	} {
		if !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestTheManagementSurfaceShowsAndChanges(t *testing.T) {
	r := newRig(t, Options{})
	manage := func(method, path, body string, into any) int {
		t.Helper()
		answer := httptest.NewRecorder()
		r.ServeHTTP(answer, httptest.NewRequest(method, ManagementPrefix+"aws/"+path, strings.NewReader(body)))
		if into != nil {
			if err := json.NewDecoder(bytes.NewReader(answer.Body.Bytes())).Decode(into); err != nil {
				t.Fatalf("%s %s: %v in %s", method, path, err, answer.Body)
			}
		}
		return answer.Code
	}
	ctx, c := context.Background(), r.gateway(agentKeyA)
	key := must(c.CreateApiKey(ctx, createKey("k")))(t)
	must(c.CreateUsagePlanKey(ctx, attach("gold01", *key.Id)))(t)

	var keys []struct {
		ID, Name, Value string
		Scope           Scope
		Plans           []Attachment
	}
	if manage("GET", "keys", "", &keys); len(keys) != 1 || keys[0].ID != *key.Id || keys[0].Value != *key.Value ||
		keys[0].Plans[0].UsagePlan != "gold01" || keys[0].Scope != scopeA() {
		t.Errorf("got keys %+v", keys)
	}
	var calls []Call
	if manage("GET", "calls?since=1", "", &calls); len(calls) != 1 || calls[0].Operation != OpCreateUsagePlanKey ||
		calls[0].Key != "k" {
		t.Errorf("got calls %+v", calls)
	}
	var counts struct{ Counts []Count }
	if manage("GET", "counts", "", &counts); len(counts.Counts) != 2 {
		t.Errorf("got counts %+v", counts)
	}
	var estate Estate
	if manage("GET", "estate", "", &estate); len(estate.Accounts) != 2 || len(estate.Accounts[0].Regions) != 2 {
		t.Errorf("got estate %+v", estate)
	}
	at := `"account":"` + accountA + `","region":"` + region1 + `"`
	stage := at + `,"restApi":"orders0001","stage":"prod"`
	var invoked struct{ Status int }
	if manage("POST", "invoke", "{"+stage+`,"value":"`+*key.Value+`"}`, &invoked); invoked.Status != 200 {
		t.Errorf("invoking answered %d", invoked.Status)
	}
	var redeployed struct{ DeploymentID string }
	if manage("POST", "redeploy", "{"+stage+"}", &redeployed); redeployed.DeploymentID == "" ||
		redeployed.DeploymentID == "dep001" {
		t.Errorf("got deployment %q", redeployed.DeploymentID)
	}
	for _, step := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "unlink", "{" + stage + `,"usagePlan":"gold01"}`, 200},
		{"POST", "link", "{" + stage + `,"usagePlan":"empty1"}`, 200},
		{"POST", "link", "{" + stage + `,"usagePlan":"none"}`, 404},
		{"POST", "delete-stage", "{" + stage + "}", 200},
		{"POST", "delete-plan", "{" + at + `,"usagePlan":"gold01"}`, 200},
		{"POST", "delete-key", "{" + at + `,"key":"` + *key.Id + `"}`, 200},
		{"POST", "delete-api", "{" + stage + "}", 200},
		{"POST", "delete-api", "{" + stage + "}", 404},
		{"POST", "delete-api", `{"typo":1}`, 400},
		{"POST", "expire-sessions", `{}`, 200},
		{
			"POST", "neighbours", `{"accessKeyId":"` + adminKeyA + `","region":"eu-west-1","burst":1,"every":3600000000000}`,
			200,
		},
		{"POST", "neighbours", `{"accessKeyId":"nobody","region":"eu-west-1","burst":1,"every":1}`, 404},
		{
			"PUT", "faults",
			`[{"operation":"GetUsagePlans","times":1,` +
				`"fault":{"kind":"answer","status":503,"code":"ServiceUnavailableException"}}]`,
			200,
		},
		{"PUT", "faults", `[{"fault":{"kind":"typo"}}]`, 400},
		{"PUT", "faults", `[{"fault":{"kind":"answer"}}]`, 400},
		{"GET", "calls?since=x", "", 400},
	} {
		if got := manage(step.method, step.path, step.body, nil); got != step.want {
			t.Errorf("%s %s %s: got %d, want %d", step.method, step.path, step.body, got, step.want)
		}
	}
	_, err := c.GetUsagePlans(ctx, &apigateway.GetUsagePlansInput{})
	wantCode(t, err, CodeServiceUnavailable)
	if got := must(c.GetUsagePlans(ctx, &apigateway.GetUsagePlansInput{}))(t); len(got.Items) != 1 ||
		*got.Items[0].Id != "empty1" || len(r.Keys()) != 0 {
		t.Errorf("got %d plans and %d keys", len(got.Items), len(r.Keys()))
	}
	if manage("DELETE", "calls", "", nil); len(r.Calls(0)) != 0 {
		t.Error("the calls were not forgotten")
	}
}

func TestTheDataPlaneAnswersOverHTTP(t *testing.T) {
	e := smallEstate()
	e.Accounts[1].Regions[0].RestAPIs[0].Open = true
	e.Accounts[1].Regions[0].RestAPIs[0].Stages = []Stage{{Name: "prod"}}
	r := newRig(t, Options{Estate: e})
	ctx, c := context.Background(), r.gateway(agentKeyA)
	key := must(c.CreateApiKey(ctx, createKey("k")))(t)
	must(c.CreateUsagePlanKey(ctx, attach("gold01", *key.Id)))(t)
	for _, call := range []struct {
		name, path, key string
		want            int
	}{
		{"with the key", InvokePath(scopeA(), "orders0001", "prod") + "orders/1", *key.Value, 200},
		{"without a key", InvokePath(scopeA(), "orders0001", "prod"), "", 403},
		{"another stage", InvokePath(scopeA(), "orders0001", "dev"), *key.Value, 403},
		{"unknown API", InvokePath(scopeA(), "none", "dev"), *key.Value, 403},
		{"open API", InvokePath(Scope{accountB, region1}, "orders0002", "prod"), "", 200},
		{"no path at all", ExecutePrefix + "x", *key.Value, 403},
	} {
		request, err := http.NewRequest(http.MethodGet, testBaseURL+call.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if call.key != "" {
			request.Header.Set("x-api-key", call.key)
		}
		got := r.send(request)
		if got.status != call.want || call.want == 403 && string(got.body) != `{"message":"Forbidden"}` {
			t.Errorf("%s: got %d %s, want %d", call.name, got.status, got.body, call.want)
		}
	}
}
