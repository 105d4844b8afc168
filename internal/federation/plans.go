package federation

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"federation-agent/internal/federated"
	"federation-agent/internal/gateway"
)

// maxMethodLimits is how many single methods' limits a plan lists. A reader finds the others in AWS.
const maxMethodLimits = 50

// plans are all usage plans of the entry, never nil, each id once: APIM fails an API with a repeated plan id.
func plans(e Entry, d demands) []federated.Plan {
	notes, names := keyNotes(e.API, d), planNames(e.Plans)
	out := make([]federated.Plan, 0, len(e.Plans))
	for _, p := range e.Plans {
		if slices.ContainsFunc(out, func(had federated.Plan) bool { return had.ID == p.ID }) {
			continue
		}
		out = append(out, federated.Plan{
			ID:              p.ID,
			Name:            names[p.ID],
			Description:     Cut(prose(p.Description), maxDescription),
			Characteristics: append(slices.Clone(notes), characteristics(p, e.API.ID, e.Stage)...),
		})
	}
	return out
}

// planNames are the names of an API's plans, by id. A plan has the name that AWS has, with its id in brackets behind it
// where the name alone does not tell plans apart, as [Names] have it for APIs.
//
//	plans that AWS calls                        | names
//	Gold                                        | Gold
//	Gold, and Gold                              | Gold [a1b2c3] · Gold [d4e5f6]
//	a name that is too long                     | The beginning of the… [a1b2c3], always
//	Gold, Gold, and Gold [a1b2c3]               | Gold [a1b2c3] · Gold [d4e5f6] · Gold [a1b2c3] [f6e5d4]
//
// So a name that is too long stays the same when another plan is added, and another one changes only if it must.
func planNames(plans []*gateway.UsagePlan) map[string]string {
	own := func(p *gateway.UsagePlan) string { return cmp.Or(line(p.Name), line(p.ID)) }
	names := make(map[string]string, len(plans))
	for _, p := range plans {
		names[p.ID] = own(p)
	}
	for changed := true; changed; { // a name with brackets may be another plan's own
		changed = false
		bearers := make(map[string]int, len(names))
		for _, name := range names {
			bearers[name]++
		}
		for _, p := range plans {
			mark := " [" + Cut(line(p.ID), maxPlanID) + "]"
			marked := Cut(own(p), MaxPlanName-width(mark)) + mark
			if name := names[p.ID]; name != marked && (bearers[name] > 1 || width(name) > MaxPlanName) {
				names[p.ID], changed = marked, true
			}
		}
	}
	return names
}

// maxPlanID is much more than AWS's ids need (six to ten characters).
const maxPlanID = 32

// characteristics tell people what a plan allows. A value that AWS leaves out is left out.
func characteristics(p *gateway.UsagePlan, apiID, stage string) []string {
	out := []string{}
	add := func(text string) {
		text = Cut(text, MaxCharacteristic)
		if text != "" && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	if p.Throttle != nil {
		for _, text := range throttleTexts(*p.Throttle) {
			add(text)
		}
	}
	if q := p.Quota; q != nil && q.Limit >= 0 {
		period := strings.ToLower(line(q.Period))
		add(requests(float64(q.Limit)) + " per " + period)
		if q.Offset > 0 {
			add(grouped(float64(q.Offset)) + " fewer in the first " + period)
		}
	}
	if code := line(p.ProductCode); code != "" {
		add("sold on AWS Marketplace: " + code)
	}
	overrides := map[string]gateway.Throttle{}
	for _, link := range p.Stages {
		if link.APIID == apiID && link.Stage == stage {
			maps.Copy(overrides, link.Throttle)
		}
	}
	for _, text := range methodLimits(overrides) {
		add(text)
	}
	return out
}

// methodLimits are texts for the limits of single methods, ordered by path.
func methodLimits(limits map[string]gateway.Throttle) []string {
	var out []string
	methods := slices.Sorted(maps.Keys(limits))
	for i, method := range methods {
		if i == maxMethodLimits {
			return append(out, fmt.Sprintf("and limits for %d more methods", len(methods)-i))
		}
		out = append(out, methodText(method, limits[method]))
	}
	return slices.DeleteFunc(out, func(text string) bool { return text == "" })
}

// throttleTexts are a rate and a burst. AWS gives both, so if both are zero they were set to zero: every call is
// refused. If only one is zero, the SDK does not say whether AWS left it out.
func throttleTexts(t gateway.Throttle) []string {
	if t == (gateway.Throttle{}) {
		return []string{requests(0) + " per second", "burst 0"}
	}
	var out []string
	if t.Rate > 0 && !math.IsInf(t.Rate, 0) { // the SDK also reads "NaN" and "Infinity"
		out = append(out, requests(t.Rate)+" per second")
	}
	if t.Burst > 0 {
		out = append(out, "burst "+grouped(float64(t.Burst)))
	}
	return out
}

// methodText is a single method's limits. AWS's key is "/path/METHOD", and "*/*" for all methods of a stage. A long
// path is cut, so that the numbers stay.
func methodText(method string, t gateway.Throttle) string {
	limits := strings.Join(throttleTexts(t), ", ")
	if limits == "" {
		return ""
	}
	numbers, name := ": "+limits, line(method)
	if name == "*/*" {
		return "all methods" + numbers
	}
	if cut := strings.LastIndexByte(name, '/'); cut >= 0 {
		name = name[cut+1:] + " " + cmp.Or(name[:cut], "/")
	}
	return Cut(name, max(MaxCharacteristic-width(numbers), 0)) + numbers
}

// requests is "1 request", "0.5 requests", "5,000 requests".
func requests(n float64) string {
	if n == 1 {
		return "1 request"
	}
	return grouped(n) + " requests"
}

// grouped writes a number with commas between its thousands.
func grouped(n float64) string {
	whole, fraction, hasFraction := strings.Cut(strconv.FormatFloat(n, 'f', -1, 64), ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if hasFraction {
		whole += "." + fraction
	}
	return whole
}
