package apigateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/gateway"
)

// peakAllowed is what the memory of one call may grow by, whatever comes. A container of 128 MiB has so much to spare.
const peakAllowed = 96 << 20

// meter watches the heap while answers are read.
type meter struct {
	base, peak uint64
	read       int64
}

func newMeter(t *testing.T) *meter {
	t.Helper()
	old := debug.SetGCPercent(50) // as in the process
	t.Cleanup(func() { debug.SetGCPercent(old) })
	runtime.GC()
	m := &meter{}
	m.sample()
	m.base, m.peak = m.peak, 0
	return m
}

func (m *meter) sample() {
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	m.peak = max(m.peak, now.HeapAlloc)
}

// body begins with a text and repeats another one for so many bytes, or without an end if that is negative.
func (m *meter) body(begin, again string, bytes int64) io.ReadCloser {
	rest, again := []byte(begin), strings.Repeat(again, 1+4096/len(again))
	sampled := int64(0)
	return io.NopCloser(readerFunc(func(p []byte) (int, error) {
		if bytes >= 0 && m.read >= bytes {
			return 0, io.EOF
		}
		n := 0
		for n < len(p) {
			if len(rest) == 0 {
				rest = []byte(again)
			}
			taken := copy(p[n:], rest)
			n, rest = n+taken, rest[taken:]
		}
		if m.read += int64(n); m.read-sampled > 1<<20 {
			m.sample()
			sampled = m.read
		}
		return n, nil
	}))
}

// answer is a whole answer with such a body. Its header tells the size if that is known and declared.
func (m *meter) answer(
	status int,
	begin, again string,
	bytes, declared int64,
) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		m.read = 0
		res := response(r, status, nil, "")
		res.Body, res.ContentLength = m.body(begin, again, bytes), declared
		return res, nil
	}
}

func (m *meter) want(t *testing.T, most int64) {
	t.Helper()
	m.sample()
	grown := int64(m.peak) - int64(m.base)
	t.Logf("%d bytes were read of the last answer; the heap grew by %d MiB at most", m.read, grown>>20)
	if m.read > most || grown > peakAllowed {
		t.Errorf("more than %d bytes were read, or the heap grew by more than %d MiB", most, peakAllowed>>20)
	}
}

const (
	endless = -1
	// slack is what a buffer reads beyond what is asked for.
	slack   = 64 << 10
	someAPI = `{"id":"abcdefghij","name":"an API","createdDate":1700000000,"endpointConfiguration":{"types":["REGIONAL"]}}`
)

func TestNoMoreIsReadThanCanBeUsed(t *testing.T) {
	const message = 12 << 20 // as APIM takes them
	list := func(ctx context.Context, c Client) error { _, err := ListRESTAPIs(ctx, c); return err }
	export := func(ctx context.Context, c Client) error {
		_, err := Export(WithMost(ctx, message), c, "a", "s")
		return err
	}
	for name, c := range map[string]struct {
		call         func(context.Context, Client) error
		status       int
		begin, again string
		bytes        int64
		declared     int64
		most         int64
		class        gateway.Class
		tooLong      bool
	}{
		"an export without an end": {
			export, 200, `{"openapi":"3.0.1","paths":{"`, "x", endless, -1, message, gateway.Cancelled, true,
		},
		"a page without an end as an export": {export, 200, "\n<html>", "<p>", endless, -1, message, gateway.Unavailable, false},
		"an export of 300 MB":                {export, 200, `{"openapi":"`, "x", 300e6, 300e6, 0, gateway.Cancelled, true},
		"an export of 300 MB that does not tell its size": {
			export, 200, `{"openapi":"`, "x", 300e6, -1, message, gateway.Cancelled, true,
		},
		"a list of APIs without an end": {list, 200, `{"item":[`, someAPI + ",", endless, -1, maxAnswer, gateway.Unavailable, false},
		"a list without an end of nothing": {
			list, 200, `{"item":[`, " ", endless, -1, maxAnswer, gateway.Unavailable, false,
		},
		"a list of empty objects":   {list, 200, `{"item":[`, "{},", endless, -1, maxAnswer, gateway.Unavailable, false},
		"a list of many gigabytes":  {list, 200, `{"item":[`, "{},", endless, 1 << 60, 0, gateway.Unavailable, false},
		"an error without an end":   {list, 403, `{"message":"`, "x", endless, -1, maxRefusal, gateway.Unavailable, false},
		"a throttle without an end": {list, 429, `{"message":"`, "x", endless, -1, maxRefusal, gateway.Throttled, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMeter(t)
				w := &wire{answer: answers(m.answer(c.status, c.begin, c.again, c.bytes, c.declared))}
				err := c.call(WithLatest(t.Context(), time.Now()), w.client(nil)) // one attempt
				wantClass(t, err, c.class)
				if bytes, is := TooLong(err); is != c.tooLong || is && bytes <= message {
					t.Errorf("too long %v, %d bytes: %v", is, bytes, err)
				}
				m.want(t, c.most+slack)
			})
		})
	}
}

func TestAnAnswerOfTheLargestSizeIsTaken(t *testing.T) {
	const size = 100
	text := `{"openapi":"3.0.1"}`
	for bytes, fits := range map[int]bool{size - 1: true, size: true, size + 1: false} {
		for _, declared := range []bool{true, false} {
			w := &wire{answer: answers(func(r *http.Request) (*http.Response, error) {
				res := response(r, 200, nil, text+strings.Repeat(" ", bytes-len(text)))
				if !declared {
					res.ContentLength = -1
				}
				return res, nil
			})}
			got, err := Export(WithMost(t.Context(), size), w.client(nil), "a", "s")
			if _, tooLong := TooLong(err); tooLong == fits || fits && len(got) != bytes {
				t.Errorf("%d bytes, declared %v: got %d, %v", bytes, declared, len(got), err)
			}
			wantCalls(t, w, 1)
		}
	}
}

func TestAPageWithAsManyValuesAsAllowedStaysWithinTheMemory(t *testing.T) {
	m := newMeter(t)
	again := int64(len(someAPI) + 1)
	// Six values count for each API.
	apis := strings.Repeat(someAPI+",", maxValues/7)
	body := `{"item":[` + strings.TrimSuffix(apis, ",") + `]}`
	w := &wire{answer: answers(ok(200, body))}
	apisRead, err := ListRESTAPIs(t.Context(), w.client(nil))
	m.sample()
	if err != nil || len(apisRead) != 1 {
		t.Errorf("%d APIs, %v", len(apisRead), err)
	}
	m.read = int64(len(body))
	m.want(t, again*maxValues)
}

func TestAListingEnds(t *testing.T) {
	full := func(n int) string {
		var items []string
		for i := range pageSize {
			items = append(items, strings.Replace(someAPI, "abcdefghij", fmt.Sprintf("a%04d%05d", n, i), 1))
		}
		return strings.Join(items, ",")
	}
	for name, c := range map[string]struct {
		page  func(n int) (items, position string)
		calls int
	}{
		"ever new pages":          {func(n int) (string, string) { return full(n), fmt.Sprint("p", n) }, maxListed/pageSize + 1},
		"ever new positions":      {func(n int) (string, string) { return full(1), fmt.Sprint("p", n) }, maxPages + 2},
		"ever new empty pages":    {func(n int) (string, string) { return "", fmt.Sprint("p", n) }, maxPages + 2},
		"the same position":       {func(n int) (string, string) { return full(n), "p" }, 2},
		"a position of megabytes": {func(int) (string, string) { return full(1), strings.Repeat("p", 1<<20) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMeter(t)
			w := &wire{}
			w.answer = func(n int, r *http.Request) (*http.Response, error) {
				m.sample()
				items, position := c.page(n)
				return response(r, 200, nil, fmt.Sprintf(`{"item":[%s],"position":%q}`, items, position)), nil
			}
			l := NewRESTAPIs(w.client(nil))
			err := l.Run(t.Context())
			wantClass(t, err, gateway.Unavailable)
			wantCalls(t, w, c.calls)
			if len(l.items)+len(l.asked) != 0 || !strings.Contains(Explain(err), "no end") {
				t.Errorf("%d items are kept; %s", len(l.items), Explain(err))
			}
			m.want(t, 0)
		})
	}
}

func TestCredentialsWithoutAnEndAreNotRead(t *testing.T) {
	const begin = `{"Code":"Success","AccessKeyId":"`
	for name, c := range map[string]struct {
		setting string
		role    string
	}{
		"the metadata service":     {setting: "AWS_EC2_METADATA_SERVICE_ENDPOINT"},
		"the container's endpoint": {setting: "AWS_CONTAINER_CREDENTIALS_FULL_URI"},
		"AWS STS":                  {role: role},
	} {
		t.Run(name, func(t *testing.T) {
			quiet(t)
			m := newMeter(t)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/security-credentials/") {
					fmt.Fprint(w, "role")
					return
				}
				w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "600")
				_, _ = io.Copy(w, m.body(begin, "x", endless)) // until the client leaves
			}))
			closed := sync.OnceFunc(server.Close)
			defer closed()
			o := CredentialsOptions{Regions: []string{"us-east-1"}}
			if c.setting != "" {
				t.Setenv("AWS_EC2_METADATA_DISABLED", "")
				t.Setenv(c.setting, server.URL)
			} else {
				t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
				t.Setenv("AWS_SECRET_ACCESS_KEY", "the-secret")
			}
			t.Setenv("AWS_ENDPOINT_URL", server.URL)
			credentials, err := NewCredentials(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := credentials.Config("us-east-1", c.role).Credentials.Retrieve(t.Context()); err == nil {
				t.Error("there are credentials")
			}
			closed()          // nothing is written any more
			m.want(t, 64<<20) // with what waits in the sockets' buffers, over all attempts
		})
	}
}
