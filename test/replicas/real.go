package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"

	"federation-agent/internal/federation"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/test/interop/controller"
	"federation-agent/test/process"
)

// realStop is for how long an agent is stopped beside a real controller.
const realStop = 5 * time.Second

// published is two agents that are served by published controllers; this program plays the rest of APIM.
type published struct {
	*site
	controllers [2]*controller.Gravitee
	agents      [2]*agent
	apis        []apiOnWire

	mu   sync.Mutex
	book []apimsim.SubscriptionView
	asks []asked
}

// apiOnWire is what is needed of an API in an INGEST.
type apiOnWire struct {
	ID                string
	ConnectionDetails map[string]string
	Plans             []struct{ ID string }
}

// measureReal has a few of the same rounds with Gravitee's own controllers: faults with both agents at one, two accepts
// with one agent at each of two that know nothing of each other.
func measureReal(ctx context.Context, r *rig) ([]*figures, error) {
	versions := controller.Versions()
	version := versions[len(versions)-1]
	f := &figures{title: "With the controller of APIM " + version.APIM}
	s, err := newPairSite(ctx, r)
	if err != nil {
		return nil, err
	}
	defer s.close()
	jvm, err := controller.StartProcess(ctx, version, io.Discard)
	if err != nil {
		return nil, err
	}
	defer jvm.Close()
	m := &published{site: s}
	defer m.killBoth()
	for n := range m.controllers {
		if m.controllers[n], err = jvm.NewController(ctx, controller.Options{}); err != nil {
			return nil, err
		}
		err = errors.Join(m.controllers[n].AllowToken(ctx, token),
			m.controllers[n].PutIntegration(ctx, integration, "aws-api-gateway"))
		if err != nil {
			return nil, err
		}
	}
	if err := m.faults(ctx, f, pick(r, 8, 1), pick(r, 4, 1)); err != nil {
		return nil, err
	}
	if err := m.doubles(ctx, f, pick(r, 20, 3)); err != nil {
		return nil, err
	}
	return []*figures{f}, m.end(ctx, f)
}

func (m *published) start(ctx context.Context, n, at int) (err error) {
	m.agents[n], err = m.site.start(ctx, agentSpec{
		integrations: []string{integration}, settings: pairSettings(), controller: m.controllers[at],
	})
	return err
}

// channels waits until a controller has so many agents, this one among them.
func (a *agent) channels(ctx context.Context, c controller.Controller, id string, n int) error {
	return process.Await(ctx, process.Patience, "its session", func(ctx context.Context) (bool, error) {
		if a.Ended() {
			return false, errors.New("it has ended")
		}
		there, err := c.Channels(ctx, id)
		return len(there) >= n, err
	})
}

// faults kills and stops one of two agents at one controller, among SUBSCRIBEs, previews and ingests.
func (m *published) faults(ctx context.Context, f *figures, kills, stops int) error {
	for n := range m.agents {
		if err := m.start(ctx, n, 0); err != nil {
			return err
		}
	}
	if _, err := m.ingest(ctx); err != nil {
		return err
	}
	going, stop := context.WithCancel(ctx)
	defer stop()
	var all sync.WaitGroup
	all.Go(func() {
		for n := 0; process.Sleep(going, busyGap) == nil; n++ {
			all.Go(func() { m.subscribe(ctx, m.apis[n%len(m.apis)]) })
			if n%8 == 0 {
				all.Go(func() { // what comes of it while an agent is gone does not matter
					_, _ = m.controllers[0].Send(ctx, controller.Command{Target: integration, Type: "DISCOVER"})
				})
			}
		}
	})
	dice := rand.New(rand.NewPCG(seed, 3))
	var next [2][]time.Duration
	var ingests []time.Duration
	for round := range kills + stops {
		began, err := m.beginIngest(ctx)
		if err != nil {
			return err
		}
		if err := process.Sleep(ctx, time.Duration(dice.Int64N(int64(3*time.Second)))); err != nil {
			return err
		}
		n, kind, fault := dice.IntN(2), 0, m.killAndStart
		if round >= kills {
			n, kind, fault = round%2, 1, m.stopFor
		}
		took, err := fault(ctx, n)
		if err != nil {
			return err
		}
		next[kind] = append(next[kind], took)
		took, err = m.awaitIngest(ctx, began)
		if err != nil {
			return err
		}
		ingests = append(ingests, took)
	}
	stop()
	all.Wait()
	f.tell("kill -9 of either: time to the next accepted SUBSCRIBE, median (worst)", middleAndWorst(next[0]))
	f.tell(fmt.Sprintf("SIGSTOP of either for %s: the same", realStop), middleAndWorst(next[1]))
	f.tell("ingests during these rounds, all ended by `done`, median (worst)", middleAndWorst(ingests))
	return nil
}

func (m *published) killAndStart(ctx context.Context, n int) (time.Duration, error) {
	at := time.Now()
	m.agents[n].kill()
	took, err := m.next(ctx, at)
	if err != nil {
		return took, err
	}
	return took, m.start(ctx, n, 0)
}

func (m *published) stopFor(ctx context.Context, n int) (time.Duration, error) {
	at := time.Now()
	err := m.agents[n].Signal(syscall.SIGSTOP)
	err = errors.Join(err, process.Sleep(ctx, realStop), m.agents[n].Signal(syscall.SIGCONT))
	if err != nil {
		return 0, err
	}
	took, err := m.next(ctx, at)
	return took, errors.Join(err, process.Sleep(ctx, 3*time.Second), m.agents[n].channels(ctx, m.controllers[0], integration, 2))
}

func (m *published) next(ctx context.Context, after time.Time) (took time.Duration, err error) {
	err = process.Await(ctx, nextWithin, "the next accepted SUBSCRIBE", func(context.Context) (bool, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, ask := range m.asks {
			if ask.accepted && ask.at.After(after) {
				took = ask.answered.Sub(after)
				return true, nil
			}
		}
		return false, nil
	})
	return took, err
}

// answerTo is what came of a SUBSCRIBE.
type answerTo struct {
	metadata map[string]string // of a key
	refused  string            // why there is none
	at       time.Time
}

func (m *published) ask(ctx context.Context, c *controller.Gravitee, id string, api apiOnWire) answerTo {
	metadata := maps.Clone(api.ConnectionDetails)
	metadata["planId"] = api.Plans[0].ID
	outcome, err := c.Send(ctx, controller.Command{Target: integration, Type: "SUBSCRIBE", Payload: map[string]any{
		"apiId": api.ID, "subscription": map[string]any{
			"graviteeSubscriptionId": id, "graviteeApplicationId": "application", "graviteeApplicationName": "rig",
			"type": "API_KEY", "metadata": metadata,
		},
	}})
	a := answerTo{at: time.Now()}
	switch {
	case err != nil:
		a.refused = err.Error()
	case outcome.Failure != nil:
		a.refused = string(outcome.Failure.Kind) + ": " + outcome.Failure.Message // which may be empty
	case outcome.Reply.Status != "SUCCEEDED":
		a.refused = outcome.Reply.Status + ": " + outcome.Reply.Error
	default:
		var payload struct {
			Subscription struct{ Metadata map[string]string }
		}
		if err := json.Unmarshal(outcome.Reply.Payload, &payload); err != nil {
			a.refused = err.Error()
		}
		a.metadata = payload.Subscription.Metadata
	}
	return a
}

// pending reports whether no answer for a subscription has come yet. APIM sends no SUBSCRIBE for another one. It is
// called with mu.
func (m *published) pending(id string) bool {
	return !slices.ContainsFunc(m.book, func(s apimsim.SubscriptionView) bool { return s.ID == id })
}

// take does as APIM: the first answer decides.
func (m *published) take(id string, began time.Time, a answerTo) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.pending(id) {
		return
	}
	view := apimsim.SubscriptionView{ID: id, Status: apimsim.SubscriptionAccepted, Metadata: a.metadata, Reason: a.refused}
	if a.refused != "" {
		view.Status = apimsim.SubscriptionRejected
	}
	m.book = append(m.book, view)
	m.asks = append(m.asks, asked{at: began, answered: a.at, accepted: a.refused == ""})
}

func (m *published) subscribe(ctx context.Context, api apiOnWire) {
	id, began := uuid.NewString(), time.Now()
	m.take(id, began, m.ask(ctx, m.controllers[0], id, api))
}

// ingestBegun is an ingest of everything.
type ingestBegun struct {
	job  string
	at   time.Time
	from int // in the controller's events
}

func (m *published) beginIngest(ctx context.Context) (ingestBegun, error) {
	i := ingestBegun{job: uuid.NewString(), at: time.Now(), from: m.controllers[0].Events().Len()}
	outcome, err := m.controllers[0].Send(ctx, controller.Command{
		Target: integration, Type: "START_INGEST", Payload: map[string]any{"ingestJobId": i.job, "apiIds": []string{}},
	})
	if err == nil && (outcome.Reply == nil || outcome.Reply.Status != "SUCCEEDED") {
		err = fmt.Errorf("START_INGEST came to %+v %+v", outcome.Reply, outcome.Failure)
	}
	return i, err
}

func (m *published) awaitIngest(ctx context.Context, i ingestBegun) (time.Duration, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, jobWithin, errors.New("the ingest does not end"))
	defer cancel()
	_, _, err := m.controllers[0].Events().Wait(ctx, i.from, func(e controller.Event) bool {
		return e.Kind == controller.EventIngest && e.JobID == i.job && e.Done
	})
	return time.Since(i.at), err
}

// ingest is one from its beginning to its end, and what came.
func (m *published) ingest(ctx context.Context) (time.Duration, error) {
	began, err := m.beginIngest(ctx)
	if err != nil {
		return 0, err
	}
	took, err := m.awaitIngest(ctx, began)
	if err != nil {
		return took, err
	}
	for _, e := range m.controllers[0].Events().All() {
		if e.Kind != controller.EventIngest || e.JobID != began.job {
			continue
		}
		text, err := m.controllers[0].IngestCommand(ctx, e.CommandID)
		if err != nil {
			return took, err
		}
		var command struct{ Payload struct{ APIs []apiOnWire } }
		if err := json.Unmarshal(text, &command); err != nil {
			return took, err
		}
		m.apis = append(m.apis, command.Payload.APIs...)
	}
	if len(m.apis) == 0 {
		return took, errors.New("nothing was ingested")
	}
	return took, nil
}

// doubles has each of two controllers, with one agent each, send SUBSCRIBE for the same subscriptions.
func (m *published) doubles(ctx context.Context, f *figures, times int) error {
	if err := m.agents[1].stop(); err != nil {
		return err
	}
	if err := m.start(ctx, 1, 1); err != nil {
		return err
	}
	dice := rand.New(rand.NewPCG(seed, 4))
	var wrong []string
	reasons := map[string]bool{}
	for n := range times {
		id, api, gap := uuid.NewString(), m.apis[n%len(m.apis)], time.Duration(dice.Int64N(int64(longestGap)))
		if n%2 == 0 {
			gap /= 20
		}
		var answers [2]answerTo
		var both sync.WaitGroup
		for k := range answers {
			both.Go(func() {
				if k == 1 {
					_ = process.Sleep(ctx, gap)
				}
				m.mu.Lock()
				pending := m.pending(id)
				m.mu.Unlock()
				if !pending {
					answers[k].refused = "not sent: the subscription is not pending"
					return
				}
				began := time.Now()
				answers[k] = m.ask(ctx, m.controllers[(n+k)%2], id, api)
				m.take(id, began, answers[k])
			})
		}
		both.Wait()
		given := 0
		for _, a := range answers {
			if a.refused == "" {
				given++
			} else {
				reasons[a.refused] = true
			}
		}
		inAWS, err := process.Keys(ctx, m.AWS)
		if err != nil {
			return err
		}
		inAWS = slices.DeleteFunc(inAWS, func(k process.Key) bool { return !strings.Contains(k.Name, id) })
		m.mu.Lock()
		last := m.book[len(m.book)-1]
		m.mu.Unlock()
		if given != 1 || len(inAWS) != 1 || last.Metadata[federation.MetadataKeyID] != inAWS[0].ID {
			wrong = append(wrong, fmt.Sprintf("%s: %d answers with a key, %d keys, %s", id, given, len(inAWS), last.Status))
		}
	}
	f.none(fmt.Sprintf("of %d subscriptions, accepted at two controllers with an agent each: not one live key", times), wrong)
	for reason := range reasons {
		f.tell("the other answer", reason)
	}
	return nil
}

// end lets everything come to rest, ends both, and counts.
func (m *published) end(ctx context.Context, f *figures) error {
	if _, err := m.settle(ctx); err != nil {
		return err
	}
	var errs []error
	for n, a := range m.agents {
		errs = append(errs, a.stop())
		m.agents[n] = nil
	}
	records, err := m.records(ctx)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	inAWS, err := process.Keys(ctx, m.AWS)
	return errors.Join(append(errs, err, f.count(process.CountKeys(m.book, inAWS, records)))...)
}

func (m *published) killBoth() {
	for _, a := range m.agents {
		if a != nil {
			a.kill()
		}
	}
}
