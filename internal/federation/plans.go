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
func plans(e Entry) []federated.Plan {
	out := make([]federated.Plan, 0, len(e.Plans))
	for _, p := range e.Plans {
		if slices.ContainsFunc(out, func(had federated.Plan) bool { return had.ID == p.ID }) {
			continue
		}
		out = append(out, federated.Plan{
			ID:              p.ID,
			Name:            Cut(cmp.Or(line(p.Name), p.ID), MaxPlanName),
			Description:     Cut(prose(p.Description), maxDescription),
			Characteristics: characteristics(p, e.API.ID, e.Stage),
		})
	}
	return out
}

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
		add(rateText(p.Throttle.Rate))
		add(burstText(p.Throttle.Burst))
	}
	if p.Quota != nil && p.Quota.Limit > 0 {
		add(requests(float64(p.Quota.Limit)) + " per " + strings.ToLower(line(p.Quota.Period)))
	}
	overrides := map[string]gateway.Throttle{}
	for _, link := range p.Stages {
		if link.APIID == apiID && link.Stage == stage {
			maps.Copy(overrides, link.Throttle)
		}
	}
	methods := slices.Sorted(maps.Keys(overrides))
	for i, method := range methods {
		if i == maxMethodLimits {
			add(fmt.Sprintf("and limits for %d more methods", len(methods)-i))
			break
		}
		add(methodText(method, overrides[method]))
	}
	return out
}

func rateText(perSecond float64) string {
	if !(perSecond > 0) || math.IsInf(perSecond, 0) { // the SDK also reads "NaN" and "Infinity"
		return ""
	}
	return requests(perSecond) + " per second"
}

func burstText(burst int32) string {
	if burst <= 0 {
		return ""
	}
	return "burst " + grouped(float64(burst))
}

// methodText is a single method's limits. AWS's key is "/path/METHOD". A long path is cut, so that the numbers stay.
func methodText(method string, t gateway.Throttle) string {
	limits := strings.Trim(rateText(t.Rate)+", "+burstText(t.Burst), ", ") // either text may be empty
	if limits == "" {
		return ""
	}
	numbers, name := ": "+limits, line(method)
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
