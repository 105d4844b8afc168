package acceptance

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"federation-agent/internal/sandbox/awssim"
	"federation-agent/messages"
	"federation-agent/test/world"
)

const provider = "gravitee_integration_providers_0_configuration_"

func estate(accounts int, regions ...string) awssim.Estate {
	return awssim.UniformEstate(awssim.UniformOptions{
		Accounts: accounts, Regions: regions, APIs: 2, StagesPerAPI: 2, Plans: 1,
	})
}

func TestGetCallerIdentityIsAskedOncePerStartWhateverTheNumberOfRegions(t *testing.T) {
	o := world.Options{
		AWS:      awssim.Options{Estate: estate(1, "eu-west-1", "us-east-1", "ap-southeast-2"), Latency: awssim.AWSLatency()},
		Settings: region("eu-west-1,us-east-1,ap-southeast-2"),
	}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		if job := w.Ingest(); job.Total != 12 {
			t.Errorf("job %+v", job)
		}
		if n := w.AWS.CallCount(awssim.OpGetCallerIdentity); n != 1 {
			t.Errorf("GetCallerIdentity was called %d times", n)
		}
	})
}

func TestTheAccountOfARoleIsReadFromItsARN(t *testing.T) {
	o := world.Options{
		AWS:      awssim.Options{Estate: estate(2, "eu-west-1")},
		Settings: map[string]string{provider + "roleArn": awssim.UniformRoleARN(0) + "," + awssim.UniformRoleARN(1)},
	}
	run(t, o, func(t *testing.T, w *world.World) {
		ingested(w)
		if n := len(w.APIM.APIs()); n != 8 {
			t.Errorf("%d APIs", n)
		}
		if n := w.AWS.CallCount(awssim.OpGetCallerIdentity); n != 0 {
			t.Errorf("GetCallerIdentity was called %d times", n)
		}
		for _, api := range w.APIM.APIs() {
			if invoke(w, api, accepted(w, api).APIKey.Reveal()) != 200 {
				t.Errorf("the key for %s does not work", api.ProviderID)
			}
		}
	})
}

// The quota that its predecessor asked for comes before it knows its own credentials.
func TestATargetThatPanickedWhileItsQuotaWasOpenedServesAgain(t *testing.T) {
	var asked, panicked atomic.Bool
	o := world.Options{
		Settings: map[string]string{provider + "roleArn": awssim.UniformRoleARN(0)},
		Faults: func(actorID string, message any) {
			switch message.(type) {
			case messages.OpenQuota:
				asked.Store(true)
				for !panicked.Load() { // the answer follows while the target waits to be restarted
					time.Sleep(time.Millisecond)
				}
			case messages.ListTarget:
				if kindOf(actorID) == "target" && asked.Load() && panicked.CompareAndSwap(false, true) {
					panic("of the test")
				}
			}
		},
	}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		_, _ = w.APIM.Preview(context.Background(), world.Integration) // what the panic loses may fail
		if !panicked.Load() {
			t.Fatal("the target did not panic")
		}
		succeed(w)
	})
}

func TestWhereSTSCannotBeReachedTheConfiguredAccountIsTaken(t *testing.T) {
	o := world.Options{Settings: map[string]string{"gravitee_agent_aws_accountId": awssim.UniformAccount(0)}}
	run(t, o, func(t *testing.T, w *world.World) {
		w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpGetCallerIdentity, Fault: awssim.Of(awssim.FaultHang)})
		_, api := ingested(w)
		accepted(w, api)
	})
}

func TestTheConfiguredAccountHidesNoBadCredentials(t *testing.T) {
	o := world.Options{Settings: map[string]string{
		"gravitee_agent_aws_accountId": awssim.UniformAccount(0), provider + "accessKeyId": "AKIANOBODYKNOWSTHIS0",
	}}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		w.Await("the refusal to be logged", func() bool { return w.Log.Has("AWS cannot be used: AWS STS does not accept the credentials") })
		if w.Log.Has("taking the configured one") {
			t.Error("the configured account was taken though STS could be reached")
		}
	})
}

func TestARegionThatIsNotEnabledStopsNoOtherAndRecovers(t *testing.T) {
	o := world.Options{
		AWS: awssim.Options{Estate: estate(1, "eu-west-1", "ap-east-1")}, Settings: region("ap-east-1,eu-west-1"),
	}
	run(t, o, func(t *testing.T, w *world.World) {
		scope := awssim.Scope{Account: awssim.UniformAccount(0), Region: "ap-east-1"}
		if err := w.AWS.SetDisabled(scope, true); err != nil {
			t.Fatal(err)
		}
		w.Connected()
		p, err := w.APIM.Preview(context.Background(), world.Integration)
		if err != nil || len(p.APIs) != 4 || !p.Partial {
			t.Errorf("preview %+v %v", p, err)
		}
		if !w.Log.Has("ap-east-1", "enable the region") {
			t.Error("the log does not say what to do")
		}
		if err := w.AWS.SetDisabled(scope, false); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Minute)
		p, err = w.APIM.Preview(context.Background(), world.Integration)
		if err != nil || len(p.APIs) != 8 || p.Partial {
			t.Errorf("after it was enabled: %+v %v", p, err)
		}
	})
}

func TestCredentialsThatAreRefusedAreTriedAgainMoreAndMoreSlowlyAndRecover(t *testing.T) {
	run(t, world.Options{}, func(t *testing.T, w *world.World) {
		w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpGetCallerIdentity,
			Fault: awssim.Answer(403, "InvalidClientTokenId", "The security token included in the request is invalid.")})
		w.Connected()
		if _, err := w.APIM.Preview(context.Background(), world.Integration); err == nil ||
			!strings.Contains(err.Error(), "accessKeyId") {
			t.Errorf("preview: %v", err)
		}
		pass(10 * time.Minute)
		before := w.AWS.CallCount(awssim.OpGetCallerIdentity)
		pass(time.Hour)
		// Each try asks up to two regions; the cap is five minutes.
		if n := w.AWS.CallCount(awssim.OpGetCallerIdentity) - before; n < 12 || n > 60 {
			t.Errorf("%d calls in an hour", n)
		}
		w.AWS.Script().Clear()
		if p, err := w.APIM.Preview(context.Background(), world.Integration); err != nil || len(p.APIs) != 8 {
			t.Errorf("as soon as they work a preview gives %+v, %v", p, err)
		}
	})
}

func TestARoleThatCannotBeAssumedStopsNoOther(t *testing.T) {
	e := estate(2, "eu-west-1")
	e.Accounts[1].Roles[0].TrustedAccounts = []string{"999999999999"}
	o := world.Options{
		AWS:      awssim.Options{Estate: e},
		Settings: map[string]string{provider + "roleArn": awssim.UniformRoleARN(0) + "," + awssim.UniformRoleARN(1)},
	}
	run(t, o, func(t *testing.T, w *world.World) {
		w.Connected()
		p, err := w.APIM.Preview(context.Background(), world.Integration)
		if err != nil || len(p.APIs) != 4 || !p.Partial {
			t.Errorf("preview %+v %v", p, err)
		}
		if job := incomplete(w); job.Ingested != 4 {
			t.Errorf("job %+v", job)
		}
		if !w.Log.Has(awssim.UniformAccount(1), "trust policy") {
			t.Error("the log does not say what to check")
		}
	})
}
