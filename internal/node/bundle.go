package node

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/store"
)

const (
	bundlePath        = "/_node/federation/support-bundle"
	configurationPath = "/_node/configuration"
	// bundleTime is how a bundle's name says when it was made.
	bundleTime = "20060102T150405Z"
	// stackDetail is for goroutines as people read them, those that are alike together.
	stackDetail = 1
)

// bundleNote is for whoever opens a support bundle.
const bundleNote = `What a federation agent says of itself. No secret is in it: no token, no password, no secret access key and no
value of an API key. There are names of APIs and applications, account ids, role ARNs, host names and key ids.

about.json          the program, its process, and since when it runs
configuration.json  what is set, and where, as "federation-agent config print" says it
status.json         the status page
health.json         the probes
metrics.txt         the metrics, as Prometheus reads them
journal.json        how much the journal knows
log.txt             the last lines of the log, 256 kB at most
goroutines.txt      what the program is doing
`

// configuration answers as gravitee-node does: what is set by key. The vendor's shows secrets; this one does not.
func (a *api) configuration(w http.ResponseWriter, _ *http.Request, _ string) {
	texts := map[string]string{}
	for _, s := range a.settings() {
		texts[s.Key] = s.Value
	}
	writeJSON(w, http.StatusOK, texts)
}

// bundle is a support bundle: everything that somebody who is asked for help wants to see, as one file. It is made for
// one caller at a time: it is what costs most.
func (a *api) bundle(w http.ResponseWriter, r *http.Request, _ string) {
	if !a.bundling.TryLock() {
		refuse(w, r, http.StatusServiceUnavailable, "a support bundle is being made already", "")
		return
	}
	defer a.bundling.Unlock()
	now := a.Now().UTC()
	name := "federation-agent-support-" + now.Format(bundleTime)
	h := w.Header()
	h.Set("Content-Type", "application/gzip")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name+".tar.gz"))
	// A caller that has gone gets no error, and the file of one that stays is cut off: its end is missing then.
	_ = a.writeBundle(w, name, now, r)
}

func (a *api) writeBundle(w io.Writer, name string, now time.Time, r *http.Request) error {
	packed := gzip.NewWriter(w)
	files := tar.NewWriter(packed)
	for _, file := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{"README.txt", func(w io.Writer) error { _, err := io.WriteString(w, bundleNote); return err }},
		{"about.json", func(w io.Writer) error { return asJSON(w, a.about(now)) }},
		{"configuration.json", func(w io.Writer) error { return asJSON(w, a.settings()) }},
		{"status.json", func(w io.Writer) error { return asJSON(w, a.report(r.Context())) }},
		{"health.json", answerOf(r, a.health)},
		{"metrics.txt", answerOf(r, a.metrics().ServeHTTP)},
		{"journal.json", func(w io.Writer) error { return a.countJournal(r.Context(), w) }},
		{"log.txt", func(w io.Writer) error { _, err := w.Write(a.Book.Recent()); return err }},
		{"goroutines.txt", func(w io.Writer) error { return pprof.Lookup("goroutine").WriteTo(w, stackDetail) }},
	} {
		var content bytes.Buffer
		if err := file.write(&content); err != nil {
			fmt.Fprintf(&content, "\nthis cannot be had: %v\n", err)
		}
		err := files.WriteHeader(&tar.Header{
			Name: name + "/" + file.name, Mode: 0o600, Size: int64(content.Len()), ModTime: now,
		})
		if err == nil {
			_, err = files.Write(content.Bytes())
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(files.Close(), packed.Close())
}

// about is the program and its process.
func (a *api) about(now time.Time) any {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	about := map[string]any{
		"id": a.ID, "name": a.Name, "version": a.Build.Version, "commit": a.Build.Commit, "go": a.Build.Go,
		"os": runtime.GOOS, "arch": runtime.GOARCH, "cpus": runtime.GOMAXPROCS(0), "goroutines": runtime.NumGoroutine(),
		"at": now, "memoryLimit": debug.SetMemoryLimit(-1),
		"memory": map[string]uint64{"heap": memory.HeapAlloc, "system": memory.Sys, "collections": uint64(memory.NumGC)},
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		about["build"] = strings.Split(strings.TrimSpace(info.String()), "\n")
	}
	return about
}

// countJournal writes how much the journal knows of each integration.
func (a *api) countJournal(ctx context.Context, w io.Writer) error {
	type counts struct {
		Keys map[keys.State]int `json:"keys"`
		Jobs int                `json:"runningIngests"`
	}
	journal := map[string]*counts{}
	of := func(integration string) *counts {
		if journal[integration] == nil {
			journal[integration] = &counts{Keys: map[keys.State]int{}}
		}
		return journal[integration]
	}
	records, err := store.Records(ctx, a.Keys, store.Filter{}, false)
	for _, r := range records {
		of(r.Integration).Keys[r.State]++
	}
	for _, i := range a.Board.Read().Integrations {
		jobs, unread := a.Ingests.Running(ctx, i.ID)
		of(i.ID).Jobs, err = len(jobs), errors.Join(err, unread)
	}
	return errors.Join(asJSON(w, map[string]any{"health": a.storeReport(a.Board.Read()), "integrations": journal}), err)
}

func asJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// answerOf is what a handler answers.
func answerOf(r *http.Request, handler http.HandlerFunc) func(io.Writer) error {
	return func(w io.Writer) error {
		asked := r.Clone(r.Context())
		asked.URL.RawQuery = ""
		asked.Header = http.Header{} // neither compressed nor in another form
		handler(&written{Writer: w, header: http.Header{}}, asked)
		return nil
	}
}

// written is an answer that goes elsewhere than to a caller. Its code is in what it says.
type written struct {
	io.Writer

	header http.Header
}

// Header implements http.ResponseWriter.
func (w *written) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *written) WriteHeader(int) {}
