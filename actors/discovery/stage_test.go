package discovery

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"federation-agent/actors/life"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/exports"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/store"
	"federation-agent/messages"
)

// documents serves exports of one size. It counts how many are held at a time, from the first byte that is read.
type documents struct {
	size int

	mu         sync.Mutex
	held, most int
}

func (d *documents) hold() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held++
	d.most = max(d.most, d.held)
}

// text grows by next to nothing when it is encoded.
func (d *documents) text() []byte {
	const document = `{"openapi":"3.0.1"}`
	return append([]byte(document), bytes.Repeat([]byte(" "), d.size-len(document))...)
}

// Do implements aws.HTTPClient.
func (d *documents) Do(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Request: r, ContentLength: int64(d.size),
		Body: &heldBody{Reader: bytes.NewReader(d.text()), first: sync.OnceFunc(d.hold)},
	}, nil
}

type heldBody struct {
	io.Reader
	first func()
}

func (b *heldBody) Read(p []byte) (int, error) {
	b.first()
	return b.Reader.Read(p)
}

func (*heldBody) Close() error { return nil }

// cached is a cache that has every document.
type cached struct{ *documents }

func (c cached) Get(store.ExportKey) (store.Export, bool, error) {
	c.hold()
	return store.Export{Document: c.text()}, true, nil
}

func (c cached) Size(store.ExportKey) int64 { return int64(c.size) }

func (cached) Put(store.ExportKey, store.Export) error { return nil }

// taskOf is the document of some stage. No actor is told of it.
func taskOf(ctx context.Context, claim *exports.Claim) StageTask {
	entry := federation.NamedEntry{Entry: federation.Entry{API: &gateway.RestAPI{ID: "a"}, Stage: "prod"}}
	return StageTask{ctx: ctx, Task: exports.Task[*actor.PID]{Document: exports.Document{NamedEntry: entry, Claim: claim}}}
}

func clientOf(wire aws.HTTPClient) apigateway.Client {
	return apigateway.NewClient(aws.Config{
		Region: "eu-west-1", HTTPClient: wire,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
	}, apigateway.Options{})
}

// broken is a cache that panics when it has begun to read.
type broken struct{ cached }

func (broken) Get(store.ExportKey) (store.Export, bool, error) { panic("a bug in the cache") }

func TestAWorkerThatPanicsOverADocumentGivesItsRoomBack(t *testing.T) {
	const limit = 1 << 20
	synctest.Test(t, func(t *testing.T) {
		holder := exports.NewBound(limit).Holder(t.Context(), 0, func() {})
		s := &stage{
			env:  (&life.Env{Exports: broken{cached{&documents{size: limit}}}}).Logging(slog.New(slog.DiscardHandler)),
			task: taskOf(t.Context(), holder.Claim()),
		}
		func() {
			defer func() { _ = recover() }()
			s.prepare()
			t.Error("it did not panic")
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := holder.Claim().Take(ctx, limit); err != nil {
			t.Errorf("there is no room for the next one: %v", err)
		}
	})
}

// The stages of one REST API are asked for together, before anybody knows that each is large.
func TestDocumentsAreReadAndEncodedAsFarAsTheRoomGoes(t *testing.T) {
	const workers, limit = 8, 1 << 20
	for name, c := range map[string]struct {
		size, want int
		cached     bool
	}{
		"large ones, one at a time":                {size: limit, want: 1},
		"large ones of the cache, one at a time":   {size: limit, want: 1, cached: true},
		"small ones, as many as there are workers": {size: limit * 4 / 9 / workers, want: workers},
		// Three at first, each as it comes and encoded, then one more beside four that are ready.
		"some, as many as there is room for": {size: limit * 4 / 9 / 3, want: 5},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				served := &documents{size: c.size}
				env := (&life.Env{Exports: store.NewMemoryExports(0)}).Logging(slog.New(slog.DiscardHandler))
				if c.cached {
					env.Exports = cached{served}
				}
				client := clientOf(served)
				holder := exports.NewBound(limit).Holder(t.Context(), 0, func() {})
				var all sync.WaitGroup
				for range workers {
					all.Go(func() {
						s := &stage{env: env, maxBytes: 10 * limit, task: taskOf(t.Context(), holder.Claim())}
						s.task.client = client
						answer, err := s.prepare()
						if ready, ok := answer.(messages.APIReady); !ok || ready.Bare || err != nil {
							t.Errorf("not ready: %+v, %v", answer, err)
						}
						time.Sleep(time.Second) // until all who may have begun
						served.mu.Lock()
						served.held--
						served.mu.Unlock()
						s.task.Claim.Release()
					})
				}
				all.Wait()
				if served.most != c.want {
					t.Errorf("%d documents of %d bytes were held at a time, want %d", served.most, c.size, c.want)
				}
			})
		})
	}
}

// listed keeps what is put, under whichever key.
type listed struct{ exports []store.Export }

func (l *listed) Get(store.ExportKey) (store.Export, bool, error) {
	if len(l.exports) == 0 {
		return store.Export{}, false, nil
	}
	return l.exports[len(l.exports)-1], true, nil
}

func (*listed) Size(store.ExportKey) int64 { return 0 }

func (l *listed) Put(_ store.ExportKey, export store.Export) error {
	l.exports = append(l.exports, export)
	return nil
}

// say answers every export with one text.
type say string

func (s say) Do(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Request: r, ContentLength: int64(len(s)),
		Body: io.NopCloser(strings.NewReader(string(s))),
	}, nil
}

const soundDocument = `{"openapi":"3.0.1"}`

// preparedFrom is the answer of a worker that has this cache, and an AWS that answers so; or why it waits.
func preparedFrom(t *testing.T, cache store.ExportCache, answer say, maxBytes int) any {
	t.Helper()
	s := &stage{
		env: (&life.Env{Exports: cache}).Logging(slog.New(slog.DiscardHandler)), maxBytes: maxBytes,
		task: taskOf(t.Context(), exports.NewBound(1<<20).Holder(t.Context(), 0, func() {}).Claim()),
	}
	s.task.client = clientOf(answer)
	prepared, held := s.prepare()
	if held != nil {
		return held
	}
	return prepared
}

func TestWhatIsNoDocumentIsNeitherSentNorKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := &listed{}
		held, waits := preparedFrom(t, cache, "<html>Sign in</html>", 1<<20).(error)
		if !waits || !strings.Contains(apigateway.Explain(held), "HTML") || len(cache.exports) > 0 {
			t.Errorf("%v, %d are kept", held, len(cache.exports))
		}
		ready, _ := preparedFrom(t, cache, soundDocument, 1<<20).(messages.APIReady)
		if ready.Bare || len(cache.exports) != 1 || !cache.exports[0].Checked {
			t.Errorf("AWS is well again, and bare is %v, kept %+v", ready.Bare, cache.exports)
		}
	})
}

func TestWhatAnEarlierVersionKeptIsUsedOnlyIfItIsADocument(t *testing.T) {
	for name, c := range map[string]struct {
		kept  store.Export
		asked bool // AWS is asked for it again
	}{
		"an error's page":                       {store.Export{Document: []byte("<html>")}, true},
		"nothing":                               {store.Export{Document: []byte{}}, true},
		"a document":                            {store.Export{Document: []byte(soundDocument)}, false},
		"that it can never be exported":         {store.Export{NotExportable: "a model"}, false},
		"by this version, which has checked it": {store.Export{Document: []byte("not looked at"), Checked: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cache := &listed{exports: []store.Export{c.kept}}
				ready, is := preparedFrom(t, cache, soundDocument, 1<<20).(messages.APIReady)
				if !is || ready.Bare != (c.kept.NotExportable != "") || (len(cache.exports) == 2) != c.asked {
					t.Errorf("ready %v, bare %v; %d times put", is, ready.Bare, len(cache.exports)-1)
				}
			})
		})
	}
}
