package acceptance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	regions "federation-agent/internal/region"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/status"
	"federation-agent/test/world"
)

// secondRole is another role of the first account of a uniform estate.
const secondRole = "federation-second"

func secondRoleARN() string {
	return awssim.RoleARN(awssim.Account{ID: awssim.UniformAccount(0)}, secondRole)
}

// twoRoles is one account with two roles, both configured. refused, where it is true, is the first of them.
func twoRoles(refused *atomic.Bool) world.Options {
	e := estate(1, "eu-west-1")
	e.Accounts[0].Roles = append(e.Accounts[0].Roles, awssim.Role{Name: secondRole})
	return world.Options{
		AWS: awssim.Options{Estate: e, Faults: func(event awssim.Event) awssim.Fault {
			if event.Role == awssim.UniformRoleARN(0) && refused.Load() {
				return awssim.Answer(403, "AccessDenied", "not authorized to perform: sts:AssumeRole")
			}
			return awssim.Fault{}
		}},
		Settings: map[string]string{provider + "roleArn": awssim.UniformRoleARN(0) + "," + secondRoleARN()},
	}
}

// states are those of the targets, by role.
func states(i *world.Instance) map[string]status.TargetState {
	found := map[string]status.TargetState{}
	for _, t := range i.Board.Read().Integrations[0].Targets {
		found[t.Role] = t.State
	}
	return found
}

func TestTwoRolesOfOneAccountCostTheCallsOfOne(t *testing.T) {
	run(t, twoRoles(new(atomic.Bool)), func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		want := map[string]int64{
			awssim.OpAssumeRole: 1, awssim.OpGetRestAPIs: 1, awssim.OpGetUsagePlans: 1,
			awssim.OpGetStages: 2, awssim.OpGetExport: 4,
		}
		if diff := cmp.Diff(want, calls(w)); diff != "" {
			t.Error(diff)
		}
		if n := len(w.APIM.APIs()); n != 4 {
			t.Errorf("%d APIs", n)
		}
		if diff := cmp.Diff(map[string]status.TargetState{
			awssim.UniformRoleARN(0): status.Ready, secondRoleARN(): status.Standby,
		}, states(agent)); diff != "" {
			t.Error(diff)
		}
		if invoke(w, api, accepted(w, api).APIKey.Reveal()) != 200 {
			t.Error("the key does not work")
		}
		if n := calls(w)[awssim.OpAssumeRole]; n != 0 {
			t.Errorf("the key took %d AssumeRole", n)
		}
		healthy(t, w)
	})
}

func TestTheSecondRoleOfAnAccountTakesOverWhereTheFirstIsRefusedAndGivesBack(t *testing.T) {
	var refused atomic.Bool
	refused.Store(true)
	run(t, twoRoles(&refused), func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		if n := calls(w)[awssim.OpAssumeRole]; n < 2 || n > 3 { // two lists may each be refused
			t.Errorf("%d AssumeRole", n)
		}
		if n := w.Log.Count("level=ERROR", "a listing failed", "refuses to let the agent assume this role"); n != 1 {
			t.Errorf("the role that is refused is told %d times", n)
		}
		if !w.Log.Has("level=WARN", "another one of its account takes over", secondRoleARN()) {
			t.Error("nobody is told who takes over")
		}
		takenOver := map[string]status.TargetState{
			awssim.UniformRoleARN(0): status.Failed, secondRoleARN(): status.Ready,
		}
		if diff := cmp.Diff(takenOver, states(agent)); diff != "" {
			t.Error(diff)
		}
		key := accepted(w, api).APIKey.Reveal()
		if invoke(w, api, key) != 200 {
			t.Error("a key of the second role does not work")
		}
		pass(2 * time.Minute)
		succeed(w)
		if n := calls(w)[awssim.OpAssumeRole]; n != 0 {
			t.Errorf("a role that was refused two minutes ago is assumed %d times", n)
		}
		pass(10 * time.Minute)
		refused.Store(false)
		succeed(w)
		if n := calls(w)[awssim.OpAssumeRole]; n != 1 {
			t.Errorf("%d AssumeRole, want the one of the first role", n)
		}
		if diff := cmp.Diff(map[string]status.TargetState{
			awssim.UniformRoleARN(0): status.Ready, secondRoleARN(): status.Standby,
		}, states(agent)); diff != "" {
			t.Error(diff)
		}
		accepted(w, w.APIM.APIs()[1])
		for _, call := range w.AWS.Calls(0) {
			if call.Operation == awssim.OpCreateAPIKey && call.Principal != awssim.UniformRoleARN(0) {
				t.Errorf("the key is made by %s", call.Principal)
			}
		}
	})
}

// eachItsOwn is two accounts, each with a region and an external id of its own. The second id is sent to the second.
func eachItsOwn(second string) world.Options {
	e := estate(2, "eu-west-1", "us-east-1")
	e.Accounts[0].Roles[0].ExternalID, e.Accounts[1].Roles[0].ExternalID = "id-of-the-first", "id-of-the-second"
	return world.Options{AWS: awssim.Options{Estate: e}, Settings: map[string]string{
		provider + "accounts_0_roleArn":    awssim.UniformRoleARN(0),
		provider + "accounts_0_externalId": "id-of-the-first",
		provider + "accounts_1_roleArn":    awssim.UniformRoleARN(1),
		provider + "accounts_1_externalId": second,
		provider + "accounts_1_regions":    "us-east-1",
	}}
}

func TestEachAccountHasItsOwnRegionsAndItsOwnExternalID(t *testing.T) {
	run(t, eachItsOwn("id-of-the-second"), func(t *testing.T, w *world.World) {
		ingested(w)
		places := map[string]int{}
		for _, id := range providerIDs(w) {
			scope, _, _ := partOf(id)
			places[scope.Account+" "+scope.Region]++
		}
		if diff := cmp.Diff(map[string]int{
			awssim.UniformAccount(0) + " eu-west-1": 4, awssim.UniformAccount(1) + " us-east-1": 4,
		}, places); diff != "" {
			t.Error(diff)
		}
		want := map[string]int64{
			awssim.OpAssumeRole: 2, awssim.OpGetRestAPIs: 2, awssim.OpGetUsagePlans: 2,
			awssim.OpGetStages: 4, awssim.OpGetExport: 8,
		}
		if diff := cmp.Diff(want, calls(w)); diff != "" {
			t.Error(diff)
		}
		healthy(t, w)
	})
}

func TestARoleWithAWrongExternalIDIsNamedWithTheSettingToCorrect(t *testing.T) {
	run(t, eachItsOwn("another-id"), func(t *testing.T, w *world.World) {
		agent := w.Connected()
		job := incomplete(w)
		const setting = "integration.providers[0].configuration.accounts[1].externalId"
		if !w.Log.Has("level=ERROR", "refuses to let the agent assume this role", setting, awssim.UniformRoleARN(1)) {
			t.Errorf("the log does not name role and setting; job %+v", job)
		}
		for _, target := range agent.Board.Read().Integrations[0].Targets {
			if wrong := target.Role == awssim.UniformRoleARN(1); wrong != strings.Contains(target.Failure, setting) {
				t.Errorf("%s: %s", target.Role, target.Failure)
			}
		}
		if n := len(providerIDs(w)); n != 4 {
			t.Errorf("%d APIs of the other account", n)
		}
	})
}

// everyRegion is an account, and all regions for the agent. Those named are on, and have APIs; the others are off. The
// role's policy, unless it is nil, is policy.
func everyRegion(policy *awssim.Policy, on ...string) world.Options {
	e := estate(1, on...)
	e.Accounts[0].Roles[0].Policy = policy
	for _, name := range regions.Named("aws").Regions() {
		if !slices.Contains(on, name) {
			e.Accounts[0].Regions = append(e.Accounts[0].Regions, awssim.Region{Name: name, Disabled: true})
		}
	}
	return world.Options{AWS: awssim.Options{Estate: e}, Settings: map[string]string{
		provider + "region": "all", provider + "roleArn": awssim.UniformRoleARN(0),
	}}
}

// mayListRegions is the minimum policy and the optional grant.
func mayListRegions(t *testing.T) *awssim.Policy {
	t.Helper()
	policy, err := awssim.MinimumPolicy()
	if err != nil {
		t.Fatal(err)
	}
	policy.Statement = append(policy.Statement, awssim.Statement{
		Effect: awssim.EffectAllow, Action: awssim.Strings{"account:ListRegions"}, Resource: awssim.Strings{"*"},
	})
	return policy
}

// inState counts the targets by state.
func inState(i *world.Instance) map[status.TargetState]int {
	found := map[status.TargetState]int{}
	for _, t := range i.Board.Read().Integrations[0].Targets {
		found[t.State]++
	}
	return found
}

func TestEachRegionIsTriedOnceAndOneThatIsOffIsAFactAndNoFault(t *testing.T) {
	all := len(regions.Named("aws").Regions())
	off := all - 2
	for name, c := range map[string]struct {
		policy *awssim.Policy
		start  map[string]int64
	}{
		"without the grant each is tried": {
			nil, map[string]int64{awssim.OpAssumeRole: 1, awssim.OpListRegions: 1, awssim.OpGetRestAPIs: int64(all)},
		},
		"with the grant none is": {mayListRegions(t), map[string]int64{awssim.OpAssumeRole: 1, awssim.OpListRegions: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, everyRegion(c.policy, "eu-west-1", "us-east-1"), func(t *testing.T, w *world.World) {
				agent := w.Connected()
				pass(time.Minute)
				if diff := cmp.Diff(c.start, calls(w)); diff != "" {
					t.Errorf("at the start: %s", diff)
				}
				if diff := cmp.Diff(map[status.TargetState]int{status.Ready: 2, status.Off: off}, inState(agent)); diff != "" {
					t.Error(diff)
				}
				if p := preview(w); p.Partial || len(p.APIs) != 8 {
					t.Errorf("%d APIs, partial: %v", len(p.APIs), p.Partial)
				}
				pass(2 * time.Minute)
				if job := succeed(w); job.Total != 8 {
					t.Errorf("job %+v", job)
				}
				want := map[string]int64{
					awssim.OpGetRestAPIs: 4, awssim.OpGetUsagePlans: 4, awssim.OpGetStages: 4, awssim.OpGetExport: 8,
				}
				if diff := cmp.Diff(want, calls(w)); diff != "" {
					t.Errorf("a preview and an ingest: %s", diff)
				}
				pass(20 * time.Hour)
				if diff := cmp.Diff(map[string]int64{}, calls(w)); diff != "" {
					t.Errorf("within the day: %s", diff)
				}
				for _, level := range []string{"level=WARN", "level=ERROR"} {
					if n := w.Log.Count(level, "region"); n > 0 {
						t.Errorf("%d lines of %s about regions", n, level)
					}
				}
				if n := w.Log.Count("level=INFO", "left alone", fmt.Sprintf("on=2 off=%d", off)); n != 1 {
					t.Errorf("%d lines tell of the regions that are off", n)
				}
				for call := range agent.Board.Read().Calls {
					if call.Result == "region_unavailable" || call.Result == "access_denied" {
						t.Errorf("an alert would be told of %+v", call)
					}
				}
				healthy(t, w)
			})
		})
	}
}

func TestARegionThatIsEnabledServesADayLater(t *testing.T) {
	for name, policy := range map[string]*awssim.Policy{"without the grant": nil, "with the grant": mayListRegions(t)} {
		t.Run(name, func(t *testing.T) {
			run(t, everyRegion(policy, "us-east-1"), func(t *testing.T, w *world.World) {
				agent, _ := ingested(w)
				calls(w)
				const tomorrows = "ap-east-1"
				if err := w.AWS.SetDisabled(awssim.Scope{Account: awssim.UniformAccount(0), Region: tomorrows}, false); err != nil {
					t.Fatal(err)
				}
				pass(23 * time.Hour)
				if n := inState(agent)[status.Ready]; n != 1 {
					t.Errorf("%d regions are ready within the day", n)
				}
				pass(2 * time.Hour)
				off := inState(agent)[status.Off]
				if n := inState(agent)[status.Ready]; n != 2 || off != len(regions.Named("aws").Regions())-2 {
					t.Errorf("a day later %d are ready, %d off", n, off)
				}
				made := calls(w)
				want := map[string]int64{awssim.OpAssumeRole: made[awssim.OpAssumeRole], awssim.OpListRegions: 1}
				if policy == nil {
					want[awssim.OpGetRestAPIs] = int64(off) + 1
				}
				if diff := cmp.Diff(want, made); diff != "" {
					t.Error(diff)
				}
				if !w.Log.Has("level=INFO", "left alone", fmt.Sprintf("on=2 off=%d", off)) {
					t.Error("the log does not tell of the region that is on")
				}
				succeed(w)
			})
		})
	}
}

// A region that goes off is noticed in the middle of what is asked there: of the listing, or of an export.
func TestARegionThatIsSwitchedOffFailsNoIngest(t *testing.T) {
	for _, at := range []string{awssim.OpGetUsagePlans, awssim.OpGetStages, awssim.OpGetExport} {
		t.Run(at, func(t *testing.T) {
			const goes = "eu-west-1"
			var going, gone atomic.Bool
			o := everyRegion(nil, goes, "us-east-1")
			o.AWS.Faults = func(e awssim.Event) awssim.Fault {
				if going.Load() && e.Operation == at && e.Region == goes {
					gone.Store(true)
				}
				if gone.Load() && e.Region == goes {
					return awssim.Answer(403, awssim.CodeUnrecognizedClient, "The security token included in the request is invalid.")
				}
				return awssim.Fault{}
			}
			run(t, o, func(t *testing.T, w *world.World) {
				agent, _ := ingested(w)
				pass(2 * time.Minute)
				scope := awssim.Scope{Account: awssim.UniformAccount(0), Region: goes}
				region, err := w.AWS.Snapshot(scope)
				for _, api := range region.RestAPIs {
					for _, stage := range api.Stages { // else no export would be needed
						_, failed := w.AWS.Redeploy(scope, api.ID, stage.Name)
						err = errors.Join(err, failed)
					}
				}
				if err != nil {
					t.Fatal(err)
				}
				going.Store(true)
				succeed(w)
				if diff := cmp.Diff(1, inState(agent)[status.Ready]); diff != "" || !gone.Load() {
					t.Error(diff)
				}
				calls(w)
				pass(time.Hour)
				succeed(w)
				if n := len(providerIDs(w)); n != 8 {
					t.Errorf("APIM has %d APIs", n)
				}
				if n := calls(w)[awssim.OpGetUsagePlans]; n != 1 {
					t.Errorf("usage plans were listed by %d calls", n)
				}
				for _, level := range []string{"level=WARN", "level=ERROR"} {
					if n := w.Log.Count(level, goes); n > 0 {
						t.Errorf("%d lines of %s about the region", n, level)
					}
				}
				healthy(t, w)
			})
		})
	}
}

func TestAnAccountOfWhichNoRegionAnswersIsAFault(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	o := everyRegion(nil, "eu-west-1", "us-east-1")
	o.AWS.Faults = func(e awssim.Event) awssim.Fault {
		if broken.Load() && e.Operation == awssim.OpGetRestAPIs {
			return awssim.Answer(403, awssim.CodeUnrecognizedClient, "The security token included in the request is invalid.")
		}
		return awssim.Fault{}
	}
	run(t, o, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		pass(time.Minute)
		if n := inState(agent)[status.Failed]; n == 0 {
			t.Errorf("targets %v", inState(agent))
		}
		if p, err := w.APIM.Preview(context.Background(), world.Integration); err == nil {
			t.Errorf("a preview of nothing: %+v", p)
		}
		if !w.Log.Has("level=ERROR", "AWS cannot be used", "if every region says this, check accessKeyId") {
			t.Error("nobody is told")
		}
		calls(w)
		failed := int64(inState(agent)[status.Failed])
		pass(time.Hour)
		if n := calls(w)[awssim.OpGetRestAPIs]; n == 0 || n > 20*failed {
			t.Errorf("%d tries in an hour, of %d", n, failed)
		}
		broken.Store(false)
		pass(10 * time.Minute)
		want := map[status.TargetState]int{status.Ready: 2, status.Off: len(regions.Named("aws").Regions()) - 2}
		if diff := cmp.Diff(want, inState(agent)); diff != "" {
			t.Errorf("once AWS answers: %s", diff)
		}
	})
}

func TestARegionThatIsNamedAndOffStaysAFault(t *testing.T) {
	o := everyRegion(nil, "eu-west-1")
	o.Settings[provider+"region"] = "eu-west-1,ap-east-1"
	run(t, o, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		incomplete(w)
		if diff := cmp.Diff(map[status.TargetState]int{status.Ready: 1, status.Failed: 1}, inState(agent)); diff != "" {
			t.Error(diff)
		}
		if n := calls(w)[awssim.OpListRegions]; n != 0 {
			t.Errorf("%d ListRegions, and nobody wants all regions", n)
		}
	})
}

// calls is how often each operation was called since the last time.
func calls(w *world.World) map[string]int64 {
	made := map[string]int64{}
	for _, c := range w.AWS.Counts() {
		made[c.Operation] += c.Count
	}
	w.AWS.ResetCalls()
	return made
}
