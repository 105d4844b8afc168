package chaos

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/sandbox/memnet"
)

// slowest is longer than any attempt of the agent's may take.
const slowest = 45 * time.Second

// slowBuffer, in bytes, is the least that is under way at a time. With the slowest latency both ways it still carries a
// frame of 64 KiB within the 10 s that the agent gives one: a connection slower than that is cut, and rightly.
const slowBuffer = 4000

// latestCommand is how long the controller may take from the start of a command's 60 s to its writing. It begins to
// wait when it has written, so a session of its own sees no more than a thread that is slow. What it keeps for longer,
// in the queue of a cluster, comes with HELLO's answer.
const latestCommand = 2 * time.Second

// latestCopy is how far behind its first writing a command may come again: its sender's 60 s are not over by then.
const latestCopy = 40 * time.Second

// awsFault is what befalls an attempt at AWS.
func (r *run) awsFault(e awssim.Event) awssim.Fault {
	if r.calm.Load() {
		return awssim.Fault{}
	}
	name := e.String()
	// After a request that may have come through, the agent rightly takes this answer for a success.
	if e.Operation == awssim.OpCreateUsagePlanKey && !r.inDoubt() && r.dice.chance(r.profile.of(famConflicts, 0.2), "conflict", e.Key) {
		r.strike("aws 409 at an attachment", "%s", name)
		return awssim.Answer(http.StatusConflict, awssim.CodeConflict, fmt.Sprintf(
			"Usage Plan %s cannot be added because API Key cannot reference multiple Usage Plans with the same API stage",
			e.UsagePlan))
	}
	family, p := famListings, 0.04
	if r.regionsFault(e) {
		family, p = famRegions, 1
	}
	if isOfDomains(e.Operation) && r.dice.chance(0.5, "domains fail") {
		family, p = famDomains, 0.25
	}
	switch e.Operation {
	case awssim.OpCreateAPIKey, awssim.OpCreateUsagePlanKey, awssim.OpDeleteAPIKey:
		family, p = famKeys, 0.12
	case awssim.OpGetCallerIdentity, awssim.OpAssumeRole:
		family, p = famSTS, 0.15
	}
	if !r.dice.chance(r.profile.of(family, p), "aws", name) {
		return awssim.Fault{}
	}
	kind, fault := r.awsFaultKind(name)
	switch e.Operation {
	case awssim.OpDeleteAPIKey, awssim.OpGetRestAPIs, awssim.OpGetUsagePlans:
		// What no retry helps against: an UNSUBSCRIBE, or a listing in the middle of its pages, has to own up.
		if r.dice.chance(0.5, "for good", name) {
			kind, fault = "denied", denied()
		}
	}
	if e.Operation == awssim.OpCreateAPIKey && fault.Status != http.StatusTooManyRequests &&
		fault.Status != http.StatusForbidden {
		r.mu.Lock()
		r.unanswered[e.Key]++
		r.mu.Unlock()
	}
	r.strike("aws "+kind, "%s", name)
	return fault
}

func (r *run) awsFaultKind(name string) (string, awssim.Fault) {
	switch r.dice.below(12, "aws kind", name) {
	case 0, 1:
		return "429", awssim.Throttling(0)
	case 2:
		return "429 with Retry-After", awssim.Throttling(r.dice.duration(time.Second, 20*time.Second, "retry after", name))
	case 3:
		return "503", awssim.Unavailable()
	case 4:
		return "500", awssim.Answer(http.StatusInternalServerError, "InternalFailure", "We are sorry")
	case 5:
		return "hang", awssim.Of(awssim.FaultHang)
	case 6:
		return "hang after", awssim.Of(awssim.FaultHangAfter)
	case 7:
		return "closed", awssim.Of(awssim.FaultCloseBefore)
	case 8:
		return "lost answer", awssim.Of(awssim.FaultLoseAnswer)
	case 9:
		return "truncated", awssim.Truncate(r.dice.logarithmic(2000, "bytes", name) - 1)
	case 10:
		return "slow", awssim.Slow(r.dice.duration(time.Second, slowest, "slow", name))
	}
	if r.dice.chance(0.5, "refusal", name) {
		return "expired",
			awssim.Answer(http.StatusForbidden, awssim.CodeExpiredToken, "The security token included in the request is expired")
	}
	return "denied", denied()
}

func denied() awssim.Fault {
	return awssim.Answer(http.StatusForbidden, awssim.CodeAccessDenied, "User is not authorized to perform this")
}

// network is what befalls a connection.
func (r *run) network(id memnet.ID) memnet.Plan {
	plan := memnet.NoPlan()
	name := id.String()
	toAPIM := strings.HasPrefix(id.To, "apim")
	family, p := famNetwork, 0.35
	if !toAPIM {
		family, p = famAWSNet, 0.04
	}
	if toAPIM && r.profile.has(famNetwork) {
		plan.ToListener.Latency, plan.ToDialer.Latency = r.latencies(name)
		if r.dice.chance(0.2, "buffer", name) {
			plan.ToListener.Buffer = r.dice.between(slowBuffer, 10*slowBuffer, "buffer size", name)
		}
	}
	if r.calm.Load() {
		return plan
	}
	r.partitioned(id, &plan)
	if !toAPIM {
		r.away.befall(r, name, &plan)
	}
	if !r.dice.chance(r.profile.of(family, p), "network", name) {
		return plan
	}
	side := "apim"
	if !toAPIM {
		side = "aws"
	}
	most := 200_000
	switch kind := r.dice.below(6, "network kind", name); kind {
	case 0:
		r.strike(side+" dial refused", "%s", name)
		plan.DialError = syscall.ECONNREFUSED
	case 1:
		r.strike(side+" dial hangs", "%s", name)
		plan.DialHangs = true
	default:
		direction, way := &plan.ToListener, "up"
		if kind%2 == 0 {
			direction, way = &plan.ToDialer, "down"
		}
		at := int64(r.dice.logarithmic(most, "byte", name))
		if kind < 4 {
			r.strike(side+" cut "+way, "%s at byte %d", name, at)
			direction.CutAfter = at
		} else {
			r.strike(side+" black hole "+way, "%s from byte %d", name, at)
			direction.BlackHoleAfter = at
		}
	}
	r.badLink(name)
	return plan
}

// latencies are those of a websocket's connection to APIM.
func (r *run) latencies(name string) (up, down time.Duration) {
	if !r.profile.has(famNetwork) {
		return 0, 0
	}
	return r.dice.duration(0, 150*time.Millisecond, "latency up", name),
		r.dice.duration(0, 150*time.Millisecond, "latency down", name)
}

// script is what APIM does wrong.
func (r *run) script() *apimsim.Script {
	return &apimsim.Script{
		Upgrade: func(attempt int) int {
			if !r.strikes(famRefusals, 0.2, "upgrade", fmt.Sprint(attempt)) {
				return 0
			}
			status := []int{401, 404, 410, 500, 503}[r.dice.below(5, "upgrade status", fmt.Sprint(attempt))]
			r.strike("upgrade refused", "%d: %d", attempt, status)
			return status
		},
		Hello:    r.helloFault,
		Command:  r.commandFault,
		Received: r.receivedFault,
		Channel:  r.channel,
		Keep:     r.keeps,
		Ingest:   r.ingestFault,
		Limits:   r.limits,
		Pong: func(conn, nth int) bool {
			if !r.strikes(famPongs, 0.02, "pong", fmt.Sprint(conn, nth)) {
				return true
			}
			r.strike("no pong", "connection %d, ping %d", conn, nth)
			r.wire.onNoPong(conn)
			return false
		},
	}
}

// strikes decides whether a fault befalls an event.
func (r *run) strikes(family string, p float64, what, name string) bool {
	return !r.calm.Load() && r.dice.chance(r.profile.of(family, p), what, name)
}

func (r *run) helloFault(attempt int, _ string) apimsim.HelloFault {
	name := fmt.Sprint(attempt)
	if !r.strikes(famRefusals, 0.2, "hello", name) {
		return apimsim.HelloFault{}
	}
	switch r.dice.below(3, "hello kind", name) {
	case 0:
		r.strike("HELLO refused", "%d", attempt)
		return apimsim.HelloFault{Refuse: "Integration not found"}
	case 1:
		r.strike("HELLO ignored", "%d", attempt)
		return apimsim.HelloFault{Ignore: true}
	}
	r.strike("HELLO late", "%d", attempt)
	return apimsim.HelloFault{Delay: r.dice.duration(time.Second, 70*time.Second, "hello delay", name)}
}

func (r *run) commandFault(e apimsim.CommandEvent) apimsim.CommandFault {
	name := fmt.Sprintf("%s %d", e.Type, e.Nth)
	p := 0.15
	if e.Type == "HEALTH_CHECK" || e.Type == "PRIMARY" {
		p = 0.01
	}
	if e.Type == "GOOD_BYE" || !r.strikes(famCommands, p, "command", name) {
		return apimsim.CommandFault{}
	}
	switch r.dice.below(7, "command kind", name) {
	case 0:
		r.strike("command late", "%s", name)
		return apimsim.CommandFault{Delay: r.dice.duration(100*time.Millisecond, latestCommand, "command delay", name)}
	case 1:
		r.strike("command lost", "%s", name)
		return apimsim.CommandFault{Lose: true}
	case 2, 3:
		fault := apimsim.CommandFault{Copies: r.dice.between(1, 3, "copies", name)}
		if r.dice.chance(0.5, "copies late", name) { // most are answered by then
			fault.CopyDelay = r.dice.duration(time.Second, latestCopy, "copy delay", name)
			r.strike("command repeated late", "%s", name)
		} else {
			r.strike("command repeated", "%s", name)
		}
		return fault
	case 4:
		r.strike("command reordered", "%s", name)
		return apimsim.CommandFault{HoldBack: true}
	case 5:
		r.strike("cut before a command", "%s", name)
		return apimsim.CommandFault{CutBefore: true}
	}
	r.strike("cut after a command", "%s", name)
	return apimsim.CommandFault{CutAfter: true}
}

func (r *run) receivedFault(e apimsim.ReceivedEvent) apimsim.ReceivedFault {
	name := fmt.Sprintf("%d %s %s %d", e.Conn, e.Kind, e.Type, e.NthOfType)
	p := 0.05
	if e.Type == "HEALTH_CHECK" || e.Type == "PRIMARY" {
		p = 0.01
	}
	if !r.strikes(famReceived, p, "received", name) {
		return apimsim.ReceivedFault{}
	}
	kind := r.dice.below(3, "received kind", name)
	switch {
	case kind == 0:
		r.strike("cut before a message is read", "%s", name)
		return apimsim.ReceivedFault{CutBefore: true}
	case kind == 1 && e.Type == "INGEST":
		r.strike("INGEST ignored", "%s", name)
		return apimsim.ReceivedFault{Ignore: true}
	}
	r.strike("cut after a message is read", "%s", name)
	return apimsim.ReceivedFault{CutAfter: true}
}

func (r *run) ingestFault(e apimsim.IngestEvent) apimsim.IngestFault {
	name := fmt.Sprintf("%s %d", e.JobID, e.Nth)
	if !r.strikes(famIngest, 0.15, "ingest", name) {
		return apimsim.IngestFault{}
	}
	switch r.dice.below(8, "ingest kind", name) {
	case 0:
		r.strike("INGEST stored late", "%s", name)
		return apimsim.IngestFault{StoreDelay: r.dice.duration(time.Second, 20*time.Second, "store delay", name)}
	case 1:
		r.strike("INGEST answered late", "%s", name)
		return apimsim.IngestFault{AnswerDelay: r.dice.duration(time.Second, 70*time.Second, "answer delay", name)}
	case 2, 3:
		r.strike("INGEST refused", "%s", name)
		return apimsim.IngestFault{Fail: "the database is away"}
	case 4:
		r.strike("INGEST not answered", "%s", name)
		return apimsim.IngestFault{NoAnswer: true}
	case 5:
		r.strike("INGEST answered twice", "%s", name)
		return apimsim.IngestFault{Copies: 1}
	case 6:
		r.strike("cut before an INGEST is stored", "%s", name)
		return apimsim.IngestFault{CutBefore: true}
	}
	r.strike("cut after an INGEST is stored", "%s", name)
	return apimsim.IngestFault{CutStored: true}
}
