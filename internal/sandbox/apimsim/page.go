package apimsim

import (
	"bytes"
	"cmp"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
)

// pageFiles are the page and what the browser asks for besides.
//
//go:embed page
var pageFiles embed.FS

// pageView is what the page shows, one block an integration.
type pageView struct {
	Version string
	Manage  string
	Notice  *notice
	// Query is what the names of the shown APIs contain.
	Query string
	// CanCall is whether an API can be called with a key.
	CanCall      bool
	Integrations []integrationView
	Problems     []Problem
}

type integrationView struct {
	Integration
	Agents  []Agent
	Preview *Preview
	APIs    []API
	// Shown are those of the APIs that fit the query; they are folded out where somebody asked.
	Shown         []API
	Open          bool
	Subscriptions []SubscriptionView
	Jobs          []Job
}

// pageProblems is how many of the latest problems the page shows.
const pageProblems = 20

// notice is the outcome of the last form.
type notice struct {
	Text string
	// Answer is what an API answered.
	Answer string
}

// servePage shows the stand-in as APIM's console would show the integration. It works without
// JavaScript and asks nobody for anything.
func (a *APIM) servePage(w http.ResponseWriter, r *http.Request) {
	page, err := template.ParseFS(pageFiles, "page/page.html")
	var out bytes.Buffer
	if err == nil {
		err = page.Execute(&out, a.pageView(strings.TrimSpace(r.URL.Query().Get("q"))))
	}
	if err != nil {
		a.opts.Log.Error("page failed", "error", err)
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; "+
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	_, _ = w.Write(out.Bytes()) // a reader who left needs no answer
}

// servePageFile serves what the page asks for besides.
func servePageFile(name, kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		text, _ := pageFiles.ReadFile("page/" + name) // it is embedded
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(text) // a reader who left needs no answer
	}
}

func (a *APIM) pageView(query string) pageView {
	view := pageView{Version: a.opts.Version, Manage: managementPath, Query: query, CanCall: a.opts.Call != nil}
	names := map[string]string{}
	for _, api := range a.APIs() {
		names[api.ID] = api.Name
		for _, p := range api.Plans {
			names[p.ID] = p.Name
		}
	}
	for _, i := range a.Integrations() {
		v := integrationView{Integration: i}
		for _, agent := range a.Agents() {
			if agent.IntegrationID == i.ID {
				v.Agents = append(v.Agents, agent)
			}
		}
		for _, api := range a.APIs() {
			if api.IntegrationID == i.ID {
				v.APIs = append(v.APIs, api)
			}
		}
		slices.SortFunc(v.APIs, func(a, b API) int {
			return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ProviderID, b.ProviderID))
		})
		v.Shown, v.Open = v.APIs, query != ""
		if v.Open {
			v.Shown = slices.DeleteFunc(slices.Clone(v.APIs), func(api API) bool {
				return !strings.Contains(strings.ToLower(api.Name), strings.ToLower(query))
			})
		}
		for _, sub := range a.Subscriptions() {
			if sub.IntegrationID == i.ID {
				s := viewSubscription(sub)
				s.APIID, s.PlanID = or(names[s.APIID], s.APIID), or(names[s.PlanID], s.PlanID)
				v.Subscriptions = append(v.Subscriptions, s)
			}
		}
		for _, j := range a.Jobs() {
			if j.IntegrationID == i.ID {
				v.Jobs = append(v.Jobs, j)
			}
		}
		slices.Reverse(v.Jobs) // the newest first
		slices.Reverse(v.Subscriptions)
		a.mu.Lock()
		if p, ok := a.previews[i.ID]; ok {
			v.Preview = &p
		}
		a.mu.Unlock()
		view.Integrations = append(view.Integrations, v)
	}
	view.Problems = a.Problems()
	view.Problems = view.Problems[max(0, len(view.Problems)-pageProblems):]
	a.mu.Lock()
	view.Notice = a.lastNotice
	a.mu.Unlock()
	return view
}

// noteForm keeps the outcome of a form for the page.
func (a *APIM) noteForm(value any, err error) {
	said := notice{Text: "Done."}
	switch v := value.(type) {
	case Preview:
		said.Text = fmt.Sprintf("The agent found %d APIs.", len(v.APIs))
		if v.Partial {
			said.Text += " Only a part was found in time: ingest everything, or try again."
		}
	case JobView:
		said.Text = fmt.Sprintf("Ingest %s was started: %d APIs announced. How it goes stands below.", v.ID, v.Total)
		if v.Status != JobPending {
			said.Text = fmt.Sprintf("Ingest %s: %s, %d APIs.", v.ID, v.Status, v.Total)
		}
	case SubscriptionView:
		said.Text = fmt.Sprintf("Subscription %s: %s. %s", v.ID, v.Status, v.Reason)
	case Called:
		said.Text = fmt.Sprintf("GET %s with the key of the subscription was answered %d.", v.URL, v.Status)
		said.Answer = v.Body
	}
	if err != nil {
		said.Text = "Failed: " + err.Error()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lastNotice = &said
}
