package awssim

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const eventsQueue = "events"

func withQueue(policy *Policy) Options {
	e := smallEstate()
	e.Accounts[0].Regions[0].Queues = []string{eventsQueue}
	e.Accounts[0].Principals[0].Policy = policy
	return Options{Estate: e}
}

func TestAQueueGivesOutItsMessagesUntilTheyAreDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, withQueue(AllowAll()))
		client := sqs.NewFromConfig(r.config(agentKeyA, "", region1))
		url := aws.String(QueueURL(testBaseURL, scopeA(), eventsQueue))
		receive := func() []types.Message {
			t.Helper()
			out, err := client.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{
				QueueUrl: url, MaxNumberOfMessages: 10, WaitTimeSeconds: 20,
			})
			if err != nil {
				t.Fatal(err)
			}
			return out.Messages
		}
		began := time.Now()
		if got := receive(); len(got) != 0 || time.Since(began) != 20*time.Second {
			t.Errorf("an empty queue: %v after %s", got, time.Since(began))
		}
		began = time.Now()
		go func() {
			time.Sleep(7 * time.Second)
			if err := r.Send(scopeA(), eventsQueue, "first", "second"); err != nil {
				t.Error(err)
			}
		}()
		if got := receive(); len(got) == 0 || *got[0].Body != "first" || time.Since(began) != 7*time.Second {
			t.Errorf("%v after %s", got, time.Since(began))
		}
		time.Sleep(visibility)
		again := receive()
		if len(again) != 2 || r.Waiting(scopeA(), eventsQueue) != 2 {
			t.Fatalf("what was not deleted does not come again: %v", again)
		}
		in := &sqs.DeleteMessageBatchInput{QueueUrl: url}
		for n, receipt := range []*string{again[0].ReceiptHandle, again[1].ReceiptHandle, aws.String("nonsense")} {
			in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(string(rune('a' + n))), ReceiptHandle: receipt})
		}
		out, err := client.DeleteMessageBatch(context.Background(), in)
		if err != nil || len(out.Successful) != 2 || len(out.Failed) != 1 || r.Waiting(scopeA(), eventsQueue) != 0 {
			t.Errorf("%+v, %v", out, err)
		}
		if n := r.CallCount(OpReceiveMessage); n != 3 {
			t.Errorf("%d calls were counted", n)
		}
	})
}

func TestAQueueIsForWhomThePolicyAllows(t *testing.T) {
	const arn = "arn:aws:sqs:" + region1 + ":" + accountA + ":" + eventsQueue
	r := newRig(t, withQueue(&Policy{Version: policyVersion, Statement: []Statement{
		{Effect: EffectAllow, Action: Strings{"sqs:ReceiveMessage"}, Resource: Strings{arn, arn + "2"}},
	}}))
	client := sqs.NewFromConfig(r.config(agentKeyA, "", region1))
	receive := func(queue string, scope Scope) error {
		_, err := client.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{
			QueueUrl: aws.String(QueueURL(testBaseURL, scope, queue)),
		})
		return err
	}
	if err := receive(eventsQueue, scopeA()); err != nil {
		t.Error(err)
	}
	wantCode(t, receive(eventsQueue+"2", scopeA()), CodeNoSuchQueue)
	wantCode(t, receive("others", scopeA()), codeQueueDenied)
	wantCode(t, receive(eventsQueue, Scope{accountB, region1}), codeQueueDenied)
	_, err := client.DeleteMessageBatch(context.Background(), &sqs.DeleteMessageBatchInput{
		QueueUrl: aws.String(QueueURL(testBaseURL, scopeA(), eventsQueue)),
		Entries:  []types.DeleteMessageBatchRequestEntry{{Id: aws.String("a"), ReceiptHandle: aws.String("b")}},
	})
	wantCode(t, err, codeQueueDenied)
	if err := r.Send(scopeA(), "others", "x"); err == nil {
		t.Error("a message went to a queue that does not exist")
	}
}
