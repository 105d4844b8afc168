package awssim

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// journal is a table as an agent makes it, but for what is of no use here.
func journal() *dynamodb.CreateTableInput {
	keys := func(hash, sort string) []types.KeySchemaElement {
		return []types.KeySchemaElement{
			{AttributeName: &hash, KeyType: types.KeyTypeHash}, {AttributeName: &sort, KeyType: types.KeyTypeRange},
		}
	}
	return &dynamodb.CreateTableInput{
		TableName: aws.String("t"), BillingMode: types.BillingModePayPerRequest, KeySchema: keys("pk", "sk"),
		DeletionProtectionEnabled: aws.Bool(true),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName: aws.String("index"), KeySchema: keys("open", "sk"),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		}},
	}
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func itemKey(hash, sort string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"pk": text(hash), "sk": text(sort)}
}

// update sets the attribute open of t's item p, s, on a condition.
func update(sort, condition, open string) *dynamodb.UpdateItemInput {
	in := &dynamodb.UpdateItemInput{
		TableName: aws.String("t"), Key: itemKey("p", sort), UpdateExpression: aws.String("SET #n0 = :v0"),
		ExpressionAttributeNames:            map[string]string{"#n0": "open", "#n1": "more"},
		ExpressionAttributeValues:           map[string]types.AttributeValue{":v0": text(open), ":v1": text("first")},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	if condition != "" {
		in.ConditionExpression = &condition
	}
	return in
}

func TestATableIsWrittenOnAConditionAndRead(t *testing.T) {
	r := newRig(t, Options{Estate: smallEstate()})
	ctx, client := context.Background(), dynamodb.NewFromConfig(r.config(agentKeyA, "", region1))
	if _, err := client.CreateTable(ctx, journal()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		in   *dynamodb.UpdateItemInput
		held string // what is there where the condition is not true
	}{
		{update("s2", "attribute_not_exists(#n0)", "first"), ""},
		{update("s2", "attribute_not_exists(#n0)", "second"), "first"},
		{update("s2", "#n0 = :v1 AND attribute_not_exists(#n1)", "second"), ""},
		{update("s2", "#n0 = :v1", "third"), "second"},
		{update("s1", "", "second"), ""},
	} {
		_, err := client.UpdateItem(ctx, c.in)
		refused, is := errors.AsType[*types.ConditionalCheckFailedException](err)
		if is != (c.held != "") || err != nil && !is {
			t.Fatalf("%s: %v", aws.ToString(c.in.ConditionExpression), err)
		}
		if is {
			if held, _ := refused.Item["open"].(*types.AttributeValueMemberS); held == nil || held.Value != c.held {
				t.Errorf("there is %+v, want %s", refused.Item, c.held)
			}
		}
	}
	query := &dynamodb.QueryInput{
		TableName: aws.String("t"), IndexName: aws.String("index"),
		KeyConditionExpression:   aws.String("#p = :p AND begins_with(#s, :s)"),
		ExpressionAttributeNames: map[string]string{"#p": "open", "#s": "sk"},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":p": text("second"), ":s": text("s"),
		},
	}
	found := func() (keys []string) {
		out, err := client.Query(ctx, query)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range out.Items {
			sort, _ := item["sk"].(*types.AttributeValueMemberS)
			keys = append(keys, sort.Value)
		}
		return keys
	}
	if got := strings.Join(found(), " "); got != "s1 s2" {
		t.Errorf("the index has %s", got)
	}
	out := update("s2", "", "")
	out.UpdateExpression, out.ExpressionAttributeValues = aws.String("REMOVE #n0"), nil
	if _, err := client.UpdateItem(ctx, out); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(found(), " "); got != "s1" {
		t.Errorf("without the attribute that it is for, the index has %s", got)
	}
	if _, err := client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: aws.String("t"), Key: itemKey("p", "s1")}); err != nil {
		t.Fatal(err)
	}
	got, err := client.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("t"), Key: itemKey("p", "s1")})
	if err != nil || len(got.Item) > 0 || len(found()) > 0 {
		t.Errorf("after it was deleted: %v, %v", got, err)
	}
}

func TestATableRefusesWhatDynamoDBRefuses(t *testing.T) {
	r := newRig(t, Options{Estate: smallEstate()})
	ctx, client := context.Background(), dynamodb.NewFromConfig(r.config(agentKeyA, "", region1))
	put := func(in *dynamodb.UpdateItemInput) error {
		_, err := client.UpdateItem(ctx, in)
		return err
	}
	if err := put(update("s", "", "x")); code(err) != CodeNoSuchTable {
		t.Errorf("without a table: %v", err)
	}
	for _, want := range []string{"", codeTableInUse} {
		if _, err := client.CreateTable(ctx, journal()); code(err) != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
	half := update("s", "", "x")
	delete(half.Key, "sk")
	function := update("s", "size(#n0) = :v0", "x")
	for name, in := range map[string]*dynamodb.UpdateItemInput{
		"half a key": half, "too large": update("s", "", strings.Repeat("x", mostItemBytes)), "an unknown function": function,
	} {
		if err := put(in); code(err) != codeTableBadRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	elsewhere := dynamodb.NewFromConfig(r.config(agentKeyA, "", "ap-south-1"))
	_, err := elsewhere.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("t")})
	if code(err) != CodeNoSuchTable {
		t.Errorf("in another region: %v", err)
	}
}

func code(err error) string {
	if said, is := errors.AsType[smithy.APIError](err); is {
		return said.ErrorCode()
	}
	return ""
}

func TestARestoredTableHasItsItemsAndNothingElse(t *testing.T) {
	r := newRig(t, Options{Estate: smallEstate()})
	ctx, client := context.Background(), dynamodb.NewFromConfig(r.config(agentKeyA, "", region1))
	if _, err := client.CreateTable(ctx, journal()); err != nil {
		t.Fatal(err)
	}
	if _, err := client.UpdateItem(ctx, update("s", "", "x")); err != nil {
		t.Fatal(err)
	}
	described := func() *types.TableDescription {
		out, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("t")})
		if err != nil {
			t.Fatal(err)
		}
		return out.Table
	}
	before := described()
	if err := r.Restore(scopeA(), "t"); err != nil {
		t.Fatal(err)
	}
	after := described()
	if *after.TableId == *before.TableId || !*before.DeletionProtectionEnabled || *after.DeletionProtectionEnabled {
		t.Errorf("%+v became %+v", before, after)
	}
	if got, err := client.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("t"), Key: itemKey("p", "s")}); err != nil ||
		len(got.Item) == 0 {
		t.Errorf("%v, %v", got, err)
	}
	if err := r.Restore(scopeA(), "another"); !errors.Is(err, ErrUnknown) {
		t.Errorf("a table that is not there: %v", err)
	}
}
