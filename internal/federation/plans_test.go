package federation

import (
	"math"
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
