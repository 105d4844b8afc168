package federation

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"federation-agent/internal/gateway"
)

// maxMethodLimits bounds how many single methods' limits a plan lists; a reader looks the rest up in AWS.
const maxMethodLimits = 50

// plans are all usage plans of the entry, never null, each id once: APIM fails an API whose plan ids repeat.
func plans(e Entry) []Plan {
	out := make([]Plan, 0, len(e.Plans))
	seen := map[string]struct{}{}
	for _, p := range e.Plans {
		if _, again := seen[p.ID]; again {
			continue
		}
		seen[p.ID] = struct{}{}
		out = append(out, Plan{
			ID:              p.ID,
			Name:            Cut(cmp.Or(line(p.Name), p.ID), MaxPlanName),
			Description:     Cut(prose(p.Description), maxDescription),
			Characteristics: characteristics(p, e.API.ID, e.Stage),
		})
	}
	return out
}

// characteristics say what a plan allows, for people. A value that AWS leaves out is not said.
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
		add(quotaText(*p.Quota))
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
	if !(perSecond > 0) || math.IsInf(perSecond, 0) { // the SDK reads "NaN" and "Infinity" too
		return ""
	}
	return amount(perSecond, "request") + " per second"
}

func burstText(burst int32) string {
	if burst <= 0 {
		return ""
	}
	return "burst " + grouped(float64(burst))
}

func quotaText(q gateway.Quota) string {
	return amount(float64(q.Limit), "request") + " per " + strings.ToLower(line(q.Period))
}

// methodText says a single method's limits. AWS's key is "/path/METHOD"; a long path is cut so that the numbers stay.
func methodText(method string, t gateway.Throttle) string {
	var limits []string
	for _, text := range []string{rateText(t.Rate), burstText(t.Burst)} {
		if text != "" {
			limits = append(limits, text)
		}
	}
	if len(limits) == 0 {
		return ""
	}
	numbers := ": " + strings.Join(limits, ", ")
	name := line(method)
	if cut := strings.LastIndexByte(name, '/'); cut >= 0 {
		name = name[cut+1:] + " " + cmp.Or(name[:cut], "/")
	}
	return Cut(name, max(MaxCharacteristic-width(numbers), 0)) + numbers
}

// amount is "1 request", "0.5 requests", "5,000 requests".
func amount(n float64, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return grouped(n) + " " + unit + "s"
}

// grouped writes a number with commas between its thousands.
func grouped(n float64) string {
	text := strconv.FormatFloat(n, 'f', -1, 64)
	whole, fraction, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		return whole + "." + fraction
	}
	return whole
}
