package apigateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"federation-agent/internal/gateway"
)

// wire stands in for the network. It answers each request from a script and keeps the requests.
type wire struct {
	mu     sync.Mutex
	seen   []seen
	answer func(n int, r *http.Request) (*http.Response, error) // n counts from 1
}

type seen struct {
	at      time.Time
	request *http.Request
	body    string
}

func (w *wire) Do(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	w.mu.Lock()
	w.seen = append(w.seen, seen{at: time.Now(), request: r, body: string(body)})
	n := len(w.seen)
	w.mu.Unlock()
	return w.answer(n, r)
}

func (w *wire) requests() []seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]seen(nil), w.seen...)
}

func (w *wire) config() aws.Config {
	return aws.Config{
		Region:      "eu-west-1",
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "wJalrXUtnFEMI-the-secret", ""),
		HTTPClient:  w,
	}
}

// half is jitter that is always 0.5.
func half() float64 { return 0.5 }

func (w *wire) client(permits Permits) Client {
	return NewClient(w.config(), Options{Permits: permits, Jitter: half})
}

// answers gives the answers of the script one after the other, and then the last one again and again.
func answers(script ...func(*http.Request) (*http.Response, error)) func(int, *http.Request) (*http.Response, error) {
	return func(n int, r *http.Request) (*http.Response, error) { return script[min(n, len(script))-1](r) }
}

func ok(status int, body string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) { return response(r, status, nil, body), nil }
}

// fault is an error in AWS's REST JSON protocol.
func fault(status int, code, message string, headers ...string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{"X-Amzn-Errortype": {code}}
		for i := 0; i+1 < len(headers); i += 2 {
			h.Set(headers[i], headers[i+1])
		}
		return response(r, status, h, fmt.Sprintf(`{"message":%q}`, message)), nil
	}
}

func html(status int) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		return response(r, status, http.Header{"Content-Type": {"text/html"}}, "<html>proxy</html>"), nil
	}
}

func broken(err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// silent never answers.
func silent(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func response(r *http.Request, status int, h http.Header, body string) *http.Response {
	if h == nil {
		h = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: h, Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader([]byte(body))), ContentLength: int64(len(body))}
}

var (
	throttled = fault(429, "TooManyRequestsException", "Too Many Requests")
	busy      = fault(
		409, "ConflictException", "Unable to complete operation due to concurrent modification. Please try again later.",
	)
	reset    = broken(&net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET})
	refused  = broken(&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED})
	nameless = broken(&net.DNSError{Err: "no such host", Name: "apigateway.eu-west-9.amazonaws.com", IsNotFound: true})
	keyMade  = ok(201, `{"id":"key1","value":"the-key-value-0123456789","enabled":true}`)
	noAPIs   = ok(200, `{"item":[]}`)
)

// counter is a Permits that grants every permit and counts them.
type counter struct {
	mu       sync.Mutex
	requests []gateway.PermitRequest
	outcomes []gateway.Outcome
	wait     time.Duration
	err      error
}

func (c *counter) Acquire(ctx context.Context, r gateway.PermitRequest) (Done, error) {
	c.mu.Lock()
	c.requests = append(c.requests, r)
	wait, err := c.wait, c.err
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case <-time.After(wait):
		return c.ended, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *counter) ended(o gateway.Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outcomes = append(c.outcomes, o)
}

func wantClass(t *testing.T, err error, want gateway.Class) {
	t.Helper()
	if got := Classify(err); got != want {
		t.Errorf("class = %v, want %v (error: %v)", got, want, err)
	}
}

func wantCalls(t *testing.T, w *wire, want int) {
	t.Helper()
	if got := len(w.requests()); got != want {
		t.Errorf("%d requests were sent, want %d", got, want)
	}
}

func wantNoSecret(t *testing.T, err error) {
	t.Helper()
	for _, text := range []string{fmt.Sprint(err), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err), Explain(err)} {
		if strings.Contains(text, "the-secret") || strings.Contains(text, "the-key-value") {
			t.Errorf("a secret is in %q", text)
		}
	}
}

// ListRESTAPIs lists all REST APIs.
func ListRESTAPIs(ctx context.Context, c Client) ([]*gateway.RestAPI, error) {
	return list(ctx, NewRESTAPIs(c))
}

// ListUsagePlans lists all usage plans.
func ListUsagePlans(ctx context.Context, c Client) ([]*gateway.UsagePlan, error) {
	return list(ctx, NewUsagePlans(c))
}

func list[T any](ctx context.Context, l *PagedList[T]) ([]T, error) {
	if err := l.Run(ctx); err != nil {
		return nil, err
	}
	items, _ := l.All()
	return items, nil
}
