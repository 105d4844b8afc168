package life

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"federation-agent/internal/apigateway"
	"federation-agent/internal/apimrest"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/keys"
	"federation-agent/internal/seldom"
	"federation-agent/internal/status"
	"federation-agent/internal/table"
)

// LogAccount and the others are the names of log fields, constant so that a search or an alert finds them everywhere.
const (
	LogAccount         = "account"
	logActor           = "actor"
	LogAttempt         = "attempt"
	LogAge             = "age"
	LogAPI             = "api"
	LogAPIs            = "apis"
	LogAPIMID          = "apim_id"
	LogBy              = "by"
	LogBytes           = "bytes"
	LogCause           = seldom.Cause
	LogCommand         = "command"
	LogDelay           = "delay"
	LogDialect         = "dialect"
	LogDidYouMean      = "did_you_mean"
	LogDrift           = "drift"
	LogEndpoint        = "endpoint"
	LogEntries         = "entries"
	LogError           = "error"
	LogExamples        = "examples"
	LogHost            = "host"
	LogIntegration     = "integration"
	LogJob             = "job"
	LogKey             = "key"
	LogKeyName         = "key_name"
	LogKeys            = "keys"
	LogKnown           = "known"
	LogLeft            = "left"
	LogMember          = "member"
	logMessage         = "message"
	LogName            = "name"
	LogNext            = "next"
	LogOmitted         = "omitted"
	logOperation       = "operation"
	LogOutcome         = "outcome"
	LogPartial         = "partial"
	LogPrimary         = "primary"
	LogRate            = "calls_per_second"
	LogRecord          = "record"
	LogReason          = "reason"
	LogReasons         = "reasons"
	LogRequest         = "aws_request_id"
	LogRegion          = "region"
	LogRegionsOff      = "off"
	LogRegionsOn       = "on"
	logResult          = "result"
	LogRole            = "role"
	LogSetting         = "setting"
	LogSent            = "sent"
	LogShare           = "at_most"
	LogState           = "state"
	LogSubscription    = "subscription"
	logStack           = "stack"
	LogStages          = "stages"
	LogStatus          = "status"
	LogTook            = "took"
	LogTotal           = "total"
	LogTarget          = "target"
	LogTargets         = "targets"
	LogType            = "type"
	LogUnchanged       = "unchanged"
	LogVersion         = "version"
	LogWaited          = "waited"
	LogWithoutDocument = "without_document"
)

// LevelOf is the level of a line about what needs somebody, or mends itself.
func LevelOf(needsSomebody bool) slog.Level {
	if needsSomebody {
		return slog.LevelError
	}
	return slog.LevelWarn
}

// LogFailure logs a failure of AWS, or of APIM's REST API, at the level that it asks for. Behind what else the line
// says stand the failure's class, which the metrics of AWS's calls have as result, the id by which AWS knows the call, if
// AWS has answered it, and the error. A failure of the journal's table has no class: the error says it all.
func LogFailure(log *slog.Logger, err error, text string, more ...any) {
	if e, ok := errors.AsType[*apimrest.Error](err); ok {
		log.Log(context.Background(), LevelOf(NeedsSomebody(err)), text, append(more, LogCause, string(e.Class), LogReason, err)...)
		return
	}
	if table.Away(err) != nil {
		log.Log(context.Background(), LevelOf(NeedsSomebody(err)), text, append(more, LogError, err)...)
		return
	}
	class := apigateway.Classify(err)
	if class != gateway.Internal { // which is every error that is not AWS's
		more = append(more, LogCause, class.String())
	}
	if id := apigateway.RequestID(err); id != "" {
		more = append(more, LogRequest, id)
	}
	log.Log(context.Background(), LevelOf(class.NeedsSomebody()), text, append(more, LogError, err)...)
}

// NeedsSomebody says that a failure of AWS, of the journal's table, or of APIM's REST API lasts until a person changes
// something.
func NeedsSomebody(err error) bool {
	if away := table.Away(err); away != nil {
		return away.Why.Lasts()
	}
	if e, ok := errors.AsType[*apimrest.Error](err); ok {
		return e.Class.NeedsSomebody()
	}
	return apigateway.Classify(err).NeedsSomebody()
}

// Where is what a line says of a target and the role by which it is read, which is left out if there is none.
func Where(t federation.Target, role string) []any {
	if role == "" {
		return []any{LogTarget, t}
	}
	return []any{LogTarget, t, LogRole, role}
}

// OfAttempt is what a line says of one attempt at AWS, behind what else it says. Its result is the metrics'.
func OfAttempt(operation gateway.Operation, outcome gateway.Outcome, more ...any) []any {
	more = append(more, logOperation, string(operation), logResult, outcome.Class.String(),
		LogTook, outcome.Took.Round(time.Millisecond))
	if outcome.Request != "" {
		more = append(more, LogRequest, outcome.Request)
	}
	return more
}

// OfCommand is what a line says of a command that has had its one answer, or will have none, after so much time.
func OfCommand(c status.FailedCommand, took time.Duration) []any {
	line := []any{LogType, c.Type, LogCommand, c.ID, LogOutcome, string(c.Outcome), LogTook, took.Round(time.Millisecond)}
	for _, more := range [][2]string{{LogJob, c.Job}, {LogSubscription, c.Subscription}, {LogReason, c.Reason}} {
		if more[1] != "" {
			line = append(line, more[0], more[1])
		}
	}
	return line
}

// LogOrder keeps what is forgotten with a key's record: who wanted what of it, and why.
func LogOrder(log *slog.Logger, o keys.Order, r keys.Record, err error) {
	line := "an API key is deleted, as an operator wants it"
	if o.Wanted == keys.Acknowledge {
		line = "an operator has looked at an API key"
	}
	if err != nil {
		log.Info("what an operator wants of an API key is not done", LogBy, o.By, LogRecord, o.ID, LogError, err)
		return
	}
	log.Info(line, LogBy, o.By, LogReason, o.Reason, LogKey, r.KeyID, LogKeyName, r.KeyName,
		LogTarget, o.Of.Account+":"+o.Of.Region, LogSubscription, o.Of.ID)
}
