package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"federation-agent/internal/federation"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
)

const (
	// connectWithin is ample: an agent dials at once.
	connectWithin = 20 * time.Second
	// ingestWithin bounds an ingest that goes on; it is for estates far larger than the demonstration's.
	ingestWithin = 30 * time.Minute
	// application is who subscribes.
	application = "Demo application"
)

// errAgentEnded is why a step fails when its agent is gone.
var errAgentEnded = errors.New("the agent ended by itself")

// ErrInterrupted is the cause with which a context ends a demonstration that somebody has seen enough of.
var ErrInterrupted = errors.New("interrupted")

// Play plays APIM's user against the agent that connects to the sandbox, and says how it went. agentDone
// is closed when that agent ends; the context ends the demonstration.
func Play(ctx context.Context, s *Sandbox, agentDone <-chan struct{}, n *Narrator) Summary {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-agentDone:
			cancel(errAgentEnded)
		case <-ctx.Done():
		}
	}()
	estate := take(s.options.Estate)
	p := &play{sandbox: s, narrator: n, started: time.Now(), summary: Summary{
		APIMVersion: s.options.Version, Stages: estate.stages, Expected: estate.planned,
		QuotaScale: cmp.Or(s.options.Quota.Scale, 1),
	}}
	if s.options.Quota.Off {
		p.summary.QuotaScale = 0
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) (string, error)
	}{
		{"Connect", p.connect},
		{"Preview", p.preview},
		{"Ingest", p.ingest},
		{"Subscribe", p.subscribe},
		{"Call", p.callWithKey},
		{"Unsubscribe", p.unsubscribe},
		{"Call again", p.callAgain},
		{"Look back", p.lookBack},
	} {
		if !p.take(ctx, step.name, step.do) {
			break
		}
	}
	return p.finish()
}

// play is one demonstration on its way.
type play struct {
	sandbox  *Sandbox
	narrator *Narrator
	started  time.Time
	summary  Summary

	subscription apimsim.Subscription
	id           federation.ID
}

// take takes one step and tells how it ended.
func (p *play) take(ctx context.Context, name string, do func(context.Context) (string, error)) bool {
	began := time.Now()
	detail, err := do(ctx)
	interrupted := err != nil && errors.Is(context.Cause(ctx), ErrInterrupted)
	if err != nil {
		switch cause := context.Cause(ctx); {
		case interrupted:
			err = cause // what the step says of it is only that it did not get further
		case cause != nil && !errors.Is(err, cause):
			err = errors.Join(cause, err)
		}
		detail = strings.ReplaceAll(err.Error(), "\n", "; ")
		p.summary.Failure, p.summary.Interrupted = name+": "+detail, interrupted
	}
	step := Step{
		Name: name, Detail: detail, OK: err == nil, Interrupted: interrupted, Seconds: time.Since(began).Seconds(),
	}
	p.summary.Steps = append(p.summary.Steps, step)
	p.narrator.Step(step)
	return err == nil
}

func (p *play) finish() Summary {
	s := &p.summary
	calls := p.sandbox.AWS.Calls(0)
	for _, c := range calls {
		switch {
		case c.Operation == awssim.OpCreateAPIKey && c.Status == http.StatusCreated:
			s.KeysCreated++
		case c.Operation == awssim.OpDeleteAPIKey && c.Status == http.StatusAccepted:
			s.KeysDeleted++
		}
	}
	s.KeysLeft = len(p.sandbox.AWS.Keys())
	s.Usage = usage(calls, p.sandbox.options.Quota)
	s.Problems = problems(p.sandbox.APIM.Problems())
	s.Seconds = time.Since(p.started).Seconds()
	s.OK = s.Failure == ""
	return *s
}

func problems(list []apimsim.Problem) []string {
	out := []string{}
	for _, problem := range list {
		out = append(out, strings.Join(nonEmpty(string(problem.Code), problem.Subject, problem.Detail), ": "))
	}
	return out
}

func nonEmpty(texts ...string) []string {
	var out []string
	for _, t := range texts {
		if t != "" {
			out = append(out, t)
		}
	}
	return out
}

// connect waits for the agent's HELLO.
func (p *play) connect(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, connectWithin, fmt.Errorf("no agent connected within %s", connectWithin))
	defer cancel()
	p.narrator.Busy("Connect", "waiting for the agent")
	return "the agent is Connected", p.sandbox.bell.until(ctx, func() bool { return len(p.sandbox.APIM.Agents()) > 0 })
}

// preview asks what there is.
func (p *play) preview(ctx context.Context) (string, error) {
	p.narrator.Busy("Preview", "the agent lists REST APIs and usage plans")
	found, err := p.sandbox.APIM.Preview(ctx, p.sandbox.options.IntegrationID)
	if err != nil {
		return "", err
	}
	p.summary.Found, p.summary.Partial = len(found.APIs), found.Partial
	if !found.Partial && len(found.APIs) != p.summary.Expected {
		return "",
			fmt.Errorf("%s found, but %d stages are in a usage plan", plural(len(found.APIs), "API"), p.summary.Expected)
	}
	names := map[string]bool{}
	for _, api := range found.APIs {
		if names[api.Name] {
			return "", fmt.Errorf("two APIs are called %q", api.Name)
		}
		names[api.Name] = true
	}
	return foundText(p.summary), nil
}

// ingest takes all of it in.
func (p *play) ingest(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, ingestWithin,
		fmt.Errorf("the ingest did not end within %s", ingestWithin))
	defer cancel()
	before := p.sandbox.AWS.CallCount(awssim.OpGetExport)
	job, err := p.sandbox.APIM.StartIngest(ctx, p.sandbox.options.IntegrationID, nil)
	if err != nil {
		return "", err
	}
	total := int(job.Total)
	drawn := ingestProgress{}
	err = p.sandbox.bell.until(ctx, func() bool {
		// A job of nothing is never stored.
		if stored, err := p.sandbox.APIM.Job(job.ID); err == nil {
			job = stored
		}
		now := ingestProgress{exported: int(p.sandbox.AWS.CallCount(awssim.OpGetExport) - before), ingested: job.Ingested}
		if p.narrator.Live && now != drawn || now.ingested != drawn.ingested {
			p.narrator.Progress("Ingest", now.of(total))
			drawn = now
		}
		return job.Status != apimsim.JobPending
	})
	p.summary.Ingested = job.Ingested
	apis := p.sandbox.APIM.APIs()
	for _, api := range apis {
		if len(api.Pages) > 0 {
			p.summary.Documents++
		}
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("%s after %d of %d APIs: %w", job.Status, job.Ingested, total, err)
	case job.Status != apimsim.JobSuccess:
		return "", fmt.Errorf("the job ended as %s after %d of %d APIs", job.Status, job.Ingested, total)
	case job.Ingested != p.summary.Expected || len(apis) != p.summary.Expected:
		return "", fmt.Errorf("%d APIs came and %d are stored, but %d stages are in a usage plan", job.Ingested, len(apis),
			p.summary.Expected)
	}
	return fmt.Sprintf("%d of %d APIs, %s", job.Ingested, total, plural(p.summary.Documents, "document")), nil
}

// ingestProgress is how far an ingest is.
type ingestProgress struct{ exported, ingested int }

func (i ingestProgress) of(total int) string {
	return fmt.Sprintf("%s %d exported, %d of %d ingested", bar(i.ingested, total), i.exported, i.ingested, total)
}

// subscribe takes a plan of an API, as an application's owner would.
func (p *play) subscribe(ctx context.Context) (string, error) {
	api, plan, err := choose(p.sandbox.APIM.APIs())
	if err != nil {
		return "", err
	}
	if p.id, err = federation.ParseID(api.ProviderID); err != nil {
		return "", err
	}
	p.narrator.Busy("Subscribe", "the agent makes a key")
	sub, err := p.sandbox.APIM.Subscribe(ctx, api.ID, plan.ID, application, "")
	if err != nil {
		return "", err
	}
	if sub.Status != apimsim.SubscriptionAccepted {
		return "", fmt.Errorf("the subscription is %s: %s", sub.Status, sub.Reason)
	}
	if sub.APIKey.IsZero() {
		return "", errors.New("the subscription was accepted without an API key")
	}
	p.subscription = sub
	return fmt.Sprintf("%q has a key for %s with the plan %s", application, api.Name, plan.Name), nil
}

// choose prefers what a demonstration's estate is known for, and takes anything with a plan.
func choose(apis []apimsim.API) (apimsim.API, apimsim.Plan, error) {
	var api apimsim.API
	var plan apimsim.Plan
	best := -1
	for _, a := range apis {
		for _, pl := range a.Plans {
			score := 0
			if strings.HasPrefix(a.Name, "Orders") {
				score += 2
			}
			if pl.Name == "Gold" {
				score++
			}
			if score > best {
				api, plan, best = a, pl, score
			}
		}
	}
	if best < 0 {
		return api, plan, errors.New("no ingested API has a plan to subscribe to")
	}
	return api, plan, nil
}

// callWithKey calls the API without the key, then with it.
func (p *play) callWithKey(ctx context.Context) (string, error) {
	if err := p.expect(ctx, "", http.StatusForbidden); err != nil {
		return "", err
	}
	if err := p.expect(ctx, p.subscription.APIKey.Reveal(), http.StatusOK); err != nil {
		return "", err
	}
	return "without the key 403, with the key 200", nil
}

// unsubscribe takes the subscription back.
func (p *play) unsubscribe(ctx context.Context) (string, error) {
	p.narrator.Busy("Unsubscribe", "the agent deletes the key")
	if err := p.sandbox.APIM.Unsubscribe(ctx, p.subscription.ID); err != nil {
		return "", err
	}
	return "the subscription is closed, its key deleted", nil
}

func (p *play) callAgain(ctx context.Context) (string, error) {
	if err := p.expect(ctx, p.subscription.APIKey.Reveal(), http.StatusForbidden); err != nil {
		return "", err
	}
	return "with the old key 403", nil
}

// lookBack asks both sides what they found wrong.
func (p *play) lookBack(context.Context) (string, error) {
	if list := problems(p.sandbox.APIM.Problems()); len(list) > 0 {
		return "", fmt.Errorf("APIM noticed %s, first %s", plural(len(list), "problem"), list[0])
	}
	if keys := len(p.sandbox.AWS.Keys()); keys > 0 {
		return "", fmt.Errorf("%s left in AWS", plural(keys, "key"))
	}
	return "APIM noticed no problem, no key is left in AWS", nil
}

// expect calls the subscribed stage.
func (p *play) expect(ctx context.Context, key string, want int) error {
	with := "without a key"
	if key != "" {
		with = "with the key"
	}
	answer, err := p.sandbox.call(ctx, p.id.String(), key)
	if err != nil {
		return fmt.Errorf("calling the API %s: %w", with, err)
	}
	if answer.Status != want {
		return fmt.Errorf("calling the API %s was answered %d, not %d", with, answer.Status, want)
	}
	return nil
}
