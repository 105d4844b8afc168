//go:build interop

package moto

import (
	"strings"
	"testing"

	"federation-agent/internal/keys"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/store"
	"federation-agent/internal/store/storetest"
)

// With its checks on, moto 5.2.1 differs from AWS in three ways. It refuses the signature of every request without a
// body, boto3's too, so that no listing and no DeleteApiKey can be allowed, only denied. API Gateway's refusals come in
// XML, where AWS writes JSON with the error's code in a header; and STS's in an XML of another shape than AWS's. So the
// SDK cannot read what was refused, and the agent cannot say which of a user's settings is wrong, as it does of AWS.
// What it must do holds all the same: a refusal is never an empty list, and no key is left that nobody knows of.

func TestWrongCredentialsAreAnErrorAndNeverAnEmptyList(t *testing.T) {
	for name, wrong := range map[string]func(*testing.T, *rig) settings{
		"an unknown access key": func(*testing.T, *rig) settings { return nil },
		"an unknown access key with a role": func(*testing.T, *rig) settings {
			return settings{roles: RoleARN(first, "federation")}
		},
		"a wrong secret": func(t *testing.T, r *rig) settings {
			id, _ := r.User(t, "agent", "sts:AssumeRole")
			return settings{keyID: id, roles: RoleARN(first, "federation")}
		},
		"a user that may not assume the role": func(t *testing.T, r *rig) settings {
			id, secretAccessKey := r.User(t, "agent", "apigateway:GetRestApis")
			return settings{keyID: id, secret: secretAccessKey, roles: RoleARN(first, "federation")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			more := wrong(t, r)
			r.Authorize(t, true)
			r.start(more)
			preview, err := r.apim.Preview(r.ctx, integration)
			if err == nil || !strings.Contains(err.Error(), "STS refused") {
				t.Errorf("a preview of %d APIs, error %v", len(preview.APIs), err)
			}
			if job, err := r.apim.StartIngest(r.ctx, integration, nil); err == nil {
				t.Errorf("an ingest of %d APIs began", job.Total)
			}
			if len(r.apim.Agents()) != 1 {
				t.Error("the agent left APIM, though it is AWS that refuses")
			}
		})
	}
}

func TestAListingThatIsRefusedIsNotAnEmptyOne(t *testing.T) {
	r := newRig(t)
	region := r.Region(t, DefaultAccount, "eu-west-1")
	orders := region.API("Orders", "", "prod")
	region.Plan("Gold", Deployed{orders, "prod"})
	id, secretAccessKey := r.User(t, "agent", "sts:GetCallerIdentity")
	r.start(settings{keyID: id, secret: secretAccessKey})
	r.ingest()

	r.Authorize(t, true)
	if preview, err := r.apim.Preview(r.ctx, integration); err == nil {
		t.Errorf("a preview of %d APIs, partial %v", len(preview.APIs), preview.Partial)
	}
	if job, err := r.apim.StartIngest(r.ctx, integration, nil); err == nil {
		t.Errorf("an ingest of %d APIs began", job.Total)
	}
	r.Authorize(t, false)
	if got, partial := r.preview(); len(got) != 1 || partial {
		t.Errorf("after it was allowed again: %v, partial %v", got, partial)
	}
	r.ingest()
}

func TestAKeyThatMayNotBeMadeOrAttachedIsNeverForgotten(t *testing.T) {
	for name, test := range map[string]struct {
		actions []string
		// keys are those that AWS has in the end, each of which must be in the journal: it is deleted as soon as it may be.
		keys  int
		state keys.State
	}{
		// moto says no in words that nobody can read; its 403 says that nothing was done.
		"neither made nor attached": {actions: []string{"sts:GetCallerIdentity"}},
		"made but not attached":     {actions: []string{"apigateway:CreateApiKey"}, keys: 1, state: keys.Deleting},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			region := r.Region(t, DefaultAccount, "eu-west-1")
			orders := region.API("Orders", "", "prod")
			gold := region.Plan("Gold", Deployed{orders, "prod"})
			id, secretAccessKey := r.User(t, "agent", test.actions...)
			r.start(settings{keyID: id, secret: secretAccessKey})
			r.ingest()

			r.Authorize(t, true)
			s := r.subscribe(region.id(orders, "prod"), gold)
			r.Authorize(t, false)
			if s.Status != apimsim.SubscriptionRejected || s.APIKey.Reveal() != "" {
				t.Errorf("the subscription is %s", s.Status)
			}
			keys := region.Keys()
			if attached := region.Attached(gold); len(attached) > 0 || len(keys) != test.keys {
				t.Errorf("%d keys, %d attached", len(keys), len(attached))
			}
			records, err := storetest.Records(r.journal, store.Filter{})
			if err != nil || len(records) != test.keys {
				t.Fatalf("journal %+v, %v", records, err)
			}
			for i, record := range records {
				if record.State != test.state || record.KeyID != *keys[i].Id {
					t.Errorf("the journal knows key %s as %s, AWS has %s", record.KeyID, record.State, *keys[i].Id)
				}
			}
		})
	}
}

func TestAUserThatMayMakeAndAttachKeysNeedsNoFurtherPermissionForASubscription(t *testing.T) {
	r := newRig(t)
	region := r.Region(t, DefaultAccount, "eu-west-1")
	orders := region.API("Orders", "", "prod")
	gold := region.Plan("Gold", Deployed{orders, "prod"})
	id, secretAccessKey := r.User(t, "agent", "apigateway:CreateApiKey", "apigateway:CreateUsagePlanKey")
	r.start(settings{keyID: id, secret: secretAccessKey})
	r.ingest()

	r.Authorize(t, true)
	s := r.accepted(region.id(orders, "prod"), gold)
	// moto refuses the signature of any DELETE: the subscription must stay, and its key work.
	if err := r.apim.Unsubscribe(r.ctx, s.ID); err == nil {
		t.Error("moto takes a DELETE while it checks signatures now: hold the test to it")
	}
	r.Authorize(t, false)
	if keys := region.Keys(); len(keys) != 1 || *keys[0].Value != s.APIKey.Reveal() {
		t.Errorf("%d keys", len(keys))
	}
	if err := r.apim.Unsubscribe(r.ctx, s.ID); err != nil {
		t.Error(err)
	}
	if keys := region.Keys(); len(keys) != 0 {
		t.Errorf("%d keys are left", len(keys))
	}
}
