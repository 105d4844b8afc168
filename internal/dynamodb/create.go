package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"federation-agent/internal/table"
)

// Describe implements [table.Items].
func (t *Table) Describe(ctx context.Context) (d table.Description, err error) {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	out, err := t.describe(ctx, &sdk.DescribeTableInput{TableName: &t.name})
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		return d, fmt.Errorf("the table %s: %w", t.name, table.ErrNoTable)
	}
	if err != nil {
		return d, fmt.Errorf("describing the table %s: %w", t.name, err)
	}
	made := out.Table
	d = table.Description{
		Name: t.name, ID: aws.ToString(made.TableId), Protected: aws.ToBool(made.DeletionProtectionEnabled),
		Active:      made.TableStatus == types.TableStatusActive || made.TableStatus == types.TableStatusUpdating,
		Consistency: string(made.MultiRegionConsistency), Keys: hasKeys(made),
	}
	for _, r := range made.Replicas {
		d.Replicas = append(d.Replicas, aws.ToString(r.RegionName))
	}
	if len(d.Replicas) > 0 && d.Consistency == "" {
		d.Consistency = table.Eventual
	}
	return d, nil
}

func hasKeys(made *types.TableDescription) bool {
	if !equalKeys(made.KeySchema, table.PartitionKey, table.SortKey) {
		return false
	}
	for _, index := range made.GlobalSecondaryIndexes {
		if aws.ToString(index.IndexName) == table.OpenIndex {
			return equalKeys(index.KeySchema, table.Open, table.SortKey)
		}
	}
	return false
}

func equalKeys(schema []types.KeySchemaElement, hash, sort string) bool {
	return len(schema) == 2 &&
		aws.ToString(schema[0].AttributeName) == hash && schema[0].KeyType == types.KeyTypeHash &&
		aws.ToString(schema[1].AttributeName) == sort && schema[1].KeyType == types.KeyTypeRange
}

func keySchema(hash, sort string) []types.KeySchemaElement {
	return []types.KeySchemaElement{
		{AttributeName: aws.String(hash), KeyType: types.KeyTypeHash},
		{AttributeName: aws.String(sort), KeyType: types.KeyTypeRange},
	}
}

// createEvery is how often is asked whether a new table can be used.
const createEvery = time.Second

// Create makes the table, and waits until it can be used: paid on demand, encrypted with a key of AWS's (every table is),
// protected from being deleted, recoverable to a point in time, with a time to live. A table of that name that has the
// keys is left as it is, but for the last two. Errors: the SDK's; the context's; a table with other keys.
func (t *Table) Create(ctx context.Context) error {
	_, err := t.create(ctx, &sdk.CreateTableInput{
		TableName: &t.name, BillingMode: types.BillingModePayPerRequest, DeletionProtectionEnabled: aws.Bool(true),
		KeySchema: keySchema(table.PartitionKey, table.SortKey),
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String(table.PartitionKey), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(table.SortKey), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(table.Open), AttributeType: types.ScalarAttributeTypeS},
		},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName: aws.String(table.OpenIndex), KeySchema: keySchema(table.Open, table.SortKey),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		}},
	})
	if _, there := errors.AsType[*types.ResourceInUseException](err); err != nil && !there {
		return fmt.Errorf("creating the table %s: %w", t.name, err)
	}
	for {
		d, err := t.Describe(ctx)
		switch {
		case err != nil && !errors.Is(err, table.ErrNoTable): // DescribeTable is eventually consistent after CreateTable
			return err
		case err == nil && d.Active && !d.Keys:
			return fmt.Errorf("the table %s has other keys than a journal", t.name)
		case err == nil && d.Active:
			return t.protect(ctx)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the table %s: %w", t.name, ctx.Err())
		case <-time.After(createEvery):
		}
	}
}

// protect turns on what CreateTable cannot.
func (t *Table) protect(ctx context.Context) error {
	_, err := t.expiry(ctx, &sdk.UpdateTimeToLiveInput{
		TableName:               &t.name,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String(table.Expires), Enabled: aws.Bool(true)},
	})
	if err != nil && !alreadySo(err) {
		return fmt.Errorf("turning on the time to live of the table %s: %w", t.name, err)
	}
	_, err = t.backups(ctx, &sdk.UpdateContinuousBackupsInput{
		TableName:                        &t.name,
		PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)},
	})
	if err != nil {
		return fmt.Errorf("turning on the point-in-time recovery of the table %s: %w", t.name, err)
	}
	return nil
}

// alreadySo: DynamoDB refuses to turn on a time to live that is on.
func alreadySo(err error) bool {
	said, ok := errors.AsType[smithy.APIError](err)
	return ok && said.ErrorCode() == "ValidationException" && strings.Contains(said.ErrorMessage(), "already enabled")
}
