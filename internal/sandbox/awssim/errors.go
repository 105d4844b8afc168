package awssim

import (
	"fmt"
	"net/http"
	"time"
)

// Error codes as AWS sends them in x-amzn-ErrorType (API Gateway) or in <Code> (STS).
const (
	CodeAccessDenied           = "AccessDeniedException"
	CodeBadRequest             = "BadRequestException"
	CodeConflict               = "ConflictException"
	CodeExpiredToken           = "ExpiredTokenException"
	CodeIncompleteSignature    = "IncompleteSignatureException"
	CodeInvalidSignature       = "InvalidSignatureException"
	CodeLimitExceeded          = "LimitExceededException"
	CodeMissingAuthentication  = "MissingAuthenticationTokenException"
	CodeNotFound               = "NotFoundException"
	CodeServiceUnavailable     = "ServiceUnavailableException"
	CodeTooManyRequests        = "TooManyRequestsException"
	CodeUnknownOperation       = "UnknownOperationException"
	CodeUnrecognizedClient     = "UnrecognizedClientException"
	codeSTSAccessDenied        = "AccessDenied"
	codeSTSExpiredToken        = "ExpiredToken"
	codeSTSInvalidAction       = "InvalidAction"
	codeSTSInvalidClientToken  = "InvalidClientTokenId"
	codeSTSMissingToken        = "MissingAuthenticationToken"
	codeSTSIncompleteSignature = "IncompleteSignature"
	codeSTSInvalidSignature    = "SignatureDoesNotMatch"
	codeSTSThrottling          = "Throttling"
	codeSTSValidation          = "ValidationError"
)

// Texts recorded from AWS, or worded as the reference says.
const (
	messageTooManyRequests    = "Too Many Requests"
	messageConcurrentChange   = "Unable to complete operation due to concurrent modification. Please try again later."
	messageInvalidToken       = "The security token included in the request is invalid."
	messageExpiredToken       = "The security token included in the request is expired"
	messageMissingToken       = "Missing Authentication Token"
	messageNoSuchKey          = "Invalid API Key identifier specified"
	messageNoSuchPlan         = "Invalid Usage Plan ID specified"
	messageNoSuchStage        = "Invalid stage identifier specified"
	messageKeyExists          = "API Key already exists"
	messageKeyNameTooLong     = "Invalid API Key name, can be at most 1024 characters."
	messageKeyDescription     = "Invalid API Key description specified."
	messageKeyValueShort      = "API Key value should be at least 20 characters"
	messageKeyValueLong       = "API Key value exceeds maximum size of 128 characters"
	messageInvalidRequestBody = "Invalid request input"
	messageServiceUnavailable = "Service Unavailable"
)

// apiError is an answer other than success. It is a value of this stand-in's domain, not a Go error: it
// goes to the client as it is.
type apiError struct {
	status     int
	code       string
	message    string
	retryAfter time.Duration
}

func refuse(status int, code, format string, args ...any) *apiError {
	return &apiError{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) *apiError {
	return refuse(http.StatusNotFound, CodeNotFound, format, args...)
}

func badRequest(format string, args ...any) *apiError {
	return refuse(http.StatusBadRequest, CodeBadRequest, format, args...)
}

func noSuchAPI(scope Scope, id string) *apiError {
	return notFound("Invalid API identifier specified %s:%s", scope.Account, id)
}

func throttled() *apiError {
	return refuse(http.StatusTooManyRequests, CodeTooManyRequests, messageTooManyRequests)
}
