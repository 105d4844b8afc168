package apimsim

import (
	"errors"
	"fmt"
	"time"

	"github.com/gorilla/websocket"
)

// defaultVersion is what APIM puts where an API has no version.
const defaultVersion = "0.0.0"

// onIngest queues an INGEST: one integration's batches are handled one after the other, and answered
// only when they are done, while everything else on the channel goes on.
func (s *session) onIngest(c inCommand) {
	a := s.apim
	if c.ingest.apis == nil {
		a.problem(Problem{Code: ProblemNullAPIs, Integration: s.integrationID, Subject: c.ingest.jobID})
		s.closeWith(websocket.CloseInternalServerErr, "Unexpected error")
		return
	}
	a.lane("ingest " + s.integrationID).push(func() { a.handleIngest(s, c) })
}

func (a *APIM) handleIngest(s *session, c inCommand) {
	a.mu.Lock()
	a.store.batches[c.ingest.jobID]++
	event := IngestEvent{
		CommandID: c.id, Upgrade: s.upgrade, Command: c.text, APIIDs: c.ingest.apiIDs(),
		IntegrationID: s.integrationID, JobID: c.ingest.jobID, Nth: a.store.batches[c.ingest.jobID],
		APIs: len(c.ingest.apis), Done: c.ingest.done, Conn: s.conn,
	}
	a.mu.Unlock()
	fault := IngestFault{}
	if f := a.opts.Script.Ingest; f != nil {
		fault = f(event)
	}
	if fault.CutBefore {
		s.cut()
		return
	}
	if !a.pause(fault.StoreDelay, nil) { // a controller that has the batch stores it, socket or not
		return
	}
	answer := outReply{CommandID: c.id, Type: typeIngest, CommandStatus: StatusSucceeded, Payload: empty{}}
	err := errors.New(fault.Fail)
	if fault.Fail == "" {
		err = a.ingest(s, c.ingest)
	}
	if err != nil {
		answer = outReply{CommandID: c.id, Type: typeIngest, CommandStatus: StatusError, ErrorDetails: err.Error()}
	}
	if fault.CutStored {
		s.cut()
		return
	}
	if fault.Hold != nil {
		select {
		case <-fault.Hold:
		case <-a.ctx.Done():
			return
		}
	}
	if !a.pause(fault.AnswerDelay, nil) || fault.NoAnswer {
		return
	}
	for range fault.Copies + 1 {
		s.reply(answer)
	}
}

// ingest stores a batch. Its error aborts the rest of the batch, the job's progress included, and is
// what INGEST is answered with.
func (a *APIM) ingest(s *session, batch ingestPayload) error {
	a.mu.Lock()
	job := a.store.job(batch.jobID)
	if job == nil {
		a.mu.Unlock()
		a.problem(Problem{
			Code: ProblemBatchDropped, Integration: s.integrationID, Subject: batch.jobID,
			Detail: fmt.Sprintf("%d APIs for a job that is not known", len(batch.apis)),
		})
		return nil // dropped, and answered SUCCEEDED all the same
	}
	late, after := job.read(time.Now()).Status == JobTimedOut, job.Status != JobPending
	env := a.integrations[job.IntegrationID].Env
	a.mu.Unlock()
	if late {
		a.problem(Problem{Code: ProblemLateIngest, Integration: s.integrationID, Subject: batch.jobID})
	}
	if after {
		a.problem(Problem{Code: ProblemAfterDone, Integration: s.integrationID, Subject: batch.jobID})
	}
	if err := a.storeAPIs(s, job.IntegrationID, env, batch.apis, job); err != nil {
		a.problem(Problem{Code: ProblemBatchAborted, Integration: s.integrationID, Subject: batch.jobID, Detail: err.Error()})
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	job.Batches++
	now := time.Now()
	if batch.done {
		job.Status, job.EndedAt = JobSuccess, now
		return nil
	}
	job.Deadline = now.Add(a.opts.JobTimeout)
	return nil
}

// storeAPIs writes APIs one after the other without a transaction. What goes wrong inside one API is
// noted and does not stop the others; its metadata are saved outside of that guard (read), so that a
// null format, or a text the column does not take, ends the batch.
func (a *APIM) storeAPIs(s *session, integrationID, env string, apis []inAPI, job *Job) error {
	for _, in := range apis {
		w := a.newWrite(s, integrationID, env, in)
		if job != nil {
			w.owning = job.initiator
		}
		err := w.store()
		if _, ok := errors.AsType[*abortError](err); ok {
			return err
		}
		if err != nil {
			a.problem(Problem{Code: ProblemAPIFailed, Integration: integrationID, Subject: w.subject, Detail: err.Error()})
		}
		if err := w.saveMetadata(); err != nil {
			return fmt.Errorf("API %s: %w", w.subject, err)
		}
		a.mu.Lock()
		if job != nil {
			job.Ingested++
		}
		a.mu.Unlock()
	}
	return nil
}
