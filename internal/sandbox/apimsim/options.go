package apimsim

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Defaults of the real controller, and of the stand-in where the real one leaves it open.
const (
	// DefaultCommandTimeout is the exchange's reply timeout, the same on both sides.
	DefaultCommandTimeout = 60 * time.Second
	// DefaultHealthCheckInterval is the controller's pause between two HEALTH_CHECKs of a channel.
	DefaultHealthCheckInterval = 30 * time.Second
	// DefaultPingInterval is the controller's empty websocket ping after HELLO.
	DefaultPingInterval = 5 * time.Second
	// DefaultJobTimeout is how long a job may stay without an INGEST before it reads as timed out.
	DefaultJobTimeout = 5 * time.Minute
	// DefaultStoreDelay stands for the database write between the START_INGEST reply and the moment
	// the job is known. A tenth of a second is what a busy database takes.
	DefaultStoreDelay = 100 * time.Millisecond
	// DefaultMaxFrame is the largest frame, in payload bytes, that either side takes.
	DefaultMaxFrame = 65_536
	// DefaultMaxMessage is the largest message, in bytes over all its frames, that either side takes.
	DefaultMaxMessage = 13_107_200
	// DefaultHistory bounds the logs, so that a day of virtual time shows no growth of ours.
	DefaultHistory = 10_000
)

// Framing says how the controller takes a received frame apart.
type Framing int

const (
	// FramingByVersion splits up to APIM 4.11 (exchange 2.0.1) and reads whole frames from 4.12 on.
	FramingByVersion Framing = iota
	// FramingSplit cuts the whole frame at every ";;", JSON included: the defect of exchange up to 2.0.1.
	FramingSplit
	// FramingWhole takes everything after "e:" for the JSON.
	FramingWhole
)

// Route chooses the channel for a command when several agents serve one integration.
type Route int

const (
	// RouteAny takes the agent that has been connected longest. The real one takes any active channel.
	RouteAny Route = iota
	// RoutePrimary takes the elected agent.
	RoutePrimary
	// RouteSecondary takes the longest connected agent that is not the primary, and the primary where it is alone.
	RouteSecondary
)

// Integration is one federation integration as an administrator created it in APIM.
type Integration struct {
	ID       string
	Name     string // shown on the page; ID if empty
	Provider string // "aws-api-gateway" if empty
	Env      string // environment id, part of every API's name-based id; "DEFAULT" if empty
}

// Options configure a stand-in. The zero value of each field means the default named beside it.
type Options struct {
	// Version is APIM's minor version: "4.4" to "4.12". Default "4.9".
	Version string
	// Tokens are accepted in "Authorization: bearer TOKEN". None at all turns authentication off.
	Tokens []string
	// Accounts are tokens that may do more than connect an agent, by token.
	Accounts map[string]Account
	// Readable are the readable names (hrid) of environments, by id. Installations that tell organizations by host name
	// take them in the place of the id.
	Readable map[string]string
	// Integrations exist from the start; [APIM.AddIntegration] and [APIM.RemoveIntegration] change them.
	Integrations []Integration
	// PathPrefix stands before /exchange/controller: "" as APIM itself listens, or
	// "/integration-controller" as it is reached through the usual gateway.
	PathPrefix string

	CommandTimeout      time.Duration
	HealthCheckInterval time.Duration
	PingInterval        time.Duration
	JobTimeout          time.Duration
	StoreDelay          time.Duration // negative: the job is known at once

	MaxFrame   int
	MaxMessage int64
	Framing    Framing
	Route      Route

	// NoSQLLimits takes texts of any length, as the MongoDB backend does.
	NoSQLLimits bool
	// DropPageContent keeps only size and hash of a page, for estates larger than memory.
	DropPageContent bool
	// History bounds each log (commands, problems, stray replies, ended jobs and subscriptions).
	History int

	// NewID makes command, job and subscription ids. Default: random UUIDs.
	NewID func() string
	// Before is what stands before it, such as a test that looks at each request and answer. Nil: nothing.
	Before func(http.Handler) http.Handler
	// Script injects faults. Nil injects none.
	Script *Script
	// OnFrame sees every websocket frame, both ways. It must not block.
	OnFrame func(Frame)
	// OnMessage sees every whole binary or text message, both ways. It must not block.
	OnMessage func(Message)
	// OnHappening sees what an operator could watch happen, in order. It must not block, nor call the stand-in.
	OnHappening func(Happening)
	// Call calls an API, by the id that the agent gave it, with a key, as an application would through the gateway that
	// serves it. Nil: the page has no such button.
	Call func(ctx context.Context, providerID, key string) (Called, error)
	// Log takes what an operator of APIM would read. Default: discarded.
	Log *slog.Logger
}

// features are what differs between APIM's versions.
type features struct {
	legacy          bool // LIST and FETCH instead of DISCOVER, START_INGEST and INGEST
	planRemoval     bool // a plan that an INGEST lacks is deleted
	routingMetadata bool // SUBSCRIBE carries metadata whose key contains aws-api-gateway
	partial         bool // isPartialDiscovery is known
	splits          bool // frames are cut at ";;"
	listsVersions   bool // the management API lists an integration's APIs with their versions

	forgetsUnhealthy   bool // an unhealthy agent is not told so, and never sent anything again
	sendsUngreetedAway bool // a socket without HELLO lives for one HEALTH_CHECK interval
}

const (
	oldestMinor          = 4
	newestMinor          = 12
	firstWithVersions    = 8
	firstWithPlanRemoval = 9
	firstWithWholeFrames = 12
	firstWithSendingAway = 9
)

func featuresOf(version string, framing Framing) (features, error) {
	major, rest, ok := strings.Cut(version, ".")
	text, _, _ := strings.Cut(rest, ".")
	minor, err := strconv.Atoi(text)
	if !ok || major != "4" || err != nil || minor < oldestMinor || minor > newestMinor {
		return features{}, fmt.Errorf("APIM version %q: want 4.%d to 4.%d", version, oldestMinor, newestMinor)
	}
	return features{
		legacy:          minor == oldestMinor,
		planRemoval:     minor >= firstWithPlanRemoval,
		routingMetadata: minor >= firstWithPlanRemoval,
		partial:         minor >= firstWithPlanRemoval,
		listsVersions:   minor >= firstWithVersions,
		splits:          framing == FramingSplit || framing == FramingByVersion && minor < firstWithWholeFrames,

		forgetsUnhealthy:   minor < firstWithSendingAway,
		sendsUngreetedAway: minor >= firstWithSendingAway,
	}, nil
}

func (o Options) withDefaults() Options {
	o.Version = or(o.Version, "4.9")
	o.CommandTimeout = or(o.CommandTimeout, DefaultCommandTimeout)
	o.HealthCheckInterval = or(o.HealthCheckInterval, DefaultHealthCheckInterval)
	o.PingInterval = or(o.PingInterval, DefaultPingInterval)
	o.JobTimeout = or(o.JobTimeout, DefaultJobTimeout)
	o.StoreDelay = max(or(o.StoreDelay, DefaultStoreDelay), 0)
	o.MaxFrame = or(o.MaxFrame, DefaultMaxFrame)
	o.MaxMessage = or(o.MaxMessage, DefaultMaxMessage)
	o.History = or(o.History, DefaultHistory)
	if o.NewID == nil {
		o.NewID = uuid.NewString
	}
	if o.Script == nil {
		o.Script = &Script{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func (i Integration) withDefaults() Integration {
	i.Name = or(i.Name, i.ID)
	i.Provider = or(i.Provider, "aws-api-gateway")
	i.Env = or(i.Env, "DEFAULT")
	return i
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
