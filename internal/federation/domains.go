package federation

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"federation-agent/internal/gateway"
)

// Bases are the base URLs by which callers reach a stage under custom domain names.
type Bases struct {
	urls []address // the best first
	// gap says why there may be others, in words. It is empty if there are none.
	gap string
}

// Texts are the base URLs, the best first, each with its condition.
func (b *Bases) Texts() []string {
	texts := []string{}
	for _, a := range b.urls {
		texts = append(texts, a.text())
	}
	return texts
}

// Unreachable says that nothing leads to the stage: its default endpoint is disabled, and no custom domain name maps it.
func (e Entry) Unreachable() bool {
	return e.API.EndpointDisabled && e.Bases.knows() && len(e.Bases.urls) == 0
}

// knows says that the custom domain names that lead to the stage are known, all of them.
func (b *Bases) knows() bool { return b != nil && b.gap == "" }

// list are the base URLs; none if they were not asked for.
func (b *Bases) list() []address {
	if b == nil {
		return nil
	}
	return b.urls
}

// baseText is the metadata: the best base URL, then the others as far as there is room.
func baseText(e Entry) string {
	switch b := e.Bases; {
	case len(b.urls) > 0 && b.gap != "":
		return joined(b.urls, "; there may be others: "+b.gap)
	case len(b.urls) > 0:
		return joined(b.urls, "")
	case b.gap != "":
		return "not known: " + b.gap
	case e.Unreachable():
		return "none: " + unreachable
	default:
		return "none: no custom domain name leads here, callers use the invoke URL"
	}
}

// baseLine is for the description. It is empty if there is nothing to say.
func baseLine(e Entry) string {
	switch urls := e.Bases.list(); {
	case len(urls) > 0:
		return "Base URL: " + urls[0].text()
	case e.Unreachable():
		return "Not reachable: " + unreachable
	default:
		return ""
	}
}

const unreachable = "the default endpoint is disabled, and no custom domain name leads here: not reachable"

// The texts of gaps.
const (
	// NotListedYet: AWS was not asked yet, or has not answered yet.
	NotListedYet = "AWS did not list custom domain names yet"
	// NotAllowed: the optional grant is missing.
	NotAllowed = "the agent may not list custom domain names"
	// notAllListed: AWS did not list the mappings or rules of some.
	notAllListed = "AWS did not list all that leads from custom domain names"
)

// BaseURLs says which base URLs each stage of a target has. It never changes.
type BaseURLs struct {
	of map[pair][]address // without a stage: of all stages, each behind the URL
	// led are the paths that have a mapping or a rule of their own, each behind its domain name.
	led map[string]bool
	gap string
}

// NewBaseURLs reads the custom domain names of a target. gap says why there may be others; it is empty if there are
// none.
//
//	what leads to the stage                  | base URL                  | condition
//	-----------------------------------------|---------------------------|--------------------------------------------
//	mapping with a key                       | https://DOMAIN/KEY        |
//	mapping with the empty key               | https://DOMAIN            |
//	mapping without a stage                  | https://DOMAIN/KEY/STAGE  |
//	the same, with KEY/STAGE led elsewhere   | none: longer paths win    |
//	mapping, where only rules carry traffic  | none                      |
//	mapping, of rules before it nothing known| as above                  | no rule leads elsewhere
//	mapping below the base path of a rule    | none: the rule comes first|
//	rule, strips its base path               | https://DOMAIN/BASEPATH   |
//	rule, leaves its base path to the API    | https://DOMAIN            | the paths below the base path
//	rule with headers                        | as above                  | the headers
//	of a private domain name                 | as above                  | only in a VPC
//	of one with mutual TLS                   | as above                  | a client certificate
//	of a wildcard *.DOMAIN                   | https://<any>.DOMAIN…     | any name
//	of one that does not serve (yet)         | as above                  | its status
//
// Those without a condition come first. A rule is tried before all of larger priority, and before mappings.
func NewBaseURLs(domains []*gateway.Domain, gap string) *BaseURLs {
	b := &BaseURLs{of: map[pair][]address{}, led: map[string]bool{}, gap: gap}
	for _, d := range domains {
		if d.Gap != "" {
			b.gap = cmp.Or(gap, notAllListed)
		}
		b.add(d)
	}
	for p, urls := range b.of {
		slices.SortStableFunc(urls, func(x, y address) int { return cmp.Or(cmp.Compare(x.rank, y.rank), cmp.Compare(x.URL, y.URL)) })
		b.of[p] = slices.CompactFunc(urls, func(x, y address) bool { return x.URL == y.URL && x.Condition == y.Condition })
	}
	return b
}

// taken are base paths below which rules without a further condition answer everything.
type taken []string

func (t taken) covers(path string) bool {
	return slices.ContainsFunc(t, func(by string) bool {
		return by == "" || by == path || strings.HasPrefix(path, by+"/")
	})
}

func (b *BaseURLs) add(d *gateway.Domain) {
	var before taken
	if d.Routing != gateway.MappingsOnly {
		rules := slices.Clone(d.Rules)
		slices.SortStableFunc(rules, func(x, y gateway.RoutingRule) int { return cmp.Compare(x.Priority, y.Priority) })
		for _, r := range rules {
			paths := r.BasePaths
			if len(paths) == 0 {
				paths = []string{""}
			}
			for _, path := range paths {
				if !before.covers(path) {
					b.of[pair{r.APIID, r.Stage}] = append(b.of[pair{r.APIID, r.Stage}], ofRule(d, r, path))
				}
			}
			if len(r.Headers) == 0 {
				before = append(before, paths...)
				for _, path := range paths {
					b.led[placeOf(d, path)] = true
				}
			}
		}
	}
	if d.Routing != gateway.RulesOnly {
		for _, m := range d.Mappings {
			b.led[placeOf(d, m.Key)] = true
			if before.covers(m.Key) {
				continue
			}
			a := under(d, m.Key)
			if d.Routing == gateway.RulesThenMappings && d.RulesUnknown {
				a.require(conditional, "unless a routing rule, which AWS did not list, leads elsewhere")
			}
			b.of[pair{m.APIID, m.Stage}] = append(b.of[pair{m.APIID, m.Stage}], a)
		}
	}
}

// The ranks of addresses: what is easier for a caller comes first.
const (
	plain = iota
	conditional
	wildcard
	byHeader
	notServing
)

// anyName stands for what the asterisk of a wildcard stands for.
const anyName = "any"

// placeOf is a path below a domain name. Two private ones may have the same name.
func placeOf(d *gateway.Domain, path string) string {
	return strings.TrimSuffix(d.Name+"+"+d.ID+"/"+path, "/")
}

// under is a base URL below a domain name, with the conditions of that.
func under(d *gateway.Domain, path string) address {
	a, host := address{place: placeOf(d, path)}, line(d.Name)
	if parent, is := strings.CutPrefix(host, "*."); is {
		host = parent
		a.Variables = map[string]variable{anyName: {anyName, "any name: the custom domain name is " + line(d.Name)}}
		a.require(wildcard, "any name below "+host)
	}
	if path = line(path); path != "" {
		path = "/" + path
	}
	a.URL = (&url.URL{Scheme: "https", Host: host, Path: path}).String()
	if a.Variables != nil {
		a.URL = strings.Replace(a.URL, "https://", "https://{"+anyName+"}.", 1)
	}
	if d.Endpoint == "PRIVATE" {
		a.require(conditional, "private domain name: only in a VPC with an endpoint that is associated with it")
	}
	if d.MutualTLS {
		a.require(conditional, mutualTLS)
	}
	if d.Status != "" {
		a.require(notServing, "does not serve: "+line(d.Status))
	}
	return a
}

// mutualTLS is the condition of a domain name that asks for a certificate.
const mutualTLS = "only with a client certificate (mutual TLS)"

func ofRule(d *gateway.Domain, r gateway.RoutingRule, path string) address {
	shown := path
	if !r.StripBasePath {
		shown = ""
	}
	a := under(d, shown)
	if shown != path {
		a.require(conditional, "only paths below /"+line(path))
	}
	for _, alternatives := range r.Headers {
		texts := make([]string, len(alternatives))
		for i, h := range alternatives {
			texts[i] = line(h.Name) + ": " + line(h.Value)
		}
		a.require(byHeader, "only with the header "+strings.Join(texts, " or "))
	}
	return a
}

// require adds a condition.
func (a *address) require(rank int, condition string) {
	a.rank = max(a.rank, rank)
	a.Condition = strings.TrimPrefix(a.Condition+"; "+condition, "; ")
}

// Mark gives the entries with their base URLs.
func (b *BaseURLs) Mark(entries []Entry) []Entry {
	out := slices.Clone(entries)
	for i := range out {
		out[i].Bases = b.Of(out[i].API.ID, out[i].Stage)
	}
	return out
}

// Of are the base URLs of a stage.
func (b *BaseURLs) Of(api, stage string) *Bases {
	urls := slices.Clone(b.of[pair{api, stage}])
	if stage != "" {
		for _, a := range b.of[pair{api, ""}] {
			if !b.led[a.place+"/"+stage] {
				a.URL += "/" + url.PathEscape(stage)
				urls = append(urls, a)
			}
		}
	}
	slices.SortStableFunc(urls, func(x, y address) int { return cmp.Compare(x.rank, y.rank) })
	return &Bases{urls: urls[:min(len(urls), maxAddresses)], gap: b.gap}
}

// Awaited says that AWS has not told yet which base URLs there are, though it was asked.
func (b *Bases) Awaited() bool { return b != nil && b.gap == NotListedYet }

// domainLimits are what custom domain names ask of callers who have a key.
func (b *Bases) domainLimits() (all []string) {
	asks, total := 0, len(b.urls)
	for _, a := range b.urls {
		if strings.Contains(a.Condition, mutualTLS) {
			asks++
		}
	}
	if asks > 0 {
		all = append(all, fmt.Sprintf("%d of %d base URLs ask for a client certificate (mutual TLS)", asks, total))
	}
	return all
}
