package apimrest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"federation-agent/internal/apimrest/management"
)

// Client asks one environment of one APIM. It is safe for concurrent use. Each method makes one request, but where it
// says otherwise; its errors are *[Error].
type Client struct {
	options Options
	sender  sender
	api     *management.Client
}

// New makes a client. It asks nobody yet.
func New(o Options) *Client {
	c := &Client{options: o, sender: newSender(o)}
	c.api = &management.Client{
		Server: o.URL + "/v2/", Client: c.sender,
		RequestEditors: []management.RequestEditorFn{func(_ context.Context, r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+o.Token.Reveal())
			r.Header.Set("Accept", "application/json")
			return nil
		}},
	}
	return c
}

// Close closes connections that are kept for a next request.
func (c *Client) Close() { c.sender.http.CloseIdleConnections() }

// tooLate is the cause of a request that was given up after its time.
type tooLate time.Duration

// Error implements error.
func (d tooLate) Error() string {
	return fmt.Sprintf("there was no answer within %s", time.Duration(d))
}

// call makes a request and gives the body of its answer. Doing says for errors what it is for. Where the token is not
// known, and a live one is another one by now, the request is made once more: nothing was done.
func (c *Client) call(
	ctx context.Context, doing string, within time.Duration, send func(context.Context) (*http.Response, error),
) ([]byte, error) {
	sent := c.options.Token.Reveal()
	body, err := c.once(ctx, doing, within, send)
	if !Is(err, Unauthorized) {
		return body, err
	}
	reading, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	if c.options.Token.Refresh(reading); c.options.Token.Reveal() == sent {
		return nil, err
	}
	return c.once(ctx, doing, within, send)
}

func (c *Client) once(
	ctx context.Context, doing string, within time.Duration, send func(context.Context) (*http.Response, error),
) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, within, tooLate(within))
	defer cancel()
	response, err := send(ctx)
	if err != nil {
		return nil, withoutAnswer(ctx, doing, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, withoutAnswer(ctx, doing, err)
	case len(body) > maxAnswer:
		return nil, &Error{Class: Unusable, Doing: doing, Text: fmt.Sprintf("the answer has more than %d bytes", maxAnswer)}
	case response.StatusCode/100 == 2:
		return body, nil
	}
	return nil, answered(doing, response, body, c.options.Token)
}

// ask makes one request and reads its answer, an object that has this member, if one is named: what answers in APIM's
// place must not count as an empty list.
func ask[T any](
	ctx context.Context, c *Client, doing string, within time.Duration, member string,
	send func(context.Context) (*http.Response, error),
) (answer T, err error) {
	body, err := c.call(ctx, doing, within, send)
	if err != nil {
		return answer, err
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || members == nil || member != "" && isNothing(members[member]) ||
		json.Unmarshal(body, &answer) != nil { // its own text may repeat what was sent
		return answer, notAPIMs(doing)
	}
	return answer, nil
}

func isNothing(member json.RawMessage) bool { return len(member) == 0 || string(member) == "null" }

func notAPIMs(doing string) *Error {
	return &Error{Class: Unusable, Doing: doing, Text: "the answer is not the JSON that was asked for"}
}
