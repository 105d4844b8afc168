package apimsim

import "time"

// ProblemCode names a kind of problem.
type ProblemCode string

// What a careful operator of APIM would find wrong.
const (
	ProblemLegacyProtocol  ProblemCode = "legacy-protocol"       // upgrade without the v1 header
	ProblemTextMessage     ProblemCode = "text-message"          // closed with 1003
	ProblemFrameTooLarge   ProblemCode = "frame-too-large"       // connection closed
	ProblemMessageTooLarge ProblemCode = "message-too-large"     // connection closed
	ProblemUnreadable      ProblemCode = "unreadable-message"    // thrown away in silence
	ProblemSecondHello     ProblemCode = "second-hello"          // HELLO on a greeted channel
	ProblemPrimaryRefused  ProblemCode = "primary-refused"       // PRIMARY answered ERROR
	ProblemUnhealthy       ProblemCode = "unhealthy"             // channel dropped
	ProblemGoodByeAnswered ProblemCode = "good-bye-answered"     // GOOD_BYE wants no reply
	ProblemStrayReply      ProblemCode = "stray-reply"           // to a command that was never sent
	ProblemDuplicateReply  ProblemCode = "duplicate-reply"       // a second reply to one command
	ProblemLateReply       ProblemCode = "late-reply"            // after the sender gave up
	ProblemWrongChannel    ProblemCode = "wrong-channel-reply"   // over another connection than the command
	ProblemBatchDropped    ProblemCode = "batch-dropped"         // INGEST for a job that is not known
	ProblemBatchAborted    ProblemCode = "batch-aborted"         // the rest of an INGEST was not looked at
	ProblemNullAPIs        ProblemCode = "null-apis"             // closed with 1011
	ProblemAfterDone       ProblemCode = "ingest-after-done"     // taken, but the job had ended
	ProblemLateIngest      ProblemCode = "ingest-after-deadline" // taken, but the job had timed out
	ProblemAPIFailed       ProblemCode = "api-failed"            // one API's write failed midway
	ProblemRandomIdentity  ProblemCode = "random-identity"       // null uniqueId or plan id
	ProblemPageSkipped     ProblemCode = "page-skipped"          // a type that is not imported
	ProblemPlanDeleted     ProblemCode = "plan-deleted"          // a plan went, and its subscriptions
	ProblemStartFailed     ProblemCode = "start-ingest-failed"
	ProblemDiscoveryFailed ProblemCode = "discovery-failed"
	ProblemWrongJob        ProblemCode = "wrong-job" // START_INGEST answered with another job's id
	ProblemRejected        ProblemCode = "subscription-rejected"
	ProblemNoKey           ProblemCode = "no-api-key" // accepted, but nothing to call the API with
	ProblemSecretShown     ProblemCode = "secret-in-metadata"
	ProblemKeyTooLong      ProblemCode = "api-key-too-long"
	ProblemOrphanAnswer    ProblemCode = "orphan-answer" // SUBSCRIBE answered after its plan was deleted
	ProblemUnsubscribe     ProblemCode = "unsubscribe-failed"
)

// Problem is one entry of what went wrong, whoever's fault it is. It holds no key and no token.
type Problem struct {
	At          time.Time   `json:"at"`
	Code        ProblemCode `json:"code"`
	Integration string      `json:"integrationId,omitempty"`
	Subject     string      `json:"subject,omitempty"` // API, plan, subscription, job or command
	Detail      string      `json:"detail,omitempty"`
}

func (a *APIM) problem(p Problem) {
	p.At = time.Now()
	a.mu.Lock()
	a.problems.add(p)
	a.mu.Unlock()
	a.opts.Log.Warn("problem", "code", string(p.Code), "integration", p.Integration, "subject", p.Subject, "detail",
		p.Detail)
}

// Problems lists what went wrong so far, oldest first.
func (a *APIM) Problems() []Problem {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.problems.list()
}

// ProblemsOf lists the problems of one kind.
func (a *APIM) ProblemsOf(code ProblemCode) []Problem {
	var out []Problem
	for _, p := range a.Problems() {
		if p.Code == code {
			out = append(out, p)
		}
	}
	return out
}
