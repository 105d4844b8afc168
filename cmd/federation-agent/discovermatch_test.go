package main

import (
	"testing"

	"federation-agent/internal/drift"
	"federation-agent/internal/survey"
)

// What --target, --stage and --name pick of AWS, they pick of APIM: upper and lower case alike, a stage by its whole name.
func TestOneChoiceCountsForAWSAndForAPIM(t *testing.T) {
	const id = "111122223333:eu-west-1:a1:prod"
	for name, c := range map[string]struct {
		m              survey.Match
		drift, foreign int
	}{
		"everything":      {survey.Match{}, 2, 2},
		"a region":        {survey.Match{Target: "EU-West"}, 1, 1},
		"another region":  {survey.Match{Target: "us-"}, 0, 0},
		"a stage":         {survey.Match{Stage: "prod"}, 1, 1},
		"part of a stage": {survey.Match{Stage: "pro"}, 0, 0},
		"a name":          {survey.Match{Name: "ORD"}, 1, 2}, // foreign ones were picked by name before APIM was asked
	} {
		t.Run(name, func(t *testing.T) {
			d := driftReport{Counts: map[string]int{}, APIs: map[drift.Kind][]drift.Item{
				drift.Gone: {{ID: id, Name: "Orders"}, {Name: "another agent's"}},
			}}
			d.matching(c.m)
			if n := len(d.APIs[drift.Gone]); n != c.drift || d.Counts[string(drift.Gone)] != n {
				t.Errorf("%d differ, want %d: %v", n, c.drift, d.Counts)
			}
			f := foreignReport{APIs: []foreignAPI{{ReplacedBy: []replacement{{ID: id, Name: "Orders"}}}, {Name: "of nobody"}}}
			f.matching(c.m)
			if len(f.APIs) != c.foreign {
				t.Errorf("%d are foreign, want %d", len(f.APIs), c.foreign)
			}
		})
	}
}
