package table

import (
	"errors"
	"fmt"
)

// Why is why a table cannot be used: what AWS or the network does, and what to do about it.
type Why string

// The reasons, as people read them.
const (
	Throttled Why = "DynamoDB throttles it: see the table's metrics ThrottledRequests and ConsumedWriteCapacityUnits, and " +
		"whether it is paid on demand"
	Slow        Why = "DynamoDB does not answer in time: see the network between the agent and DynamoDB, and AWS's health page"
	Unreachable Why = "DynamoDB cannot be reached: see DNS, proxy, firewall and VPC endpoint, and agent.store.table.endpoint"
	Denied      Why = "DynamoDB denies access: give the grant that federation-agent policy prints, and see " +
		"agent.store.table.roleArn and the credentials"
	Missing Why = "there is no such table: see its name, agent.store.table.region and the account of the credentials, or " +
		"create it (federation-agent store create)"
	Failing Why = "DynamoDB answers with an error"
)

// Lasts reports whether the reason stays until somebody mends it. The others pass by themselves.
func (w Why) Lasts() bool { return w == Denied || w == Missing }

// AwayError says that a table could not be read or written, and why. A write's error is also [ErrNotWritten] or
// [ErrUnknown].
type AwayError struct {
	// Table is the table's name.
	Table string
	// Write: it could not be written, else it could not be read.
	Write bool
	Why   Why
	// Cause has details for the log: request ids, ARNs.
	Cause error
}

// Explain is what users of APIM may read: the table, the setting that names it, and the reason.
func (e *AwayError) Explain() string {
	what := "read"
	if e.Write {
		what = "written"
	}
	return fmt.Sprintf("the journal's table %s (agent.store.table.name) cannot be %s: %s", e.Table, what, e.Why)
}

func (e *AwayError) Error() string {
	if e.Cause == nil {
		return e.Explain()
	}
	return e.Explain() + ": " + e.Cause.Error()
}

func (e *AwayError) Unwrap() error { return e.Cause }

// Explain is what users of APIM may read of an error: [AwayError.Explain] where the table is away, else the error's own text.
func Explain(err error) string {
	if away := Away(err); away != nil {
		return away.Explain()
	}
	return err.Error()
}

// Away is the [AwayError] in an error; nil if there is none.
func Away(err error) *AwayError {
	away, _ := errors.AsType[*AwayError](err)
	return away
}
