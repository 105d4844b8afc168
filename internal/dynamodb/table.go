// Package dynamodb asks Amazon DynamoDB for the items of one table (see internal/table), and makes that table. It needs
// dynamodb:GetItem, Query, UpdateItem, DeleteItem and DescribeTable on it; to see what it lacks DescribeTimeToLive and
// DescribeContinuousBackups; and to make it CreateTable, UpdateTable, UpdateTimeToLive and UpdateContinuousBackups.
package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"federation-agent/internal/table"
)

const (
	// callWithin bounds one call with all its attempts. DynamoDB answers within 10 ms or so; a table that is throttled
	// or far away takes longer.
	callWithin = 5 * time.Second
	// attempts is how often a call is tried at most.
	attempts = 4
)

// Table is one table of DynamoDB. It implements [table.Items]. It holds the SDK's operations one by one, so that the linker
// drops those that nobody calls.
type Table struct {
	name     string
	region   string
	get      operation[sdk.GetItemInput, sdk.GetItemOutput]
	update   operation[sdk.UpdateItemInput, sdk.UpdateItemOutput]
	remove   operation[sdk.DeleteItemInput, sdk.DeleteItemOutput]
	query    operation[sdk.QueryInput, sdk.QueryOutput]
	describe operation[sdk.DescribeTableInput, sdk.DescribeTableOutput]
	create   operation[sdk.CreateTableInput, sdk.CreateTableOutput]
	expiry   operation[sdk.UpdateTimeToLiveInput, sdk.UpdateTimeToLiveOutput]
	backups  operation[sdk.UpdateContinuousBackupsInput, sdk.UpdateContinuousBackupsOutput]
	guard    operation[sdk.UpdateTableInput, sdk.UpdateTableOutput]

	hasExpiry  operation[sdk.DescribeTimeToLiveInput, sdk.DescribeTimeToLiveOutput]
	hasBackups operation[sdk.DescribeContinuousBackupsInput, sdk.DescribeContinuousBackupsOutput]
}

type operation[In, Out any] func(context.Context, *In, ...func(*sdk.Options)) (*Out, error)

// New makes the client of a table. It calls nobody. Endpoint is asked instead of AWS's own, if it is not empty.
func New(cfg aws.Config, endpoint, name string) *Table {
	c := sdk.NewFromConfig(cfg, func(o *sdk.Options) {
		o.RetryMaxAttempts = attempts
		if o.Credentials != nil {
			o.Credentials = signer{o.Credentials}
		}
		if endpoint != "" {
			o.BaseEndpoint = aws.String(endpoint)
		}
	})
	return &Table{
		name: name, region: cfg.Region, get: c.GetItem, update: c.UpdateItem, remove: c.DeleteItem, query: c.Query,
		describe: c.DescribeTable, create: c.CreateTable, expiry: c.UpdateTimeToLive, backups: c.UpdateContinuousBackups,
		guard: c.UpdateTable, hasExpiry: c.DescribeTimeToLive, hasBackups: c.DescribeContinuousBackups,
	}
}

// Name is the table's name.
func (t *Table) Name() string { return t.name }

// Region is where it is.
func (t *Table) Region() string { return t.region }

// Get implements [table.Items].
func (t *Table) Get(ctx context.Context, key table.Key) (table.Item, error) {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	out, err := t.get(ctx, &sdk.GetItemInput{TableName: &t.name, Key: primary(key), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, t.away(err, false)
	}
	return itemOf(out.Item), nil
}

// Query implements [table.Items].
func (t *Table) Query(ctx context.Context, q table.Query) (found []table.Found, err error) {
	ctx, cancel := context.WithTimeout(ctx, callWithin*attempts)
	defer cancel()
	in := &sdk.QueryInput{
		TableName: &t.name, KeyConditionExpression: aws.String("#p = :p"), ConsistentRead: aws.Bool(!q.Index),
		ExpressionAttributeNames:  map[string]string{"#p": table.PartitionKey},
		ExpressionAttributeValues: map[string]types.AttributeValue{":p": &types.AttributeValueMemberS{Value: q.Partition}},
	}
	if q.Index {
		in.IndexName, in.ExpressionAttributeNames["#p"] = aws.String(table.OpenIndex), table.Open
	}
	if q.Prefix != "" {
		in.KeyConditionExpression = aws.String("#p = :p AND begins_with(#s, :s)")
		in.ExpressionAttributeNames["#s"] = table.SortKey
		in.ExpressionAttributeValues[":s"] = &types.AttributeValueMemberS{Value: q.Prefix}
	}
	for {
		out, err := t.query(ctx, in)
		if err != nil {
			return nil, t.away(err, false)
		}
		for _, item := range out.Items {
			found = append(found, table.Found{Key: keyOf(item), Item: itemOf(item)})
		}
		if len(out.LastEvaluatedKey) == 0 {
			return found, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// Update implements [table.Items].
func (t *Table) Update(ctx context.Context, key table.Key, change table.Change) error {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	e := expressions{}
	in := &sdk.UpdateItemInput{
		TableName: &t.name, Key: primary(key), UpdateExpression: e.update(change), ConditionExpression: e.condition(change.If),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	in.ExpressionAttributeNames, in.ExpressionAttributeValues = e.names, e.values
	_, err := t.update(ctx, in, onlyIfNotTaken)
	return t.written(key, err)
}

// Delete implements [table.Items].
func (t *Table) Delete(ctx context.Context, key table.Key, on table.Condition) error {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	e := expressions{}
	in := &sdk.DeleteItemInput{
		TableName: &t.name, Key: primary(key), ConditionExpression: e.condition(on),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	in.ExpressionAttributeNames, in.ExpressionAttributeValues = e.names, e.values
	_, err := t.remove(ctx, in, onlyIfNotTaken)
	return t.written(key, err)
}

// onlyIfNotTaken has the SDK try a write again only where DynamoDB has surely not taken it. Else a second attempt would
// be refused by the first one's success, and nobody could tell whose that was.
func onlyIfNotTaken(o *sdk.Options) {
	o.Retryer = retry.NewStandard(func(s *retry.StandardOptions) {
		s.MaxAttempts = attempts
		s.Retryables = []retry.IsErrorRetryable{retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			if throttled(err) || neverSent(err) {
				return aws.TrueTernary
			}
			return aws.FalseTernary
		})}
	})
}

// written sorts the outcome of a write.
func (t *Table) written(key table.Key, err error) error {
	if err == nil {
		return nil
	}
	if refused, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return &table.RefusedError{Key: key, Item: itemOf(refused.Item)}
	}
	outcome := table.ErrUnknown
	if neverSent(err) || throttled(err) || turnedDown(err) {
		outcome = table.ErrNotWritten
	}
	return fmt.Errorf("%w: %w", outcome, t.away(err, true))
}

// away says why a call failed. One that its caller has broken off says nothing of the table.
func (t *Table) away(err error, write bool) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return &table.AwayError{Table: t.name, Write: write, Why: whyOf(err), Cause: err}
}

// denied are DynamoDB's codes for credentials or grants that it does not take (API reference, Common Errors).
var denied = []string{
	"AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException", "IncompleteSignature",
	"MissingAuthenticationToken", "ExpiredTokenException", "InvalidClientTokenId", "AccessDenied", "OptInRequired",
}

func whyOf(err error) table.Why {
	_, missing := errors.AsType[*types.ResourceNotFoundException](err)
	said, answered := errors.AsType[smithy.APIError](err)
	_, broken := errors.AsType[net.Error](err)
	switch {
	case missing:
		return table.Missing
	case throttled(err):
		return table.Throttled
	case answered && slices.Contains(denied, said.ErrorCode()), unsigned(err):
		return table.Denied
	case answered:
		return table.Failing
	case errors.Is(err, context.DeadlineExceeded):
		return table.Slow
	case broken:
		return table.Unreachable
	}
	return table.Failing
}

func throttled(err error) bool {
	return retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}.IsErrorThrottle(err) == aws.TrueTernary
}

// neverSent reports that no connection to DynamoDB was made, or that there are no credentials to sign the call with.
func neverSent(err error) bool {
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial" || unsigned(err)
}

// turnedDown reports that the call was answered with a client's fault. The status says so: most of DynamoDB's codes,
// AccessDeniedException among them, are of no type of the SDK's, and then it knows of no fault.
func turnedDown(err error) bool {
	answer, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err)
	return ok && answer.HTTPStatusCode()/100 == 4 && answer.HTTPStatusCode() != http.StatusRequestTimeout
}

// unsigned reports that there were no credentials to sign a call with.
func unsigned(err error) bool {
	_, is := errors.AsType[*unsignedError](err)
	return is
}

// signer marks the errors of credentials. The SDK wraps them in a plain error, as it does with much else.
type signer struct{ aws.CredentialsProvider }

// Retrieve implements aws.CredentialsProvider.
func (s signer) Retrieve(ctx context.Context) (aws.Credentials, error) {
	got, err := s.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return got, &unsignedError{err}
	}
	return got, nil
}

type unsignedError struct{ error }

func (e *unsignedError) Unwrap() error { return e.error }

// expressions collects the names and values of expressions. Every name goes by a placeholder: DynamoDB reserves some
// 570 words.
type expressions struct {
	names  map[string]string
	values map[string]types.AttributeValue
}

func (e *expressions) name(attribute string) string {
	for placeholder, known := range e.names {
		if known == attribute {
			return placeholder
		}
	}
	if e.names == nil {
		e.names = map[string]string{}
	}
	placeholder := "#n" + strconv.Itoa(len(e.names))
	e.names[placeholder] = attribute
	return placeholder
}

func (e *expressions) value(v table.Value) string {
	if e.values == nil {
		e.values = map[string]types.AttributeValue{}
	}
	placeholder := ":v" + strconv.Itoa(len(e.values))
	e.values[placeholder] = attribute(v)
	return placeholder
}

func (e *expressions) update(c table.Change) *string {
	var set, remove []string
	for _, name := range slices.Sorted(maps.Keys(c.Set)) {
		set = append(set, e.name(name)+" = "+e.value(c.Set[name]))
	}
	for _, name := range c.Remove {
		remove = append(remove, e.name(name))
	}
	var all []string
	if len(set) > 0 {
		all = append(all, "SET "+strings.Join(set, ", "))
	}
	if len(remove) > 0 {
		all = append(all, "REMOVE "+strings.Join(remove, ", "))
	}
	return expression(all, " ")
}

func (e *expressions) condition(c table.Condition) *string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(c.Equal)) {
		all = append(all, e.name(name)+" = "+e.value(c.Equal[name]))
	}
	for _, name := range c.Absent {
		all = append(all, "attribute_not_exists("+e.name(name)+")")
	}
	return expression(all, " AND ")
}

func expression(parts []string, between string) *string {
	if len(parts) == 0 {
		return nil
	}
	return aws.String(strings.Join(parts, between))
}

func primary(key table.Key) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		table.PartitionKey: &types.AttributeValueMemberS{Value: key.Partition},
		table.SortKey:      &types.AttributeValueMemberS{Value: key.Sort},
	}
}

func keyOf(item map[string]types.AttributeValue) table.Key {
	partition, _ := valueOf(item[table.PartitionKey])
	sort, _ := valueOf(item[table.SortKey])
	return table.Key{Partition: partition.Text(), Sort: sort.Text()}
}

func attribute(v table.Value) (a types.AttributeValue) {
	v.Each(
		func(text string) { a = &types.AttributeValueMemberS{Value: text} },
		func(number int64) { a = &types.AttributeValueMemberN{Value: strconv.FormatInt(number, 10)} },
		func(bytes []byte) { a = &types.AttributeValueMemberB{Value: bytes} },
	)
	return a
}

func valueOf(a types.AttributeValue) (table.Value, bool) {
	switch a := a.(type) {
	case *types.AttributeValueMemberS:
		return table.Text(a.Value), true
	case *types.AttributeValueMemberN:
		n, err := strconv.ParseInt(a.Value, 10, 64)
		return table.Number(n), err == nil
	case *types.AttributeValueMemberB:
		return table.Bytes(a.Value), true
	}
	return table.Value{}, false
}

// itemOf is nil for an item that does not exist.
func itemOf(attributes map[string]types.AttributeValue) table.Item {
	if len(attributes) == 0 {
		return nil
	}
	item := table.Item{}
	for name, a := range attributes {
		if v, known := valueOf(a); known && name != table.PartitionKey && name != table.SortKey {
			item[name] = v
		}
	}
	return item
}
