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

// Classify says what an error of this package's functions, or of a [Client], means.
func Classify(err error) gateway.Class {
	if err == nil {
		return gateway.OK
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	if a, ok := errors.AsType[*attemptError](err); ok {
		return a.class
	}
	_, operation := origin(err)
	return classifyOf(operation, err)
}

// RetryAfter is how long AWS asked to wait before the next attempt, zero if it did not say. It is at most a minute.
func RetryAfter(err error) time.Duration {
	answer, ok := errors.AsType[*awshttp.ResponseError](err)
	if !ok || answer.Response == nil || answer.Response.Response == nil {
		return 0
	}
	header := strings.TrimSpace(answer.Response.Header.Get("Retry-After"))
	seconds, parseErr := strconv.ParseFloat(header, 64)
	if parseErr != nil || !(seconds > 0) {
		return 0
	}
	return min(time.Duration(min(seconds, maxRetryAfter.Seconds())*float64(time.Second)), maxRetryAfter)
}

// maxRetryAfter limits how long AWS, or a proxy on the way, can make the agent wait.
const maxRetryAfter = time.Minute

// unreadable is a fault in an answer that the SDK did not find.
type unreadable struct{ text string }

func (e *unreadable) Error() string { return e.text }

// classifyOf classifies an SDK error. The operation is a parameter because the error of an attempt does not name it
// yet. What AWS says by code is matched by code, because half of the codes have no Go type in the SDK.
func classifyOf(operation gateway.Operation, err error) gateway.Class {
	switch {
	case errors.Is(err, ErrNoPermit):
		return gateway.NoPermit
	case errors.Is(err, context.Canceled):
		return gateway.Cancelled
	case errors.As(err, new(*unreadable)), errors.As(err, new(*redirected)):
		return gateway.Unavailable
	}
	service, _ := origin(err)
	answer, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return classifySilence(err, service)
	}
	code, message := bareCode(answer.ErrorCode()), answer.ErrorMessage()
	status := statusOf(err)
	if isSigningTime(code, message) {
		return gateway.ClockOff
	}
	switch service {
	case serviceID:
		if errors.As(err, new(*noCredentials)) { // the container's endpoint, whose errors name no service
			return classifySource(status)
		}
	case serviceSTS:
		return classifySTS(code, status)
	case serviceSQS:
		return classifyQueue(code, status)
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
		if operation == gateway.CreateUsagePlanKey && isKeyText(message) {
			return gateway.NotYet // the key was made a moment ago
		}
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

// classifySource is for a source of credentials that answered with an error.
func classifySource(status int) gateway.Class {
	if status == http.StatusTooManyRequests || status >= http.StatusInternalServerError {
		return gateway.Unavailable
	}
	return gateway.BadCredentials
}

// classifySTS is for the calls that fetch credentials. An unknown access key is wrong here, because the key was tried
// where it must be known.
func classifySTS(code string, status int) gateway.Class {
	if code == "InvalidClientTokenId" || code == "UnrecognizedClientException" {
		return gateway.BadCredentials
	}
	return classifyCommon(code, status)
}

// classifyQueue is for SQS, whose older codes begin with its name.
func classifyQueue(code string, status int) gateway.Class {
	switch code {
	case "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist":
		return gateway.NotFound
	case "RequestThrottled":
		return gateway.Throttled
	case "InvalidClientTokenId", "UnrecognizedClientException":
		return gateway.BadCredentials
	}
	return classifyCommon(code, status)
}

// classifyCommon knows the codes that all AWS services share.
func classifyCommon(code string, status int) gateway.Class {
	if _, throttle := retry.DefaultThrottleErrorCodes[code]; throttle {
		return gateway.Throttled
	}
	switch code {
	case "AccessDeniedException", "AccessDenied", "UnauthorizedException", "OptInRequired", "RegionDisabledException":
		return gateway.AccessDenied
	case "ExpiredTokenException", "ExpiredToken":
		return gateway.ExpiredCredentials
	case "InvalidSignatureException", "SignatureDoesNotMatch", "MissingAuthenticationTokenException",
		"MissingAuthenticationToken", "IncompleteSignatureException", "IncompleteSignature", "AuthFailure":
		return gateway.BadCredentials
	}
	switch {
	case status == http.StatusTooManyRequests:
		return gateway.Throttled
	case status >= http.StatusInternalServerError, code == "" || code == unknownCode:
		// Not AWS's words: a proxy or another server answered, and its 403 or 404 says nothing about AWS.
		return gateway.Unavailable
	default:
		return gateway.Invalid
	}
}

// classifySilence is for errors that are not an answer of AWS.
func classifySilence(err error, service string) gateway.Class {
	var connection interface{ ConnectionError() bool }
	var timeout interface{ Timeout() bool }
	var validation interface{ ValidationErrors() bool }
	switch {
	case service != serviceID && service != serviceSTS && service != serviceSQS:
		return gateway.BadCredentials
	case statusOf(err) == http.StatusTooManyRequests:
		return gateway.Throttled
	case statusOf(err) > 0:
		return gateway.Unavailable // there was an answer, but it cannot be read
	case errors.As(err, &connection) && connection.ConnectionError(),
		errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return gateway.Unreachable
	case errors.As(err, &validation):
		return gateway.Invalid
	case errors.As(err, new(*noCredentials)), isSigningText(err.Error()):
		return gateway.BadCredentials
	default:
		return gateway.Internal
	}
}

// Some errors of AWS can be told apart by their text only. These functions read such texts, and no other code does.

// isThrottleText tells "Too Many Requests" from "Maximum number of …". Both are LimitExceededException.
func isThrottleText(message string) bool {
	m := strings.ToLower(message)
	return strings.Contains(m, "too many requests") || strings.Contains(m, "rate exceeded")
}

// isKeyText tells an unknown API key from an unknown usage plan. Both are NotFoundException.
func isKeyText(message string) bool { return strings.Contains(message, "API Key identifier") }

// isTryAgainText tells another change that is still running from a resource that exists. Both are ConflictException.
func isTryAgainText(message string) bool {
	m := strings.ToLower(message)
	return strings.Contains(m, "try again later") || strings.Contains(m, "concurrent modification")
}

// isNotExportableText tells a definition that AWS can never export from a wrong request.
func isNotExportableText(message string) bool {
	return strings.Contains(strings.ToLower(message), "models are not found")
}

// denying reports that a policy denies a call explicitly, and of which kind it is, if AWS says so: "a service control
// policy". The same code says that no policy allows a call.
func denying(message string) (kind string, explicitly bool) {
	_, after, explicitly := strings.Cut(message, "with an explicit deny")
	kind, isNamed := strings.CutPrefix(after, " in ")
	if end := strings.IndexAny(kind, ":.;,\n"); end >= 0 { // a policy's ARN may follow
		kind = kind[:end]
	}
	if !isNamed || len(kind) > maxKind {
		return "", explicitly
	}
	return strings.TrimSpace(kind), explicitly
}

// maxKind bounds the name of a kind of policy, in bytes.
const maxKind = 40

// signedBefore and signedAfter are what AWS says of a call that was signed more than five minutes before it came, by
// AWS's clock, or after that.
const (
	signedBefore = "Signature expired"
	signedAfter  = "Signature not yet current"
)

// isSigningTime tells a clock that is off from a wrong secret, which has the same codes.
func isSigningTime(code, message string) bool {
	return code == "RequestTimeTooSkewed" || code == "RequestExpired" ||
		strings.Contains(message, signedBefore) || strings.Contains(message, signedAfter)
}

// IsUnsigned reports that a call of any service was not sent, because there were no credentials to sign it with.
func IsUnsigned(err error) bool { return isSigningText(err.Error()) }

// isSigningText reports whether the SDK found no credentials to sign with. The SDK wraps the cause in a plain error.
func isSigningText(message string) bool {
	return strings.Contains(message, "get identity:") || strings.Contains(message, "failed to refresh cached credentials")
}

// serviceID and the next three are the SDK's names of the services: both of the first two are API Gateway.
// unknownCode is its code for an answer without a code.
const (
	serviceID   = "API Gateway"
	secondID    = "ApiGatewayV2"
	serviceSTS  = "STS"
	serviceSQS  = "SQS"
	unknownCode = "UnknownError"
)

// origin is the service and operation in which the error arose. That is the innermost one: a call that needs
// credentials fails because STS failed.
func origin(err error) (service string, operation gateway.Operation) {
	service = serviceID
	var op *smithy.OperationError
	for errors.As(err, &op) {
		service, operation, err = op.ServiceID, gateway.Operation(op.OperationName), op.Err
	}
	if service == secondID {
		service = serviceID
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

// bareCode removes what AWS sometimes writes around a code: "com.amazonaws#Code:http://…".
func bareCode(code string) string {
	if _, after, ok := strings.Cut(code, "#"); ok {
		code = after
	}
	code, _, _ = strings.Cut(code, ":")
	return code
}
