package apigateway

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/smithy-go/logging"
)

func TestTheSDKsOwnLogLinesGoToTheAgentsLog(t *testing.T) {
	for kind, level := range map[logging.Classification]string{logging.Warn: "WARN", logging.Debug: "DEBUG"} {
		var written strings.Builder
		log := slog.New(slog.NewJSONHandler(&written, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c, err := NewCredentials(t.Context(), CredentialsOptions{Regions: []string{"eu-west-1"}, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		c.Config("eu-west-1", "").Logger.Logf(kind, "retry %d", 2)
		var line struct{ Level, Msg string }
		last := written.String()[strings.LastIndex(strings.TrimSpace(written.String()), "\n")+1:]
		err = json.Unmarshal([]byte(last), &line)
		if err != nil || line.Level != level || line.Msg != "the AWS SDK says: retry 2" {
			t.Errorf("%v: %q", err, written.String())
		}
	}
}
