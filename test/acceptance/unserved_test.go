package acceptance

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/store"
	"federation-agent/internal/store/storetest"
	"federation-agent/test/world"
)

const (
	integrationID  = "gravitee_integration_providers_0_integrationId"
	secondProvider = "gravitee_integration_providers_1_"
)

// attachedThenKilled has an agent attach a key, and ends it as kill -9 does in that moment.
func attachedThenKilled(t *testing.T, w *world.World) {
	t.Helper()
	agent, api := ingested(w)
	crashed := onceWritten(w, keys.Attached, func() storetest.Outcome {
		w.Network.Fence(agent.Name)
		return storetest.Outcome{Crash: true, Written: true}
	})
	subscribe(w, api)
	pass(time.Second)
	if !crashed.Load() || len(w.AWS.Keys()) != 1 {
		t.Fatalf("crashed: %t, %d keys", crashed.Load(), len(w.AWS.Keys()))
	}
	agent.Crash()
}

// anyIntegration has APIM know two integrations.
func anyIntegration() apimsim.Options {
	return apimsim.Options{Integrations: []apimsim.Integration{
		{ID: world.Integration, Env: "DEFAULT"}, {ID: otherIntegration, Env: "DEFAULT"},
	}}
}

func TestAKeyWhoseRegionRoleOrIntegrationIsNoLongerConfiguredIsDeletedWhereCredentialsReachIt(t *testing.T) {
	second := map[string]string{
		secondProvider + "type": "aws-api-gateway", secondProvider + "integrationId": otherIntegration,
		secondProvider + "configuration_region":          "eu-west-1",
		secondProvider + "configuration_accessKeyId":     awssim.UniformAccessKeyID(0),
		secondProvider + "configuration_secretAccessKey": world.Secret,
	}
	with := func(base, more map[string]string) map[string]string {
		all := maps.Clone(base)
		maps.Copy(all, more)
		return all
	}
	roleOf := func(n int) map[string]string {
		return map[string]string{provider + "roleArn": awssim.UniformRoleARN(n)}
	}
	for name, settings := range map[string]map[string]string{
		"the region is gone":                                                        region("us-east-1"),
		"the integration has another id":                                            {integrationID: otherIntegration},
		"the integration has another id, the region gone":                           with(region("us-east-1"), map[string]string{integrationID: otherIntegration}),
		"the role is another account's, another integration's credentials reach it": with(second, roleOf(1)),
	} {
		t.Run(name, func(t *testing.T) {
			o := world.Options{APIM: anyIntegration(), AWS: awssim.Options{Estate: estate(2, "eu-west-1", "us-east-1")}}
			run(t, o, func(t *testing.T, w *world.World) {
				attachedThenKilled(t, w)
				next := w.StartAgentWith(world.AgentOptions{Settings: settings})
				pass(5 * time.Second)
				leaves(t, w, next, 0, "")
				if !w.Log.Has(next.Name, "level=INFO", "with other credentials of their account", "keys=1", "eu-west-1") {
					t.Error("the log does not say that the key is deleted with other credentials")
				}
				pass(5 * time.Minute)
				if unserved := next.Board.Read().Unserved; len(unserved) > 0 {
					t.Errorf("still named: %v", unserved)
				}
			})
		})
	}
}

func TestAKeyThatNothingConfiguredReachesIsNamedAndKept(t *testing.T) {
	for name, c := range map[string]struct {
		settings map[string]string
		says     string
	}{
		"the role is another account's": {
			map[string]string{provider + "roleArn": awssim.UniformRoleARN(1)}, "configure the account and region again",
		},
		"the integration is gone, too": {
			map[string]string{provider + "roleArn": awssim.UniformRoleARN(1), integrationID: otherIntegration},
			"configure an integration with the account and region again",
		},
		"the credentials are not known to AWS": {
			map[string]string{provider + "accessKeyId": "AKIAIOSFODNN7EXAMPLE"}, "see why AWS cannot be used in this account",
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := world.Options{APIM: anyIntegration(), AWS: awssim.Options{Estate: estate(2, "eu-west-1")}}
			run(t, o, func(t *testing.T, w *world.World) {
				attachedThenKilled(t, w)
				key := w.AWS.Keys()[0].ID
				next := w.StartAgentWith(world.AgentOptions{Settings: c.settings})
				pass(40 * time.Second)
				leaves(t, w, next, 1, keys.Deleting)
				unserved := next.Board.Read().Unserved
				if len(unserved) != 1 {
					t.Errorf("on the board: %v", unserved)
				}
				pass(10 * time.Minute)
				level := "level=ERROR"
				if strings.HasPrefix(c.says, "see why") {
					level = "level=WARN"
				}
				if n := w.Log.Count(next.Name, level, "API keys which are to be deleted", c.says, "keys=1", key); n != 1 {
					t.Errorf("named %d times in the log", n)
				}
				next.Stop()

				w.StartAgent() // what was configured is configured again
				pass(time.Minute)
				if keys := w.AWS.Keys(); len(keys) > 0 {
					t.Errorf("keys %v", keys)
				}
			})
		})
	}
}

func TestASettledKeyOfATargetThatIsNotConfiguredIsNotNamed(t *testing.T) {
	o := world.Options{AWS: awssim.Options{Estate: estate(2, "eu-west-1")}}
	run(t, o, func(t *testing.T, w *world.World) {
		agent, api := ingested(w)
		accepted(w, api)
		pass(time.Second)
		agent.Stop()
		next := w.StartAgentWith(
			world.AgentOptions{Settings: map[string]string{provider + "roleArn": awssim.UniformRoleARN(1)}},
		)
		pass(5 * time.Minute)
		leaves(t, w, next, 1, keys.Delivered)
		if unserved := next.Board.Read().Unserved; len(unserved) > 0 || w.Log.Has("API keys which are to be deleted") {
			t.Errorf("named: %v", unserved)
		}
	})
}

func TestThousandsOfListedKeysAreOneLogLineAList(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		s, _ := w.Disk.Open(store.Options{})
		for n := range 5000 {
			r := keys.Record{
				ID: fmt.Sprint("r", n), Integration: world.Integration, Account: uniform().Account, Region: uniform().Region,
				SubscriptionID: fmt.Sprint("sub-", n), KeyID: fmt.Sprint("key-", n), State: keys.Unconfirmed,
				CreatedAt: time.Now().Add(time.Duration(n)), UpdatedAt: time.Now(),
			}
			if n%2 == 1 {
				r.State = keys.LostCreate
			}
			if err := storetest.Put(s, r); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		w.Connected()
		pass(time.Minute)
		for _, state := range []keys.State{keys.Unconfirmed, keys.LostCreate} {
			if n := w.Log.Count("the key journal lists keys that need attention: "+state.Advice(), "keys=2500"); n != 1 {
				t.Errorf("%s: %d lines", state, n)
			}
		}
		if size := len(w.Log.String()); size > 64<<10 {
			t.Errorf("the log has %d bytes", size)
		}
		if !w.Log.Has("that need attention", "key-0", "key-8", "subscription sub-0,") {
			t.Error("no example is named")
		}
	})
}
