package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/smithy-go"

	"federation-agent/internal/dynamodb"
	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table"
)

// Table is the table that is the journal.
type Table interface {
	table.Items
	// Lacks says what the table should have and has not.
	Lacks(ctx context.Context) ([]dynamodb.Lack, error)
}

const (
	// tableWithin has room for STS, where a role uses the table, and for some tries of each call.
	tableWithin = 40 * time.Second
	grantTable  = "federation-agent policy --of table prints what to grant"
)

// table checks the journal's table by one call of each kind. What it writes is refused: its condition is not true.
func (d *doctor) table(ctx context.Context, r row) Result {
	result, err := within(ctx, tableWithin, func(ctx context.Context) (Result, error) {
		journal, err := d.Table(ctx)
		if err != nil {
			return r.attention(err.Error(), "check agent.store.table.region and the credentials"), nil
		}
		return tableResult(ctx, r, journal), nil
	})
	if err != nil {
		return r.attention("the table does not answer", "check the network, agent.store.table.endpoint and AWS_ENDPOINT_URL")
	}
	return result
}

func tableResult(ctx context.Context, r row, journal Table) Result {
	is, err := journal.Describe(ctx)
	switch {
	case errors.Is(err, table.ErrNoTable):
		return r.attention(err.Error(), "make it by federation-agent store create, or check agent.store.table.name and its region")
	case err != nil:
		return r.attention(tableRefusal("DescribeTable", err))
	}
	if err := tablestore.Fit(is); err != nil {
		return r.attention(err.Error(), "")
	}
	meta, err := tablestore.ReadMeta(ctx, journal)
	if err != nil {
		return r.attention(tableRefusal("GetItem", err))
	}
	if text, remedy := tableCalls(ctx, journal); text != "" {
		return r.attention(text, remedy)
	}
	if meta.From != "" || meta.Table != "" && meta.Table != is.ID {
		return r.attention("it was restored or copied from another table: no key is deleted on what it says of before",
			"see what is left of it by federation-agent store accept-restore")
	}
	text := "it can be read and written"
	switch lacks, err := journal.Lacks(ctx); {
	case err != nil:
		why, _ := tableRefusal("DescribeTimeToLive and DescribeContinuousBackups", err)
		text += "; whether its time to live and its point-in-time recovery are on was not seen: " + why
	case len(lacks) > 0:
		return r.attention(fmt.Sprintf("it can be read and written, and lacks: %v", lacks),
			"turn that on by federation-agent store create")
	default:
		text += "; deletion protection, point-in-time recovery and time to live are on"
	}
	return r.good(text)
}

// tableCalls tries the rest of what the agent calls; empty if all is allowed.
func tableCalls(ctx context.Context, journal Table) (text, remedy string) {
	nobody := table.Key{Partition: "doctor", Sort: "doctor"}
	never := table.Condition{Equal: table.Item{"doctor": table.Number(1)}} // no item has it
	for _, call := range []struct {
		action string
		try    func() error
	}{
		{"Query", func() error {
			_, err := journal.Query(ctx, table.Query{Partition: nobody.Partition})
			return err
		}},
		{"Query on the index " + table.OpenIndex, func() error {
			_, err := journal.Query(ctx, table.Query{Partition: nobody.Partition, Index: true})
			return err
		}},
		{"UpdateItem", func() error {
			return journal.Update(ctx, nobody, table.Change{Set: table.Item{"doctor": table.Number(1)}, If: never})
		}},
		{"DeleteItem", func() error { return journal.Delete(ctx, nobody, never) }},
	} {
		err := call.try()
		if _, refused := errors.AsType[*table.RefusedError](err); err == nil || refused {
			continue
		}
		why, do := tableRefusal(call.action, err)
		text, remedy = join(text, why), do
		if do != grantTable {
			break // it would be the same again
		}
	}
	return text, remedy
}

// tableRefusal says what DynamoDB has refused, and what to do.
func tableRefusal(action string, err error) (text, remedy string) {
	if said, ok := errors.AsType[smithy.APIError](err); ok && said.ErrorCode() == "AccessDeniedException" {
		return "dynamodb:" + action + " is refused", grantTable
	}
	return err.Error(), "check the credentials, agent.store.table.roleArn, the region and the endpoint"
}
