package apimsim

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Preview is what the console shows before an ingest.
type Preview struct {
	APIs    []PreviewAPI `json:"apis"`
	Partial bool         `json:"isPartialDiscovery"` // only everything can be ingested then
}

// PreviewAPI is all that APIM uses of a discovered API.
type PreviewAPI struct {
	UniqueID string `json:"uniqueId"`
	ID       string `json:"id"`
	Name     string `json:"name"`
	Version  string `json:"version"`
	State    string `json:"state"` // NEW or UPDATE
}

// Preview asks an integration's agent what it would ingest: DISCOVER, or LIST in 4.4.
func (a *APIM) Preview(ctx context.Context, integrationID string) (Preview, error) {
	i, err := a.integration(integrationID)
	if err != nil {
		return Preview{}, err
	}
	kind := typeDiscover
	if a.features.legacy {
		kind = typeList
	}
	reply, err := a.request(ctx, integrationID, command{kind: kind, payload: empty{}})
	var apis []inAPI
	partial := false
	if err == nil {
		apis, partial, err = readDiscovered(reply)
	}
	if err != nil {
		a.problem(Problem{Code: ProblemDiscoveryFailed, Integration: integrationID, Detail: err.Error()})
		return Preview{}, err
	}
	out := Preview{APIs: make([]PreviewAPI, 0, len(apis)), Partial: partial && a.features.partial}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, api := range apis {
		p := PreviewAPI{ID: api.id, Version: or(api.version, defaultVersion), State: "NEW"}
		if api.name != nil {
			p.Name = *api.name
		}
		if api.uniqueID != nil {
			p.UniqueID = *api.uniqueID
			if _, ok := a.store.apis[nameBased(i.Env, i.ID, p.UniqueID)]; ok {
				p.State = "UPDATE"
			}
		}
		out.APIs = append(out.APIs, p)
	}
	a.previews[integrationID] = out
	return out, nil
}

func readDiscovered(reply Reply) ([]inAPI, bool, error) {
	p, err := decode(reply)
	if err != nil {
		return nil, false, err
	}
	apis := readAPIs(p)
	if apis == nil && p.err == nil {
		p.err = errors.New("apis is null")
	}
	if p.err != nil {
		return nil, false, fmt.Errorf("%s: %w: %w", reply.Type, ErrBadReply, p.err)
	}
	return apis, p.boolean("isPartialDiscovery"), nil
}

// StartIngest begins an ingest of the APIs with these ids (the agent's own), or of all. The job is
// known to INGESTs only when StartIngest returns: StoreDelay after the agent's answer. A total of 0
// is a success at once, with a job that was never stored. In 4.4 it is a FETCH whose reply is stored
// before StartIngest returns, as a job that has ended.
func (a *APIM) StartIngest(ctx context.Context, integrationID string, apiIDs []string) (Job, error) {
	i, err := a.integration(integrationID)
	if err != nil {
		return Job{}, err
	}
	return a.startIngestFor(ctx, i, apiIDs, nil)
}

func (a *APIM) startIngestFor(ctx context.Context, i Integration, apiIDs []string, initiator *Account) (Job, error) {
	job, err := a.startIngest(ctx, i, apiIDs, initiator)
	if err != nil {
		a.problem(Problem{Code: ProblemStartFailed, Integration: i.ID, Detail: err.Error()})
	}
	return job, err
}

func (a *APIM) startIngest(ctx context.Context, i Integration, apiIDs []string, initiator *Account) (Job, error) {
	if a.features.legacy {
		return a.fetch(ctx, i)
	}
	if apiIDs == nil {
		apiIDs = []string{}
	}
	id := a.newID()
	reply, err := a.request(ctx, i.ID, command{
		kind: typeStartIngest, subject: id,
		payload: startIngestPayload{IngestJobID: id, APIIDs: apiIDs},
	})
	if err != nil {
		return Job{}, err
	}
	p, err := decode(reply)
	if err != nil {
		return Job{}, err
	}
	total := p.number("total")
	if total == nil {
		return Job{}, fmt.Errorf("%s: %w: total is null", typeStartIngest, ErrBadReply)
	}
	if other := p.text("ingestJobId"); other != id {
		a.problem(Problem{Code: ProblemWrongJob, Integration: i.ID, Subject: id, Detail: "answered for " + other})
	}
	job := Job{ID: id, IntegrationID: i.ID, Status: JobPending, Total: *total, initiator: initiator}
	if *total == 0 {
		job.Status, job.CreatedAt, job.EndedAt = JobSuccess, time.Now(), time.Now()
		return job, nil
	}
	if !a.pause(a.opts.StoreDelay, ctx.Done()) {
		return Job{}, or(ctx.Err(), ErrClosed)
	}
	job.CreatedAt = time.Now()
	job.Deadline = job.CreatedAt.Add(a.opts.JobTimeout)
	stored := job
	a.mu.Lock()
	a.store.addJob(&stored)
	a.mu.Unlock()
	return job, nil
}

// fetch is 4.4's ingest: the reply carries all APIs whole.
func (a *APIM) fetch(ctx context.Context, i Integration) (Job, error) {
	s, err := a.pick(a.opts.Route, i.ID)
	if err != nil {
		return Job{}, err
	}
	reply, err := accepted(a.sendTo(ctx, s, command{kind: typeFetch, payload: fetchPayload{APIs: []string{}}}))
	if err != nil {
		return Job{}, err
	}
	apis, _, err := readDiscovered(reply)
	if err != nil {
		return Job{}, err
	}
	now := time.Now()
	job := &Job{
		ID: a.newID(), IntegrationID: i.ID, Status: JobPending, Total: int64(len(apis)), CreatedAt: now,
		Deadline: now.Add(a.opts.JobTimeout), Batches: 1,
	}
	a.mu.Lock()
	a.store.addJob(job)
	a.mu.Unlock()
	err = a.storeAPIs(s, i.ID, i.Env, apis, job)
	a.mu.Lock()
	defer a.mu.Unlock()
	job.EndedAt, job.Status = time.Now(), JobSuccess
	if err != nil {
		job.Status = JobError
	}
	return *job, err
}
