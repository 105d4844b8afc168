package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/store"
	"federation-agent/internal/store/storetest"
	"federation-agent/test/process"
)

const (
	// hostileBar is what the process may have at most, whatever comes.
	hostileBar = 96 * mib
	// hostileFor is how long an input without an end is served.
	hostileFor = 20 * time.Second
	// hostileSample is how often memory is read: some of these processes live for a moment only.
	hostileSample = 2 * time.Millisecond
	hostileID     = "hostile"
	// floodFor is how long an agent may take to read a flood, underWay how many bytes of it this process keeps.
	floodFor = 2 * time.Minute
	underWay = 64 * mib
)

// hostile is one input without a bound, as field reports had them.
type hostile struct {
	what   string
	estate awssim.UniformOptions
	// aws, where set, answers in the place of AWS, and reports whether it did.
	aws func(http.ResponseWriter, *http.Request) bool
	// before changes what the agent is started with; dir is its store.
	before func(dir string, settings map[string]string) error
	// after does the harm to an agent that is connected; without it, everything is ingested.
	after func(context.Context, *victim) error
	// args, where set, are those of an agent that is not to get as far as APIM.
	args []string
}

// victim is an agent under such an input.
type victim struct {
	*program
	apim    *apimsim.APIM
	written *atomic.Int64 // messages to it
}

// drained waits until no more than so many messages of a number wait to be written.
func (v *victim) drained(queued, most int64) error {
	for end := time.Now().Add(floodFor); queued-v.written.Load() > most; time.Sleep(hostileSample) {
		if len(v.apim.Agents()) == 0 || time.Now().After(end) {
			return fmt.Errorf("the agent has read %d of %d messages", v.written.Load(), queued)
		}
	}
	return nil
}

func hostiles() []hostile {
	export := func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/exports/") }
	list := func(r *http.Request) bool { return r.URL.Path == "/restapis" }
	const document = `{"openapi":"3.0.1","paths":{"`
	many := awssim.UniformOptions{APIs: 40, StagesPerAPI: 2, Plans: 2} // several exports at a time
	return []hostile{
		{what: "C1 exports without an end", estate: many, aws: answering(export, document, "x", endless, false)},
		{what: "C1 exports of 300 MB", estate: many, aws: answering(export, document, "x", 300e6, false)},
		{what: "C1 exports of 300 MB that tell their size", estate: many, aws: answering(export, document, "x", 300e6, true)},
		{what: "C1 a list without an end", aws: answering(list, `{"item":[`, `{"id":"abcdefghij"},`, endless, false)},
		{what: "C1 a list without an end of nothing", aws: answering(list, `{"item":[`, " ", endless, false)},
		{what: "C1 pages without an end", aws: pages(list)},
		{what: "C2 300 HEALTH_CHECKs with ids of 1 MB", after: rawly(300, "HEALTH_CHECK", 1e6, "{}")},
		{what: "C2 40 SUBSCRIBEs with ids of 4 MB", after: rawly(40, "SUBSCRIBE", 4e6, subscription)},
		{what: "C2 a flood of REPLYs, 10 s", after: replies},
		{what: "C3 an ingest of 200,000 ids that are not there", after: ingestOfNothing},
		{what: "C3 100,000 SUBSCRIBEs that are refused", after: rawly(100_000, "SUBSCRIBE", 30, subscription)},
		{what: "C3 5,000 unconfirmed keys at the start", before: unconfirmed},
		{what: "C4 --config /dev/zero", args: []string{"run", "--config", "/dev/zero"}},
		{what: "C5 20 documents of 3 MB", estate: awssim.UniformOptions{
			APIs: 10, StagesPerAPI: 2, Plans: 2, DocumentBytes: 3_000_000,
		}},
		{what: "C6 a journal of 150 MB of a newer version", before: newerJournal, args: []string{"run"}},
		{what: "C7 AWS answers 307", aws: func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
			return true
		}},
		{what: "C8 5,000 wrong passwords at the node API, 64 at a time", before: func(_ string, s map[string]string) error {
			s["gravitee_services_core_http_authentication_users_admin"] = "a-long-password"
			return nil
		}, after: wrongPasswords},
	}
}

// measureHostile gives the highest memory of a process under each of these inputs.
func measureHostile(ctx context.Context, r *rig) ([]table, error) {
	t := measures("Peak memory of a process under inputs without a bound (VmHWM)")
	var failures []error
	for _, h := range hostiles() {
		fmt.Fprintln(os.Stderr, "load: hostile:", h.what)
		peak, err := r.peakUnder(ctx, h)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", h.what, err))
			continue
		}
		t.row(h.what, inMiB(peak), "≤ "+inMiB(hostileBar), peak > 0 && peak <= hostileBar)
	}
	return []table{t}, errors.Join(failures...)
}

// peakUnder starts an agent of its own against stand-ins in this process, and does it harm.
func (r *rig) peakUnder(ctx context.Context, h hostile) (int64, error) {
	if h.estate.APIs == 0 {
		h.estate = awssim.UniformOptions{APIs: 4, StagesPerAPI: 2, Plans: 2}
	}
	aws, err := awssim.New(awssim.Options{Estate: awssim.UniformEstate(h.estate), Seed: seed})
	if err != nil {
		return 0, err
	}
	var written atomic.Int64
	apim, err := apimsim.New(apimsim.Options{
		DropPageContent: true, Integrations: []apimsim.Integration{{ID: hostileID, Env: "DEFAULT"}},
		OnMessage: func(m apimsim.Message) {
			if !m.Inbound {
				written.Add(1)
			}
		},
	})
	if err != nil {
		return 0, err
	}
	defer apim.Close()
	s := &standIns{}
	harmful := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.aws == nil || !h.aws(w, r) {
			aws.ServeHTTP(w, r)
		}
	})
	for url, handler := range map[*string]http.Handler{&s.AWS: harmful, (*string)(&s.APIM): apim} {
		address, end, err := serveHere(handler)
		if err != nil {
			return 0, err
		}
		defer end()
		*url = address
	}
	dir, err := r.folder("store")
	if err != nil {
		return 0, err
	}
	settings := map[string]string{"gravitee_agent_store_path": dir}
	if h.before != nil {
		if err := h.before(dir, settings); err != nil {
			return 0, err
		}
	}
	spec := agentSpec{name: hostileID, integration: hostileID, settings: settings, cpu: -1}
	if h.args != nil {
		return r.peakOfRefusal(s, spec, h.args)
	}
	p, _, err := r.connected(ctx, s, spec)
	if err != nil {
		return 0, err
	}
	defer p.kill()
	if h.after == nil {
		h.after = ingestAWhile
	}
	if err := h.after(ctx, &victim{p, apim, &written}); err != nil {
		return 0, err
	}
	if err := process.Sleep(ctx, time.Second); err != nil {
		return 0, err
	}
	m, err := p.Memory() // fails if it has not survived
	return m.HighWater, err
}

// peakOfRefusal runs an agent that refuses to start.
func (r *rig) peakOfRefusal(s *standIns, spec agentSpec, args []string) (int64, error) {
	p, err := r.startAgentWith(s, spec, args...)
	if err != nil {
		return 0, err
	}
	defer p.kill()
	highest := int64(0)
	for end := time.Now().Add(hostileFor); ; time.Sleep(hostileSample) {
		m, err := p.Memory()
		switch {
		case err != nil || m.HighWater == 0: // it has ended
			if p.ExitCode() == 0 {
				err = errors.New("it ended as if nothing were wrong")
			} else {
				err = nil
			}
			return highest, err
		case time.Now().After(end):
			return 0, errors.New("it does not refuse to start")
		}
		highest = max(highest, m.HighWater)
	}
}

func serveHere(handler http.Handler) (url string, end func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }() // it ends with Close
	return "http://" + l.Addr().String(), func() { _ = server.Close() }, nil
}

const endless = -1

// answering writes a beginning, and then another text again and again, for so many bytes or until nobody reads.
func answering(
	to func(*http.Request) bool, begin, again string, size int64, told bool,
) func(http.ResponseWriter, *http.Request) bool {
	chunk := []byte(strings.Repeat(again, 1+(32<<10)/len(again)))
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !to(r) {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		if told {
			w.Header().Set("Content-Length", fmt.Sprint(size))
		}
		written, err := io.WriteString(w, begin)
		for n := int64(written); err == nil && (size == endless || n < size); n += int64(written) {
			part := chunk
			if size != endless {
				part = chunk[:min(int64(len(chunk)), size-n)]
			}
			written, err = w.Write(part)
		}
		return true
	}
}

// pages answers a list with a page after which there is always another one.
func pages(to func(*http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
	const each = 500
	var mu sync.Mutex
	n := 0
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !to(r) {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		var page bytes.Buffer
		page.WriteString(`{"item":[`)
		for range each {
			n++
			fmt.Fprintf(&page, `{"id":"a%09d","name":"API %d","createdDate":1700000000},`, n, n)
		}
		page.Truncate(page.Len() - 1)
		fmt.Fprintf(&page, `],"position":"p%d"}`, n)
		_, _ = w.Write(page.Bytes()) // the agent may have gone
		return true
	}
}

// ingestAWhile has everything ingested, for no longer than an input without an end is served.
func ingestAWhile(ctx context.Context, v *victim) error {
	ctx, cancel := context.WithTimeout(ctx, hostileFor)
	defer cancel()
	job, err := v.apim.StartIngest(ctx, hostileID, nil)
	for err == nil && ctx.Err() == nil && job.Status == apimsim.JobPending && job.Total > 0 {
		time.Sleep(hostileSample)
		job, err = v.apim.Job(job.ID)
	}
	return nil // what comes of it is not the question
}

const subscription = `{"apiId":"no such API","subscription":{"graviteeSubscriptionId":"s","metadata":{"planId":"p"}}}`

// rawly sends so many commands with ids of a length.
func rawly(times int, kind string, id int, payload string) func(context.Context, *victim) error {
	return func(_ context.Context, v *victim) error {
		conn, before := v.apim.Agents()[0].Conn, v.written.Load()
		long := strings.Repeat("x", id)
		for n := range times {
			message := fmt.Appendf(nil, `t:COMMAND;;et:%s;;e:{"id":"%d%s","type":"%s","payload":%s}`,
				kind, n, long, kind, payload)
			if err := v.apim.WriteRaw(conn, message); err != nil {
				return fmt.Errorf("after %d: %w", n, err)
			}
			if err := v.drained(before+int64(n), underWay/int64(len(message))); err != nil {
				return err
			}
		}
		return v.drained(before+int64(times), 0)
	}
}

// replies are answers to nothing, as fast as they are read.
func replies(_ context.Context, v *victim) error {
	conn, queued := v.apim.Agents()[0].Conn, v.written.Load()
	reply := []byte(`t:REPLY;;et:INGEST;;e:{"commandId":"nobody's","type":"INGEST","commandStatus":"SUCCEEDED"}`)
	for end := time.Now().Add(hostileFor / 2); time.Now().Before(end); queued++ {
		if err := v.apim.WriteRaw(conn, reply); err != nil {
			return err
		}
		if err := v.drained(queued, 10_000); err != nil {
			return err
		}
	}
	return nil
}

func ingestOfNothing(ctx context.Context, v *victim) error {
	ids := make([]string, 0, 200_000)
	for n := range cap(ids) {
		ids = append(ids, fmt.Sprintf("%s:eu-west-1:api%06d:prod", awssim.UniformAccount(0), n))
	}
	if _, err := v.apim.StartIngest(ctx, hostileID, ids); err == nil {
		return errors.New("an ingest of nothing that is there began")
	}
	return nil
}

// unconfirmed fills the journal with keys that may or may not have reached APIM.
func unconfirmed(dir string, _ map[string]string) error {
	journal, _ := store.Open(dir, store.Options{})
	now := time.Now()
	var puts sync.WaitGroup // those at the same time share a commit
	errs := make([]error, 5_000)
	for n := range errs {
		puts.Go(func() {
			id := fmt.Sprintf("record-%05d", n)
			errs[n] = storetest.Put(journal, keys.Record{
				ID: id, Integration: hostileID, SubscriptionID: "subscription-" + id, KeyID: "key-" + id, KeyName: "A key " + id,
				Account: awssim.UniformAccount(0), Region: "eu-west-1", APIID: "api1", UsagePlanID: "plan1",
				State: keys.Unconfirmed, Reason: strings.Repeat("why ", 50), CreatedAt: now, UpdatedAt: now,
			})
		})
	}
	puts.Wait()
	return errors.Join(errors.Join(errs...), journal.Close())
}

func newerJournal(dir string, _ map[string]string) error {
	content := slices.Concat([]byte("federation-agent journal, schema 7, 000000000001 lines\n"),
		bytes.Repeat([]byte("x"), 150e6))
	return os.WriteFile(filepath.Join(dir, store.FileName), content, 0o600)
}

func wrongPasswords(ctx context.Context, v *victim) error {
	line, err := v.Await(ctx, &v.Stderr, "the node API is served")
	if err != nil {
		return err
	}
	_, address, _ := strings.Cut(line, "address=")
	address, _, _ = strings.Cut(address, " ")
	url := "http://" + strings.TrimSpace(address) + "/_node"
	guesses := make(chan int)
	var guessers sync.WaitGroup
	for range 64 {
		guessers.Go(func() {
			for n := range guesses {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
				if err != nil {
					continue
				}
				req.SetBasicAuth("admin", fmt.Sprintf("%d%s", n, strings.Repeat("x", 4000)))
				if resp, err := http.DefaultClient.Do(req); err == nil {
					_ = resp.Body.Close()
				}
			}
		})
	}
	for n := range 5_000 {
		guesses <- n
	}
	close(guesses)
	guessers.Wait()
	return nil
}
