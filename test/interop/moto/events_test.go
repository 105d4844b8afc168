//go:build interop

package moto

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"federation-agent/internal/apigateway"
	"federation-agent/internal/gateway"
)

func TestAQueueGivesOutEventsUntilTheyAreDeleted(t *testing.T) {
	r := newRig(t)
	cfg := aws.Config{
		Region: "eu-west-1", BaseEndpoint: &r.URL,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "unchecked", ""),
	}
	owner := sqs.NewFromConfig(cfg)
	made, err := owner.CreateQueue(r.ctx, &sqs.CreateQueueInput{
		QueueName: aws.String("events"), Attributes: map[string]string{"VisibilityTimeout": "0"},
	})
	if err != nil {
		t.Fatal(err)
	}
	const body = `{"source":"aws.apigateway"}`
	if _, err := owner.SendMessage(r.ctx, &sqs.SendMessageInput{QueueUrl: made.QueueUrl, MessageBody: aws.String(body)}); err != nil {
		t.Fatal(err)
	}
	agents, err := apigateway.NewCredentials(r.ctx, apigateway.CredentialsOptions{Regions: []string{"eu-west-1"}})
	if err != nil {
		t.Fatal(err)
	}
	signed := agents.Config("eu-west-1", "")
	signed.Credentials = cfg.Credentials
	queue := apigateway.NewQueue(signed, *made.QueueUrl)
	for range 2 { // not deleted, it comes again
		got, err := queue.Receive(r.ctx, apigateway.MaxMessages)
		if err != nil || len(got) != 1 || got[0].Body != body {
			t.Fatalf("%v, %v", got, err)
		}
	}
	got, err := queue.Receive(r.ctx, apigateway.MaxMessages)
	if err != nil {
		t.Fatal(err)
	}
	if err := queue.Delete(r.ctx, got); err != nil {
		t.Fatal(err)
	}
	if got, err := queue.Receive(r.ctx, 1); err != nil || len(got) != 0 {
		t.Errorf("after it was deleted: %v, %v", got, err)
	}
	_, err = apigateway.NewQueue(signed, r.URL+"/123456789012/none").Receive(r.ctx, 1)
	if class := apigateway.Classify(err); class != gateway.NotFound {
		t.Errorf("a queue that does not exist: %v, %v", class, err)
	}
	t.Log(apigateway.Explain(err))
}
