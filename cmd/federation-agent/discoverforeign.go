package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	actors "federation-agent/actors/agent"
	"federation-agent/actors/life"
	"federation-agent/config"
	"federation-agent/internal/apimrest"
	"federation-agent/internal/drift"
	"federation-agent/internal/federation"
	"federation-agent/internal/survey"
)

// foreignLimit has 200 requests at most: APIM compares the token with all tokens of the installation at each.
const foreignLimit = 50

// perForeign is how many requests an API of another agent costs: itself, its metadata, plans and subscriptions.
const perForeign = 4

// asksAPIM is what discover is to ask APIM.
type asksAPIM struct {
	diff, foreign bool
	// from is the integration whose APIs are another agent's; empty for those that are configured.
	from  string
	limit int
	// name is what the name of an API contains that APIM is asked for.
	name string
}

// flag is the one that needs APIM.
func (a asksAPIM) flag() string {
	switch {
	case a.diff:
		return "--diff"
	case a.from != "":
		return "--from"
	}
	return "--foreign"
}

// foreignReport is what another agent made in one integration.
type foreignReport struct {
	Integration string `json:"integration"`
	// Failure says why nothing, or not everything, is known.
	Failure string `json:"failure,omitempty"`
	// Doubt says why they may be this agent's own, Unlisted which targets are not listed, so that nobody can tell.
	Doubt    string       `json:"doubt,omitempty"`
	Unlisted []string     `json:"unlisted,omitempty"`
	APIs     []foreignAPI `json:"apis"`
}

// foreignAPI is one API of another agent.
type foreignAPI struct {
	APIMID string `json:"apimId"`
	Name   string `json:"name"`
	// Asked says that APIM was asked for what follows, Failure why it did not tell.
	Asked     bool               `json:"asked"`
	Failure   string             `json:"failure,omitempty"`
	Lifecycle apimrest.Lifecycle `json:"lifecycle,omitempty"`
	Plans     []foreignPlan      `json:"plans"`
	// Subscriptions are the active ones, Counts how many of them are in each state.
	Subscriptions []foreignSubscription               `json:"subscriptions"`
	Counts        map[apimrest.SubscriptionStatus]int `json:"counts"`
	Match         drift.Verdict                       `json:"match"`
	By            drift.Evidence                      `json:"by,omitempty"`
	Why           string                              `json:"why"`
	ReplacedBy    []replacement                       `json:"replacedBy"`
}

// foreignPlan is a plan by APIM's id. ReplacedBy is ours, where one API replaces the other agent's.
type foreignPlan struct {
	ID         string              `json:"id"`
	Name       string              `json:"name"`
	Status     apimrest.PlanStatus `json:"status"`
	ReplacedBy *planReplacement    `json:"replacedBy,omitempty"`
}

// planReplacement is a plan of this agent: the usage plan's id, and the id that APIM has or will have for it.
type planReplacement struct {
	ID     string `json:"id"`
	APIMID string `json:"apimId"`
	Name   string `json:"name"`
}

// foreignSubscription has APIM's ids.
type foreignSubscription struct {
	ID          string                      `json:"id"`
	Application string                      `json:"application"`
	Plan        string                      `json:"plan"`
	Status      apimrest.SubscriptionStatus `json:"status"`
}

// replacement is an API of this agent. APIMID is the id that APIM has or will have for it. InAPIM is null where APIM did
// not tell.
type replacement struct {
	Integration string `json:"integration"`
	ID          string `json:"id"`
	APIMID      string `json:"apimId"`
	Name        string `json:"name"`
	InAPIM      *bool  `json:"inApim"`
}

// looker asks for what other agents made.
type looker struct {
	process
	asks    asksAPIM
	client  *apimrest.Client
	ours    drift.Ours
	differs []driftReport
	// of is the integration of each of ours.
	of map[string]string
}

// foreign lists what another agent made, and asks APIM for each. Differs is how each configured integration differs.
func foreign(
	ctx context.Context, p process, cfg config.Config, env life.Env, asks asksAPIM, report survey.Report,
	differs []driftReport,
) (all []foreignReport) {
	to := cfg.Agent.APIM
	l := looker{
		process: p, asks: asks, differs: differs, of: map[string]string{}, client: to.Client(env.TLS, env.Dial),
	}
	defer l.client.Close()
	looked := slices.DeleteFunc(slices.Clone(differs), func(d driftReport) bool {
		return asks.from != "" && d.Integration != asks.from
	})
	if len(looked) == 0 {
		held, err := actors.Held(ctx, env, cfg, asks.from)
		d := driftReport{Integration: asks.from, APIs: drift.Of(drift.Input{Held: held}).Items}
		if err != nil {
			d.Failure = err.Error()
		}
		looked = append(looked, d)
	}
	left := asks.limit
	for _, d := range looked {
		l.ours = drift.Ours{Environment: to.EnvironmentID}
		for _, i := range report.Integrations {
			// In an integration that is served, no other one's replaces anything.
			if i.ID == d.Integration || !slices.ContainsFunc(differs, func(s driftReport) bool { return s.Integration == d.Integration }) {
				l.ours.APIs = append(l.ours.APIs, i.APIs...)
				l.ours.LeftOut = append(l.ours.LeftOut, i.LeftOut...)
				for _, a := range i.APIs {
					l.of[a.ID] = i.ID
				}
			}
		}
		all = append(all, l.look(ctx, d, &left))
	}
	return all
}

// look asks for the APIs of one integration, left of them at most, one after the other.
func (l *looker) look(ctx context.Context, d driftReport, left *int) foreignReport {
	r := foreignReport{
		Integration: d.Integration, Failure: d.Failure, Doubt: d.Doubt, Unlisted: d.Unlisted, APIs: []foreignAPI{},
	}
	items := slices.DeleteFunc(slices.Clone(d.APIs[drift.Foreign]), func(item drift.Item) bool {
		return !survey.Match{Name: l.asks.name}.Has(federation.ID{}, item.Name)
	})
	slices.SortStableFunc(items, func(a, b drift.Item) int { return cmp.Compare(a.Name, b.Name) })
	asked := max(0, min(len(items), *left))
	*left -= asked
	if len(items) > 0 {
		fmt.Fprintf(l.stderr, "note: integration %s has %d APIs of another agent; APIM is asked for %d of them (--limit), "+
			"with %d requests\n", d.Integration, len(items), asked, asked*perForeign)
	}
	draws := drawsOver(l.stderr)
	for n, item := range items {
		if draws && n < asked {
			fmt.Fprintf(l.stderr, "\r\x1b[Kasking APIM: API %d of %d", n+1, asked)
		}
		api, other := foreignAPI{
			APIMID: item.APIMID, Name: item.Name, Plans: []foreignPlan{}, Subscriptions: []foreignSubscription{},
			Counts: map[apimrest.SubscriptionStatus]int{}, ReplacedBy: []replacement{},
		}, drift.Other{Integration: d.Integration, APIMID: item.APIMID, Name: item.Name}
		if n < asked && r.Failure == "" {
			api.Asked = true
			if err := l.ask(ctx, &api, &other); err != nil {
				api.Failure = err.Error()
				if !apimrest.Is(err, apimrest.Forbidden) && !apimrest.Is(err, apimrest.NotFound) {
					r.Failure = api.Failure // the next one would fail, too
				}
			}
		}
		l.match(&api, other)
		r.APIs = append(r.APIs, api)
	}
	if draws {
		fmt.Fprint(l.stderr, "\r\x1b[K")
	}
	return r
}

// ask makes the requests for one API.
func (l *looker) ask(ctx context.Context, api *foreignAPI, other *drift.Other) error {
	a, err := l.client.API(ctx, api.APIMID)
	if err != nil {
		return err
	}
	api.Lifecycle = a.Lifecycle
	if other.Metadata, err = l.client.Metadata(ctx, api.APIMID); err != nil {
		return err
	}
	plans, err := l.client.Plans(ctx, api.APIMID)
	if err != nil {
		return err
	}
	for _, p := range plans {
		api.Plans = append(api.Plans, foreignPlan{ID: p.ID, Name: p.Name, Status: p.Status})
		other.Plans = append(other.Plans, drift.OtherPlan{ID: p.ID, Name: p.Name})
	}
	subscriptions, err := l.client.Subscriptions(ctx, api.APIMID, apimrest.Active())
	if err != nil {
		return err
	}
	for _, status := range apimrest.Active() {
		api.Counts[status] = 0
	}
	for _, s := range subscriptions {
		api.Counts[s.Status]++
		api.Subscriptions = append(api.Subscriptions, foreignSubscription{
			ID: s.ID, Application: s.Application, Plan: s.Plan, Status: s.Status,
		})
	}
	return nil
}

// match says what replaces an API.
func (l *looker) match(api *foreignAPI, other drift.Other) {
	m := l.ours.Replacing(other)
	api.Match, api.By, api.Why = m.Verdict, m.By, m.Why
	for _, a := range m.APIs {
		api.ReplacedBy = append(api.ReplacedBy, replacement{
			Integration: l.of[a.ID], ID: a.ID, APIMID: federation.APIMID(l.ours.Environment, l.of[a.ID], a.ID), Name: a.Name,
			InAPIM: l.inAPIM(a.ID),
		})
	}
	if m.Verdict != drift.One {
		return
	}
	plans := other.PlansIn(m.APIs[0])
	for n := range api.Plans {
		for _, p := range m.APIs[0].Plans {
			if p.ID == plans[api.Plans[n].ID] {
				api.Plans[n].ReplacedBy = &planReplacement{
					ID: p.ID, APIMID: federation.APIMPlanID(api.ReplacedBy[0].APIMID, p.ID), Name: p.Name,
				}
			}
		}
	}
}

// inAPIM says whether APIM has an API of ours.
func (l *looker) inAPIM(id string) *bool {
	for _, d := range l.differs {
		if d.Integration != l.of[id] || d.Failure != "" {
			continue
		}
		has := !slices.ContainsFunc(slices.Concat(d.APIs[drift.New], d.APIs[drift.Missing]), func(item drift.Item) bool {
			return item.ID == id
		})
		return &has
	}
	return nil
}

// healthy says that APIM told everything that it was asked.
func (f foreignReport) healthy() bool {
	return f.Failure == "" && f.Doubt == "" && !slices.ContainsFunc(f.APIs, func(a foreignAPI) bool { return a.Failure != "" })
}

// matching leaves those that something replaces there.
func (f *foreignReport) matching(m survey.Match) {
	m.Name = "" // it was matched before APIM was asked
	f.APIs = slices.DeleteFunc(f.APIs, func(a foreignAPI) bool {
		return m != survey.Match{} && !slices.ContainsFunc(a.ReplacedBy, func(r replacement) bool {
			id, err := federation.ParseID(r.ID)
			return err == nil && m.Has(id, r.Name)
		})
	})
}

// print writes it for people.
func (f foreignReport) print(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nMade by another agent, integration %s\n", f.Integration)
	if f.Failure != "" {
		fmt.Fprintf(w, "ATTENTION: APIM does not tell everything: %s\n", f.Failure)
	}
	if f.Doubt != "" {
		fmt.Fprintf(w, "ATTENTION: these may be this agent's own: %s\n", f.Doubt)
	}
	for _, why := range f.Unlisted {
		fmt.Fprintf(w, "Nothing is known of %s\n", why)
	}
	count, asked := map[drift.Verdict]int{}, 0
	for _, a := range f.APIs {
		count[a.Match]++
		if a.Asked && a.Failure == "" {
			asked++
		}
	}
	fmt.Fprintf(w, "%d APIs: %d replaced by one, %d by one of several, %d by none; APIM told all of %d\n",
		len(f.APIs), count[drift.One], count[drift.Several], count[drift.None], asked)
	_ = w.Flush()
	header := "NAME\tIN APIM\tSTATE\tPLANS\tPENDING\tACCEPTED\tPAUSED\tREPLACED BY\tIS THERE\tWHY\n"
	for _, a := range f.APIs {
		fmt.Fprintf(w, "%s%s\n", header, strings.Join(a.cells(), "\t"))
		header = ""
	}
	_ = w.Flush()
	header = "\nSUBSCRIPTION\tAPPLICATION\tSTATE\tOF\tPLAN\tOUR PLAN\n"
	for _, a := range f.APIs {
		for _, s := range a.Subscriptions {
			plan, ours := a.plan(s.Plan), "?"
			if plan.ReplacedBy != nil {
				ours = plan.ReplacedBy.Name
			}
			fmt.Fprintf(w, "%s%s\t%s\t%s\t%s\t%s\t%s\n", header, s.ID, s.Application, s.Status, a.Name,
				cmp.Or(plan.Name, s.Plan), ours)
			header = ""
		}
	}
	return w.Flush()
}

// cells are a line for people. What APIM did not tell is a question mark.
func (a foreignAPI) cells() []string {
	cells := []string{a.Name, a.APIMID, cmp.Or(string(a.Lifecycle), "?"), "?", "?", "?", "?"}
	if len(a.Counts) > 0 {
		names := make([]string, len(a.Plans))
		for n, p := range a.Plans {
			names[n] = p.Name
		}
		cells[3] = strings.Join(names, ", ")
		for n, status := range apimrest.Active() {
			cells[4+n] = fmt.Sprint(a.Counts[status])
		}
	}
	why := a.Why
	if a.Failure != "" {
		why += "; APIM does not tell more: " + a.Failure
	}
	switch a.Match {
	case drift.None:
		return append(cells, string(drift.None), "", why)
	case drift.Several:
		ids := make([]string, len(a.ReplacedBy))
		for n, r := range a.ReplacedBy {
			ids[n] = r.ID
		}
		return append(cells, string(drift.Several)+": "+strings.Join(ids, ", "), "", why)
	case drift.One:
	}
	r := a.ReplacedBy[0]
	there := "?"
	if r.InAPIM != nil {
		there = map[bool]string{true: "yes", false: "not yet"}[*r.InAPIM]
	}
	return append(cells, r.Name+" ("+r.ID+")", there, why)
}

// plan finds a plan by APIM's id.
func (a foreignAPI) plan(id string) foreignPlan {
	for _, p := range a.Plans {
		if p.ID == id {
			return p
		}
	}
	return foreignPlan{}
}
