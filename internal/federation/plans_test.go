package federation

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/gateway"
)

func TestCharacteristicsAreReadableTexts(t *testing.T) {
	for name, c := range map[string]struct {
		plan gateway.UsagePlan
		want []string
	}{
		"nothing": {gateway.UsagePlan{}, []string{}},
		"rate and burst": {gateway.UsagePlan{Throttle: &gateway.Throttle{Rate: 10, Burst: 20}},
			[]string{"10 requests per second", "burst 20"}},
		"what AWS leaves out is left out": {gateway.UsagePlan{Throttle: &gateway.Throttle{Burst: 1000}},
			[]string{"burst 1,000"}},
		"what is set to zero": {gateway.UsagePlan{Throttle: &gateway.Throttle{}, Quota: &gateway.Quota{Period: "DAY"}},
			[]string{"0 requests per second", "burst 0", "0 requests per day"}},
		"a product, and a shorter first period": {
			gateway.UsagePlan{ProductCode: " 1a2b3c ", Quota: &gateway.Quota{Limit: 5000, Offset: 1200, Period: "WEEK"}},
			[]string{"5,000 requests per week", "1,200 fewer in the first week", "sold on AWS Marketplace: 1a2b3c"}},
		"no number": {gateway.UsagePlan{Throttle: &gateway.Throttle{Rate: math.Inf(1)}}, []string{}},
		"one": {gateway.UsagePlan{Throttle: &gateway.Throttle{Rate: 1}, Quota: &gateway.Quota{Limit: 1, Period: "DAY"}},
			[]string{"1 request per second", "1 request per day"}},
		"fractions and thousands": {
			gateway.UsagePlan{
				Throttle: &gateway.Throttle{Rate: 12345.25}, Quota: &gateway.Quota{Limit: 2147483647, Period: "WEEK"},
			},
			[]string{"12,345.25 requests per second", "2,147,483,647 requests per week"}},
		"methods of this stage only": {gateway.UsagePlan{Stages: []gateway.PlanStage{
			{APIID: "a", Stage: "s", Throttle: map[string]gateway.Throttle{
				"/b/POST":     {Rate: 2},
				"/a/{id}/GET": {Burst: 3},
				"/none/GET":   {},
				"*/*":         {Rate: 7},
				"odd":         {Rate: 4},
			}},
			{APIID: "a", Stage: "t", Throttle: map[string]gateway.Throttle{"/c/GET": {Rate: 2}}}}},
			[]string{"all methods: 7 requests per second", "GET /a/{id}: burst 3", "POST /b: 2 requests per second",
				"GET /none: 0 requests per second, burst 0", "odd: 4 requests per second"}},
		"a long path is cut and its numbers stay": {gateway.UsagePlan{Stages: []gateway.PlanStage{
			{APIID: "a", Stage: "s", Throttle: map[string]gateway.Throttle{
				"/customers/{customerId}/orders/{orderId}/items/{itemId}/GET": {Rate: 5, Burst: 10},
			}}}},
			[]string{"GET /customers/{customerId}/or…: 5 requests per second, burst 10"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, characteristics(&c.plan, "a", "s")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// called are plans with these names, and the ids p0, p1 and so on.
func called(names ...string) []*gateway.UsagePlan {
	var plans []*gateway.UsagePlan
	for i, name := range names {
		plans = append(plans, &gateway.UsagePlan{ID: fmt.Sprint("p", i), Name: name})
	}
	return plans
}

func TestPlansOfOneAPIAreToldApart(t *testing.T) {
	long := strings.Repeat("x", MaxPlanName)
	for name, c := range map[string]struct{ in, want []string }{
		"different names":     {[]string{"Gold", "Silver"}, []string{"Gold", "Silver"}},
		"one name":            {[]string{"Gold", "Free", " Gold "}, []string{"Gold [p0]", "Free", "Gold [p2]"}},
		"no name":             {[]string{"", ""}, []string{"p0", "p1"}},
		"another one's id":    {[]string{"", "p0"}, []string{"p0 [p0]", "p0 [p1]"}},
		"another one's marks": {[]string{"Gold", "Gold", "Gold [p0]"}, []string{"Gold [p0]", "Gold [p1]", "Gold [p0] [p2]"}},
		"just short enough":   {[]string{long}, []string{long}},
		"too long":            {[]string{long + "A"}, []string{long[:MaxPlanName-6] + "… [p0]"}},
		"long and the same":   {[]string{long, long}, []string{long[:MaxPlanName-6] + "… [p0]", long[:MaxPlanName-6] + "… [p1]"}},
	} {
		t.Run(name, func(t *testing.T) {
			plans := called(c.in...)
			names := planNames(plans)
			got := []string{}
			for _, p := range plans {
				got = append(got, names[p.ID])
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestPlanNamesThatDifferOnlyBehindTheLimitStayAsTheyAreWhenPlansComeAndGo(t *testing.T) {
	var names []string
	for letter := 'A'; letter <= 'Z'; letter++ {
		names = append(names, strings.Repeat("Partner plan of the north ", 3)+string(letter))
	}
	alone, all := planNames(called(names[0])), planNames(called(names...))
	if alone["p0"] != all["p0"] {
		t.Errorf("%q became %q", alone["p0"], all["p0"])
	}
	shown := map[string]bool{}
	for _, name := range all {
		shown[name] = true
		if width(name) > MaxPlanName || !strings.HasPrefix(name, "Partner plan of the north ") {
			t.Errorf("%q", name)
		}
	}
	if len(shown) != len(names) {
		t.Errorf("%d names for %d plans", len(shown), len(names))
	}
}
