package apimsim

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
)

//go:embed page.html
var pageSource string

// pageView is what the page shows, one block an integration.
type pageView struct {
	Version      string
	Manage       string
	Notice       string
	Integrations []integrationView
	Problems     []Problem
}

type integrationView struct {
	Integration
	Agents        []Agent
	Preview       *Preview
	APIs          []API
	Subscriptions []SubscriptionView
	Jobs          []Job
}

// pageProblems is how many of the latest problems the page shows.
const pageProblems = 20

// servePage shows the stand-in as APIM's console would show the integration. It works without
// JavaScript and asks nobody for anything.
func (a *APIM) servePage(w http.ResponseWriter, _ *http.Request) {
	page, err := template.New("page").Parse(pageSource)
	var out bytes.Buffer
	if err == nil {
		err = page.Execute(&out, a.pageView())
	}
	if err != nil {
		a.opts.Log.Error("page failed", "error", err)
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(out.Bytes()) // a reader who left needs no answer
}

func (a *APIM) pageView() pageView {
	view := pageView{Version: a.opts.Version, Manage: managementPath}
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

// notice keeps one line about the last form for the page.
func (a *APIM) notice(value any, err error) {
	text := "Done."
	switch v := value.(type) {
	case Preview:
		text = fmt.Sprintf("The agent found %d APIs.", len(v.APIs))
		if v.Partial {
			text += " Only a part was found in time: ingest everything, or try again."
		}
	case JobView:
		text = fmt.Sprintf("Ingest %s: %s, %d APIs announced.", v.ID, v.Status, v.Total)
	case SubscriptionView:
		text = fmt.Sprintf("Subscription %s: %s. %s", v.ID, v.Status, v.Reason)
	}
	if err != nil {
		text = "Failed: " + err.Error()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lastNotice = text
}
