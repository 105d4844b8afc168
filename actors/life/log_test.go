package life_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/smithy-go"

	"federation-agent/actors/life"
	"federation-agent/internal/table"
)

// DynamoDB's errors are not API Gateway's, so none of them is a fault of the credentials for that.
func TestAFailureOfTheJournalsTableIsNamedByItself(t *testing.T) {
	for why, level := range map[table.Why]string{
		table.Throttled: "WARN", table.Slow: "WARN", table.Failing: "WARN", table.Missing: "ERROR", table.Denied: "ERROR",
	} {
		cause := &smithy.OperationError{ServiceID: "DynamoDB", OperationName: "Query", Err: &smithy.GenericAPIError{Code: "Any"}}
		err := fmt.Errorf("reading: %w", errors.Join(&table.AwayError{Table: "journal", Why: why, Cause: cause}))
		var text bytes.Buffer
		life.LogFailure(slog.New(slog.NewTextHandler(&text, nil)), err, "no API key was made")
		if said := text.String(); !strings.Contains(said, "level="+level) || strings.Contains(said, "cause=") ||
			!strings.Contains(said, string(why)) {
			t.Errorf("%s: %s", why, said)
		}
	}
}
