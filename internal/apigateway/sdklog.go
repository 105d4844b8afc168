package apigateway

import (
	"fmt"
	"log/slog"

	"github.com/aws/smithy-go/logging"
)

// sdkLog writes the SDK's own log lines to the agent's log. Otherwise the SDK would write them to the standard error,
// in another format. They hold no request and no response, because the SDK's client log mode is not switched on.
func sdkLog(log *slog.Logger) logging.Logger {
	return logging.LoggerFunc(func(kind logging.Classification, format string, values ...any) {
		text := "the AWS SDK says: " + fmt.Sprintf(format, values...)
		if kind == logging.Warn {
			log.Warn(text)
			return
		}
		log.Debug(text)
	})
}
