package apimsim

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/google/uuid"

	"federation-agent/internal/secret"
)

// API is a federated API as APIM stored it.
type API struct {
	ID                string // name-based UUID over environment, integration and UniqueID
	IntegrationID     string
	UniqueID          string
	ProviderID        string // the agent's "id"
	Name              string
	Version           string
	Description       string
	Type              string
	ConnectionDetails map[string]string
	Plans             []Plan
	Pages             []Page
	Metadata          []Metadata
	CreatedAt         time.Time
	UpdatedAt         time.Time
	Writes            int // how many times it was created or updated

	// What people set in APIM. An ingest leaves it alone.
	Lifecycle                  string
	Visibility                 string
	Labels, Categories, Groups []string

	owner *Account // the primary owner; nil for who drives the stand-in
}

// Plan is a plan of an API.
type Plan struct {
	ID              string // name-based UUID over the API's ID and ProviderID
	ProviderID      string
	Name            string
	Description     string
	Security        string
	Characteristics []string

	// What people set in APIM. Each ingest sets it back, a closed plan's status included.
	Status            string
	Validation        string
	CommentRequired   bool
	CommentMessage    string
	GeneralConditions string
	ExcludedGroups    []string
	Order             int
}

// Lifecycle states of an API. DEPRECATED and ARCHIVED ones are frozen.
const (
	LifecycleCreated     = "CREATED"
	LifecyclePublished   = "PUBLISHED"
	LifecycleUnpublished = "UNPUBLISHED"
	LifecycleDeprecated  = "DEPRECATED"
	LifecycleArchived    = "ARCHIVED"
)

// Statuses of a plan, and how its subscriptions are accepted.
const (
	PlanStaging    = "STAGING"
	PlanPublished  = "PUBLISHED"
	PlanDeprecated = "DEPRECATED"
	PlanClosed     = "CLOSED"

	ValidationManual    = "MANUAL"
	ValidationAutomatic = "AUTO"
)

// Page is an imported document: published, private, found again by its name.
type Page struct {
	Name    string
	Type    string
	Content string // "" when Options.DropPageContent
	Size    int    // bytes
	SHA256  string // hexadecimal
}

// Metadata is one entry; its key is its name.
type Metadata struct{ Key, Name, Value, Format string }

// Statuses of a job. TimedOut is a reading of the clock, never stored.
const (
	JobPending  = "PENDING"
	JobSuccess  = "SUCCESS"
	JobTimedOut = "TIMED_OUT"
	JobError    = "ERROR"
)

// Job is an ingest job.
type Job struct {
	ID            string
	IntegrationID string
	Status        string
	Total         int64 // the agent's, for display
	Ingested      int   // APIs taken, failed ones included
	Batches       int   // INGESTs handled
	CreatedAt     time.Time
	Deadline      time.Time
	EndedAt       time.Time // zero while pending

	initiator *Account // becomes the primary owner of what is new; nil for who drives the stand-in
}

// Statuses of a subscription. DELETED went with its plan.
const (
	SubscriptionPending  = "PENDING"
	SubscriptionAccepted = "ACCEPTED"
	SubscriptionPaused   = "PAUSED"
	SubscriptionRejected = "REJECTED"
	SubscriptionClosed   = "CLOSED"
	SubscriptionDeleted  = "DELETED"
)

// Subscription is an application's subscription to a plan.
type Subscription struct {
	ID              string
	IntegrationID   string
	APIID           string
	PlanID          string
	ApplicationID   string
	ApplicationName string
	Type            string
	Status          string
	APIKey          secret.String
	Metadata        map[string]string // what the agent returned
	Reason          string            // why it was rejected
	CreatedAt       time.Time
}

// Agent is a connected, greeted agent.
type Agent struct {
	Conn          int
	IntegrationID string
	Primary       bool
	RemoteAddr    string // host:port it came from
	ConnectedAt   time.Time
	PingsSent     int
	PingsReceived int
	PongsReceived int
}

// EndedSession is a connection that is over. Code is the close code the agent's side ended with, 1006
// when it went without one; SentCode is ours, 0 when we sent none of our own.
type EndedSession struct {
	Conn          int
	IntegrationID string
	At            time.Time
	Code          int
	Text          string
	SentCode      int
	SentText      string
}

// nameBased is Java's UUID.nameUUIDFromBytes over the joined parts: version 3 without a namespace.
func nameBased(parts ...string) string {
	id := uuid.UUID(md5.Sum([]byte(strings.Join(parts, ""))))
	id[6] = id[6]&0x0F | 0x30
	id[8] = id[8]&0x3F | 0x80
	return id.String()
}

func newPage(name, kind, content string, drop bool) Page {
	sum := sha256.Sum256([]byte(content))
	p := Page{Name: name, Type: kind, Content: content, Size: len(content), SHA256: hex.EncodeToString(sum[:])}
	if drop {
		p.Content = ""
	}
	return p
}
