package node

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"federation-agent/internal/store"
	"federation-agent/internal/words"
)

// pageFiles are the page: a template for each section, and what the browser asks for besides.
//
//go:embed page
var pageFiles embed.FS

// pagePath is the status page; its files are below it.
const pagePath = "/_node/federation"

const (
	// pageEvery and pageEveryBusy are how often an open page asks for news: nobody waits for the state of a session, but
	// people watch an ingest.
	pageEvery     = 5 * time.Second
	pageEveryBusy = time.Second
	// pageKeys and pageAPIs bound the page: what is longer has a search, or the JSON form.
	pageKeys = 100
	pageAPIs = 25
	// maxQuery bounds what is looked for, in bytes.
	maxQuery = 200
)

// pageHeaders keep a page that a name of an API or a caller's text got into from doing anything: nothing but our own
// files is loaded or run, and no other page shows it, opens it or hears where it was left from. The referrer goes to
// ourselves, or a browser would send forms without their origin.
func pageHeaders(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "+
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
}

// pageFile serves a file of the page as it is. The type is said and not asked of the system, whose table would cost
// memory.
func pageFile(name, kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		text, _ := pageFiles.ReadFile("page/" + name) // it is embedded
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(text) // a caller that has gone gets no error
	}
}

// federation is the status page: HTML for callers that accept it, as browsers do, and JSON for all others.
func (a *api) federation(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept")
	report := a.report(r.Context())
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		writeJSON(w, http.StatusOK, report)
		return
	}
	// It is parsed for each request: a parsed template would cost the idle process memory.
	var page bytes.Buffer
	parsed, err := template.New("page.html").Funcs(pageFuncs(report.Now, a.csrfOf(r))).ParseFS(pageFiles, "page/*.html")
	if err == nil {
		err = parsed.Execute(&page, a.pageView(report, r))
	}
	if err != nil {
		a.Log.Error("the status page cannot be written; this is a bug in the agent, please report it", "error", err)
		http.Error(w, "the status page cannot be written; ask for application/json", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page.Bytes())
}

// pageView is what the templates show.
type pageView struct {
	report
	// Many is whether there are integrations to tell apart.
	Many bool
	// Running is how many ingests run.
	Running int
	// Compared is whether AWS and APIM are compared, or are to be.
	Compared bool
	// Charts are the quotas of the last hour, MoreCharts how many are not drawn.
	Charts     []chart
	MoreCharts int
	// Settings are for who proves who he is, as [configurationPath] is.
	Settings []Setting
	// Every is after how many seconds the page asks again.
	Every int
	APIs  apisView
	// Replicas are there where the journal is a table.
	Replicas []replica
}

func (a *api) pageView(r report, asked *http.Request) pageView {
	view := pageView{report: r, Replicas: replicas(r), Many: len(r.Serving) > 1, APIs: a.findAPIs(r, asked.URL.Query())}
	if _, why := a.whoIs(asked); why == "" {
		view.Settings = a.settings()
	}
	view.Charts, view.MoreCharts = charts(r.Quotas, r.Now)
	for _, i := range r.Serving {
		view.Running += len(i.Ingests)
		view.Compared = view.Compared || i.Drift != nil
	}
	every := pageEvery
	if view.Running > 0 {
		every = pageEveryBusy
	}
	view.Every = int(every.Seconds())
	return view
}

// apisView is one page of a search in the federated APIs.
type apisView struct {
	Query          string
	Said           string
	Found          []apiRow
	Previous, Next string
}

type apiRow struct {
	store.KnownAPI
	Account, Region, RestAPI, Stage string
}

// findAPIs looks among what the agent remembers of the last complete listings. It makes no call to AWS.
func (a *api) findAPIs(r report, asked url.Values) apisView {
	query := strings.TrimSpace(words.Cut(strings.ToValidUTF8(asked.Get("q"), ""), maxQuery))
	page, _ := strconv.Atoi(asked.Get("page")) // what is no number is the first page
	ids := make([]string, len(r.Serving))
	for n, i := range r.Serving {
		ids[n] = i.ID
	}
	page = max(page, 1)
	found, fit, all := a.APIs.FindAPIs(ids, strings.Fields(query), (page-1)*pageAPIs, pageAPIs)
	view := apisView{Query: query, Found: make([]apiRow, 0, len(found))}
	for _, api := range found {
		row := apiRow{KnownAPI: api}
		if parts := strings.Split(api.ID, ":"); len(parts) == 4 { //nolint:mnd // ACCOUNT:REGION:RESTAPI:STAGE
			row.Account, row.Region, row.RestAPI, row.Stage = parts[0], parts[1], parts[2], parts[3]
		}
		view.Found = append(view.Found, row)
	}
	switch {
	case all == 0:
		view.Said = "No API is known yet: AWS has not been listed."
	case fit == 0:
		view.Said = fmt.Sprintf("None of %s fits.", count(all, "API"))
	case len(found) == 0:
		view.Said = fmt.Sprintf("There is no page %d.", page)
	case len(found) < fit:
		first := (page-1)*pageAPIs + 1
		view.Said = fmt.Sprintf("APIs %d to %d of %d", first, first+len(found)-1, fit)
	default:
		view.Said = count(fit, "API")
	}
	if len(found) > 0 && fit < all {
		view.Said = fmt.Sprintf("Found: %s of %d", view.Said, all)
	}
	link := func(page int) string {
		return "federation?" + url.Values{"q": {query}, "page": {strconv.Itoa(page)}}.Encode() + "#apis"
	}
	if page > 1 {
		view.Previous = link(min(page-1, (fit+pageAPIs-1)/pageAPIs))
	}
	if page*pageAPIs < fit {
		view.Next = link(page + 1)
	}
	return view
}

// keysView is a list of keys, cut to what people read.
type keysView struct {
	Title     string
	Keys      []keyReport
	All, More int
}

func pageFuncs(now time.Time, csrf string) template.FuncMap {
	return template.FuncMap{
		"csrf": func() string { return csrf },
		"clock": func(t time.Time) string {
			if t = t.UTC(); t.Format(time.DateOnly) == now.Format(time.DateOnly) {
				return t.Format(time.TimeOnly)
			}
			return t.Format(time.DateTime)
		},
		"ago":     func(t time.Time) string { return words.Ago(now.Sub(t)) },
		"span":    func(t time.Time) string { return words.Span(now.Sub(t)) },
		"took":    func(from, to time.Time) string { return words.Span(to.Sub(from)) },
		"place":   words.Place,
		"words":   func(name any) string { return strings.ReplaceAll(fmt.Sprint(name), "_", " ") },
		"reasons": reasons,
		"kinds":   func() []driftKind { return driftKinds },
		"yes": func(b *bool) string {
			if b == nil {
				return "not said yet"
			}
			return map[bool]string{true: "yes", false: "no"}[*b]
		},
		"list": func(title string, keys []keyReport) *keysView {
			if len(keys) == 0 {
				return nil
			}
			shown := min(len(keys), pageKeys)
			return &keysView{Title: title, Keys: keys[:shown], All: len(keys), More: len(keys) - shown}
		},
	}
}

// count spells a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// reasons are counts of why something is left out, the most frequent first.
func reasons(by map[string]int) []string {
	names := words.MostFirst(by)
	for n, name := range names {
		names[n] = fmt.Sprintf("%s %d", strings.ReplaceAll(name, "_", " "), by[name])
	}
	return names
}
