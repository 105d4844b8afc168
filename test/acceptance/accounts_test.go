package acceptance

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
		if n := calls(w)[awssim.OpAssumeRole]; n != 2 {
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

// calls is how often each operation was called since the last time.
func calls(w *world.World) map[string]int64 {
	made := map[string]int64{}
	for _, c := range w.AWS.Counts() {
		made[c.Operation] += c.Count
	}
	w.AWS.ResetCalls()
	return made
}
