package apigateway

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"federation-agent/internal/gateway"
)

// Queue is a queue of SQS. Like [client] it holds the SDK's operations one by one. What its calls cost is no part of API
// Gateway's quota.
type Queue struct {
	url, region string
	receive     operation[sqs.ReceiveMessageInput, sqs.ReceiveMessageOutput, sqs.Options]
	remove      operation[sqs.DeleteMessageBatchInput, sqs.DeleteMessageBatchOutput, sqs.Options]
}

// QueueMessage is a message, with what deletes it.
type QueueMessage struct{ Body, Receipt string }

const (
	// MaxMessages is how many messages a queue gives out at once, at most.
	MaxMessages = 10
	// queueWait is how long a queue waits for a first message, at most.
	queueWait = 20 * time.Second
	// maxMessages, in bytes, is how large an answer with messages may be. An event of EventBridge has some 2 KB, one
	// message never more than 1 MiB, and twice that in JSON.
	maxMessages = 4 << 20
	// queueTime is what an answer may take beyond that wait.
	queueTime = 15 * time.Second
)

// NewQueue makes the client of a queue. cfg comes from [Credentials.Config], with the queue's region. No call is tried
// twice: who polls comes again.
func NewQueue(cfg aws.Config, url string) *Queue {
	c := sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.Retryer = aws.NopRetryer{} })
	return &Queue{url: url, region: cfg.Region, receive: c.ReceiveMessage, remove: c.DeleteMessageBatch}
}

// Receive waits for up to so many messages. They come again later, unless they are deleted. An error that [TooLong]
// knows goes away with fewer messages.
func (q *Queue) Receive(ctx context.Context, most int) ([]QueueMessage, error) {
	return q.get(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &q.url, WaitTimeSeconds: int32(queueWait / time.Second), MaxNumberOfMessages: int32(most), //nolint:gosec // at most 10
	})
}

// ProbeReceive tries whether messages may be received, and keeps none from anybody for longer than a second: what it
// receives can be received again then. A message's count of receipts goes up by one.
func (q *Queue) ProbeReceive(ctx context.Context) error {
	_, err := q.get(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &q.url, MaxNumberOfMessages: 1, VisibilityTimeout: 1, WaitTimeSeconds: 1, // the SDK does not send a 0
	})
	if _, long := TooLong(err); long {
		return nil
	}
	return err
}

// ProbeDelete tries whether messages may be deleted, with one that does not exist.
func (q *Queue) ProbeDelete(ctx context.Context) error {
	return q.Delete(ctx, []QueueMessage{{Receipt: "doctor"}})
}

func (q *Queue) get(ctx context.Context, in *sqs.ReceiveMessageInput) ([]QueueMessage, error) {
	ctx, cancel := context.WithTimeout(WithMost(ctx, maxMessages), queueWait+queueTime)
	defer cancel()
	out, err := q.receive(ctx, in)
	if err != nil {
		return nil, q.failed(gateway.ReceiveMessage, "receiving events", err)
	}
	messages := make([]QueueMessage, len(out.Messages))
	for n, m := range out.Messages {
		messages[n] = QueueMessage{Body: aws.ToString(m.Body), Receipt: aws.ToString(m.ReceiptHandle)}
	}
	return messages, nil
}

// Delete deletes messages, at most [MaxMessages]. One that the queue does not delete comes again, and that is no error.
func (q *Queue) Delete(ctx context.Context, messages []QueueMessage) error {
	ctx, cancel := context.WithTimeout(ctx, queueTime)
	defer cancel()
	in := &sqs.DeleteMessageBatchInput{QueueUrl: &q.url}
	for n, m := range messages {
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(n)), ReceiptHandle: aws.String(m.Receipt),
		})
	}
	if _, err := q.remove(ctx, in); err != nil {
		return q.failed(gateway.DeleteMessage, "deleting events", err)
	}
	return nil
}

func (q *Queue) failed(operation gateway.Operation, doing string, err error) error {
	e := &Error{Doing: doing + " in " + q.region, Class: Classify(err), Operation: operation, Region: q.region, Err: err}
	if errors.Is(err, context.DeadlineExceeded) && e.Class == gateway.Internal {
		e.Class = gateway.Unreachable
	}
	return e
}
