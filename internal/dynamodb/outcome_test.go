package dynamodb_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"federation-agent/internal/dynamodb"
	"federation-agent/internal/table"
)

// answers is DynamoDB, or what stands in its way.
type answers struct {
	status int
	code   string
}

func (a answers) Do(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: a.status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body: io.NopCloser(strings.NewReader(`{"__type":"com.amazon.coral.service#` + a.code + `","message":"no"}`)),
	}, nil
}

// Whoever is told that nobody knows sends the write again, and may not go on. So that is said only where it is true.
func TestWhatWasSurelyNotWrittenIsKnown(t *testing.T) {
	signed := credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "unchecked", "")
	without := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("there are none")
	})
	for name, c := range map[string]struct {
		answers
		credentials aws.CredentialsProvider
		want        error
		why         table.Why
	}{
		"denied":   {answers{status: 400, code: "AccessDeniedException"}, signed, table.ErrNotWritten, table.Denied},
		"unsigned": {answers{}, without, table.ErrNotWritten, table.Denied},
		"invalid":  {answers{status: 400, code: "ValidationException"}, signed, table.ErrNotWritten, table.Failing},
		"missing":  {answers{status: 400, code: "ResourceNotFoundException"}, signed, table.ErrNotWritten, table.Missing},
		"too late": {answers{status: 408, code: "RequestTimeout"}, signed, table.ErrUnknown, table.Failing},
		"broken":   {answers{status: 500, code: "InternalServerError"}, signed, table.ErrUnknown, table.Failing},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tb := dynamodb.New(aws.Config{Region: "eu-west-1", Credentials: c.credentials, HTTPClient: c.answers}, "", "journal")
				for _, err := range []error{
					tb.Update(t.Context(), table.Key{Partition: "p", Sort: "s"}, table.Change{Set: table.Item{"a": table.Number(1)}}),
					tb.Delete(t.Context(), table.Key{Partition: "p", Sort: "s"}, table.Condition{}),
				} {
					if away := table.Away(err); !errors.Is(err, c.want) || away == nil || away.Why != c.why {
						t.Errorf("%v", err)
					}
				}
			})
		})
	}
}
