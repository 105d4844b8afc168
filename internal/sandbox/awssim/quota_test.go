package awssim

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
)

func TestTheQuotaIsTenASecondAndABurstOfFortyPerAccountAndRegion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		ctx, client := context.Background(), r.gateway(agentKeyA)
		list := func() error { _, err := client.GetRestApis(ctx, &apigateway.GetRestApisInput{}); return err }
		for i := range AWSBurst {
			if err := list(); err != nil {
				t.Fatalf("call %d of the burst: %v", i+1, err)
			}
		}
		for range 20 { // refused attempts cost nothing
			if got := wantCode(t, list(), CodeTooManyRequests).ErrorMessage(); got != "Too Many Requests" {
				t.Fatalf("got message %q", got)
			}
		}
		if r.lastCall().Status != 429 || !r.lastCall().Throttled {
			t.Errorf("got %+v", r.lastCall())
		}
		time.Sleep(100 * time.Millisecond)
		if err := list(); err != nil {
			t.Errorf("a tenth of a second later: %v", err)
		}
		wantCode(t, list(), CodeTooManyRequests)
		if _, err := r.gateway(agentKeyB).GetRestApis(ctx, &apigateway.GetRestApisInput{}); err != nil {
			t.Errorf("another account: %v", err)
		}
		elsewhere := apigateway.NewFromConfig(r.config(agentKeyA, "", "us-east-1"))
		if _, err := elsewhere.GetRestApis(ctx, &apigateway.GetRestApisInput{}); err != nil {
			t.Errorf("another region: %v", err)
		}
		for range 3 { // exactly the rate, for long
			time.Sleep(time.Second)
			for range 10 {
				if err := list(); err != nil {
					t.Fatal(err)
				}
			}
			wantCode(t, list(), CodeTooManyRequests)
		}
	})
}

func TestOperationsHaveTheirOwnQuotas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		ctx, admin := context.Background(), r.gateway(adminKeyA)
		for _, c := range []struct {
			operation string
			burst     int
			wait      time.Duration
			call      func() error
		}{
			{OpCreateAPIKey, 5, 200 * time.Millisecond, func() error {
				_, err := admin.CreateApiKey(ctx, &apigateway.CreateApiKeyInput{})
				return err
			}},
			{OpDeleteAPIKey, 5, 200 * time.Millisecond, func() error {
				_, err := admin.DeleteApiKey(ctx, &apigateway.DeleteApiKeyInput{ApiKey: aws.String("none")})
				return err
			}},
			{OpGetResources, 5, 400 * time.Millisecond, func() error {
				_, err := admin.GetResources(ctx, &apigateway.GetResourcesInput{RestApiId: aws.String("orders0001")})
				return err
			}},
			{OpUpdateUsagePlan, 1, 20 * time.Second, func() error {
				_, err := admin.UpdateUsagePlan(ctx, &apigateway.UpdateUsagePlanInput{UsagePlanId: aws.String("gold01")})
				return err
			}},
		} {
			for range c.burst {
				_ = c.call() // DeleteApiKey finds nothing; what matters is the log
			}
			if r.lastCall().Throttled {
				t.Errorf("%s: throttled within its burst of %d", c.operation, c.burst)
			}
			if _ = c.call(); !r.lastCall().Throttled {
				t.Errorf("%s: not throttled after %d calls", c.operation, c.burst)
			}
			time.Sleep(c.wait)
			if _ = c.call(); r.lastCall().Throttled {
				t.Errorf("%s: throttled %v later", c.operation, c.wait)
			}
			time.Sleep(10 * time.Second)
		}
	})
}

func TestAScaledQuotaAdmitsAsMuchMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Quota: Quota{Scale: 3}})
		admitted := func() int {
			n := 0
			for range 1000 {
				ok, err := r.Touch(agentKeyA, region1, OpGetRestAPIs)
				if err != nil {
					t.Fatal(err)
				}
				if ok {
					n++
				}
			}
			return n
		}
		if got := admitted(); got != 120 {
			t.Errorf("burst of %d, want 120", got)
		}
		time.Sleep(time.Second)
		if got := admitted(); got != 30 {
			t.Errorf("%d a second, want 30", got)
		}
		r.SetQuota(Quota{Off: true})
		if got := admitted(); got != 1000 {
			t.Errorf("%d admitted without a quota, want all", got)
		}
	})
}

func TestANeighboursThrottlesAreToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		if err := r.StartNeighbour(Neighbour{
			AccessKeyID: adminKeyA, Region: region1, Burst: 15, Every: 5 * time.Second,
		}); err != nil {
			t.Fatal(err)
		}
		for range 600 { // a minute at the full rate: together they are over it
			if _, err := r.Touch(agentKeyA, region1, OpGetExport); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		got := r.Throttled()
		agent, admin := got["arn:aws:iam::"+accountA+":user/agent"], got["arn:aws:iam::"+accountA+":user/admin"]
		// 600 + 12 bursts of 15 against 40 + 600 tokens.
		if agent+admin < 120 || agent+admin > 160 || agent == 0 || admin == 0 {
			t.Errorf("got 429s %v", got)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		before := r.CallCount("")
		time.Sleep(time.Minute)
		if after := r.CallCount(""); after != before {
			t.Errorf("a closed server's neighbour made %d calls more", after-before)
		}
	})
	s, err := New(Options{Estate: smallEstate()})
	if err != nil {
		t.Fatal(err)
	}
	if s.StartNeighbour(Neighbour{AccessKeyID: "nobody", Region: region1, Burst: 1, Every: 1}) == nil {
		t.Error("an unknown neighbour was started")
	}
}

func TestLatencyFollowsSeedAndEventAlone(t *testing.T) {
	run := func(seed uint64) (times []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Options{Seed: seed, Latency: AWSLatency()})
			ctx, client := context.Background(), r.gateway(agentKeyA)
			measure := func(span Span, call func()) {
				start := time.Now()
				call()
				took := time.Since(start)
				if took < span.Min || took > span.Max {
					t.Errorf("took %v, not %v to %v", took, span.Min, span.Max)
				}
				times = append(times, took)
			}
			for range 2 {
				measure(AWSLatency().Listings, func() { must(client.GetUsagePlans(ctx, &apigateway.GetUsagePlansInput{}))(t) })
				measure(AWSLatency().Exports, func() { must(client.GetExport(ctx, export("prod")))(t) })
				measure(AWSLatency().Keys, func() { must(client.CreateApiKey(ctx, createKey("k")))(t) })
			}
		})
		return times
	}
	one, two, other := run(1), run(1), run(2)
	for i := range one {
		if one[i] != two[i] {
			t.Errorf("event %d took %v, then %v", i, one[i], two[i])
		}
		if one[i] == other[i] {
			t.Errorf("event %d took %v with two seeds", i, one[i])
		}
	}
	if one[0] == one[3] {
		t.Error("two calls of one kind took equally long")
	}
}
