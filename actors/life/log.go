package life

import (
	"federation-agent/internal/apigateway"
	"federation-agent/internal/gateway"
	"federation-agent/internal/seldom"
)

// LogAccount and the others are the names of log fields, constant so that a search or an alert finds them everywhere.
const (
	LogAccount         = "account"
	logActor           = "actor"
	LogAttempt         = "attempt"
	LogAge             = "age"
	LogAPI             = "api"
	LogAPIs            = "apis"
	LogBy              = "by"
	LogBytes           = "bytes"
	LogCause           = seldom.Cause
	LogCommand         = "command"
	LogDelay           = "delay"
	LogDialect         = "dialect"
	LogDidYouMean      = "did_you_mean"
	LogEndpoint        = "endpoint"
	LogError           = "error"
	LogExamples        = "examples"
	LogIntegration     = "integration"
	LogJob             = "job"
	LogKey             = "key"
	LogKeyName         = "key_name"
	LogKeys            = "keys"
	LogKnown           = "known"
	LogLeft            = "left"
	logMessage         = "message"
	LogOmitted         = "omitted"
	LogPartial         = "partial"
	LogPrimary         = "primary"
	LogRate            = "rate"
	LogRecord          = "record"
	LogReason          = "reason"
	LogReasons         = "reasons"
	LogRequest         = "aws_request_id"
	LogRegion          = "region"
	LogRole            = "role"
	LogSetting         = "setting"
	LogSent            = "sent"
	LogShare           = "share"
	LogState           = "state"
	LogSubscription    = "subscription"
	logStack           = "stack"
	LogStages          = "stages"
	LogStatus          = "status"
	LogTook            = "took"
	LogTotal           = "total"
	LogTarget          = "target"
	LogWithoutDocument = "without_document"
)

// OfAWS is what a line says of a failure of AWS, behind what else it says: its class, which the metrics have as result,
// the id by which AWS knows the call, if AWS has answered it, and the error.
func OfAWS(err error, more ...any) []any {
	if class := apigateway.Classify(err); class != gateway.Internal { // which is every error that is not AWS's
		more = append(more, LogCause, class.String())
	}
	if id := apigateway.RequestID(err); id != "" {
		more = append(more, LogRequest, id)
	}
	return append(more, LogError, err)
}
