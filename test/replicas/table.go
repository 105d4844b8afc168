package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"federation-agent/test/process"
)

// table is a proxy before moto that counts what the agents ask of it, and that makes of moto what DynamoDB is: a table has
// an id, and each answer a checksum.
type table struct {
	url    string
	server *http.Server

	mu    sync.Mutex
	calls map[string]int // by operation

	// asking is held by every call, and as a writer by who needs the table to stand still.
	asking sync.RWMutex
	behind backend
	// writing lets one write through at a time: between the condition and the write, moto 5.2.1 looks away. Of two first
	// writes at the same time both succeed then, which DynamoDB excludes.
	writing sync.Mutex
}

// backend is where a table is, and the id that DynamoDB gave it. The zero one is a table that was deleted.
type backend struct {
	url *url.URL
	id  string
}

// maxRequest bounds a request, more than DynamoDB takes.
const maxRequest = 4 << 20

func newTable(moto string) (*table, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &table{url: "http://" + listener.Addr().String(), calls: map[string]int{}}
	if err := t.become(moto); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(t.behind.url)
			r.Out.Host = r.In.Host // the signature covers it
		},
		ModifyResponse: t.complete,
		// An agent that is killed in the middle of a call is what is wanted here.
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	t.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			operation := operationOf(r)
			t.mu.Lock()
			t.calls[operation]++
			t.mu.Unlock()
			// The whole request first: an agent that is stopped in the middle of one keeps nobody waiting.
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
			if err != nil {
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			t.asking.RLock()
			defer t.asking.RUnlock()
			if t.behind == (backend{}) {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, `{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"}`)
				return
			}
			if !isRead(operation) {
				t.writing.Lock()
				defer t.writing.Unlock()
			}
			proxy.ServeHTTP(w, r)
		})}
	go func() { _ = t.server.Serve(listener) }() // until close
	return t, nil
}

func operationOf(r *http.Request) string {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	return operation
}

// complete adds to an answer what moto 5.2.1 leaves out: a table's id, and the checksum of a refusal.
func (t *table) complete(r *http.Response) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if operationOf(r.Request) == "DescribeTable" {
		var answer map[string]map[string]any
		if json.Unmarshal(body, &answer) == nil && answer["Table"] != nil {
			answer["Table"]["TableId"] = t.behind.id
			if body, err = json.Marshal(answer); err != nil {
				return err
			}
		}
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", fmt.Sprint(len(body)))
	r.Header.Set("X-Amz-Crc32", fmt.Sprint(crc32.ChecksumIEEE(body)))
	return nil
}

// become puts another table behind the name, with an id of its own, or none.
func (t *table) become(moto string) error {
	behind := backend{}
	if moto != "" {
		to, err := url.Parse(moto)
		if err != nil {
			return err
		}
		behind = backend{url: to, id: uuid.NewString()}
	}
	t.asking.Lock()
	defer t.asking.Unlock()
	t.behind = behind
	return nil
}

// items are what a table has.
type items []map[string]types.AttributeValue

// copy is a backup: all items as they are at one moment.
func (t *table) copy(ctx context.Context) (all items, err error) {
	t.asking.Lock()
	defer t.asking.Unlock()
	pages := sdk.NewScanPaginator(motoClient(t.behind.url.String()), &sdk.ScanInput{TableName: aws.String(tableName)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("copying the table: %w", err)
		}
		all = append(all, page.Items...)
	}
	return all, nil
}

func motoClient(url string) *sdk.Client {
	return sdk.NewFromConfig(tableConfig(), func(o *sdk.Options) { o.BaseEndpoint = &url })
}

func (t *table) close() { _ = t.server.Close() }

// counts are the calls so far, by operation.
func (t *table) counts() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.calls)
}

func isRead(operation string) bool {
	return slices.Contains([]string{"GetItem", "Query", "BatchGetItem", "DescribeTable"}, operation)
}

// since are the calls since others were counted: of reads, and of writes.
func (t *table) since(before map[string]int) (reads, writes int) {
	for operation, n := range t.counts() {
		n -= before[operation]
		if isRead(operation) {
			reads += n
		} else {
			writes += n
		}
	}
	return reads, writes
}

// figures is a table that is printed.
type figures struct {
	title  string
	rows   [][]string
	misses int
}

// judge adds a figure that has a bar.
func (f *figures) judge(what, figure, bar string, reached bool) {
	verdict := "yes"
	if !reached {
		f.misses++
		verdict = "**no**"
	}
	f.rows = append(f.rows, []string{what, figure, bar, verdict})
}

// tell adds one without.
func (f *figures) tell(what, figure string) { f.rows = append(f.rows, []string{what, figure, "", ""}) }

// none judges a list of what must not be.
func (f *figures) none(what string, found []string) {
	figure := fmt.Sprint(len(found))
	if len(found) > 0 {
		figure += ": " + strings.Join(found[:min(len(found), 5)], "; ")
	}
	f.judge(what, figure, "0", len(found) == 0)
}

// count adds the keys in AWS against APIM and the journal. Errors: what does not add up.
func (f *figures) count(c process.Count) error {
	f.tell("subscriptions: accepted, rejected, closed", fmt.Sprintf("%d, %d, %d", c.Accepted, c.Rejected, c.Closed))
	wrong := c.Wrong()
	f.judge("keys attached in AWS = accepted in APIM + listed, of no use to APIM (keys not attached; listed lost creates)",
		fmt.Sprintf("%d = %d + %d (%d; %d)", c.Attached, c.Accepted, c.Useless(), c.Unattached, c.LostCreate), "equal", wrong == nil)
	return wrong
}

// String is the table in Markdown.
func (f *figures) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n### %s\n\n| measure | figure | bar | reached |\n|---|---|---|---|\n", f.title)
	for _, row := range f.rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
	}
	return b.String()
}
