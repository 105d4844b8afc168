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

	"federation-agent/internal/gateway"
)

// Classify tells what an error of this package's functions, or of a [Client], means.
func Classify(err error) gateway.Class {
	if err == nil {
		return gateway.OK
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
func classify(err error) gateway.Class {
	_, operation := origin(err)
	return classifyOf(operation, err)
}

// classifyOf is for an error that does not name its operation yet.
func classifyOf(operation gateway.Operation, err error) gateway.Class {
	switch {
	case errors.Is(err, ErrNoPermit):
		return gateway.NoPermit
	case errors.Is(err, context.Canceled):
		return gateway.Cancelled
	case errors.As(err, new(*unreadable)):
		return gateway.Unavailable
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
		return gateway.BadCredentials // instance metadata, SSO …: the default chain found no credentials
	}
	switch code {
	case "LimitExceededException":
		if isThrottleText(message) {
			return gateway.Throttled
		}
		return gateway.HardLimit
	case "ConflictException":
		if isTryAgainText(message) {
			return gateway.ConflictRetryable
		}
		return gateway.Conflict
	case "NotFoundException":
		return gateway.NotFound
	case "BadRequestException", "ValidationException":
		if operation == gateway.GetExport && isNotExportableText(message) {
			return gateway.NotExportable
		}
		return gateway.Invalid
	case "UnrecognizedClientException", "InvalidClientTokenId":
		return gateway.RegionUnavailable
	case "ServiceUnavailableException", "InternalFailure", "InternalServerError", "InternalServiceError":
		return gateway.Unavailable
	}
	return classifyCommon(code, status)
}

// classifySTS is for the calls behind the credentials. Here an unknown access key is simply bad: it was tried where it
// must be known.
func classifySTS(code string, status int) gateway.Class {
	if code == "InvalidClientTokenId" || code == "UnrecognizedClientException" {
		return gateway.BadCredentials
	}
	return classifyCommon(code, status)
}

// classifyCommon knows the codes that all of AWS shares.
func classifyCommon(code string, status int) gateway.Class {
	if _, throttle := retry.DefaultThrottleErrorCodes[code]; throttle {
		return gateway.Throttled
	}
	switch code {
	case "AccessDeniedException", "AccessDenied", "UnauthorizedException", "OptInRequired", "RegionDisabledException":
		return gateway.AccessDenied
	case "ExpiredTokenException", "ExpiredToken", "RequestExpired":
		return gateway.ExpiredCredentials
	case "InvalidSignatureException", "SignatureDoesNotMatch", "MissingAuthenticationTokenException", "MissingAuthenticationToken",
		"IncompleteSignatureException", "IncompleteSignature", "AuthFailure", "RequestTimeTooSkewed":
		return gateway.BadCredentials
	}
	switch {
	case status == http.StatusTooManyRequests:
		return gateway.Throttled
	case status >= http.StatusInternalServerError, code == "" || code == unknownCode:
		// Not in AWS's words: a proxy or another server answered, whose 403 or 404 says nothing about AWS.
		return gateway.Unavailable
	default:
		return gateway.Invalid
	}
}

// classifySilence is for errors that are no answer of AWS's.
func classifySilence(err error, service string) gateway.Class {
	var connection interface{ ConnectionError() bool }
	var timeout interface{ Timeout() bool }
	var validation interface{ ValidationErrors() bool }
	switch {
	case service != serviceID && service != serviceSTS:
		return gateway.BadCredentials
	case statusOf(err) == http.StatusTooManyRequests:
		return gateway.Throttled
	case statusOf(err) > 0:
		return gateway.Unavailable // there was an answer, but none that can be read
	case errors.As(err, &connection) && connection.ConnectionError(),
		errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return gateway.Unreachable
	case errors.As(err, &validation):
		return gateway.Invalid
	case isSigningText(err.Error()):
		return gateway.BadCredentials
	default:
		return gateway.Internal
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
func origin(err error) (service string, operation gateway.Operation) {
	service = serviceID
	var op *smithy.OperationError
	for errors.As(err, &op) {
		service, operation, err = op.ServiceID, gateway.Operation(op.OperationName), op.Err
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
