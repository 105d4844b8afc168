package apigateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"federation-agent/internal/gateway"
)

func TestCreateAPIKeyIsRepeatedOnlyIfAWSRefusedItOrItNeverLeft(t *testing.T) {
	for name, c := range map[string]struct {
		first func(*http.Request) (*http.Response, error)
		calls int
		class gateway.Class
	}{
		"throttled":                 {throttled, 2, gateway.OK},
		"throttled by the old code": {fault(429, "LimitExceededException", "Too Many Requests"), 2, gateway.OK},
		"try again later":           {busy, 2, gateway.OK},
		"hard limit": {
			fault(429, "LimitExceededException", "Maximum number of API keys reached"), 1, gateway.HardLimit,
		},
		"denied":                     {fault(403, "AccessDeniedException", "not authorized"), 1, gateway.AccessDenied},
		"invalid":                    {fault(400, "BadRequestException", "Invalid API Key name"), 1, gateway.Invalid},
		"503":                        {fault(503, "ServiceUnavailableException", "later"), 1, gateway.AnswerLost},
		"500 without a code":         {html(500), 1, gateway.AnswerLost},
		"502 of a proxy":             {html(502), 1, gateway.AnswerLost},
		"connection reset":           {reset, 1, gateway.AnswerLost},
		"no answer in time":          {silent, 1, gateway.AnswerLost},
		"400 without AWS's words":    {html(400), 1, gateway.Unavailable},
		"an answer that breaks off":  {ok(201, `{"id":"key1","va`), 1, gateway.AnswerLost},
		"an answer without id":       {ok(201, `{}`), 1, gateway.AnswerLost},
		"nobody listens":             {refused, 2, gateway.OK}, // it never left
		"a host that does not exist": {nameless, 2, gateway.OK},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wire{answer: answers(c.first, keyMade)}
				id, value, err := CreateKey(t.Context(), w.client(nil), "name", "")
				wantClass(t, err, c.class)
				wantCalls(t, w, c.calls)
				wantNoSecret(t, err)
				if c.class == gateway.OK && (id != "key1" || value.Reveal() != "the-key-value-0123456789") {
					t.Errorf("key = %q", id)
				}
			})
		})
	}
}

func TestEveryOtherOperationIsRepeatedAfterALostAnswer(t *testing.T) {
	operations := map[string]struct {
		call func(context.Context, Client) error
		good func(*http.Request) (*http.Response, error)
	}{
		"GetRestApis":   {func(ctx context.Context, c Client) error { _, err := ListRESTAPIs(ctx, c); return err }, noAPIs},
		"GetUsagePlans": {func(ctx context.Context, c Client) error { _, err := ListUsagePlans(ctx, c); return err }, noAPIs},
		"GetStages": {
			func(ctx context.Context, c Client) error { _, err := ListStages(ctx, c, "a"); return err }, noAPIs,
		},
		"GetExport": {
			func(ctx context.Context, c Client) error { _, err := Export(ctx, c, "a", "s"); return err },
			ok(200, `{"openapi":"3.0.1"}`),
		},
		"DeleteApiKey": {deleteK, ok(202, "")},
		"CreateUsagePlanKey": {func(ctx context.Context, c Client) error { return AttachKey(ctx, c, "p", "k") },
			ok(201, `{"id":"k","type":"API_KEY"}`)},
	}
	faults := map[string]func(*http.Request) (*http.Response, error){
		"503": fault(503, "ServiceUnavailableException", "later"), "reset": reset, "silence": silent,
		"unreadable": ok(200, `{"item":[{"id"`), "throttle": throttled, "busy": busy, "refused": refused,
	}
	for operation, o := range operations {
		for name, first := range faults {
			if operation == "DeleteApiKey" && name == "unreadable" {
				continue // it reads no JSON
			}
			t.Run(operation+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := &wire{answer: answers(first, o.good)}
					if err := o.call(t.Context(), w.client(nil)); err != nil {
						t.Fatal(err)
					}
					wantCalls(t, w, 2)
				})
			})
		}
	}
}

func TestAHardLimitIsNoThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		permits := &counter{}
		w := &wire{answer: answers(fault(
			429, "LimitExceededException", "Maximum number of Api Keys for this account has been reached",
		))}
		_, _, err := CreateKey(t.Context(), w.client(permits), "name", "")
		wantClass(t, err, gateway.HardLimit)
		wantCalls(t, w, 1)
		if permits.outcomes[0].Class == gateway.Throttled {
			t.Error("a hard limit was reported as a throttle")
		}
	})
}

func TestEveryAttemptTakesAPermitAndReportsItsOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		permits := &counter{}
		w := &wire{answer: answers(
			fault(429, "TooManyRequestsException", "Too Many Requests", "Retry-After", "3"),
			fault(503, "ServiceUnavailableException", "later"), silent, reset, noAPIs)}
		by := time.Now().Add(time.Hour)
		ctx, cancel := context.WithDeadline(t.Context(), by)
		defer cancel()
		if _, err := ListRESTAPIs(WithPriority(ctx, gateway.PriorityPreview), w.client(permits)); err != nil {
			t.Fatal(err)
		}
		wantCalls(t, w, 5)
		if got, want := fmt.Sprint(permits.requests), fmt.Sprint(slices.Repeat([]gateway.PermitRequest{
			{Operation: gateway.GetRestApis, Priority: gateway.PriorityPreview, By: by}}, 5)); got != want {
			t.Errorf("permits = %s, want %s", got, want)
		}
		if got, want := fmt.Sprint(permits.outcomes), fmt.Sprint([]gateway.Outcome{
			{RetryAfter: 3 * time.Second, Class: gateway.Throttled},
			{Class: gateway.Unavailable}, {Took: gateway.GetRestApis.AttemptTime(), Class: gateway.Unreachable},
			{Class: gateway.Unreachable}, {Class: gateway.OK},
		}); got != want {
			t.Errorf("outcomes = %s, want %s", got, want)
		}
	})
}

func TestRetryAfterSecondsIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: answers(fault(429, "TooManyRequestsException", "Too Many Requests", "Retry-After", "17"), noAPIs)}
		if _, err := ListRESTAPIs(t.Context(), w.client(nil)); err != nil {
			t.Fatal(err)
		}
		r := w.requests()
		if waited := r[1].at.Sub(r[0].at); waited < 17*time.Second || waited > 18*time.Second {
			t.Errorf("waited %v, AWS asked for 17 s", waited)
		}
	})
}

func TestADelayThatEndsAfterTheDeadlineIsNotBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		w := &wire{answer: answers(fault(429, "TooManyRequestsException", "Too Many Requests", "Retry-After", "30"))}
		begun := time.Now()
		_, err := ListRESTAPIs(ctx, w.client(nil))
		wantClass(t, err, gateway.Throttled)
		if took := time.Since(begun); took != 0 {
			t.Errorf("failed after %v, not at once", took)
		}
	})
}

func TestManyThrottlesAtOnceFailNoCall(t *testing.T) {
	// The SDK's standard mode loses 87 of 300 such calls: it makes three attempts, and its retry tokens run out.
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		tries := map[string]int{}
		w := &wire{answer: func(_ int, r *http.Request) (*http.Response, error) {
			mu.Lock()
			tries[r.URL.Path]++
			n := tries[r.URL.Path]
			mu.Unlock()
			if n <= 6 {
				return throttled(r)
			}
			return noAPIs(r)
		}}
		client := w.client(nil)
		var wg sync.WaitGroup
		for i := range 300 {
			wg.Go(func() {
				if _, err := ListStages(t.Context(), client, fmt.Sprint("api", i)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		wantCalls(t, w, 300*7)
	})
}

func TestOneCallIsNotTriedForEver(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(*http.Request) (*http.Response, error)
		calls  int
		class  gateway.Class
	}{
		"throttles": {throttled, maxRefusals, gateway.Throttled},
		"faults":    {fault(503, "ServiceUnavailableException", "later"), maxFaults, gateway.Unavailable},
		"silence":   {silent, maxUnreached, gateway.Unreachable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wire{answer: answers(c.answer)}
				_, err := ListRESTAPIs(t.Context(), w.client(nil))
				wantClass(t, err, c.class)
				wantCalls(t, w, c.calls)
			})
		})
	}
}

// Such an answer is a firewall's, or that of an AWS that is none. Who waits for a listing must learn of it at once, and
// not that time has run out.
func TestARefusalWithoutACodeOfAWSIsNotRepeated(t *testing.T) {
	xml := func(r *http.Request) (*http.Response, error) {
		return response(r, 403, http.Header{"Content-Type": {"application/xml"}},
			"<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>"), nil
	}
	for name, refusal := range map[string]func(*http.Request) (*http.Response, error){
		"400": html(400), "401": html(401), "403": html(403), "404": html(404), "403 in XML": xml,
		"403 that breaks off": ok(403, `{"mess`),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wire{answer: answers(refusal, noAPIs)}
				_, err := ListRESTAPIs(WithLatest(t.Context(), time.Now().Add(time.Hour)), w.client(nil))
				wantClass(t, err, gateway.Unavailable)
				wantCalls(t, w, 1)
			})
		})
	}
}

func TestACallWithoutAPermitFailsAtOnceAndSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: answers(noAPIs)}
		_, err := ListRESTAPIs(t.Context(), w.client(&counter{err: ErrNoPermit}))
		wantClass(t, err, gateway.NoPermit)
		wantCalls(t, w, 0)
	})
}

func TestADeadlineDuringTheWaitForAPermitIsNoLostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		permits := &counter{wait: time.Minute}
		w := &wire{answer: answers(keyMade)}
		_, _, err := CreateKey(ctx, w.client(permits), "name", "")
		wantClass(t, err, gateway.NoPermit)
		wantCalls(t, w, 0)
		if len(permits.outcomes) != 0 {
			t.Error("a permit that was never given was given back")
		}
	})
}

func TestACreateWhoseCallerLeavesHasALostAnswer(t *testing.T) {
	for name, cut := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		},
		"cancelled": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := cut(t.Context())
				defer cancel()
				w := &wire{answer: answers(silent)}
				_, _, err := CreateKey(ctx, w.client(nil), "name", "")
				wantClass(t, err, gateway.AnswerLost)
				wantCalls(t, w, 1)
			})
		})
	}
}

func TestAReadWhoseCallerLeavesIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		w := &wire{answer: answers(silent)}
		_, err := ListRESTAPIs(ctx, w.client(nil))
		wantClass(t, err, gateway.Cancelled)
		wantCalls(t, w, 1)
	})
}

func TestAPermitIsGivenBackWhenTheAttemptPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		permits := &counter{}
		w := &wire{answer: func(int, *http.Request) (*http.Response, error) { panic("a bug") }}
		func() {
			defer func() { _ = recover() }()
			_, _ = ListRESTAPIs(t.Context(), w.client(permits))
		}()
		if got := fmt.Sprint(permits.outcomes); got != fmt.Sprint([]gateway.Outcome{{Class: gateway.Internal}}) {
			t.Errorf("outcomes = %s", got)
		}
	})
}

func TestAnAttemptWithoutCredentialsTakesNoPermit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		permits := &counter{}
		w := &wire{answer: answers(noAPIs)}
		cfg := w.config()
		cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("nothing configured")
		})
		_, err := ListRESTAPIs(t.Context(), NewClient(cfg, Options{Permits: permits}))
		wantClass(t, err, gateway.BadCredentials)
		if len(permits.requests) != 0 {
			t.Error("a permit was asked for")
		}
	})
}

func TestTheSignatureIsMadeAfterTheWaitForAPermit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: answers(noAPIs)}
		if _, err := ListRESTAPIs(t.Context(), w.client(&counter{wait: 10 * time.Minute})); err != nil {
			t.Fatal(err)
		}
		r := w.requests()[0]
		if got, want := r.request.Header.Get("X-Amz-Date"), r.at.UTC().Format("20060102T150405Z"); got != want {
			t.Errorf("signed at %s, sent at %s", got, want)
		}
	})
}

func TestAnExportMayTakeAsLongAsAWSMayNeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(35 * time.Second):
				return response(r, 200, nil, `{"openapi":"3.0.1"}`), nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}
		w := &wire{answer: answers(slow)}
		if _, err := Export(t.Context(), w.client(nil), "a", "s"); err != nil {
			t.Fatal(err)
		}
		wantCalls(t, w, 1)
	})
}

func TestExpiredCredentialsAreRenewedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: answers(
			fault(403, "ExpiredTokenException", "The security token included in the request is expired"), keyMade,
		)}
		cfg, got := w.config(), 0
		cfg.Credentials = aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			got++
			return aws.Credentials{
				AccessKeyID: fmt.Sprint("AKID", got), SecretAccessKey: "s", CanExpire: true, Expires: time.Now().Add(time.Hour),
			}, nil
		}))
		if _, _, err := CreateKey(t.Context(), NewClient(cfg, Options{}), "name", ""); err != nil {
			t.Fatal(err)
		}
		if got != 2 {
			t.Errorf("credentials were fetched %d times, want 2", got)
		}
		w.answer = answers(fault(403, "ExpiredTokenException", "expired"))
		_, err := ListRESTAPIs(t.Context(), NewClient(cfg, Options{}))
		wantClass(t, err, gateway.ExpiredCredentials)
		wantCalls(t, w, 4)
	})
}

func TestAWrongClockOfThisMachineIsCorrected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ahead = time.Hour
		w := &wire{answer: func(_ int, r *http.Request) (*http.Response, error) {
			now := time.Now().Add(ahead).UTC()
			signed, _ := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
			var res *http.Response
			if now.Sub(signed).Abs() > 5*time.Minute {
				res, _ = fault(403, "InvalidSignatureException", "Signature expired")(r)
			} else {
				res, _ = noAPIs(r)
			}
			res.Header.Set("Date", now.Format(http.TimeFormat))
			return res, nil
		}}
		if _, err := ListRESTAPIs(t.Context(), w.client(nil)); err != nil {
			t.Fatal(err)
		}
		wantCalls(t, w, 2)
	})
}

func TestDelaysGrowWithJitterUpToTheLongest(t *testing.T) {
	for made := 1; made < maxRefusals; made++ {
		again, low := nextAttempt(gateway.GetExport, gateway.Throttled, made, 0, -1, 0)
		_, high := nextAttempt(gateway.GetExport, gateway.Throttled, made, 0, -1, 0.999)
		step := min(firstDelay<<(made-1), LongestDelay)
		if !again || low != step/2 || high <= low || high > step {
			t.Errorf("after attempt %d: %v to %v of a step of %v", made, low, high, step)
		}
	}
}

func TestThePriorityIsTheContexts(t *testing.T) {
	if got := PriorityOf(t.Context()); got != gateway.PriorityRefresh {
		t.Errorf("a context without priority counts as %v", got)
	}
	if got := PriorityOf(WithPriority(t.Context(), gateway.PriorityKeys)); got != gateway.PriorityKeys {
		t.Errorf("priority = %v", got)
	}
}

// AWS is out of reach for half a minute, and a command has 42 s.
func TestWhatCanDoNoHarmIsTriedUntilItsTimeIsUp(t *testing.T) {
	for name, c := range map[string]struct {
		call func(context.Context, Client) error
		away func(*http.Request) (*http.Response, error)
	}{
		"CreateApiKey, refused": {
			func(ctx context.Context, c Client) error { _, _, err := CreateKey(ctx, c, "n", ""); return err }, refused,
		},
		"CreateUsagePlanKey, reset": {func(ctx context.Context, c Client) error { return AttachKey(ctx, c, "p", "k") }, reset},
		"DeleteApiKey, reset":       {deleteK, reset},
		"GetRestApis, reset": {
			func(ctx context.Context, c Client) error { _, err := ListRESTAPIs(ctx, c); return err }, reset,
		},
	} {
		for away, want := range map[time.Duration]bool{30 * time.Second: true, time.Hour: false} {
			t.Run(fmt.Sprintf("%s for %s", name, away), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					began := time.Now()
					w := &wire{answer: func(_ int, r *http.Request) (*http.Response, error) {
						switch {
						case time.Since(began) < away:
							return c.away(r)
						case r.Method == http.MethodGet:
							return noAPIs(r)
						default:
							return keyMade(r)
						}
					}}
					err := c.call(WithLatest(t.Context(), began.Add(42*time.Second)), w.client(&counter{}))
					if (err == nil) != want {
						t.Errorf("after %s: %v", time.Since(began), err)
					}
					if took := time.Since(began); took > 43*time.Second {
						t.Errorf("it took %s", took)
					}
					if !want {
						if class := Classify(err); class != gateway.Unreachable && class != gateway.AnswerLost {
							t.Errorf("class = %s: its reason is not that its time is up", class)
						}
					}
				})
			})
		}
	}
}

func TestAConflictMeansAttachedOnlyAfterALostAnswer(t *testing.T) {
	overlap := fault(409, "ConflictException", "API Key cannot reference multiple Usage Plans with the same API stage")
	for name, c := range map[string]struct {
		script []func(*http.Request) (*http.Response, error)
		class  gateway.Class
	}{
		"at once":                  {[]func(*http.Request) (*http.Response, error){overlap}, gateway.Invalid},
		"after a throttle":         {[]func(*http.Request) (*http.Response, error){throttled, overlap}, gateway.Invalid},
		"after it never left":      {[]func(*http.Request) (*http.Response, error){refused, overlap}, gateway.Invalid},
		"after a lost answer":      {[]func(*http.Request) (*http.Response, error){reset, overlap}, gateway.OK},
		"after AWS's own fault":    {[]func(*http.Request) (*http.Response, error){html(502), overlap}, gateway.OK},
		"lost, then busy, then it": {[]func(*http.Request) (*http.Response, error){reset, busy, overlap}, gateway.OK},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wire{answer: answers(c.script...)}
				err := AttachKey(t.Context(), w.client(nil), "p", "k")
				wantClass(t, err, c.class)
				if c.class != gateway.OK && !strings.Contains(Explain(err), "multiple Usage Plans") {
					t.Errorf("AWS's words are missing: %s", Explain(err))
				}
			})
		})
	}
}

func TestAKeyThatAWSDoesNotKnowYetIsTriedAgainForAMoment(t *testing.T) {
	unknown := fault(404, "NotFoundException", "Invalid API Key identifier specified")
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: answers(unknown, unknown, keyMade)}
		wantClass(t, AttachKey(t.Context(), w.client(nil), "p", "k"), gateway.OK)
		wantCalls(t, w, 3)
		w = &wire{answer: answers(unknown)}
		wantClass(t, AttachKey(t.Context(), w.client(nil), "p", "k"), gateway.NotYet)
		wantCalls(t, w, maxNotYet)
		w = &wire{answer: answers(fault(404, "NotFoundException", "Invalid Usage Plan identifier specified"))}
		wantClass(t, AttachKey(t.Context(), w.client(nil), "p", "k"), gateway.NotFound)
		wantCalls(t, w, 1)
	})
}
