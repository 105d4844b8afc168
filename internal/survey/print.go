package survey

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"federation-agent/internal/words"
)

// Print writes the report for people.
func (r Report) Print(w io.Writer) error {
	var text strings.Builder
	out := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	apis, left, gone := 0, 0, 0
	for _, i := range r.Integrations {
		apis, left, gone = apis+len(i.APIs), left+len(i.LeftOut), gone+len(i.Gone)
		i.print(out)
	}
	fmt.Fprintf(out, "Shown: %d APIs to federate, %d left out, %d gone\n", apis, left, gone)
	fmt.Fprintf(out, "An ingest of all that is listed: %s. This look made %d calls to API Gateway in %s.\n",
		r.Ingest, r.Calls, seconds(r.Seconds))
	if err := out.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(text.String()) {
		if _, err := io.WriteString(w, strings.TrimRight(line, " \n")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// String is as in "43 to 160 calls to AWS, 6s to 23s".
func (c Cost) String() string {
	return fmt.Sprintf("%s calls to AWS, %s; documents that are in the export cache are not fetched again",
		c.calls(), c.time())
}

func (c Cost) calls() string { return span(c.LeastCalls, c.MostCalls) }

func (c Cost) time() string { return span(seconds(c.LeastSeconds), seconds(c.MostSeconds)) }

func span[T comparable](least, most T) string {
	if least == most {
		return fmt.Sprint(most)
	}
	return fmt.Sprintf("%v to %v", least, most)
}

func seconds(s float64) time.Duration {
	return max(time.Second, time.Duration(s*float64(time.Second)).Round(time.Second))
}

func (i Integration) print(w *tabwriter.Writer) {
	fmt.Fprintf(w, "Integration %s\n", i.ID)
	if i.Compared {
		count := map[Change]int{}
		for _, a := range i.APIs {
			count[a.Change]++
		}
		fmt.Fprintf(w, "Compared with what was last sent: %d new, %d changed, %d as before, %d gone\n",
			count[Fresh], count[Changed], count[Same], len(i.Gone))
	} else {
		fmt.Fprintf(w, "Not compared with an earlier ingest: %s\n", i.NotCompared)
	}
	if u := i.UnusedStages; u != nil {
		fmt.Fprintf(w, "ATTENTION: the stage filter (configuration.0_stage, 1_stage …) names stages that no federated API has: %s\n", u)
	}
	for _, u := range i.UnusedFilters {
		fmt.Fprintf(w, "ATTENTION: %s has entries that do nothing: %s\n", u.Setting, u)
	}
	fmt.Fprintln(w, "\nTARGET\tSTATE\tREST APIS\tUSAGE PLANS\tFEDERATED\tCALLS OF AN INGEST\tTIME")
	for _, t := range i.Targets {
		if !t.Listed {
			fmt.Fprintln(w, words.Place(t.Account, t.Region)+"\tnot listed\t\t\t\t\t")
			continue
		}
		fmt.Fprintf(w, "%s\tlisted\t%d\t%d\t%d\t%s\t%s\n", words.Place(t.Account, t.Region), t.RestAPIs,
			t.UsagePlans, t.Federated, t.Ingest.calls(), t.Ingest.time())
	}
	_ = w.Flush() // to memory
	for _, t := range i.Targets {
		if !t.Listed {
			fmt.Fprintf(w, "ATTENTION: %s is not listed: %s\n", words.Place(t.Account, t.Region), t.Remedy)
			if t.Failure != "" && !strings.Contains(t.Remedy, t.Failure) {
				fmt.Fprintf(w, "  AWS: %s\n", t.Failure)
			}
		}
	}
	if len(i.Off) > 0 {
		fmt.Fprintf(w, "Off for the account, and not asked: %s\n", words.Few(i.Off, words.Many, ", "))
	}
	for _, t := range i.Targets {
		if t.DomainsUnknown != "" {
			fmt.Fprintf(w, "Base URLs of %s are not all known: %s\n", words.Place(t.Account, t.Region), t.DomainsUnknown)
		}
	}
	base := func(text string) []string {
		if !i.Domains {
			return nil
		}
		return []string{text}
	}
	row := func(baseURL string, cells ...string) {
		fmt.Fprintln(w, strings.Join(slices.Insert(cells, 3, base(baseURL)...), "\t"))
	}
	if len(i.APIs) > 0 {
		fmt.Fprintln(w)
		row("BASE URL", "TARGET", "STAGE", "NAME", "PLANS", "CHANGE", "NOTES")
	}
	for _, a := range i.APIs {
		row(a.baseURL(), words.Place(a.Account, a.Region), a.Stage, a.Name, a.planNames(), string(a.Change), a.remarks())
	}
	_ = w.Flush()
	if len(i.Filters) > 0 {
		fmt.Fprintln(w, "\nFILTER\tENTRY\tDOES")
	}
	for _, f := range i.Filters {
		fmt.Fprintln(w, strings.Join([]string{f.Setting, f.Entry, f.does()}, "\t"))
	}
	_ = w.Flush()
	if len(i.LeftOut) > 0 {
		fmt.Fprintln(w, "\nLEFT OUT\tSTAGE\tREST API\tWHY")
	}
	for _, l := range i.LeftOut {
		fmt.Fprintln(w, strings.Join([]string{
			words.Place(l.Account, l.Region), l.Stage, strings.TrimSpace(l.Name + " (" + l.RestAPI + ")"), l.Text,
		}, "\t"))
	}
	_ = w.Flush()
	if len(i.Gone) > 0 {
		fmt.Fprintln(w, "\nGONE\tNAME\tWHAT IT MEANS")
	}
	for _, g := range i.Gone {
		fmt.Fprintln(w, strings.Join([]string{g.ID, g.Name, g.Text}, "\t"))
	}
	_ = w.Flush()
	fmt.Fprintln(w)
}

func (f Filtering) does() string {
	of := map[Counted]string{restAPIs: "REST APIs", stages: "stages"}[f.Of]
	switch {
	case f.Unused:
		return "nothing"
	case f.Drops > 0:
		return fmt.Sprintf("drops %d of the %s", f.Drops, of)
	}
	return fmt.Sprintf("keeps %d of the %s", f.Keeps, of)
}

// baseURL is the best one, and how many others there are.
func (a API) baseURL() string {
	switch n := len(a.BaseURLs); n {
	case 0:
		return "–"
	case 1:
		return a.BaseURLs[0]
	default:
		return fmt.Sprintf("%s and %d more", a.BaseURLs[0], n-1)
	}
}

func (a API) planNames() string {
	names := make([]string, len(a.Plans))
	for n, p := range a.Plans {
		names[n] = p.Name
	}
	return strings.Join(names, ", ")
}

func (a API) remarks() string {
	all := slices.Concat(a.Changes, a.Notes)
	if a.Limits != "" {
		all = append(all, a.Limits)
	}
	return strings.Join(all, "; ")
}
