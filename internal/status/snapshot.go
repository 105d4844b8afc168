package status

import "time"

// Snapshot is the content of the board at one moment. The names in JSON are those of the status page: they do not
// change between versions, but new ones may be added.
type Snapshot struct {
	Integrations []Integration
	Quotas       map[Place]Quota
	// Calls are the attempts to call API Gateway, retries included.
	Calls map[Call]uint64
	// Unserved says what to do about keys that are to be deleted and that nothing configured reaches, by record.
	Unserved map[string]string
}

// Integration is one configured provider.
type Integration struct {
	ID      string  `json:"id"`
	Session Session `json:"session"`
	// Guard says in words which plans AWS does not list any more that APIM has.
	Guard        []string `json:"planGuardHolds,omitempty"`
	Targets      []Target `json:"targets"`
	IngestedAPIs uint64   `json:"apisIngested"`
	// OmittedAPIs are the APIs that ingests left out though AWS has them, all in all.
	OmittedAPIs uint64             `json:"apisLeftOut"`
	LastIngest  *Ingest            `json:"lastIngest,omitempty"`
	Commands    map[Command]uint64 `json:"-"`
}

// SessionState says whether there is a session to APIM.
type SessionState string

// The states of a session.
const (
	// Away: there is none; the agent is connecting, or waits before it tries again.
	Away SessionState = "away"
	// Up: APIM accepted the agent.
	Up SessionState = "connected"
	// Ended: there will be no more session: the agent is shutting down, or APIM dismissed it for good.
	Ended SessionState = "ended"
)

// Session is one integration's session to APIM.
type Session struct {
	State SessionState `json:"state"`
	// Since is when the session came to this state.
	Since time.Time `json:"since"`
	// Endpoint is the configured URL that it is connected to, empty without a session. It contains no user or password:
	// the configuration refuses them.
	Endpoint string `json:"endpoint,omitempty"`
	// Primary is nil as long as APIM has not said.
	Primary *bool `json:"primary,omitempty"`
	// Connects is how many sessions APIM has accepted.
	Connects uint64 `json:"connects"`
	// LastError is why there was no session the last time. It stays while there is a session.
	LastError   string    `json:"lastError,omitempty"`
	LastErrorAt time.Time `json:"lastErrorAt,omitzero"`
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
	// Account is empty until it is known.
	Account string `json:"account,omitempty"`
	Region  string `json:"region"`
	// Role is the role's ARN, empty for the credentials' own account.
	Role  string      `json:"role,omitempty"`
	State TargetState `json:"state"`
	// Since is when the target came to this state.
	Since time.Time `json:"since"`
	// Failure says why it failed, for people.
	Failure string `json:"failure,omitempty"`
	Listed
}

// Listed is the result of a target's listings since the process began.
type Listed struct {
	// At is when the last complete listing began; zero means that there was none.
	At time.Time `json:"listedAt,omitzero"`
	// APIs and Stages are what it found to federate: REST APIs, and their stages, each of which is one federated API.
	APIs   int `json:"restApis"`
	Stages int `json:"stages"`
	// Failure is why a listing was not complete, empty once a later one was.
	Failure  string    `json:"listingFailure,omitempty"`
	FailedAt time.Time `json:"listingFailedAt,omitzero"`
	// OutOfReach is why AWS cannot be used for now, empty while it can. Documents wait for it.
	OutOfReach      string    `json:"outOfReach,omitempty"`
	OutOfReachSince time.Time `json:"outOfReachSince,omitzero"`
}

// Ingest is how an ingest job ended.
type Ingest struct {
	Job string    `json:"job"`
	At  time.Time `json:"endedAt"`
	// Sent and Omitted are numbers of APIs: those that APIM has acknowledged, and those that were left out though AWS has
	// them.
	Sent    int `json:"sent"`
	Omitted int `json:"leftOut"`
	// LeftOut says why, with the first few of them.
	LeftOut []string `json:"leftOutExamples,omitempty"`
	// Failure is why it ended without `done`, so that APIM shows no success.
	Failure string `json:"failure,omitempty"`
}

// Quota is the budget of one account and region, in requests a second.
type Quota struct {
	// Rate is what the agent allows itself now, Share the most that it would.
	Rate  float64 `json:"rate"`
	Share float64 `json:"share"`
}

// Call is a kind of attempt: its operation as the SDK names it, and its result ("ok", "throttled", …).
type Call struct {
	Place
	Operation, Result string
}

// Throttled is the [Call.Result] of what AWS refused because of the request rate.
const Throttled = "throttled"

// Command is a kind of command from APIM and its outcome.
type Command struct {
	Type    string  `json:"type"`
	Outcome Outcome `json:"outcome"`
}

// Unreadable is the [Command.Type] of all messages that could not be read.
const Unreadable = "unreadable"

// Outcome is the result of a command.
type Outcome string

// The outcomes.
const (
	Succeeded Outcome = "succeeded"
	// Refused: it was answered ERROR.
	Refused Outcome = "error"
	// Unanswered: its session was gone before there was an answer, or it could not be read.
	Unanswered Outcome = "unanswered"
)
