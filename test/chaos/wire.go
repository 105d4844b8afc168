package chaos

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/memnet"
)

// wire is the observer at APIM's end of the websockets. It reads every message by itself.
type wire struct {
	run *run
	mu  sync.Mutex

	conns    map[int]*connection
	commands map[string]*sentCommand // to agents, by id
	order    []*sentCommand
	ingests  map[string]*ingestMessage // from agents, by command id
	jobs     map[string]*ingestJob
	// revoked are the keys whose deletion APIM asked for, replies the keys that APIM was told of, in order, by
	// subscription.
	unsubscribed map[string]bool
	told         map[string][]string
	errors       []string // error texts of agents
	holds        map[*memnet.Link][]holdUp
	views        views
	// sentPlans are the plans that each API was sent with last.
	sentPlans map[string]sentPlans
}

// connection is one websocket.
type connection struct {
	agent string // the instance at its other end, once it has said HELLO
	link  *memnet.Link
	// pings are the inbound ones with a payload, pongs the outbound answers.
	pings, pongs []seenFrame
	noPong       bool // a pong was withheld
	// greeted is when HELLO's answer was written.
	greeted time.Time
}

type seenFrame struct {
	at      time.Time
	payload string
}

// sentCommand is a command that was written to an agent.
type sentCommand struct {
	id, kind, subscription, api, plan, job, keyID string
	apiIDs                                        []string
	conn                                          int
	written                                       time.Time
	replies                                       []seenReply
}

type seenReply struct {
	conn   int
	at     time.Time
	status string
	keyID  string
}

// ingestMessage is one INGEST as it came.
type ingestMessage struct {
	job    string
	at     time.Time
	apis   []string
	done   bool
	conn   int
	agent  string
	status string // what it was answered; empty: nothing
	// answered is when that was written.
	answered time.Time
}

type ingestJob struct {
	command  *sentCommand
	messages []*ingestMessage
	doneAt   time.Time // the first `done` that came
}

// exchanged is what this observer reads of a message.
type exchanged struct {
	ID            string `json:"id"`
	CommandID     string `json:"commandId"`
	CommandStatus string `json:"commandStatus"`
	ErrorDetails  string `json:"errorDetails"`
	Payload       struct {
		IngestJobID  string          `json:"ingestJobId"`
		APIIDs       []string        `json:"apiIds"`
		APIID        string          `json:"apiId"`
		APIs         []exchangedAPI  `json:"apis"`
		Done         bool            `json:"done"`
		Total        int             `json:"total"`
		Partial      bool            `json:"isPartialDiscovery"`
		Subscription exchangedSubscr `json:"subscription"`
	} `json:"payload"`
}

type exchangedSubscr struct {
	ID       string            `json:"graviteeSubscriptionId"`
	Metadata map[string]string `json:"metadata"`
	APIKey   string            `json:"apiKey"`
}

type exchangedAPI struct {
	UniqueID string `json:"uniqueId"`
	ID       string `json:"id"`
	Name     string `json:"name"`
	Plans    []struct {
		ID string `json:"id"`
	} `json:"plans"`
	Pages []struct {
		Content string `json:"content"`
	} `json:"pages"`
}

const keyIDMetadata = "aws-api-key-id"

func newWire(r *run) *wire {
	return &wire{
		run: r, conns: map[int]*connection{}, commands: map[string]*sentCommand{}, ingests: map[string]*ingestMessage{},
		jobs: map[string]*ingestJob{}, unsubscribed: map[string]bool{}, told: map[string][]string{},
		holds: map[*memnet.Link][]holdUp{}, views: views{}, sentPlans: map[string]sentPlans{},
	}
}

// conn needs the lock.
func (w *wire) conn(n int) *connection {
	if w.conns[n] == nil {
		w.conns[n] = &connection{}
	}
	return w.conns[n]
}

// agentOf is who is at the other end of a connection.
func (w *wire) agentOf(conn int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conn(conn).agent
}

func (w *wire) onNoPong(conn int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conn(conn).noPong = true
}

func (w *wire) onFrame(f apimsim.Frame) {
	if f.Length == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.conn(f.Conn)
	seen := seenFrame{at: time.Now(), payload: string(f.Payload)}
	switch {
	case f.Inbound && f.Opcode == apimsim.OpPing:
		c.pings = append(c.pings, seen)
	case !f.Inbound && f.Opcode == apimsim.OpPong:
		c.pongs = append(c.pongs, seen)
	}
}

func (w *wire) onMessage(m apimsim.Message) {
	kind, rest, _ := strings.Cut(string(m.Data), ";;")
	kindOfExchange, rest, _ := strings.Cut(rest, ";;")
	body, _ := strings.CutPrefix(rest, "e:")
	kind, _ = strings.CutPrefix(kind, "t:")
	name, _ := strings.CutPrefix(kindOfExchange, "et:")
	var e exchanged
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		if m.Inbound {
			w.run.violated("unreadable", "an agent sent what cannot be read: %v", err)
		}
		return
	}
	if name != "HEALTH_CHECK" && name != "PRIMARY" {
		arrow := "<- APIM"
		if m.Inbound {
			arrow = "-> APIM"
		}
		subject := e.Payload.IngestJobID + e.Payload.Subscription.ID
		w.run.note("%s #%d %s %s %s %s %d APIs done=%t %s", arrow, m.Conn, kind, name, e.ID+e.CommandID, subject,
			len(e.Payload.APIs), e.Payload.Done, e.CommandStatus+e.ErrorDetails)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case m.Inbound && kind == "REPLY":
		w.onReply(m, name, e)
	case m.Inbound && name == "HELLO":
		w.onHello(m, e.ID)
	case m.Inbound && name == "INGEST":
		w.onIngest(m.Conn, e)
	case !m.Inbound && kind == "COMMAND":
		w.onCommand(m.Conn, name, e)
	case !m.Inbound && name == "HELLO":
		w.conn(m.Conn).greeted = time.Now()
	case !m.Inbound && name == "INGEST":
		if i := w.ingests[e.CommandID]; i != nil {
			i.status, i.answered = e.CommandStatus, time.Now()
		}
	}
	if m.Inbound && name != "SUBSCRIBE" {
		w.run.checkSecrets("a message to APIM ("+name+")", string(m.Data))
	}
}

// holdUp is a time in which a connection carried nothing, one way or both.
type holdUp struct {
	from, until time.Time
	frozen      bool // it was the process that stood still
}

func (w *wire) onHold(link *memnet.Link, long time.Duration, frozen bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.holds[link] = append(w.holds[link], holdUp{time.Now(), time.Now().Add(long), frozen})
}

// heldFor is for how long a connection has been held up since an instant, and was in the minute before it: what was
// known then may have been as old. It needs the lock.
func (w *wire) heldFor(conn int, since time.Time) time.Duration {
	var sum time.Duration
	for _, h := range w.holds[w.conn(conn).link] {
		if h.until.After(since.Add(-time.Minute)) {
			sum += h.until.Sub(h.from)
		}
	}
	return sum
}

// heldAt reports whether a connection is held up at an instant. It needs the lock.
func (w *wire) heldAt(conn int, at time.Time) bool {
	holds := w.holds[w.conn(conn).link]
	return slices.ContainsFunc(holds, func(h holdUp) bool { return !h.from.After(at) && !h.until.Before(at) })
}

// onHello finds out who is at the other end, and by which of its connections: an instance's ids begin with its name, and
// it asks REST by other connections to the same address.
func (w *wire) onHello(m apimsim.Message, id string) {
	c := w.conn(m.Conn)
	c.agent = id[:strings.LastIndexByte(id, '-')]
	for _, link := range w.run.world.Network.Links() {
		if link.ID().String() == m.From {
			c.link = link
		}
	}
}

func (w *wire) onCommand(conn int, kind string, e exchanged) {
	if known := w.commands[e.ID]; known != nil { // repeated
		return
	}
	c := &sentCommand{
		id: e.ID, kind: kind, conn: conn, written: time.Now(), api: e.Payload.APIID, job: e.Payload.IngestJobID,
		apiIDs: e.Payload.APIIDs, subscription: e.Payload.Subscription.ID,
		keyID: e.Payload.Subscription.Metadata[keyIDMetadata], plan: e.Payload.Subscription.Metadata["planId"],
	}
	w.commands[c.id] = c
	w.order = append(w.order, c)
	switch kind {
	case "START_INGEST":
		w.jobs[c.job] = &ingestJob{command: c}
	case "UNSUBSCRIBE":
		w.unsubscribed[c.subscription] = true
		w.run.replicas.backUpSoon(c.id)
	case "SUBSCRIBE":
		w.run.replicas.backUpSoon(c.id)
	}
}

func (w *wire) onReply(m apimsim.Message, kind string, e exchanged) {
	c := w.commands[e.CommandID]
	if c == nil && strings.HasPrefix(e.CommandID, garbageID) {
		return // what nobody should send is answered all the same
	}
	if c == nil {
		w.run.violated("reply-to-nothing", "a %s reply to %q, which was never asked", kind, e.CommandID)
		return
	}
	reply := seenReply{
		conn: m.Conn, at: time.Now(), status: e.CommandStatus, keyID: e.Payload.Subscription.Metadata[keyIDMetadata],
	}
	c.replies = append(c.replies, reply)
	if e.ErrorDetails != "" {
		w.errors = append(w.errors, e.ErrorDetails)
	}
	late := reply.at.Sub(c.written) - replyWithin - w.heldFor(c.conn, c.written)
	switch {
	case len(c.replies) > 1:
		w.run.violated("reply-twice", "%s %s was answered %d times", c.kind, c.id, len(c.replies))
	case c.conn != m.Conn:
		w.run.violated("reply-elsewhere", "%s %s came by connection %d and was answered by %d", c.kind, c.id, c.conn, m.Conn)
	case late > 0:
		w.run.violated("reply-late", "%s %s was answered %s after the sender's 60 s", c.kind, c.id, late)
	}
	if kind == "SUBSCRIBE" && reply.status == apimsim.StatusSucceeded {
		// Asked twice at a time, the subscription gets one key and two answers.
		if slices.Contains(w.told[c.subscription], reply.keyID) && !w.answeredSince(c) {
			w.run.violated("key-again", "subscription %s was given key %s twice", c.subscription, reply.keyID)
		}
		w.told[c.subscription] = append(w.told[c.subscription], reply.keyID)
		w.checkOpens(c)
	}
	if kind == "UNSUBSCRIBE" && reply.status == apimsim.StatusSucceeded && c.keyID != "" && w.run.cloud.exists(c.keyID) {
		w.run.violated("unsubscribed-early", "UNSUBSCRIBE %s of %s is answered SUCCEEDED, and key %s is still there", c.id,
			c.subscription, c.keyID)
	}
	if kind == "DISCOVER" && reply.status == apimsim.StatusSucceeded && !e.Payload.Partial {
		w.checkPreview(e.Payload.APIs)
	}
	if kind == "FETCH" {
		w.checkAPIs(time.Now().Add(-listingAge), e.Payload.APIs)
	}
}

// checkOpens: a key that was just handed out was to be put into a plan that held its API when it was looked at: in a
// listing that ran when the SUBSCRIBE came, or began later. It needs the lock.
func (w *wire) checkOpens(c *sentCommand) {
	age := listingTakes
	if w.run.profile.hasAny(famListings, famSTS, famAWSNet, famAway, famNeighbour, famPanics) {
		age = listingAge // it may have been interrupted
	}
	estates := w.run.estate.between(c.written.Add(-age), time.Now())
	w.run.count("plans of new keys checked", 1)
	if slices.ContainsFunc(estates, func(e estateAt) bool { return slices.Contains(e.links[c.api], c.plan) }) {
		return
	}
	for line := range strings.SplitSeq(w.run.world.Log.String(), "\n") {
		if strings.Contains(line, "AWS was not listed in time") && strings.Contains(line, c.subscription) {
			w.run.count("plans of new keys that could not be checked", 1)
			return
		}
	}
	w.run.violated("key-opens-nothing", "subscription %s was given a key, and plan %s has not held API %s for %s",
		c.subscription, c.plan, c.api, age)
}

// ingestsAt is the agent that got the last START_INGEST.
func (w *wire) ingestsAt() (agent string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.order {
		if c.kind == "START_INGEST" {
			agent = w.conn(c.conn).agent
		}
	}
	return agent
}

// answeredSince reports whether another SUBSCRIBE of the same subscription was answered after this one came.
// It needs the lock.
func (w *wire) answeredSince(c *sentCommand) bool {
	return slices.ContainsFunc(w.order, func(other *sentCommand) bool {
		return other != c && other.kind == c.kind && other.subscription == c.subscription &&
			len(other.replies) > 0 && !other.replies[0].at.Before(c.written)
	})
}

const (
	// replyWithin is the sender's deadline, and what the slowest of the simulated connections adds.
	replyWithin = 60*time.Second + 400*time.Millisecond
	// listingAge is how old a listing may be that an answer is made of: one that was interrupted is gone on
	// with for ten minutes, and used again for one.
	listingAge = 11 * time.Minute
	// listingTakes is how old one may be that nothing interrupts.
	listingTakes = 30 * time.Second
)

func (w *wire) onIngest(conn int, e exchanged) {
	i := &ingestMessage{
		job: e.Payload.IngestJobID, at: time.Now(), done: e.Payload.Done, conn: conn, agent: w.conn(conn).agent,
	}
	for _, api := range e.Payload.APIs {
		i.apis = append(i.apis, api.ID)
	}
	w.ingests[e.ID] = i
	job := w.jobs[i.job]
	if job == nil {
		w.run.violated("ingest-of-nothing", "an INGEST for job %q, which was never started", i.job)
		return
	}
	job.messages = append(job.messages, i)
	// What an earlier connection carries may be held up until a later one has carried the rest, and a process may stand still
	// between the note of a batch and its sending.
	if !job.doneAt.IsZero() && len(i.apis) > 0 && !w.run.disksFailed() && w.heldFor(conn, i.at) == 0 &&
		!w.run.replicas.stoodStill(i.agent, job.doneAt, i.at) {
		w.run.violated("done-early", "job %s: APIs %v after done", i.job, i.apis)
	}
	if i.done && job.doneAt.IsZero() {
		job.doneAt = i.at
	}
	w.checkAPIs(job.command.written.Add(-listingAge), e.Payload.APIs)
	w.checkOrder(conn, i.job, e.Payload.APIs)
}

// checkPreview: what claims to be all has each API that has been there for all that time.
func (w *wire) checkPreview(apis []exchangedAPI) {
	from := time.Now().Add(-listingAge)
	for _, id := range lasting(w.run.estate.between(from, time.Now())) {
		if w.run.configured(id, from, time.Now()) && !slices.ContainsFunc(apis, func(a exchangedAPI) bool { return a.ID == id }) {
			w.run.violated("preview-incomplete", "a preview says that it is complete, and API %s is not in it", id)
		}
	}
}

// checkAPIs holds what is sent to what AWS held since an instant.
func (w *wire) checkAPIs(since time.Time, apis []exchangedAPI) {
	estates := w.run.estate.between(since, time.Now())
	w.run.count("APIs sent", len(apis))
	for _, api := range apis {
		if api.ID != api.UniqueID {
			w.run.violated("identity", "API %q has the unique id %q", api.ID, api.UniqueID)
		}
		sent := map[string]bool{}
		for _, p := range api.Plans {
			if sent[p.ID] {
				w.run.violated("plan-twice", "API %s is sent with plan %s twice", api.ID, p.ID)
			}
			sent[p.ID] = true
			if !everLinked(estates, api.ID, p.ID) {
				w.run.violated("plan-alien", "API %s is sent with plan %s, in which AWS did not have it", api.ID, p.ID)
			}
		}
		for _, e := range estates {
			for _, plan := range e.plans[api.ID] {
				if !sent[plan] && !everUnlinked(estates, api.ID, plan) {
					w.run.violated("plan-missing", "API %s is sent without plan %s, in which it was all the time", api.ID, plan)
				}
			}
		}
		w.run.domains.checkServers(since, api)
		if len(api.Pages) == 0 && !slices.ContainsFunc(estates, func(e estateAt) bool { return e.unexportable[api.ID] }) &&
			!w.run.saidTooLarge(api.ID) {
			w.run.violated("page-missing", "API %s is sent without its document", api.ID)
		}
	}
}

// struckBy reports whether a cut or a black hole of the connection was reached by an instant: one that was planned for
// a byte that was never written excuses nothing.
func (c *connection) struckBy(at time.Time) bool {
	if c.link == nil {
		return false
	}
	struck := c.link.Struck()
	return !struck.IsZero() && !struck.After(at)
}

// notBefore is since when the agent knew that a command might have been written: it had sent a ping whose pong was
// written before the command.
func (c *connection) notBefore(written time.Time) time.Time {
	latest := c.greeted
	for _, ping := range c.pings {
		for _, pong := range c.pongs {
			if pong.payload == ping.payload && !pong.at.After(written) && ping.at.After(latest) {
				latest = ping.at
			}
		}
	}
	return latest
}

// proofAt is when the controller's pong proved that a reply had arrived; false if it never did.
func (c *connection) proofAt(reply time.Time) (time.Time, bool) {
	for _, ping := range c.pings {
		if ping.at.Before(reply) {
			continue
		}
		for _, pong := range c.pongs {
			if pong.payload == ping.payload && !pong.at.Before(ping.at) {
				return pong.at, true
			}
		}
	}
	return time.Time{}, false
}
