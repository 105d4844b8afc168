package apigateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/aws/smithy-go"

	"federation-agent/internal/gateway"
)

func TestErrorsAreClassifiedByTheirCode(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(*http.Request) (*http.Response, error)
		want   gateway.Class
	}{
		"AccessDeniedException": {
			fault(403, "AccessDeniedException", "User: arn:aws:iam::1:user/x is not authorized to perform: apigateway:GET"),
			gateway.AccessDenied,
		},
		"UnauthorizedException": {fault(401, "UnauthorizedException", "no"), gateway.AccessDenied},
		"ExpiredTokenException": {fault(403, "ExpiredTokenException", "expired"), gateway.ExpiredCredentials},
		"a region that is not enabled": {
			fault(403, "UnrecognizedClientException", "The security token included in the request is invalid."),
			gateway.RegionUnavailable,
		},
		"the same by its other name": {
			fault(403, "InvalidClientTokenId", "The security token included in the request is invalid."),
			gateway.RegionUnavailable,
		},
		"a wrong secret": {
			fault(403, "InvalidSignatureException", "The request signature we calculated does not match"),
			gateway.BadCredentials,
		},
		"NotFoundException": {
			fault(404, "NotFoundException", "Invalid stage identifier specified"), gateway.NotFound,
		},
		"a 404 that is not AWS's": {html(404), gateway.Unavailable},
		"a 403 that is not AWS's": {html(403), gateway.Unavailable},
		"BadRequestException":     {fault(400, "BadRequestException", "Invalid limit"), gateway.Invalid},
		"ValidationException": {
			fault(400, "ValidationException", "1 validation error detected"), gateway.Invalid,
		},
		"models that are not JSON": {
			fault(400, "BadRequestException", "JSON body models are not found"), gateway.NotExportable,
		},
		"a throttle by a code of all of AWS": {fault(400, "ThrottlingException", "Rate exceeded"), gateway.Throttled},
		"429 without a code":                 {html(429), gateway.Throttled},
		"ServiceUnavailableException":        {fault(503, "ServiceUnavailableException", "later"), gateway.Unavailable},
		"InternalFailure":                    {fault(500, "InternalFailure", "later"), gateway.Unavailable},
		"a code in a namespace": {
			fault(404, "com.amazonaws.apigateway#NotFoundException:http://internal/", "x"), gateway.NotFound,
		},
		"a conflict that is for good": {fault(409, "ConflictException", "API Key already exists"), gateway.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &wire{answer: answers(c.answer)}
				_, err := Export(t.Context(), w.client(nil), "api1", "prod")
				wantClass(t, err, c.want)
				if Explain(err) == "" {
					t.Error("the explanation does not say what to check")
				}
				wantNoSecret(t, err)
			})
		})
	}
}

func TestOnlyAnExportCanBeNotExportable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: answers(fault(400, "BadRequestException", "JSON body models are not found"))}
		_, err := ListStages(t.Context(), w.client(nil), "api1")
		wantClass(t, err, gateway.Invalid)
	})
}

func TestLimitExceededIsAThrottleOnlyWithThrottleWords(t *testing.T) {
	for message, want := range map[string]bool{
		"Too Many Requests":                         true,
		"Rate exceeded":                             true,
		"Maximum number of API keys has been hit":   false,
		"Maximum number of usage plans per api key": false,
		"": false,
	} {
		if got := isThrottleText(message); got != want {
			t.Errorf("isThrottleText(%q) = %v", message, got)
		}
	}
}

func TestAConflictIsRetryableOnlyWithTryAgainLater(t *testing.T) {
	for message, want := range map[string]bool{
		"Unable to complete operation due to concurrent modification. Please try again later.": true,
		"API Key already exists":   false,
		"Usage Plan already added": false,
		"":                         false,
	} {
		if got := isTryAgainText(message); got != want {
			t.Errorf("isTryAgainText(%q) = %v", message, got)
		}
	}
}

func TestMissingCredentialsAreRecognisedByTheSDKsText(t *testing.T) {
	const text = "operation error API Gateway: GetRestApis, get identity: get credentials: failed"
	if !isSigningText(text) || isSigningText("connection reset") {
		t.Error("the SDK's text for missing credentials is not recognised")
	}
}

func TestADefaultChainThatFindsNothingSaysWhatToSet(t *testing.T) {
	metadata := &smithy.OperationError{
		ServiceID: "ec2imds", OperationName: "GetMetadata", Err: context.DeadlineExceeded,
	}
	imds := &smithy.OperationError{
		ServiceID: "API Gateway", OperationName: "GetRestApis", Err: fmt.Errorf("get identity: %w", metadata),
	}
	wantClass(t, imds, gateway.BadCredentials)
	if got := Explain(imds); !strings.Contains(got, "accessKeyId") {
		t.Errorf("explanation: %q", got)
	}
}

func TestAMissingPermissionIsNamedWithItsResource(t *testing.T) {
	policy := minimumPolicy(t)
	denied := answers(fault(403, "AccessDeniedException", "not authorized"))
	for want, call := range map[string]func(context.Context, Client) error{
		"apigateway:GET on arn:aws:apigateway:eu-west-1::/restapis": func(ctx context.Context, c Client) error {
			_, err := ListRESTAPIs(ctx, c)
			return err
		},
		"apigateway:GET on arn:aws:apigateway:eu-west-1::/usageplans": func(ctx context.Context, c Client) error {
			_, err := ListUsagePlans(ctx, c)
			return err
		},
		"apigateway:GET on arn:aws:apigateway:eu-west-1::/restapis/*": func(ctx context.Context, c Client) error {
			_, err := ListStages(ctx, c, "a")
			return err
		},
		"apigateway:GET on arn:aws:apigateway:eu-west-1::/restapis/*/stages/*": func(ctx context.Context, c Client) error {
			_, err := Export(ctx, c, "a", "s")
			return err
		},
		"apigateway:POST on arn:aws:apigateway:eu-west-1::/apikeys": func(ctx context.Context, c Client) error {
			_, _, err := CreateKey(ctx, c, "n", "")
			return err
		},
		"apigateway:POST on arn:aws:apigateway:eu-west-1::/usageplans/*/keys": func(ctx context.Context, c Client) error {
			return AttachKey(ctx, c, "p", "k")
		},
		"apigateway:DELETE on arn:aws:apigateway:eu-west-1::/apikeys/*": func(ctx context.Context, c Client) error {
			return deleteK(ctx, c)
		},
	} {
		w := &wire{answer: denied}
		err := call(t.Context(), w.client(nil))
		wantClass(t, err, gateway.AccessDenied)
		if got := Explain(err); !strings.HasSuffix(got, want+` (AWS says: "not authorized")`) {
			t.Errorf("explanation %q does not end with %q and AWS's words", got, want)
		}
		arn := strings.Replace(want[strings.Index(want, "arn:"):], "eu-west-1", "*", 1)
		if !strings.Contains(policy, `"`+arn+`"`) {
			t.Errorf("%s is not in the minimum policy", arn)
		}
	}
}

// minimumPolicy is the policy that users grant. The agent needs no other permission.
func minimumPolicy(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/minimum-policy.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAnErrorNamesWhatWasBeingDoneAndTheRegion(t *testing.T) {
	w := &wire{answer: answers(fault(403, "AccessDeniedException", "no"))}
	_, err := ListRESTAPIs(t.Context(), w.client(nil))
	if !strings.HasPrefix(err.Error(), "listing REST APIs in eu-west-1: ") {
		t.Errorf("error = %q", err)
	}
}

func TestAnInvalidRetryAfterIsIgnoredOrCapped(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"":      0,
		"soon":  0,
		"-5":    0,
		"NaN":   0,
		"0":     0,
		"2.5":   2500 * time.Millisecond,
		"1e300": maxRetryAfter,
		"99999": maxRetryAfter,
		"+Inf":  maxRetryAfter,
	} {
		synctest.Test(t, func(t *testing.T) {
			permits := &counter{}
			w := &wire{answer: answers(
				fault(429, "TooManyRequestsException", "Too Many Requests", "Retry-After", header), noAPIs,
			)}
			if _, err := ListRESTAPIs(t.Context(), w.client(permits)); err != nil {
				t.Fatal(err)
			}
			if got := permits.outcomes[0].RetryAfter; got != want {
				t.Errorf("Retry-After %q gives %v, want %v", header, got, want)
			}
		})
	}
}

func TestEachClassHasItsOwnName(t *testing.T) {
	seen := map[string]bool{}
	for c := gateway.OK; c <= gateway.Internal; c++ {
		if seen[c.String()] {
			t.Errorf("%d has the name of another class: %s", c, c)
		}
		seen[c.String()] = true
	}
	wantClass(t, nil, gateway.OK)
	wantClass(t, errors.New("whatever"), gateway.Internal)
	for class, want := range map[gateway.Class]bool{
		gateway.AnswerLost: false, gateway.OK: false, gateway.Internal: false, gateway.HardLimit: true,
		gateway.Throttled: true, gateway.NoPermit: true,
	} {
		if got := (gateway.Outcome{Class: class}).Undone(); got != want {
			t.Errorf("Undone of %s is %v", class, got)
		}
	}
}

func TestEachClassHasItsOwnExplanation(t *testing.T) {
	seen := map[string]bool{"": true}
	for c := gateway.OK + 1; c <= gateway.Internal; c++ {
		got := Explain(&Error{Class: c, Err: errors.New("whatever")})
		if seen[got] {
			t.Errorf("%s has no explanation of its own: %q", c, got)
		}
		seen[got] = true
	}
}

func TestAWSsWordsAreQuotedOnOneLineWithinBoundsWhereOnlyTheySayWhatToChange(t *testing.T) {
	explained := func(status int, code, message string) string {
		w := &wire{answer: answers(fault(status, code, message))}
		_, err := Export(t.Context(), w.client(nil), "a", "s")
		return Explain(err)
	}
	got := explained(400, "BadRequestException", "The model\n  is   wrong")
	if !strings.HasSuffix(got, `(AWS says: "The model is wrong")`) {
		t.Error(got)
	}
	if got := explained(
		400,
		"BadRequestException",
		strings.Repeat("é", 5000),
	); len(got) > 2*maxWords ||
		!utf8.ValidString(got) {
		t.Errorf("%d bytes: %s", len(got), got)
	}
	denied := "User: arn:aws:iam::1:user/x is not authorized with an explicit deny in a service control policy"
	if got := explained(
		403,
		"AccessDeniedException",
		denied,
	); !strings.Contains(
		got,
		"explicit deny in a service control policy",
	) {
		t.Error(got)
	}
	if got := explained(
		403,
		"InvalidSignatureException",
		"The Canonical String should have been AKID",
	); strings.Contains(
		got,
		"Canonical",
	) {
		t.Error("a text that repeats the request is quoted: " + got)
	}
}

func TestADenyAndAClockThatIsOffAreToldByWhatOnlyAWSsTextSays(t *testing.T) {
	const user = "User: arn:aws:iam::1:user/a is not authorized to perform: apigateway:GET on resource: arn:aws:apigateway:x "
	for _, c := range []struct{ code, message, says, not string }{
		{
			"AccessDeniedException", user + "with an explicit deny in a service control policy: arn:aws:iam::1:policy/p",
			"a Deny in a service control policy forbids apigateway:POST on arn:aws:apigateway:eu-west-1::/apikeys: remove", "lack the",
		},
		{"AccessDeniedException", user + "with an explicit deny in a permissions boundary", "a Deny in a permissions boundary forbids", "lack the"},
		{"AccessDeniedException", user + "with an explicit deny", "service control policy …) forbids apigateway:POST", "lack the"},
		{
			"AccessDeniedException", user + "with an explicit deny in " + strings.Repeat("a", maxKind+1),
			"service control policy …) forbids", "lack the",
		},
		{
			"AccessDeniedException", user + "because no service control policy allows the apigateway:GET action",
			"lack the permission apigateway:POST", "forbids",
		},
		{
			"InvalidSignatureException", "Signature expired: 1 is now earlier than 2 (7 - 5 min.)",
			"clock is behind AWS's: set the clock of the host or node", "accessKeyId",
		},
		{"SignatureDoesNotMatch", "Signature not yet current: 2 is still later than 1", "clock is ahead of AWS's", "accessKeyId"},
		{"RequestTimeTooSkewed", "The difference is too large.", "clock is off: set the clock of the host or node", "accessKeyId"},
		{"RequestExpired", "Request has expired.", "clock is off: set the clock of the host or node", "AWS_SESSION_TOKEN"},
		{"InvalidSignatureException", "The request signature does not match.", "check accessKeyId", "clock"},
		{
			"LimitExceededException", "Maximum number of API keys for this account has been reached.",
			"delete keys that nobody needs; AWS does not raise this quota", "resource limit",
		},
		{
			"UnrecognizedClientException", "The security token included in the request is invalid.",
			"take it out of configuration.region only once its subscriptions are closed", "or take it out",
		},
	} {
		_, _, err := CreateKey(t.Context(), (&wire{answer: answers(fault(403, c.code, c.message))}).client(nil), "n", "")
		if got := Explain(err); !strings.Contains(got, c.says) || strings.Contains(got, c.not) {
			t.Errorf("%s %q is explained as %q", c.code, c.message, got)
		}
	}
}
