package apigateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	// maxAnswer, in bytes, is the largest answer that is read, unless [WithMost] says otherwise. A page of 500 REST APIs
	// has some 300 KB. It has 6 MB if each of them has a resource policy of the largest size, 8 KB.
	maxAnswer = 8 << 20
	// maxRefusal, in bytes, is how much is read of an answer that is an error. API Gateway's are shorter than 2 KB. That of
	// DynamoDB to a write whose condition is not true has the item: 400 KB at most, and a third more in base64.
	maxRefusal = 640 << 10
	// maxValues is how many JSON values an answer has at most, unless [WithMost] says that it is no listing. The SDK makes
	// up to 600 bytes of each. A page of 300 usage plans with 50 stages each has 50,000.
	maxValues = 200_000
)

const guardID = "FederationAgentGuard"

// guard stands next to the network, in every client, also in those of the SDK's own chain of credentials. Whatever
// answers for AWS, no more is read than can be used, and nothing is taken from where a redirect leads. It may be
// installed twice.
func guard(stack *middleware.Stack) error {
	if _, there := stack.Deserialize.Get(guardID); there {
		return nil
	}
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc(guardID, func(
		ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
	) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if answer, is := out.RawResponse.(*smithyhttp.Response); err == nil && is && answer.Body != nil {
			tellTime(ctx, answer.Header)
			if err = redirectOf(answer.Response); err == nil {
				err = limit(ctx, answer)
			} else {
				answer.Body = &limited{ReadCloser: answer.Body}
			}
		}
		return out, metadata, err
	}), middleware.After)
}

// redirected is an answer that leads elsewhere, or that comes from there. The clients of [NewCredentials] do not follow
// it, because the signed request would go to somebody else. Some of the SDK's own chain do (307 and 308).
type redirected struct {
	status   int
	from, to string
}

func (e *redirected) Error() string {
	return fmt.Sprintf("the answer is a redirect (%d) from %s to %s, which is not followed", e.status, e.from, e.to)
}

func redirectOf(answer *http.Response) error {
	if followed := answer.Request; followed != nil && followed.Response != nil {
		answer = followed.Response
	}
	switch answer.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect,
		http.StatusPermanentRedirect:
	default:
		return nil
	}
	e := &redirected{status: answer.StatusCode, from: "its address", to: "no readable address"}
	if answer.Request != nil {
		e.from = place(answer.Request.URL)
	}
	if to, err := answer.Location(); err == nil {
		e.to = place(to)
	}
	return e
}

// place is an URL without what may be secret in it: user, query and fragment.
func place(u *url.URL) string {
	return short((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String())
}

type clockKey struct{}

// WithClock has the time told that stands in each answer to a call with this context, also in a refusal.
func WithClock(ctx context.Context, tell func(time.Time)) context.Context {
	return context.WithValue(ctx, clockKey{}, tell)
}

func tellTime(ctx context.Context, answer http.Header) {
	tell, asked := ctx.Value(clockKey{}).(func(time.Time))
	if at, err := http.ParseTime(answer.Get("Date")); asked && err == nil {
		tell(at)
	}
}

type mostKey struct{}

// WithMost says how large an answer to a call with this context can be used, in bytes. A larger one fails with an error
// that [TooLong] knows, and is not asked for again.
func WithMost(ctx context.Context, bytes int) context.Context {
	return context.WithValue(ctx, mostKey{}, int64(bytes))
}

// limit makes what is read of an answer end. An answer that tells beforehand that it is too long is not read at all.
func limit(ctx context.Context, answer *smithyhttp.Response) error {
	if answer.StatusCode >= http.StatusMultipleChoices {
		answer.Body = &limited{ReadCloser: answer.Body, left: maxRefusal}
		return nil
	}
	most, known := ctx.Value(mostKey{}).(int64)
	if !known {
		most = maxAnswer
	}
	over := func(begin byte) error {
		if known && begin == '{' {
			return &tooLong{max(answer.ContentLength, most+1)}
		}
		return errOver
	}
	if answer.ContentLength > most {
		answer.Body = &limited{ReadCloser: answer.Body}
		return over('{') // as far as one can see
	}
	body := &limited{ReadCloser: answer.Body, left: most, over: over}
	if !known {
		body.values = &values{}
	}
	answer.Body = body
	return nil
}

var errOver = &unreadable{fmt.Sprintf(
	"the answer has more than %d bytes or %d JSON values, so it is hardly API Gateway's", maxAnswer, maxValues)}

// limited is a body that ends after so many bytes. If there are more, it fails with over, which is told the first byte
// that is no blank. After that it is at its end: the SDK reads the rest of each answer, to use the connection again.
type limited struct {
	io.ReadCloser
	left   int64
	begin  byte
	over   func(begin byte) error // nil: it just ends
	values *values                // nil: they are not counted
}

// Read implements io.Reader.
func (l *limited) Read(p []byte) (int, error) {
	if l.left == 0 {
		over := l.over
		if l.over = nil; over == nil {
			return 0, io.EOF
		}
		if _, err := io.ReadFull(l.ReadCloser, make([]byte, 1)); err != nil {
			return 0, err
		}
		return 0, over(l.begin)
	}
	n, err := l.ReadCloser.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	if begun := bytes.TrimLeft(p[:n], blanks); l.begin == 0 && len(begun) > 0 {
		l.begin = begun[0]
	}
	if l.values != nil && l.values.add(p[:n]) > maxValues {
		l.left, l.over = 0, nil
		return 0, errOver
	}
	return n, err
}

// values counts about how many values a JSON text has, while it is read.
type values struct {
	count         int
	text, escaped bool // within a text, and behind a backslash in it
}

func (v *values) add(part []byte) int {
	for _, b := range part {
		switch {
		case v.escaped:
			v.escaped = false
		case b == '"':
			v.text = !v.text
		case v.text:
			v.escaped = b == '\\'
		case b == ',' || b == '{' || b == '[':
			v.count++
		}
	}
	return v.count
}

// tooLong ends an attempt whose answer cannot be used, because it is longer than the caller can take.
type tooLong struct{ bytes int64 }

func (e *tooLong) Error() string {
	return fmt.Sprintf("the answer has %d bytes or more, which is too long", e.bytes)
}

// Unwrap makes it a call that the caller gave up: it would be as long again.
func (e *tooLong) Unwrap() error { return context.Canceled }

// TooLong reports whether an answer was given up because it is longer than [WithMost] allows, and how long it is at
// least.
func TooLong(err error) (bytes int64, is bool) {
	if e, ok := errors.AsType[*tooLong](err); ok {
		return e.bytes, true
	}
	return 0, false
}
