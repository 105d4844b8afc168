package exports

import (
	"math/rand/v2"
	"testing"
	"time"

	"federation-agent/internal/gateway"
)

func TestDocumentsAreComparedUntilTwoWereEqualAndThenOneOfEachTwenty(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		s, of := NewSharing(), Kind{Account: "1"}
		for n := range 3 { // they begin side by side
			if !s.Compare(of, rng.Float64()) {
				t.Fatalf("document %d is not compared, though nothing was seen", n)
			}
		}
		s.Unknown(of)
		if !s.Compare(of, rng.Float64()) {
			t.Fatal("after a comparison that came to nothing there is none")
		}
		if !s.Equal(of) || s.Equal(of) {
			t.Error("the first of two is not the first")
		}
		compared, places := 3, map[int]bool{}
		for n := 3; n < 1200; n++ {
			if s.Compare(of, rng.Float64()) {
				compared++
				places[n%comparedOf] = true
				if n/comparedOf < 3 { // the three count as those of the first three twenties
					t.Fatalf("document %d is compared", n)
				}
			}
			if most := n/comparedOf + 1; compared > max(3, most) || compared < most-1 {
				t.Fatalf("of %d documents, %d were compared", n+1, compared)
			}
		}
		if compared != 60 || len(places) < 10 {
			t.Fatalf("%d were compared, at %d places of their twenty", compared, len(places))
		}
	}
}

func TestADifferenceEndsTheSharingOfItsKind(t *testing.T) {
	versioned, dated := KindOf("1", &gateway.RestAPI{Version: "1"}), KindOf("1", &gateway.RestAPI{})
	s := NewSharing()
	_ = s.Compare(dated, 0)
	s.Equal(dated)
	if first, used := s.Different(dated); !first || used {
		t.Errorf("first %t, used %t", first, used)
	}
	_ = s.Compare(versioned, 0)
	s.Equal(versioned)
	_ = s.Compare(versioned, 0.5)
	if s.May(dated) || !s.May(versioned) || !s.May(Kind{Account: "2"}) || s.May(Kind{}) {
		t.Error("it ends for more, or for less")
	}
	if !s.Compare(dated, 0.99) {
		t.Error("one is shared after a difference")
	}
	if first, used := s.Different(versioned); !first || !used {
		t.Errorf("first %t, used %t", first, used)
	}
	if first, _ := s.Different(versioned); first {
		t.Error("a second first")
	}
	if (*Sharing)(nil).May(versioned) {
		t.Error("nil shares")
	}
}

func TestAlikeAreStagesWithTheSameDeploymentAndDocumentationAndNoCanary(t *testing.T) {
	s := func(deployment, documentation, canary string) *gateway.Stage {
		return &gateway.Stage{DeploymentID: deployment, DocumentationVersion: documentation, CanaryDeploymentID: canary}
	}
	for _, c := range []struct {
		a, b *gateway.Stage
		want bool
	}{
		{s("d", "", ""), s("d", "", ""), true},
		{s("d", "7", ""), s("d", "7", ""), true},
		{s("d", "7", ""), s("d", "8", ""), false},
		{s("d", "", ""), s("e", "", ""), false},
		{s("d", "", "c"), s("d", "", "c"), false},
		{s("d", "", ""), s("d", "", "c"), false},
		{s("", "", ""), s("", "", ""), false},
		{nil, s("d", "", ""), false},
	} {
		if got := Alike(c.a, c.b); got != c.want || Alike(c.b, c.a) != got {
			t.Errorf("%+v and %+v: %t", c.a, c.b, got)
		}
	}
}

// deployed is an order for stages that have the same deployment.
func deployed(priority gateway.Priority, api string, stages ...string) Order {
	o := order(priority, true, api, stages...)
	for _, d := range o.Documents {
		d.Details.DeploymentID = "d"
	}
	return o
}

func TestAStageWaitsWhileTheDocumentThatItMaySharePreparesForOneAsUrgent(t *testing.T) {
	for name, c := range map[string]struct {
		first, second gateway.Priority
		api           string
		shares        bool
		want          string
	}{
		"the same deployment":      {gateway.PriorityIngest, gateway.PriorityIngest, "a", true, " a/x for 1"},
		"one less urgent":          {gateway.PriorityPreview, gateway.PriorityIngest, "a", true, " a/x for 1"},
		"one more urgent":          {gateway.PriorityRefresh, gateway.PriorityIngest, "a", true, " a/x for 1 a/y for 2"},
		"it may not be shared":     {gateway.PriorityIngest, gateway.PriorityIngest, "a", false, " a/x for 1 a/y for 2"},
		"that of another REST API": {gateway.PriorityIngest, gateway.PriorityIngest, "b", true, " a/x for 1 b/y for 2"},
	} {
		t.Run(name, func(t *testing.T) {
			q := NewQueue[string](16, 1)
			next := func() (got []Task[string]) {
				for {
					task, found := q.Next(time.Time{}, func(*gateway.RestAPI) bool { return c.shares })
					if !found {
						return got
					}
					q.Started(tell(task), task, time.Time{})
					got = append(got, task)
				}
			}
			q.Add(deployed(c.first, "a", "x"), nil, "1")
			got := next()
			q.Add(deployed(c.second, c.api, "y"), nil, "2")
			got = append(got, next()...)
			if tell(got...) != c.want {
				t.Errorf("got%s, want%s", tell(got...), c.want)
			}
			_, _ = q.Ended(" a/x for 1")
			if got = append(got, next()...); len(got) != 2 {
				t.Errorf("the second one waits for ever: %s", tell(got...))
			}
		})
	}
}
