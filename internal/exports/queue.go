package exports

import (
	"cmp"
	"slices"
	"time"

	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
)

// refreshPart is the part of a target's workers, one in so many, that a refresh may hold: while one waits for a permit
// of the least urgency, the others must be free for what is urgent.
const refreshPart = 4

// SlowAfter is when an export does not count as one under way any more: most take a second or two. An AWS that swallows
// requests would else hold up all that come behind them for as long as an export may take.
const SlowAfter = 10 * time.Second

// Task is one document to prepare, and what its order says of it. A is the type of the caller that placed the order.
type Task[A any] struct {
	Document
	Priority gateway.Priority
	// By is when it is of no use any more; zero means there is no such time.
	By time.Time
	// MaxBytes is the order's.
	MaxBytes int
	Asker    A
	// Stages are those of its REST API, as they were listed last; none if that is not known.
	Stages []*gateway.Stage
	// Returned is how often the task came back as AWS could not be used.
	Returned int
}

// compare orders tasks by their urgency.
func (t Task[A]) compare(other Task[A]) int { return cmp.Compare(t.Priority, other.Priority) }

// deployment is what is deployed, and whether other stages with it may have the same document.
func (t Task[A]) deployment() (d deployment, shares bool) {
	d, shares = deploymentOf(t.Details)
	d.restAPI = t.API.ID
	return d, shares
}

// Queue is the open orders of one target: documents that need a GetStages first (one for each REST API), those that
// wait for a worker, and those that have one. It is pure: time is passed in.
type Queue[A any] struct {
	workers, listings int

	// restAPIs wait for their GetStages, in the order of their arrival. One call serves all that want it.
	restAPIs []string
	wanting  map[string][]Task[A] // by REST API, also while its GetStages is under way
	listing  map[string]bool      // GetStages under way
	waiting  []Task[A]
	working  map[string]begun[A] // by worker
}

type begun[A any] struct {
	Task[A]
	since time.Time
}

// NewQueue makes an empty queue of a target with so many workers, and with so many GetStages at a time.
func NewQueue[A any](workers, listings int) Queue[A] {
	return Queue[A]{
		workers: workers, listings: listings,
		wanting: map[string][]Task[A]{}, listing: map[string]bool{}, working: map[string]begun[A]{},
	}
}

// Add takes an order, and what is known of the REST API's stages. Where the entries do not say what is deployed, the target
// is to be asked first: only then is it known which documents have changed.
func (q *Queue[A]) Add(order Order, stages []*gateway.Stage, asker A) {
	for _, d := range order.Documents {
		task := Task[A]{
			Document: d, Priority: order.Priority, By: order.By, MaxBytes: order.MaxBytes, Asker: asker, Stages: stages,
		}
		if d.Details != nil {
			q.waiting = append(q.waiting, task)
			continue
		}
		q.want(task)
	}
}

func (q *Queue[A]) want(t Task[A]) {
	api := t.API.ID
	if _, wanted := q.wanting[api]; !wanted {
		q.restAPIs = append(q.restAPIs, api)
	}
	q.wanting[api] = append(q.wanting[api], t)
}

// Return takes back a task that could not be done now. By the time that it can, another deployment may be there.
func (q *Queue[A]) Return(t Task[A]) {
	t.Details, t.Stages = nil, nil
	t.Returned++
	q.want(t)
}

// Idle says that nothing waits to be begun.
func (q *Queue[A]) Idle() bool { return len(q.restAPIs) == 0 && len(q.waiting) == 0 }

// TakeLate gives the tasks that no worker has begun and that are of no use any more at a time.
func (q *Queue[A]) TakeLate(at time.Time) []Task[A] {
	return q.take(func(t Task[A]) bool { return !t.By.IsZero() && at.After(t.By) })
}

// TakeAll gives all tasks that no worker has begun.
func (q *Queue[A]) TakeAll() []Task[A] { return q.take(func(Task[A]) bool { return true }) }

func (q *Queue[A]) take(isTaken func(Task[A]) bool) (taken []Task[A]) {
	without := func(tasks []Task[A]) []Task[A] {
		return slices.DeleteFunc(tasks, func(t Task[A]) bool {
			match := isTaken(t)
			if match {
				taken = append(taken, t)
			}
			return match
		})
	}
	q.restAPIs = slices.DeleteFunc(q.restAPIs, func(api string) bool {
		q.wanting[api] = without(q.wanting[api])
		if len(q.wanting[api]) > 0 {
			return false
		}
		delete(q.wanting, api)
		return true
	})
	q.waiting = without(q.waiting)
	return taken
}

// NextListing is the REST API whose stages are to be asked for now, the most urgent first, if another one may be.
func (q *Queue[A]) NextListing() (restAPI string, priority gateway.Priority, found bool) {
	if len(q.listing) >= q.listings || len(q.restAPIs) == 0 {
		return "", 0, false
	}
	urgency := func(api string) gateway.Priority {
		return slices.MinFunc(q.wanting[api], Task[A].compare).Priority
	}
	restAPI = slices.MinFunc(q.restAPIs, func(a, b string) int { return cmp.Compare(urgency(a), urgency(b)) })
	q.restAPIs = slices.DeleteFunc(q.restAPIs, func(api string) bool { return api == restAPI })
	q.listing[restAPI] = true
	return restAPI, urgency(restAPI), true
}

// Listed gives the tasks that waited for the stages that have come. The caller gives back those that it does not
// refuse, by [Queue.Push].
func (q *Queue[A]) Listed(restAPI string) []Task[A] {
	tasks := q.wanting[restAPI]
	delete(q.wanting, restAPI)
	delete(q.listing, restAPI)
	return tasks
}

// Push has a task wait for a worker.
func (q *Queue[A]) Push(t Task[A]) { q.waiting = append(q.waiting, t) }

// Next is the most urgent task that may have a worker now. The caller then calls [Queue.Started]. A document that is
// being prepared for another caller waits: it will be in the cache. So does one that may be shared, as shares says of its
// REST API, while an equally urgent task has a worker for a stage with the same deployment.
//
// A worker that takes long leaves its place to another one, up to twice as many in all. [Queue.SlowAt] says when.
func (q *Queue[A]) Next(now time.Time, shares func(*gateway.RestAPI) bool) (task Task[A], found bool) {
	busy := make(map[federation.ID]bool, len(q.working))
	deployments := make(map[deployment]gateway.Priority, len(q.working)) // with the most urgent task of each
	refreshing, quick := 0, 0
	for _, t := range q.working {
		busy[t.ID()] = true
		if of, may := t.deployment(); may {
			if urgent, has := deployments[of]; !has || t.Priority < urgent {
				deployments[of] = t.Priority
			}
		}
		if now.Sub(t.since) < SlowAfter {
			quick++
		}
		if t.Priority == gateway.PriorityRefresh {
			refreshing++
		}
	}
	if quick >= q.workers || len(q.working) >= 2*q.workers {
		return task, false
	}
	best := -1
	for i, t := range q.waiting {
		held := t.Priority == gateway.PriorityRefresh && refreshing >= max(1, q.workers/refreshPart)
		free := !held && !busy[t.ID()]
		if of, may := t.deployment(); free && may {
			urgent, has := deployments[of]
			free = !has || urgent > t.Priority || !shares(t.API)
		}
		if free && (best < 0 || t.Priority < q.waiting[best].Priority) {
			best = i
		}
	}
	if best < 0 {
		return task, false
	}
	task = q.waiting[best]
	q.waiting = slices.Delete(q.waiting, best, best+1)
	return task, true
}

// Started notes which worker has a task.
func (q *Queue[A]) Started(worker string, t Task[A], now time.Time) {
	q.working[worker] = begun[A]{Task: t, since: now}
}

// SlowAt is when the next worker leaves its place; false if none does, or nothing waits for it.
func (q *Queue[A]) SlowAt(now time.Time) (at time.Time, waits bool) {
	for _, t := range q.working {
		if slow := t.since.Add(SlowAfter); slow.After(now) && (at.IsZero() || slow.Before(at)) {
			at = slow
		}
	}
	return at, len(q.waiting) > 0 && !at.IsZero()
}

// Ended is the task that a worker had, if it had one.
func (q *Queue[A]) Ended(worker string) (Task[A], bool) {
	t, had := q.working[worker]
	delete(q.working, worker)
	return t.Task, had
}
