package main

import (
	"bytes"
	"fmt"
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

	"federation-agent/test/process"
)

// table is a proxy before moto that counts what the agents ask of it.
type table struct {
	url    string
	server *http.Server

	mu    sync.Mutex
	calls map[string]int // by operation

	// writing lets one write through at a time: between the condition and the write, moto 5.2.1 looks away. Of two first
	// writes at the same time both succeed then, which DynamoDB excludes.
	writing sync.Mutex
}

// maxRequest bounds a request, more than DynamoDB takes.
const maxRequest = 4 << 20

func newTable(moto string) (*table, error) {
	to, err := url.Parse(moto)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &table{url: "http://" + listener.Addr().String(), calls: map[string]int{}}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host // the signature covers it
		},
		// An agent that is killed in the middle of a call is what is wanted here.
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	t.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
			t.mu.Lock()
			t.calls[operation]++
			t.mu.Unlock()
			// The whole request first: an agent that is stopped in the middle of one keeps nobody waiting.
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
			if err != nil {
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			if !isRead(operation) {
				t.writing.Lock()
				defer t.writing.Unlock()
			}
			proxy.ServeHTTP(w, r)
		})}
	go func() { _ = t.server.Serve(listener) }() // until close
	return t, nil
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
