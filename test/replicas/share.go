package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"time"

	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/process"
)

const (
	// shareOfQuota is the calls a second that the default share of 70 % allows.
	shareOfQuota = 0.7 * awssim.AWSRate
	// ownIntegrations is how many each of two agents serves: APIM's user asks each for one preview at a time.
	ownIntegrations = 6
	// changeSides is how long one of two agents has all the load.
	changeSides = 20 * time.Second
	// warmUp is how long it takes until the burst is used up and the shares are found.
	warmUp = 20 * time.Second
	// neighbourOperation is one that the agent never calls, so that the two are told apart in the counters.
	neighbourOperation = awssim.OpGetDeployments
)

// load is one way to have two agents want an account's quota.
type load struct {
	what string
	bar  float64
	// each is how many integrations each agent serves.
	each int
	run  func(context.Context, *sharing) error
}

// sharing is two agents that look at one account, each for integrations of its own.
type sharing struct {
	*site
	load
	account int
	agents  [2]*agent
	errs    []error
	mu      sync.Mutex
}

func loads() []load {
	return []load{
		{"both busy all the time", 0.97, 1, func(ctx context.Context, s *sharing) error { return s.bothIngest(ctx) }},
		{
			"the load changes sides every 20 s", 0.90, ownIntegrations,
			func(ctx context.Context, s *sharing) error { return s.changeSides(ctx) },
		},
		{"both busy, one is frozen for 10, 30 and 60 s", 0.97, 1, func(ctx context.Context, s *sharing) error {
			return errors.Join(s.freeze(ctx), s.bothIngest(ctx))
		}},
	}
}

// measureShare has pairs of processes share accounts at AWS's real quota, all at the same time: what they do is wait.
func measureShare(ctx context.Context, r *rig) ([]*figures, error) {
	d := pick(r, 10*time.Minute, 25*time.Second)
	f := &figures{title: fmt.Sprintf(
		"Two processes on one account, share 70 %%, %s beside a neighbour at 3 requests a second in bursts of 15", d)}
	spec := standInSpec{
		Estate: awssim.UniformOptions{
			Accounts: len(loads()), APIs: pick(r, 600, 100), StagesPerAPI: 3, Plans: 30, DocumentBytes: 10_000,
		},
		Scale: 1, HealthEvery: 30 * time.Second,
	}
	var all []*sharing
	for account, l := range loads() {
		all = append(all, &sharing{load: l, account: account})
		for agent := range 2 {
			spec.Integrations = append(spec.Integrations, all[account].integrations(agent)...)
		}
	}
	s, err := r.newSite(ctx, spec)
	if err != nil {
		return nil, err
	}
	defer s.close()
	var running sync.WaitGroup
	errs := make([]error, len(all))
	var lines sync.Mutex
	for n, one := range all {
		one.site = s
		running.Go(func() {
			u, err := one.measure(ctx, d)
			errs[n] = err
			lines.Lock()
			defer lines.Unlock()
			u.tell(r, f, one.load)
		})
	}
	running.Wait()
	return []*figures{f}, errors.Join(errs...)
}

func (s *sharing) integrations(agent int) []string {
	var ids []string
	for n := range s.each {
		ids = append(ids, fmt.Sprintf("share-%d-%d-%d", s.account, agent, n))
	}
	return ids
}

// usage is what came of one of them.
type usage struct {
	calls                         int
	over                          time.Duration
	throttled, neighbourThrottled int
}

func (u usage) tell(r *rig, f *figures, l load) {
	used := float64(u.calls) / (shareOfQuota * max(u.over.Seconds(), 1))
	figure := fmt.Sprintf("%.1f %% (%d calls in %s)", 100*used, u.calls, u.over.Round(time.Second))
	if r.short {
		f.tell(l.what+": used of the share", figure)
	} else {
		f.judge(l.what+": used of the share", figure, fmt.Sprintf("≥ %.0f %%", 100*l.bar), used >= l.bar)
	}
	f.judge(l.what+": 429s of the agents, of the neighbour", fmt.Sprintf("%d, %d", u.throttled, u.neighbourThrottled), "0, 0",
		u.throttled+u.neighbourThrottled == 0)
}

func (s *sharing) measure(ctx context.Context, d time.Duration) (u usage, err error) {
	for n := range s.agents {
		a, err := s.start(ctx, agentSpec{
			integrations: s.integrations(n), account: s.account,
			settings: map[string]string{"gravitee_agent_cache_maxBytes": "0", "gravitee_agent_quota_share": "70"},
		})
		if err != nil {
			return u, err
		}
		defer a.kill()
		s.agents[n] = a
	}
	err = process.Tell(ctx, http.MethodPost, s.AWS+"/_sandbox/aws/neighbours", awssim.Neighbour{
		AccessKeyID: awssim.UniformNeighbourKeyID(s.account), Region: tableRegion, Burst: 15, Every: 5 * time.Second,
		Operation: neighbourOperation,
	})
	if err != nil {
		return u, err
	}
	loaded, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.run(loaded, s); err != nil && loaded.Err() == nil {
			s.fail(err)
		}
	})
	from, err := s.usage(ctx, warmUp)
	if err != nil {
		return u, err
	}
	began := time.Now()
	to, err := s.usage(ctx, d)
	u = usage{
		calls: to.calls - from.calls, over: time.Since(began), throttled: to.throttled, neighbourThrottled: to.neighbourThrottled,
	}
	stop()
	running.Wait()
	return u, errors.Join(append(s.errs, err)...)
}

func (s *sharing) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err)
}

// usage counts what has been called by the end of a time.
func (s *sharing) usage(ctx context.Context, after time.Duration) (u usage, err error) {
	if err := process.Sleep(ctx, after); err != nil {
		return u, err
	}
	n, err := process.Ask[struct {
		Counts    []awssim.Count   `json:"counts"`
		Throttled map[string]int64 `json:"throttled"`
	}](ctx, http.MethodGet, s.AWS+"/_sandbox/aws/counts", nil)
	account := awssim.UniformAccount(s.account)
	for _, c := range n.Counts {
		switch {
		case c.Account != account || c.Operation == neighbourOperation:
		case c.Operation != awssim.OpGetCallerIdentity && c.Operation != awssim.OpAssumeRole:
			u.calls += int(c.Count)
		}
	}
	u.throttled = int(n.Throttled["arn:aws:iam::"+account+":user/federation-agent"])
	u.neighbourThrottled = int(n.Throttled["arn:aws:iam::"+account+":user/deployer"])
	return u, err
}

// bothIngest has both ingest everything, nothing cached, again and again until ctx ends.
func (s *sharing) bothIngest(ctx context.Context) error {
	var both sync.WaitGroup
	for n := range s.agents {
		both.Go(func() {
			for id := s.integrations(n)[0]; ctx.Err() == nil; {
				job, err := s.Users.APIM.StartIngest(ctx, id)
				if err == nil {
					_, err = s.Users.APIM.AwaitJob(ctx, time.Hour, job)
				}
				if err != nil && ctx.Err() == nil { // a frozen agent does not take it up
					_ = process.Sleep(ctx, time.Second)
				}
			}
		})
	}
	both.Wait()
	return nil
}

// changeSides has now the one and now the other look at its integrations without a pause.
func (s *sharing) changeSides(ctx context.Context) error {
	for turn := 0; ctx.Err() == nil; turn++ {
		side, end := context.WithTimeout(ctx, changeSides)
		var all sync.WaitGroup
		for _, id := range s.integrations(turn % 2) {
			all.Go(func() {
				for side.Err() == nil {
					// Nobody waits for an answer that comes when the other side has begun.
					if _, err := s.Users.APIM.Preview(side, id); err != nil && side.Err() == nil {
						s.fail(fmt.Errorf("preview %s: %w", id, err))
						return
					}
				}
			})
		}
		all.Wait()
		end()
	}
	return nil
}

// freeze stops the first of both for a while, beside the rest.
func (s *sharing) freeze(ctx context.Context) error {
	go func() {
		for _, still := range pick(s.rig, []int{10, 30, 60}, []int{5}) {
			if process.Sleep(ctx, pick(s.rig, 2*time.Minute, warmUp)) != nil {
				return
			}
			err := s.agents[0].Signal(syscall.SIGSTOP)
			_ = process.Sleep(ctx, time.Duration(still)*time.Second)
			if err := errors.Join(err, s.agents[0].Signal(syscall.SIGCONT)); err != nil {
				s.fail(err)
			}
		}
	}()
	return nil
}
