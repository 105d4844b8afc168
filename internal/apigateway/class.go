package apigateway

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// Class is what a failure means for the one who asked.
type Class int

// The classes of failure.
const (
	// OK: nothing failed.
	OK Class = iota
	// Throttled: AWS refused because of the request rate, ours or a neighbour's. Nothing was done.
	Throttled
	// ConflictRetryable: AWS refused because something else was being changed. Nothing was done.
	ConflictRetryable
	// NoPermit: our own quota has no room before the deadline. Nothing was sent.
	NoPermit
	// Unavailable: AWS answered with a fault of its own (5xx) or with something unreadable.
	Unavailable
	// Unreachable: no answer: a network fault or a time-out. For a create that was sent it is [AnswerLost] instead.
	Unreachable
	// AnswerLost: a create was sent, and nobody knows whether AWS did it.
	AnswerLost
	// HardLimit: a resource limit of the account ("Maximum number of …"). It passes only when somebody makes room.
	HardLimit
	// AccessDenied: the credentials are good, but a permission is missing.
	AccessDenied
	// BadCredentials: the access key, its secret, or the role is wrong.
	BadCredentials
	// ExpiredCredentials: temporary credentials have run out.
	ExpiredCredentials
	// RegionUnavailable: the region does not know the access key, which is how a region that is not enabled answers.
	RegionUnavailable
	// NotFound: API Gateway says that there is no such thing.
	NotFound
	// Conflict: it exists already. For a key and a plan it means "attached already".
	Conflict
	// NotExportable: this stage can never be exported as it is.
	NotExportable
	// Invalid: AWS refused the request itself.
	Invalid
	// Cancelled: the one who asked has gone.
	Cancelled
	// Internal: none of the above.
	Internal
)

// classNames are used in logs and metrics.
func classNames() []string {
	return []string{
		"ok", "throttled", "conflict_retryable", "no_permit", "unavailable", "unreachable", "answer_lost", "hard_limit",
		"access_denied", "bad_credentials", "expired_credentials", "region_unavailable", "not_found", "conflict",
		"not_exportable", "invalid", "cancelled", "internal",
	}
}

// String names the class for logs and metrics.
func (c Class) String() string {
	names := classNames()
	if c < 0 || int(c) >= len(names) {
		return "internal"
	}
	return names[c]
}

// Classify tells what an error of this package's functions, or of a [Client], means.
func Classify(err error) Class {
	if err == nil {
		return OK
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	var a *attemptError
	if errors.As(err, &a) {
		return a.class
	}
	return classify(err)
}

// RetryAfter is how long AWS asked to wait before the next attempt; zero if it did not say. At most a minute counts.
func RetryAfter(err error) time.Duration {
	var answer *awshttp.ResponseError
	if !errors.As(err, &answer) || answer.Response == nil || answer.Response.Response == nil {
		return 0
	}
	seconds, parseErr := strconv.ParseFloat(strings.TrimSpace(answer.Response.Header.Get("Retry-After")), 64)
	if parseErr != nil || !(seconds > 0) {
		return 0
	}
	return min(time.Duration(min(seconds, maxRetryAfter.Seconds())*float64(time.Second)), maxRetryAfter)
}

// maxRetryAfter caps what AWS, or something that stands between, may make us wait.
const maxRetryAfter = time.Minute

// unreadable is a fault that the SDK did not find in an answer.
type unreadable struct{ text string }

func (e *unreadable) Error() string { return e.text }

// classify looks at one raw SDK error. What AWS says by code is matched by code: half of these are not modelled as Go types.
func classify(err error) Class {
	_, operation := origin(err)
	return classifyOf(operation, err)
}

// classifyOf is for an error that does not name its operation yet.
func classifyOf(operation string, err error) Class {
	switch {
	case errors.Is(err, ErrNoPermit):
		return NoPermit
	case errors.Is(err, context.Canceled):
		return Cancelled
	case errors.As(err, new(*unreadable)):
		return Unavailable
	}
	service, _ := origin(err)
	var answer smithy.APIError
	if !errors.As(err, &answer) {
		return classifySilence(err, service)
	}
	code, message := bareCode(answer.ErrorCode()), answer.ErrorMessage()
	status := statusOf(err)
	switch service {
	case serviceID:
	case serviceSTS:
		return classifySTS(code, status)
	default:
		return BadCredentials // instance metadata, SSO …: the default chain found no credentials
	}
	switch code {
	case "LimitExceededException":
		if isThrottleText(message) {
			return Throttled
		}
		return HardLimit
	case "ConflictException":
		if isTryAgainText(message) {
			return ConflictRetryable
		}
		return Conflict
	case "NotFoundException":
		return NotFound
	case "BadRequestException", "ValidationException":
		if operation == opGetExport && isNotExportableText(message) {
			return NotExportable
		}
		return Invalid
	case "UnrecognizedClientException", "InvalidClientTokenId":
		return RegionUnavailable
	case "ServiceUnavailableException", "InternalFailure", "InternalServerError", "InternalServiceError":
		return Unavailable
	}
	return classifyCommon(code, status)
}

// classifySTS is for the calls behind the credentials. Here an unknown access key is simply bad: it was tried where it
// must be known.
func classifySTS(code string, status int) Class {
	if code == "InvalidClientTokenId" || code == "UnrecognizedClientException" {
		return BadCredentials
	}
	return classifyCommon(code, status)
}

// classifyCommon knows the codes that all of AWS shares.
func classifyCommon(code string, status int) Class {
	if _, throttle := retry.DefaultThrottleErrorCodes[code]; throttle {
		return Throttled
	}
	switch code {
	case "AccessDeniedException", "AccessDenied", "UnauthorizedException", "OptInRequired", "RegionDisabledException":
		return AccessDenied
	case "ExpiredTokenException", "ExpiredToken", "RequestExpired":
		return ExpiredCredentials
	case "InvalidSignatureException", "SignatureDoesNotMatch", "MissingAuthenticationTokenException", "MissingAuthenticationToken",
		"IncompleteSignatureException", "IncompleteSignature", "AuthFailure", "RequestTimeTooSkewed":
		return BadCredentials
	}
	switch {
	case status == http.StatusTooManyRequests:
		return Throttled
	case status >= http.StatusInternalServerError, code == "" || code == unknownCode:
		// Not in AWS's words: a proxy or another server answered, whose 403 or 404 says nothing about AWS.
		return Unavailable
	default:
		return Invalid
	}
}

// classifySilence is for errors that are no answer of AWS's.
func classifySilence(err error, service string) Class {
	var connection interface{ ConnectionError() bool }
	var timeout interface{ Timeout() bool }
	var validation interface{ ValidationErrors() bool }
	switch {
	case service != serviceID && service != serviceSTS:
		return BadCredentials
	case statusOf(err) == http.StatusTooManyRequests:
		return Throttled
	case statusOf(err) > 0:
		return Unavailable // there was an answer, but none that can be read
	case errors.As(err, &connection) && connection.ConnectionError(),
		errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return Unreachable
	case errors.As(err, &validation):
		return Invalid
	case isSigningText(err.Error()):
		return BadCredentials
	default:
		return Internal
	}
}

// Where AWS leaves nothing but a text to go by, it is read here and nowhere else.

// isThrottleText tells "Too Many Requests" from "Maximum number of …": both are LimitExceededException.
func isThrottleText(message string) bool {
	m := strings.ToLower(message)
	return strings.Contains(m, "too many requests") || strings.Contains(m, "rate exceeded")
}

// isTryAgainText tells a change going on elsewhere from a thing that exists: both are ConflictException.
func isTryAgainText(message string) bool {
	m := strings.ToLower(message)
	return strings.Contains(m, "try again later") || strings.Contains(m, "concurrent modification")
}

// isNotExportableText tells a definition that no export can ever be made of from a request that is wrong.
func isNotExportableText(message string) bool {
	return strings.Contains(strings.ToLower(message), "models are not found")
}

// isSigningText tells that the SDK found no credentials to sign with: it wraps whatever went wrong in a plain error.
func isSigningText(message string) bool {
	return strings.Contains(message, "get identity:") || strings.Contains(message, "failed to refresh cached credentials")
}

// serviceID and serviceSTS are the SDK's names of the services; unknownCode is its code for an answer without one.
const (
	serviceID   = "API Gateway"
	serviceSTS  = "STS"
	unknownCode = "UnknownError"
)

// origin is the service and operation where the error arose: the innermost, as a call that needs credentials fails
// because STS did.
func origin(err error) (service, operation string) {
	service = serviceID
	var op *smithy.OperationError
	for errors.As(err, &op) {
		service, operation, err = op.ServiceID, op.OperationName, op.Err
	}
	return service, operation
}

// statusOf is the HTTP status of the answer, zero if there was none.
func statusOf(err error) int {
	var answer interface{ HTTPStatusCode() int }
	if errors.As(err, &answer) {
		return answer.HTTPStatusCode()
	}
	return 0
}

// bareCode drops what AWS sometimes puts around a code: "com.amazonaws#Code:http://…".
func bareCode(code string) string {
	if _, after, ok := strings.Cut(code, "#"); ok {
		code = after
	}
	code, _, _ = strings.Cut(code, ":")
	return code
}
