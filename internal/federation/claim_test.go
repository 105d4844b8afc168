package federation

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAClaimFollowsItsTruthTable(t *testing.T) {
	first := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	early, late := first.Add(SecondLook-time.Second), first.Add(SecondLook)
	const complete = 4 * time.Minute // how long a listing takes
	sent := []string{"p1", "p2", "p3"}
	claim := Claim{Lost: []string{"p1", "p2"}, Since: first}
	confirmed := Claim{Lost: []string{"p1", "p2"}, Since: first, Confirmed: true}
	for name, c := range map[string]struct {
		before Claim
		now    []string
		begun  time.Time
		wait   time.Duration
		want   Claim
	}{
		"nothing lost":                    {Claim{}, sent, first, SecondLook, Claim{}},
		"a plan more":                     {Claim{}, append(sent, "p4"), first, SecondLook, Claim{}},
		"one of three lost":               {Claim{}, sent[1:], first, SecondLook, Claim{Lost: []string{"p1"}, Since: first.Add(complete)}},
		"all lost":                        {Claim{}, nil, first, SecondLook, Claim{Lost: sent, Since: first.Add(complete)}},
		"all back":                        {claim, sent, late, SecondLook, Claim{}},
		"all back after it was confirmed": {confirmed, sent, late, SecondLook, Claim{}},
		"the same, too early":             {claim, sent[2:], early, SecondLook, claim},
		"the same, in time":               {claim, sent[2:], late, SecondLook, confirmed},
		"the same listing again":          {claim, sent[2:], first, 0, claim},
		"the same, and accepted":          {claim, sent[2:], early, 0, confirmed},
		"an older listing":                {claim, sent[2:], first.Add(-time.Hour), SecondLook, claim},
		"one is back, the other is not":   {claim, sent[1:], late, SecondLook, Claim{Lost: sent[:1], Since: first, Confirmed: true}},
		"one more is lost":                {claim, nil, late, SecondLook, Claim{Lost: sent, Since: late.Add(complete)}},
		"one more after it was confirmed": {confirmed, nil, late, SecondLook, Claim{Lost: sent, Since: late.Add(complete)}},
		"confirmed stays so":              {confirmed, sent[2:], early, SecondLook, confirmed},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, c.before.Judge(sent, c.now, c.begun, c.begun.Add(complete), c.wait)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
