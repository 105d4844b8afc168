package exports

import (
	"fmt"
	"testing"
	"time"

	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
)

var here = federation.Target{Account: "1", Region: "a"}

// order is for some stages of one REST API. What is deployed is known with it, or not.
func order(priority gateway.Priority, deployed bool, api string, stages ...string) Order {
	o := Order{Priority: priority}
	for _, e := range named(here, api, stages...) {
		if deployed {
			e.Details = &gateway.Stage{Name: e.Stage}
		}
		o.Documents = append(o.Documents, Document{NamedEntry: e})
	}
	return o
}

// tell is what tasks are about and their callers.
func tell(tasks ...Task[string]) string {
	s := ""
	for _, t := range tasks {
		s += fmt.Sprintf(" %s/%s for %s", t.API.ID, t.Stage, t.Asker)
	}
	return s
}

// employ gives workers, named by their tasks, to all that may have one.
func employ(q *Queue[string]) (tasks []Task[string]) {
	for {
		t, found := q.Next(time.Time{}, nil)
		if !found {
			return tasks
		}
		q.Started(tell(t), t, time.Time{})
		tasks = append(tasks, t)
	}
}

func TestOneGetStagesServesAllWhoWantTheRESTAPITheMostUrgentFirst(t *testing.T) {
	q := NewQueue[string](16, 2)
	q.Add(order(gateway.PriorityRefresh, false, "a", "x"), nil, "reconciler")
	q.Add(order(gateway.PriorityIngest, false, "b", "x", "y"), nil, "job")
	q.Add(order(gateway.PriorityPreview, false, "a", "x", "y"), nil, "fetch")
	q.Add(order(gateway.PriorityIngest, false, "c", "x"), nil, "job")
	var listed []string
	for {
		api, priority, found := q.NextListing()
		if !found {
			break
		}
		listed = append(listed, fmt.Sprint(api, " ", priority))
	}
	asked := []string{fmt.Sprint("a ", gateway.PriorityPreview), fmt.Sprint("b ", gateway.PriorityIngest)}
	if want := fmt.Sprint(asked); fmt.Sprint(listed) != want {
		t.Errorf("asked for %v, want %s: two at a time", listed, want)
	}
	if employ(&q) != nil {
		t.Error("what is deployed is not known yet")
	}
	q.Add(order(gateway.PriorityIngest, false, "a", "z"), nil, "job")
	tasks := q.Listed("a")
	if got := tell(tasks...); got != " a/x for reconciler a/x for fetch a/y for fetch a/z for job" {
		t.Errorf("it serves%s", got)
	}
	if api, _, found := q.NextListing(); !found || api != "c" {
		t.Errorf("then comes %q", api)
	}
	for _, task := range tasks {
		q.Push(task)
	}
	if got := tell(employ(&q)...); got != " a/x for fetch a/y for fetch a/z for job" {
		t.Errorf("prepared:%s; the reconciler's is being prepared already", got)
	}
	if task, had := q.Ended(" a/x for fetch"); !had || task.Asker != "fetch" {
		t.Errorf("ended:%s", tell(task))
	}
	if _, had := q.Ended(" a/x for fetch"); had {
		t.Error("a worker ends once")
	}
	if got := tell(employ(&q)...); got != " a/x for reconciler" {
		t.Errorf("prepared:%s", got)
	}
}

func TestAsManyTasksHaveAWorkerAsThereAreAndTheMostUrgentIsNext(t *testing.T) {
	q := NewQueue[string](3, 1)
	q.Add(order(gateway.PriorityIngest, true, "a", "x", "y"), nil, "job")
	q.Add(order(gateway.PriorityPreview, true, "b", "x", "y"), nil, "fetch")
	if got := tell(employ(&q)...); got != " b/x for fetch b/y for fetch a/x for job" {
		t.Errorf("prepared:%s", got)
	}
	q.Ended(" b/y for fetch")
	if got := tell(employ(&q)...); got != " a/y for job" {
		t.Errorf("then%s", got)
	}
}

func TestARefreshHoldsAQuarterOfTheWorkersAndAtLeastOne(t *testing.T) {
	for workers, want := range map[int]int{1: 1, 4: 1, 8: 2, 16: 4} {
		q := NewQueue[string](workers, 1)
		for n := range 20 {
			q.Add(order(gateway.PriorityRefresh, true, fmt.Sprint(n), "x"), nil, "reconciler")
		}
		if got := len(employ(&q)); got != want {
			t.Errorf("%d of %d workers refresh, want %d", got, workers, want)
		}
		q.Add(order(gateway.PriorityIngest, true, "a", "x"), nil, "job")
		if got := len(employ(&q)); got != min(1, workers-want) {
			t.Errorf("of %d workers %d are free for a job", workers, got)
		}
	}
}

func TestWhatIsOfNoUseAnyMoreIsTakenOutUnlessItsStagesAreBeingAskedFor(t *testing.T) {
	now := time.Unix(1000, 0)
	by := func(o Order, seconds int) Order {
		o.By = now.Add(time.Duration(seconds) * time.Second)
		return o
	}
	q := NewQueue[string](1, 1)
	q.Add(by(order(gateway.PriorityPreview, false, "asked", "x"), -1), nil, "fetch")
	if api, _, _ := q.NextListing(); api != "asked" {
		t.Fatalf("asked for %q", api)
	}
	q.Add(by(order(gateway.PriorityPreview, false, "gone", "x"), -1), nil, "fetch")
	q.Add(by(order(gateway.PriorityPreview, false, "shared", "x"), -1), nil, "fetch")
	q.Add(order(gateway.PriorityIngest, false, "shared", "x"), nil, "job")
	q.Add(by(order(gateway.PriorityPreview, true, "ready", "x"), -1), nil, "fetch")
	q.Add(by(order(gateway.PriorityPreview, true, "ready", "y"), 0), nil, "fetch")
	if got := tell(q.TakeLate(now)...); got != " gone/x for fetch shared/x for fetch ready/x for fetch" {
		t.Errorf("late:%s", got)
	}
	if got := q.TakeLate(now); got != nil {
		t.Errorf("once more:%s", tell(got...))
	}
	for _, task := range q.Listed("asked") {
		q.Push(task)
	}
	if got := tell(q.TakeLate(now)...); got != " asked/x for fetch" {
		t.Errorf("late:%s", got)
	}
	if api, priority, found := q.NextListing(); !found || api != "shared" || priority != gateway.PriorityIngest {
		t.Errorf("asked for %q, with priority %v", api, priority)
	}
	if got := tell(employ(&q)...); got != " ready/y for fetch" {
		t.Errorf("prepared:%s", got)
	}
}

func TestAnOrderSaysWhichTargetServesIt(t *testing.T) {
	if got := order(gateway.PriorityIngest, true, "a", "x").Target(); got != here {
		t.Errorf("%v", got)
	}
}
