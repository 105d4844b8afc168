package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	actors "federation-agent/actors/agent"
	"federation-agent/actors/life"
	"federation-agent/config"
	"federation-agent/internal/drift"
	"federation-agent/internal/federation"
	"federation-agent/internal/survey"
)

// compared is discover's report with what APIM has. Its names in JSON do not change between versions; new ones may be
// added.
type compared struct {
	survey.Report
	Drift   []driftReport   `json:"drift,omitempty"`
	Foreign []foreignReport `json:"foreign,omitempty"`
}

// driftReport is how AWS and APIM differ in one integration.
type driftReport struct {
	Integration string `json:"integration"`
	// Failure says why nothing is known of APIM.
	Failure string `json:"failure,omitempty"`
	// InAPIM is how many APIs APIM has of the integration, Doubt why the comparison cannot be right.
	InAPIM int    `json:"inApim"`
	Doubt  string `json:"doubt,omitempty"`
	// Unlisted are the targets of which nothing is known, with the reason.
	Unlisted []string       `json:"unlisted,omitempty"`
	Counts   map[string]int `json:"counts"`
	// APIs are those that differ, by kind.
	APIs map[drift.Kind][]drift.Item `json:"apis"`
}

// print writes it for people.
func (c compared) print(to io.Writer) error {
	err := c.Print(to)
	for _, d := range c.Drift {
		if err == nil {
			err = d.print(to)
		}
	}
	for _, f := range c.Foreign {
		if err == nil {
			err = f.print(to)
		}
	}
	return err
}

// compare asks APIM what it has of each integration, and compares.
func compare(
	ctx context.Context, cfg config.Config, env life.Env, found []survey.Found, before map[string]survey.Before, report survey.Report,
) (all []driftReport) {
	for n, f := range found {
		d := driftReport{Integration: f.Integration, Counts: map[string]int{}, APIs: map[drift.Kind][]drift.Item{}}
		held, err := actors.Held(ctx, env, cfg, f.Integration)
		if err != nil {
			d.Failure = err.Error()
			all = append(all, d)
			continue
		}
		changed := map[federation.ID]bool{}
		for _, api := range report.Integrations[n].APIs {
			if id, err := federation.ParseID(api.ID); err == nil && api.Change == survey.Changed {
				changed[id] = true
			}
		}
		r := drift.Of(drift.Input{Found: f, Sent: before[f.Integration].Plans, Held: held, Changed: changed})
		d.InAPIM, d.Doubt, d.Unlisted = r.InAPIM, r.Doubt, r.Unlisted
		for _, kind := range drift.Kinds() {
			d.APIs[kind] = append([]drift.Item{}, r.Items[kind]...) // none are [], not null
		}
		all = append(all, d)
	}
	return all
}

// healthy says that nothing needs somebody: what the next ingest of everything mends does not.
func (d driftReport) healthy() bool {
	return d.Failure == "" && d.Doubt == "" && d.Counts[string(drift.Gone)] == 0
}

// matching leaves those APIs that are picked, and counts them.
func (d *driftReport) matching(m survey.Match) {
	for kind, items := range d.APIs {
		items = slices.DeleteFunc(items, func(item drift.Item) bool {
			id, _ := federation.ParseID(item.ID) // another agent's has none that is known
			return !m.Has(id, item.Name)
		})
		d.APIs[kind] = items
		d.Counts[string(kind)] = len(items)
	}
}

// print writes it for people.
func (d driftReport) print(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nAPIM compared with AWS, integration %s\n", d.Integration)
	if d.Failure != "" {
		fmt.Fprintf(w, "ATTENTION: APIM does not tell what it has: %s\n", d.Failure)
		return w.Flush()
	}
	if d.Doubt != "" {
		fmt.Fprintf(w, "ATTENTION: %s\n", d.Doubt)
	}
	for _, why := range d.Unlisted {
		fmt.Fprintf(w, "Nothing is said of %s\n", why)
	}
	var counts []string
	for _, kind := range drift.Kinds() {
		counts = append(counts, fmt.Sprintf("%d %s", d.Counts[string(kind)], kind))
	}
	fmt.Fprintf(w, "%d in APIM: %s\n", d.InAPIM, strings.Join(counts, ", "))
	_ = w.Flush()
	header := "KIND\tNAME\tID\tIN APIM\tWHY\n"
	for _, kind := range drift.Kinds() {
		for _, item := range d.APIs[kind] {
			fmt.Fprintf(w, "%s%s\t%s\t%s\t%s\t%s\n", header, kind, item.Name, item.ID, item.APIMID, item.Text)
			header = ""
		}
	}
	return w.Flush()
}
