package awssim

import (
	"crypto/md5" //nolint:gosec // SQS's own check of a message, which the SDK makes
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The operations of SQS that are served. An agent reads events with them.
const (
	OpReceiveMessage     = "ReceiveMessage"
	OpDeleteMessageBatch = "DeleteMessageBatch"
)

// Codes of SQS.
const (
	CodeNoSuchQueue     = "QueueDoesNotExist"
	codeQueueDenied     = "AccessDenied"
	codeQueueBadRequest = "InvalidParameterValue"
)

const (
	// visibility is how long a message that was given out is hidden, where the request does not say: SQS's default.
	visibility = 30 * time.Second
	// mostMessages and longestPoll are what one request may ask for, the latter in seconds.
	mostMessages = 10
	longestPoll  = 20
)

// queue is a standard queue of SQS, without attributes: messages are given out in their order, and come again unless they
// are deleted.
type queue struct {
	mu       sync.Mutex
	sent     int
	messages []*message
	arrived  chan struct{} // closed when there is a further message
}

type message struct {
	id, body string
	hidden   time.Time
	receipts int
}

func newQueue() *queue { return &queue{arrived: make(chan struct{})} }

func (q *queue) send(body string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sent++
	q.messages = append(q.messages, &message{id: "message-" + strconv.Itoa(q.sent), body: body})
	close(q.arrived)
	q.arrived = make(chan struct{})
}

type sentMessage struct {
	ID      string `json:"MessageId"`
	Receipt string `json:"ReceiptHandle"`
	MD5     string `json:"MD5OfBody"`
	Body    string `json:"Body"`
}

// take gives out what is not hidden. Where there is nothing, it tells what is closed when something comes.
func (q *queue) take(most int, hide time.Duration, now time.Time) (out []sentMessage, arrived <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.messages {
		if len(out) == most || now.Before(m.hidden) {
			continue
		}
		m.hidden = now.Add(hide)
		m.receipts++
		sum := md5.Sum([]byte(m.body)) //nolint:gosec // see above
		out = append(out, sentMessage{
			ID: m.id, Receipt: fmt.Sprintf("%s/%d", m.id, m.receipts), MD5: hex.EncodeToString(sum[:]), Body: m.body,
		})
	}
	return out, q.arrived
}

// remove deletes a message by any of its receipts. It reports whether the receipt is of this queue.
func (q *queue) remove(receipt string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	id, _, is := strings.Cut(receipt, "/")
	for n, m := range q.messages {
		if m.id == id {
			q.messages = append(q.messages[:n:n], q.messages[n+1:]...)
			break
		}
	}
	return is
}

// Send puts messages into a queue, as EventBridge does.
func (s *Server) Send(scope Scope, queue string, bodies ...string) error {
	g, err := s.known(scope)
	if err != nil {
		return err
	}
	q := g.queues[queue] // never changed
	if q == nil {
		return fmt.Errorf("%s queue %q: %w", scope, queue, ErrUnknown)
	}
	for _, body := range bodies {
		q.send(body)
	}
	return nil
}

// Waiting says how many messages a queue has, hidden ones included.
func (s *Server) Waiting(scope Scope, queue string) int {
	g, err := s.known(scope)
	if err != nil || g.queues[queue] == nil {
		return 0
	}
	q := g.queues[queue]
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.messages)
}

// QueueURL spells the address of a queue at this stand-in, which is reached at base.
func QueueURL(base string, scope Scope, queue string) string {
	return strings.TrimSuffix(base, "/") + "/" + scope.Account + "/" + queue
}

type queueInput struct {
	QueueURL   string `json:"QueueUrl"`
	Most       *int   `json:"MaxNumberOfMessages"`
	Wait       int    `json:"WaitTimeSeconds"`
	Visibility *int   `json:"VisibilityTimeout"`
	Entries    []struct{ Id, ReceiptHandle string }
}

// routeQueue finds the operation of a request to SQS, which is in a header.
func routeQueue(r *request, target string) *apiError {
	operation, is := strings.CutPrefix(target, "AmazonSQS.")
	do, known := map[string]operationOf{OpReceiveMessage: receiveMessage, OpDeleteMessageBatch: deleteMessages}[operation]
	if r.method != http.MethodPost || r.path != "/" || !is || !known {
		return refuse(http.StatusBadRequest, CodeUnknownOperation, "This stand-in does not serve %s %s %s", r.method, r.path, target)
	}
	var in queueInput
	if json.Unmarshal(r.body, &in) != nil {
		return refuse(http.StatusBadRequest, "SerializationException", "the request's body is no JSON")
	}
	r.event.Operation = operation
	r.do = func(s *Server, r *request) (response, *apiError) {
		q, refused := s.queueOf(r, in.QueueURL, operation)
		if refused != nil {
			return response{}, refused
		}
		return do(q, r, in)
	}
	return nil
}

type operationOf func(*queue, *request, queueInput) (response, *apiError)

// actions are those of IAM, by operation.
var actions = map[string]string{OpReceiveMessage: "sqs:ReceiveMessage", OpDeleteMessageBatch: "sqs:DeleteMessage"}

// queueOf finds a queue that the caller may use. A queue of another account would need a policy of its own, and has none.
func (s *Server) queueOf(r *request, url, operation string) (*queue, *apiError) {
	parts := strings.Split(url, "/")
	if len(parts) < 2 { //nolint:mnd // account and name
		return nil, refuse(http.StatusBadRequest, codeQueueBadRequest, "the address %q is not valid", url)
	}
	account, name := parts[len(parts)-2], parts[len(parts)-1]
	resource := fmt.Sprintf("arn:%s:sqs:%s:%s:%s", r.caller.partition, r.credential.region, account, name)
	decision := r.caller.policy.Evaluate(actions[operation], resource)
	if account != r.caller.account {
		decision = ImplicitlyDenied
	}
	if decision != Allowed {
		// SQS names its actions in lower case.
		return nil, refuse(http.StatusForbidden, codeQueueDenied, "%s",
			deniedMessage(r.caller.arn, strings.ToLower(actions[operation]), resource, decision))
	}
	if q := s.region(Scope{account, r.credential.region}).queues[name]; q != nil {
		return q, nil
	}
	return nil, refuse(http.StatusBadRequest, CodeNoSuchQueue, "The specified queue does not exist.")
}

// receiveMessage waits for a message, if it is asked to.
func receiveMessage(q *queue, r *request, in queueInput) (response, *apiError) {
	most, hide := 1, visibility
	if in.Most != nil {
		most = *in.Most
	}
	if in.Visibility != nil {
		hide = time.Duration(*in.Visibility) * time.Second
	}
	if most < 1 || most > mostMessages || in.Wait < 0 || in.Wait > longestPoll || hide < 0 {
		return response{}, refuse(http.StatusBadRequest, codeQueueBadRequest, "a parameter is out of its range")
	}
	for end := time.After(time.Duration(in.Wait) * time.Second); ; {
		got, arrived := q.take(most, hide, time.Now())
		if len(got) > 0 {
			return jsonResponse(http.StatusOK, map[string]any{"Messages": got}), nil
		}
		select {
		case <-arrived:
		case <-r.left:
			return jsonResponse(http.StatusOK, struct{}{}), nil
		case <-end:
			return jsonResponse(http.StatusOK, struct{}{}), nil
		}
	}
}

// deleteMessages deletes what it knows the receipt of. A message that is gone is a success, too.
func deleteMessages(q *queue, _ *request, in queueInput) (response, *apiError) {
	if n := len(in.Entries); n == 0 || n > mostMessages {
		return response{}, refuse(http.StatusBadRequest, "AWS.SimpleQueueService.EmptyBatchRequest", "%d entries", n)
	}
	successful, failed := []any{}, []any{}
	for _, e := range in.Entries {
		if q.remove(e.ReceiptHandle) {
			successful = append(successful, map[string]string{"Id": e.Id})
			continue
		}
		failed = append(failed, map[string]any{
			"Id": e.Id, "SenderFault": true, "Code": "ReceiptHandleIsInvalid", "Message": "The input receipt handle is invalid.",
		})
	}
	return jsonResponse(http.StatusOK, map[string]any{"Successful": successful, "Failed": failed}), nil
}
