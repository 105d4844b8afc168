package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

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

// Lack is something that a table must have and that a new or a restored one has not.
type Lack string

// What may be lacking.
const (
	NoTable    Lack = "the table, with its index"
	Unguarded  Lack = "deletion protection"
	NoExpiry   Lack = "time to live"
	NoRecovery Lack = "point-in-time recovery"
)

// Lacks says what [Table.Create] would do. Errors: the SDK's; [ErrOtherKeys].
func (t *Table) Lacks(ctx context.Context) (lacks []Lack, err error) {
	is, err := t.Describe(ctx)
	switch {
	case errors.Is(err, table.ErrNoTable):
		return []Lack{NoTable, Unguarded, NoExpiry, NoRecovery}, nil
	case err != nil:
		return nil, err
	case is.Active && !is.Keys:
		return nil, fmt.Errorf("the table %s: %w", t.name, ErrOtherKeys)
	}
	if !is.Protected {
		lacks = append(lacks, Unguarded)
	}
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	expiry, err := t.hasExpiry(ctx, &sdk.DescribeTimeToLiveInput{TableName: &t.name})
	if err != nil {
		return nil, fmt.Errorf("reading the time to live of the table %s: %w", t.name, err)
	}
	on := expiry.TimeToLiveDescription
	if on == nil || on.TimeToLiveStatus != types.TimeToLiveStatusEnabled && on.TimeToLiveStatus != types.TimeToLiveStatusEnabling {
		lacks = append(lacks, NoExpiry)
	}
	backups, err := t.hasBackups(ctx, &sdk.DescribeContinuousBackupsInput{TableName: &t.name})
	if err != nil {
		return nil, fmt.Errorf("reading the backups of the table %s: %w", t.name, err)
	}
	if of := backups.ContinuousBackupsDescription; of == nil || of.PointInTimeRecoveryDescription == nil ||
		of.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus != types.PointInTimeRecoveryStatusEnabled {
		lacks = append(lacks, NoRecovery)
	}
	return lacks, nil
}

// ErrOtherKeys says that the table is not a journal's.
var ErrOtherKeys = errors.New("it has another primary key than a journal, or not its index")

// createEvery is how often is asked whether a new table can be used.
const createEvery = time.Second

// Create makes the table, and waits until it can be used: paid on demand, encrypted with a key of AWS's (every table is),
// protected from being deleted, recoverable to a point in time, with a time to live. A table of that name that has the
// keys gets what it lacks of the last three. Errors: the SDK's; the context's; [ErrOtherKeys].
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
		is, err := t.Describe(ctx)
		switch {
		case err != nil && !errors.Is(err, table.ErrNoTable): // DescribeTable is eventually consistent after CreateTable
			return err
		case err == nil && is.Active:
			if err = t.protect(ctx); !notYet(err) {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the table %s: %w", t.name, ctx.Err())
		case <-time.After(createEvery):
		}
	}
}

// protect turns on what the table lacks.
func (t *Table) protect(ctx context.Context) error {
	lacks, err := t.Lacks(ctx)
	for _, lack := range lacks {
		switch lack {
		case NoTable: // it was there a moment ago
			return fmt.Errorf("the table %s: %w", t.name, table.ErrNoTable)
		case Unguarded:
			_, err = t.guard(ctx, &sdk.UpdateTableInput{TableName: &t.name, DeletionProtectionEnabled: aws.Bool(true)})
		case NoExpiry:
			_, err = t.expiry(ctx, &sdk.UpdateTimeToLiveInput{
				TableName:               &t.name,
				TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String(table.Expires), Enabled: aws.Bool(true)},
			})
		case NoRecovery:
			_, err = t.backups(ctx, &sdk.UpdateContinuousBackupsInput{
				TableName:                        &t.name,
				PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)},
			})
		}
		if err != nil {
			return fmt.Errorf("turning on the %s of the table %s: %w", lack, t.name, err)
		}
	}
	return err
}

// notYet: a table that was just made takes no backups for some seconds, and none while it is changed.
func notYet(err error) bool {
	_, later := errors.AsType[*types.ContinuousBackupsUnavailableException](err)
	_, inUse := errors.AsType[*types.ResourceInUseException](err)
	return later || inUse || errors.Is(err, table.ErrNoTable)
}
