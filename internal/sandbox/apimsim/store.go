package apimsim

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// store is APIM's database. It is guarded by the stand-in's mutex; nothing of it leaves without a copy.
type store struct {
	limit    int // of ended jobs and subscriptions
	apis     map[string]*API
	apiOrder []string
	jobs     []*Job
	batches  map[string]int // INGESTs per job id, known or not
	subs     []*Subscription
}

func newStore(limit int) store {
	return store{limit: limit, apis: map[string]*API{}, batches: map[string]int{}}
}

func (s *store) job(id string) *Job {
	for _, j := range slices.Backward(s.jobs) {
		if j.ID == id {
			return j
		}
	}
	return nil
}

func (s *store) subscription(id string) *Subscription {
	for _, sub := range slices.Backward(s.subs) {
		if sub.ID == id {
			return sub
		}
	}
	return nil
}

func (s *store) addJob(j *Job) {
	if len(s.jobs) >= 2*s.limit {
		s.jobs = dropOldest(s.jobs, s.limit, func(j *Job) bool { return j.Status != JobPending })
	}
	s.jobs = append(s.jobs, j)
}

func (s *store) addSubscription(sub *Subscription) {
	if len(s.subs) >= 2*s.limit {
		s.subs = dropOldest(s.subs, s.limit, func(sub *Subscription) bool {
			return sub.Status != SubscriptionPending && !sub.isActive()
		})
	}
	s.subs = append(s.subs, sub)
}

// dropOldest forgets up to n of the oldest entries that have ended.
func dropOldest[T any](list []T, n int, ended func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(list), func(entry T) bool {
		if n == 0 || !ended(entry) {
			return false
		}
		n--
		return true
	})
}

// findAPI takes APIM's id, or the agent's own when it names one API only.
func (s *store) findAPI(id string) (*API, error) {
	if api, ok := s.apis[id]; ok {
		return api, nil
	}
	var found *API
	for _, key := range s.apiOrder {
		if s.apis[key].ProviderID != id {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("API %s: more than one has this provider id", id)
		}
		found = s.apis[key]
	}
	if found == nil {
		return nil, fmt.Errorf("API %s: %w", id, ErrNotFound)
	}
	return found, nil
}

func (api *API) plan(id string) *Plan {
	for i := range api.Plans {
		if api.Plans[i].ID == id || api.Plans[i].ProviderID == id {
			return &api.Plans[i]
		}
	}
	return nil
}

func (api *API) clone() API {
	c := *api
	c.ConnectionDetails = maps.Clone(api.ConnectionDetails)
	c.Pages = slices.Clone(api.Pages)
	c.Metadata = slices.Clone(api.Metadata)
	c.Plans = slices.Clone(api.Plans)
	for i := range c.Plans {
		c.Plans[i].Characteristics = slices.Clone(c.Plans[i].Characteristics)
	}
	return c
}

func (sub *Subscription) clone() Subscription {
	c := *sub
	c.Metadata = maps.Clone(sub.Metadata)
	return c
}

// read gives the job as a reader of APIM sees it: past its deadline it reads as timed out.
func (j *Job) read(now time.Time) Job {
	c := *j
	if c.Status == JobPending && now.After(c.Deadline) {
		c.Status = JobTimedOut
	}
	return c
}

// APIs lists the stored APIs in the order they were created.
func (a *APIM) APIs() []API {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]API, 0, len(a.store.apiOrder))
	for _, id := range a.store.apiOrder {
		out = append(out, a.store.apis[id].clone())
	}
	return out
}

// API finds one by APIM's id, or by the agent's own.
func (a *APIM) API(id string) (API, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	api, err := a.store.findAPI(id)
	if err != nil {
		return API{}, err
	}
	return api.clone(), nil
}

// Jobs lists the ingest jobs, oldest first.
func (a *APIM) Jobs() []Job {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]Job, 0, len(a.store.jobs))
	for _, j := range a.store.jobs {
		out = append(out, j.read(time.Now()))
	}
	return out
}

// Job finds an ingest job.
func (a *APIM) Job(id string) (Job, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	j := a.store.job(id)
	if j == nil {
		return Job{}, fmt.Errorf("job %s: %w", id, ErrNotFound)
	}
	return j.read(time.Now()), nil
}

// Subscriptions lists all subscriptions, ended ones included, oldest first.
func (a *APIM) Subscriptions() []Subscription {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]Subscription, 0, len(a.store.subs))
	for _, sub := range a.store.subs {
		out = append(out, sub.clone())
	}
	return out
}

// Agents lists the greeted agents, longest connected first.
func (a *APIM) Agents() []Agent {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []Agent
	for _, s := range a.open {
		if !s.active {
			continue
		}
		out = append(out, a.agentLocked(s))
	}
	return out
}

func (a *APIM) agentLocked(s *session) Agent {
	agent := s.stats
	agent.Conn, agent.IntegrationID, agent.ConnectedAt = s.conn, s.integrationID, s.connectedAt
	agent.Primary, agent.RemoteAddr = a.primary[s.integrationID] == s, s.raw.RemoteAddr().String()
	return agent
}

// EndedSessions lists the connections that are over, oldest first.
func (a *APIM) EndedSessions() []EndedSession {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ended.list()
}
