package awssim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
)

func TestEachKindOfFaultDoesWhatItSays(t *testing.T) {
	for _, c := range []struct {
		name    string
		fault   Fault
		made    bool // the key exists afterwards
		outcome Outcome
		status  int
		check   func(*testing.T, error)
	}{
		{
			"answer", Unavailable(), false, OutcomeAnswered, 503,
			func(t *testing.T, err error) { wantCode(t, err, CodeServiceUnavailable) },
		},
		{"throttle", Throttling(2500 * time.Millisecond), false, OutcomeAnswered, 429, func(t *testing.T, err error) {
			var throttle *types.TooManyRequestsException
			if !errors.As(err, &throttle) || aws.ToString(throttle.RetryAfterSeconds) != "3" {
				t.Errorf("got %v", err)
			}
		}},
		{"close before", Of(FaultCloseBefore), false, OutcomeCut, 0, wantNoAnswer},
		{"hang", Of(FaultHang), false, OutcomeAbandoned, 0, wantTimeout},
		{"lose answer", Of(FaultLoseAnswer), true, OutcomeLost, 201, wantNoAnswer},
		{"hang after", Of(FaultHangAfter), true, OutcomeLost, 201, wantTimeout},
		{"truncate", Truncate(10), true, OutcomeLost, 201, func(t *testing.T, err error) {
			if _, ok := errors.AsType[*smithy.DeserializationError](err); !ok {
				t.Errorf("got %v, want an answer that cannot be read to its end", err)
			}
		}},
		{"another server", Foreign("<html>"), false, OutcomeAnswered, 200, func(t *testing.T, err error) {
			if _, ok := errors.AsType[*smithy.DeserializationError](err); !ok {
				t.Errorf("got %v, want an answer that cannot be read", err)
			}
		}},
		{"redirect", Redirect(302, ""), false, OutcomeAnswered, 302, func(t *testing.T, err error) {
			if answer, ok := errors.AsType[*awshttp.ResponseError](err); !ok || answer.HTTPStatusCode() != 302 {
				t.Errorf("got %v, want a redirect", err)
			}
		}},
		{"slow", Slow(5 * time.Second), true, OutcomeAnswered, 201, func(t *testing.T, err error) {
			if err != nil {
				t.Error(err)
			}
		}},
		{"too slow for the client", Slow(time.Minute), false, OutcomeAbandoned, 0, wantTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, Options{Faults: func(e Event) Fault {
					if e.Operation == OpCreateAPIKey && e.Key == "k" && e.N == 1 {
						return c.fault
					}
					return Fault{}
				}})
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				_, err := r.gateway(agentKeyA).CreateApiKey(ctx, createKey("k"))
				c.check(t, err)
				synctest.Wait()
				if made := len(r.Keys()) == 1; made != c.made {
					t.Errorf("key made: %t, want %t", made, c.made)
				}
				got := r.lastCall()
				if got.Outcome != c.outcome || got.Status != c.status || got.Fault != c.fault.Kind {
					t.Errorf("logged %s %d %q, want %s %d %q", got.Outcome, got.Status, got.Fault, c.outcome, c.status, c.fault.Kind)
				}
				must(r.gateway(agentKeyA).CreateApiKey(context.Background(), createKey("k")))(t) // its N is 2
			})
		})
	}
}

func wantNoAnswer(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want a connection closed without an answer", err)
	}
}

func wantTimeout(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the client's own deadline", err)
	}
}

func TestAWriteThatWasLetInIsDoneEvenWhenItsClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		span := Span{10 * time.Second, 10 * time.Second}
		r := newRig(t, Options{Latency: Latency{Listings: span, Keys: span}})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := r.gateway(agentKeyA).CreateApiKey(ctx, createKey("k"))
		wantTimeout(t, err)
		synctest.Wait()
		if got := r.lastCall(); len(r.Keys()) != 1 || got.Outcome != OutcomeLost || got.KeyID == "" {
			t.Errorf("%d keys, call %+v", len(r.Keys()), got)
		}
		ctx, cancel = context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err = r.gateway(agentKeyA).GetRestApis(ctx, &apigateway.GetRestApisInput{})
		wantTimeout(t, err)
		synctest.Wait()
		if got := r.lastCall(); got.Outcome != OutcomeAbandoned || got.Status != 0 {
			t.Errorf("an abandoned read is logged as %+v", got)
		}
	})
}

func TestAnInjectedThrottleOrCutCostsNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Quota: Quota{Burst: 2, Rate: 0.001}})
		r.Script().Add(Rule{Fault: Throttling(0), Times: 5}, Rule{Fault: Of(FaultCloseBefore), Times: 5})
		ctx, c := context.Background(), r.gateway(agentKeyA)
		list := func() error { _, err := c.GetRestApis(ctx, &apigateway.GetRestApisInput{}); return err }
		for range 10 {
			if list() == nil {
				t.Fatal("the script did not strike")
			}
		}
		r.Script().Add(Rule{Fault: Unavailable(), Times: 1})
		wantCode(t, list(), CodeServiceUnavailable) // takes a token
		if err := list(); err != nil {
			t.Error(err)
		}
		wantCode(t, list(), CodeTooManyRequests)
		if got := r.Throttled()["arn:aws:iam::"+accountA+":user/agent"]; got != 1 {
			t.Errorf("%d throttles counted, want the quota's one alone", got)
		}
	})
}

func TestAFaultThatMakesNoSenseSaysSo(t *testing.T) {
	for _, fault := range []Fault{
		{Kind: FaultAnswer}, {Kind: FaultAnswer, Status: 200}, {Kind: "typo"}, Redirect(404, "/"), {Kind: FaultForeign, Status: 200, Endless: true},
		Truncate(-1), Slow(-1),
	} {
		r := newRig(t, Options{Faults: func(Event) Fault { return fault }})
		_, err := r.gateway(agentKeyA).GetRestApis(context.Background(), &apigateway.GetRestApisInput{})
		if got := wantCode(t, err, "InternalFailure").ErrorMessage(); !strings.Contains(got, "fault") {
			t.Errorf("%+v: got message %q", fault, got)
		}
	}
}

func TestEventsHaveStableNames(t *testing.T) {
	var (
		mu    sync.Mutex
		names []string
	)
	r := newRig(t, Options{Faults: func(e Event) Fault {
		mu.Lock()
		defer mu.Unlock()
		names = append(names, e.String())
		return Fault{}
	}})
	ctx, c := context.Background(), r.gateway(agentKeyA)
	key := must(c.CreateApiKey(ctx, createKey("shop / sub-1")))(t)
	must(c.CreateUsagePlanKey(ctx, attach("gold01", *key.Id)))(t)
	must(c.GetExport(ctx, export("prod")))(t)
	must(c.GetExport(ctx, export("prod")))(t)
	must(c.GetExport(ctx, export("dev")))(t)
	must(c.DeleteApiKey(ctx, &apigateway.DeleteApiKeyInput{ApiKey: key.Id}))(t)
	must(r.sts(agentKeyA).AssumeRole(ctx, assume()))(t)
	at := accountA + "/" + region1 + " "
	want := []string{
		at + "CreateApiKey key=shop / sub-1 #1",
		at + "CreateUsagePlanKey plan=gold01 key=shop / sub-1 #1",
		at + "GetExport api=orders0001 stage=prod #1",
		at + "GetExport api=orders0001 stage=prod #2",
		at + "GetExport api=orders0001 stage=dev #1",
		at + "DeleteApiKey key=shop / sub-1 #1",
		at + "AssumeRole role=" + readerRole + " #1",
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
}

func TestAScriptStrikesAsItsRulesSay(t *testing.T) {
	s := NewScript(
		Rule{Operation: OpGetExport, Stage: "prod", Skip: 1, Times: 2, Fault: Unavailable()},
		Rule{Operation: OpGetExport, N: 5, Fault: Of(FaultHang)},
	)
	event := Event{Operation: OpGetExport, Stage: "prod"}
	var got []FaultKind
	for n := range 6 {
		event.N = n + 1
		got = append(got, s.Fault(event).Kind)
	}
	want := []FaultKind{"", FaultAnswer, FaultAnswer, "", FaultHang, ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{2, 1}, s.Struck()); diff != "" {
		t.Error(diff)
	}
	if s.Fault(Event{Operation: OpGetStages, N: 5}) != (Fault{}) {
		t.Error("a rule struck another operation")
	}
	s.Clear()
	event.N = 5
	if s.Fault(event) != (Fault{}) {
		t.Error("a cleared script struck")
	}
}

func TestClosingEndsWhatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{Faults: func(Event) Fault { return Of(FaultHang) }})
		ended := make(chan error, 1)
		go func() {
			_, err := r.gateway(agentKeyA).GetRestApis(context.Background(), &apigateway.GetRestApisInput{})
			ended <- err
		}()
		synctest.Wait()
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		wantNoAnswer(t, <-ended)
	})
}

func TestTheLogIsBoundedAndTheCountersAreNot(t *testing.T) {
	var (
		mu       sync.Mutex
		observed []Call
	)
	r := newRig(t, Options{LogSize: 3, Quota: Quota{Off: true}, Observe: func(c Call) {
		mu.Lock()
		defer mu.Unlock()
		observed = append(observed, c)
	}})
	ctx, c := context.Background(), r.gateway(agentKeyA)
	for range 5 {
		must(c.GetRestApis(ctx, &apigateway.GetRestApisInput{}))(t)
	}
	_, err := c.GetApiKeys(ctx, &apigateway.GetApiKeysInput{})
	wantCode(t, err, CodeAccessDenied)
	seqs := func(since int64) (out []int64) {
		for _, call := range r.Calls(since) {
			out = append(out, call.Seq)
		}
		return out
	}
	if diff := cmp.Diff([]int64{4, 5, 6}, seqs(0)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int64{6}, seqs(5)); diff != "" {
		t.Error(diff)
	}
	want := []Count{
		{accountA, region1, OpGetAPIKeys, 403, 1},
		{accountA, region1, OpGetRestAPIs, 200, 5},
	}
	if diff := cmp.Diff(want, r.Counts()); diff != "" {
		t.Error(diff)
	}
	if r.CallCount(OpGetRestAPIs) != 5 || r.CallCount("") != 6 {
		t.Errorf("got %d and %d calls", r.CallCount(OpGetRestAPIs), r.CallCount(""))
	}
	mu.Lock()
	if len(observed) != 6 || observed[5].Status != http.StatusForbidden || observed[5].Code != CodeAccessDenied {
		t.Errorf("observed %+v", observed)
	}
	mu.Unlock()
	r.ResetCalls()
	must(c.GetRestApis(ctx, &apigateway.GetRestApisInput{}))(t)
	if calls := r.Calls(0); len(calls) != 1 || calls[0].N != 6 || r.CallCount("") != 1 {
		t.Errorf("after a reset: %+v", calls)
	}
}

func TestItServesOverRealSocketsWithConnectionsKept(t *testing.T) {
	s, err := New(Options{Estate: smallEstate(), Quota: Quota{Off: true}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	config := (&rig{Server: s, t: t, http: &http.Client{Transport: transport}}).config(agentKeyA, "", region1)
	config.BaseEndpoint = aws.String("http://" + l.Addr().String())
	client := apigateway.NewFromConfig(config)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			key, err := client.CreateApiKey(ctx, createKey(fmt.Sprint(i)))
			if err == nil {
				_, err = client.DeleteApiKey(ctx, &apigateway.DeleteApiKeyInput{ApiKey: key.Id})
			}
			if err == nil {
				_, err = client.GetExport(ctx, export("prod"))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := s.CallCount(""); got != 150 || len(s.Keys()) != 0 {
		t.Errorf("%d calls were logged and %d keys left", got, len(s.Keys()))
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("serving: %v", err)
	}
}

func TestChancesAreSpreadAndRepeatable(t *testing.T) {
	e := Event{Account: accountA, Region: region1, Operation: OpGetExport}
	below := 0
	for n := range 1000 {
		e.N = n
		if e.Chance(1, "fault") != e.Chance(1, "fault") {
			t.Fatal("a chance changed")
		}
		if e.Chance(1, "fault") < 0.1 {
			below++
		}
	}
	if below < 70 || below > 130 {
		t.Errorf("%d of 1000 chances are below a tenth", below)
	}
	if e.Chance(1, "fault") == e.Chance(2, "fault") || e.Chance(1, "fault") == e.Chance(1, "delay") ||
		strings.TrimSpace(e.Resource()) != "" {
		t.Error("seed or purpose does not matter")
	}
}
