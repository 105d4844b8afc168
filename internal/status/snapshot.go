package status

import "time"

// Snapshot is what was on the board at one moment.
type Snapshot struct {
	Integrations []Integration
	Quotas       map[Place]Quota
	// Calls are the attempts to call API Gateway, retries included.
	Calls map[Call]uint64
}

// Integration is one configured provider.
type Integration struct {
	ID      string
	Session Session
	Targets []Target
	// Guard says in words which removals of plans the plan-loss guard holds back.
	Guard        []string
	Commands     map[Command]uint64
	IngestedAPIs uint64
}

// SessionState says whether there is a session to APIM.
type SessionState string

// The states of a session.
const (
	// Away: there is none; the agent is connecting, or waits before it tries again.
	Away SessionState = "away"
	// Up: APIM accepted the agent.
	Up SessionState = "connected"
	// Ended: there will be none any more: the agent is shutting down, or APIM dismissed it for good.
	Ended SessionState = "ended"
)

// Session is one integration's session to APIM.
type Session struct {
	State SessionState
	// Since is when it came to this state.
	Since time.Time
	// Endpoint is the configured URL that it is connected to, empty without a session. It holds no user or password:
	// the configuration refuses them.
	Endpoint string
	// Primary is nil as long as APIM has not said.
	Primary *bool
	// Connects is how many sessions APIM has accepted.
	Connects uint64
	// LastError is why there was no session the last time that there was none; it stays while a session lives.
	LastError   string
	LastErrorAt time.Time
}

// TargetState says whether AWS can be used with a role in a region.
type TargetState string

// The states of a target.
const (
	Resolving TargetState = "resolving"
	Ready     TargetState = "ready"
	Failed    TargetState = "failed"
)

// Target is one region with one role.
type Target struct {
	Region string
	// Role is the role's ARN, empty for the credentials' own account.
	Role string
	// Account is empty until it is known.
	Account string
	State   TargetState
	// Since is when it came to this state.
	Since time.Time
	// Failure says why it failed, for people.
	Failure string
	Listing Listing
}

// Listing is what a target's listings said since the process began.
type Listing struct {
	// At is when the last complete one was begun; zero means that there was none.
	At time.Time
	// APIs and Stages are what it had to federate: REST APIs, and federated APIs of which each stage is one.
	APIs, Stages int
	// Failure is why one was not complete, empty once a later one was.
	Failure  string
	FailedAt time.Time
}

// Quota is the budget of one account and region, in requests a second.
type Quota struct {
	// Rate is what the agent allows itself now, Share the most that it would.
	Rate, Share float64
}

// Call is a kind of attempt: its operation as the SDK names it, and what came of it ("ok", "throttled", …).
type Call struct {
	Place
	Operation, Result string
}

// Throttled is the [Call.Result] of what AWS refused because of the request rate.
const Throttled = "throttled"

// Command is a kind of command from APIM and what came of it.
type Command struct {
	Type    string
	Outcome Outcome
}

// Outcome is what came of a command.
type Outcome string

// The outcomes.
const (
	Succeeded Outcome = "succeeded"
	// Refused: it was answered ERROR.
	Refused Outcome = "error"
	// Unanswered: its session was gone before there was an answer.
	Unanswered Outcome = "unanswered"
)
