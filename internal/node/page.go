package node

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

// federation is the status page: HTML for callers that accept it, as browsers do, and JSON for all others.
func (a *api) federation(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept")
	report := a.report()
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		writeJSON(w, http.StatusOK, report)
		return
	}
	// It is parsed for each request: a parsed template would cost the idle process memory.
	var page bytes.Buffer
	parsed, err := template.New("page").Funcs(pageFuncs(report.Now)).Parse(pageText)
	if err == nil {
		err = parsed.Execute(&page, report)
	}
	if err != nil {
		a.Log.Error("the status page cannot be written; this is a bug in the agent, please report it", "error", err)
		http.Error(w, "the status page cannot be written; ask for application/json", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page.Bytes()) // a caller that has gone gets no error
}

func pageFuncs(now time.Time) template.FuncMap {
	return template.FuncMap{
		"at": func(t time.Time) string {
			if t.IsZero() {
				return "never"
			}
			return fmt.Sprintf("%s (%s ago)", t.UTC().Format(time.DateTime), now.Sub(t).Round(time.Second))
		},
		"yes": func(b *bool) string {
			if b == nil {
				return "not said yet"
			}
			return map[bool]string{true: "yes", false: "no"}[*b]
		},
	}
}
