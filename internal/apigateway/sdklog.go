package apigateway

import (
	"fmt"
	"log/slog"

	"github.com/aws/smithy-go/logging"
)

// sdkLog passes on what the SDK itself has to say, which would else go to the standard error in a form of its own. No
// request or response is in it: the SDK's client log mode, which would log them, is not switched on.
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
