package apigateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/gateway"
)

// roomLog is a Room, and a body, that record the order of events.
type roomLog struct {
	events []string
	full   bool
}

func (l *roomLog) Take(ctx context.Context, bytes int64) error {
	l.events = append(l.events, fmt.Sprint("take ", bytes))
	if l.full {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (l *roomLog) Drop() { l.events = append(l.events, "drop") }

// answer is an export. Only a part of it arrives unless whole is true.
func (l *roomLog) answer(whole bool) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		const document = `{"openapi":"3.0.1"}`
		res := response(r, 200, nil, document)
		body := io.Reader(strings.NewReader(document))
		if !whole {
			body = io.MultiReader(strings.NewReader(document[:5]), readerFunc(func([]byte) (int, error) {
				return 0, io.ErrUnexpectedEOF
			}))
		}
		res.Body = io.NopCloser(readerFunc(func(p []byte) (int, error) {
			if len(l.events) == 0 || l.events[len(l.events)-1] != "read" {
				l.events = append(l.events, "read")
			}
			return body.Read(p)
		}))
		return res, nil
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestADocumentIsReadOnlyWhenThereIsRoomAndAFailedAttemptGivesItBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &roomLog{}
		w := &wire{answer: answers(l.answer(false), l.answer(true))}
		if _, err := Export(WithRoom(t.Context(), l), w.client(nil), "a", "s"); err != nil {
			t.Fatal(err)
		}
		if want := []string{"take 19", "read", "drop", "take 19", "read"}; !slices.Equal(l.events, want) {
			t.Errorf("%q, want %q", l.events, want)
		}
	})
}

func TestTheWaitForRoomEndsWithTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &roomLog{full: true}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w := &wire{answer: answers(l.answer(true))}
		_, err := Export(WithRoom(ctx, l), w.client(nil), "a", "s")
		wantClass(t, err, gateway.Unavailable)
		if !errors.Is(err, context.DeadlineExceeded) || l.events[len(l.events)-1] != "drop" {
			t.Errorf("%v after %q", err, l.events)
		}
		wantCalls(t, w, 1)
	})
}

func TestAnAnswerThatDoesNotTellItsSizeTakesRoomAsItIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		size int
		want []string
	}{
		"a small one": {firstPart - 1, []string{"take 131072"}},
		"a large one": {firstPart*2 + 1, []string{"take 131072", "take 262144", "take 524288"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := &roomLog{}
			w := &wire{answer: answers(func(r *http.Request) (*http.Response, error) {
				const document = `{"openapi":"3.0.1"}`
				res := response(r, 200, nil, document+strings.Repeat(" ", c.size-len(document)))
				res.ContentLength = -1
				return res, nil
			})}
			document, err := Export(WithRoom(t.Context(), l), w.client(nil), "a", "s")
			if err != nil || len(document) != c.size {
				t.Errorf("%d bytes, %v", len(document), err)
			}
			if !slices.Equal(l.events, c.want) {
				t.Errorf("%q, want %q", l.events, c.want)
			}
		})
	}
}

func TestAnErrorsTextIsReadWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &roomLog{}
		w := &wire{answer: answers(func(r *http.Request) (*http.Response, error) {
			return response(r, http.StatusTooManyRequests, nil, `{"message":"Too Many Requests"}`), nil
		}, l.answer(true))}
		if _, err := Export(WithRoom(t.Context(), l), w.client(nil), "a", "s"); err != nil {
			t.Fatal(err)
		}
		if want := []string{"drop", "take 19", "read"}; !slices.Equal(l.events, want) {
			t.Errorf("%q, want %q", l.events, want)
		}
	})
}

func TestAnAnswerThatThereIsNoRoomForInTimeIsGivenUpAndItsSizeTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &roomLog{full: true}
		w := &wire{answer: answers(l.answer(true))}
		began := time.Now()
		_, err := Export(WithRoom(t.Context(), l), w.client(nil), "a", "s")
		if bytes, full := NoRoom(err); !full || bytes != 19 {
			t.Errorf("%v", err)
		}
		wantClass(t, err, gateway.Cancelled)
		// The SDK reads the rest and throws it away, to use the connection again.
		if took := time.Since(began); took != roomTime || !slices.Equal(l.events, []string{"take 19", "read", "drop"}) {
			t.Errorf("%q in %s", l.events, took)
		}
		wantCalls(t, w, 1)
		if _, full := NoRoom(nil); full {
			t.Error("no error says nothing of room")
		}
	})
}
