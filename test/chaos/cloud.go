package chaos

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"federation-agent/internal/sandbox/awssim"
)

// cloud is the observer at AWS, and at the edge of the agent's network.
type cloud struct {
	run *run
	mu  sync.Mutex

	accounts map[string]string // of access key ids
	secrets  []string          // key values, and the tokens and secret keys of sessions
	keys     map[string]awssim.APIKey
	gone     map[string]bool     // keys that were deleted
	plans    map[string][]string // plans that a key was ever attached to
	made     map[string]int      // keys made, by name
	attempts []*attempt
}

// attempt is one request as it left the agent.
type attempt struct {
	agent, operation, key string
	accessKeyID, region   string
	links                 []string
	start, end            time.Time
	status                int
	complete              bool // the answer arrived whole
}

func newCloud(r *run) *cloud {
	return &cloud{
		run: r, accounts: map[string]string{}, keys: map[string]awssim.APIKey{}, gone: map[string]bool{},
		plans: map[string][]string{}, made: map[string]int{},
	}
}

// onCall is told each attempt as AWS saw it, before its answer leaves.
func (c *cloud) onCall(call awssim.Call) {
	if call.Fault == awssim.FaultTruncate {
		c.onTruncate(call)
	}
	scope := awssim.Scope{Account: call.Account, Region: call.Region}
	done := call.Outcome == awssim.OutcomeAnswered || call.Outcome == awssim.OutcomeLost
	c.mu.Lock()
	if call.Account != "" {
		c.accounts[call.AccessKeyID] = call.Account
	}
	c.mu.Unlock()
	for a := range c.run.shape.accounts {
		if call.AccessKeyID == awssim.UniformNeighbourKeyID(a) {
			return
		}
	}
	c.run.domains.onDomainCall(call)
	c.run.regions.onRegionCall(call)
	if call.Code == awssim.CodeAccessDenied && call.Fault == "" && !isOfDomains(call.Operation) &&
		call.Operation != awssim.OpListRegions {
		c.run.violated("beyond-policy", "%s is not in the minimum policy", call.Event)
	}
	if call.Throttled {
		c.run.count("throttled by AWS", 1)
		if !c.run.profile.has(famNeighbour) && !c.run.profile.has(famReplica) && !c.run.away.wasWithin(doubtAfter) {
			c.run.violated("throttled", "AWS throttled %s, and nobody else is there", call.Event)
		}
	}
	switch call.Operation {
	case awssim.OpCreateAPIKey, awssim.OpCreateUsagePlanKey, awssim.OpDeleteAPIKey:
		c.run.note("aws   %s %s %d %s key %s", call.Event, call.Outcome, call.Status, call.Code, call.KeyID)
	default:
		return
	}
	if !done || call.Status >= http.StatusBadRequest || call.KeyID == "" {
		return
	}
	switch call.Operation {
	case awssim.OpCreateAPIKey:
		key, _ := c.run.world.AWS.Key(scope, call.KeyID)
		c.mu.Lock()
		c.keys[call.KeyID] = key
		c.made[call.Key]++
		c.secrets = append(c.secrets, key.Value.Reveal())
		c.mu.Unlock()
		c.run.count("keys made", 1)
	case awssim.OpCreateUsagePlanKey:
		c.mu.Lock()
		c.plans[call.KeyID] = append(c.plans[call.KeyID], call.UsagePlan)
		c.mu.Unlock()
	case awssim.OpDeleteAPIKey:
		c.mu.Lock()
		c.gone[call.KeyID] = true
		c.mu.Unlock()
		c.run.count("keys deleted", 1)
		c.run.checkDeletion(call.KeyID)
	}
	if c.run.profile.has(famCrashes) && !c.run.calm.Load() &&
		c.run.dice.chance(c.run.profile.of(famCrashes, 0.04), "crash at aws", call.Event.String()) {
		c.run.crashAt(call)
	}
}

// onTruncate notes that a connection is about to be closed. If the cut comes behind the answer's last byte, nobody
// notices, and the next attempt is sent into it.
func (c *cloud) onTruncate(call awssim.Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.attempts {
		if a.end.IsZero() && a.accessKeyID == call.AccessKeyID && a.region == call.Region {
			for _, link := range a.links {
				c.run.badLink(link)
			}
		}
	}
}

// crashAt ends the process that has just had AWS do something, before it hears of it.
func (r *run) crashAt(call awssim.Call) {
	for _, s := range r.slots {
		if l := s.current(); l != nil && len(r.slots) == 1 && l.crash() {
			r.mu.Lock()
			r.unanswered[call.Key]++
			r.mu.Unlock()
			r.strike("crash at an AWS call", "%s", call.Event)
		}
	}
}

// exists reports whether AWS has a key of the agent's now.
func (c *cloud) exists(keyID string) bool {
	for _, scope := range c.run.scopes() {
		if _, ok := c.run.world.AWS.Key(scope, keyID); ok {
			return true
		}
	}
	return false
}

func (c *cloud) values() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.secrets)
}

// edge stands between one agent and the network to AWS.
type edge struct {
	run   *run
	agent string
	next  http.RoundTripper
}

var credentialPattern = regexp.MustCompile(`Credential=([^/]+)/[0-9]+/([^/]+)/([^/]+)/`)

// RoundTrip implements http.RoundTripper.
func (e *edge) RoundTrip(req *http.Request) (*http.Response, error) {
	if keysOf := operationOf(req); keysOf != "read" {
		if l := e.run.lifeOf(e.agent); l != nil {
			name := fmt.Sprint(e.agent, " ", keysOf, " ", e.run.replicas.nth(e.agent+keysOf))
			l.halt("before an AWS call", "before "+name, 0.03)
			defer func() { l.halt("after an AWS call", "after "+name, 0.03) }()
		}
	}
	a := &attempt{agent: e.agent, operation: operationOf(req), start: time.Now()}
	if m := credentialPattern.FindStringSubmatch(req.Header.Get("Authorization")); m != nil {
		a.accessKeyID, a.region = m[1], m[2]
		if m[3] != "apigateway" {
			a.operation = m[3]
		}
	}
	if a.operation == awssim.OpCreateAPIKey {
		req, a.key = withName(req)
	}
	c := e.run.cloud
	c.mu.Lock()
	c.attempts = append(c.attempts, a)
	c.watch(req.Header.Get("X-Amz-Security-Token"))
	c.mu.Unlock()
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		c.mu.Lock()
		defer c.mu.Unlock()
		a.links = append(a.links, info.Conn.LocalAddr().String())
	}}
	resp, err := e.next.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		a.end = time.Now()
		e.run.broke(a)
		return resp, err
	}
	a.status = resp.StatusCode
	if resp.ContentLength == 0 {
		a.end, a.complete = time.Now(), true
	}
	resp.Body = &watchedBody{ReadCloser: resp.Body, cloud: c, attempt: a}
	return resp, nil
}

// watchedBody notes whether an answer was read to its end.
type watchedBody struct {
	io.ReadCloser
	cloud   *cloud
	attempt *attempt
	session []byte // what was read so far, if it is STS's
}

// sessionSecrets are what AssumeRole's answer holds that must not be seen.
var sessionSecrets = regexp.MustCompile(`<(?:SecretAccessKey|SessionToken)>([^<]+)</`)

// watchSession has the secrets watched for that AssumeRole has answered so far. It needs the cloud's lock.
func (b *watchedBody) watchSession(read []byte) {
	b.session = append(b.session, read...)
	for _, found := range sessionSecrets.FindAllSubmatch(b.session, -1) {
		if b.cloud.watch(string(found[1])) {
			b.cloud.run.count("secrets of sessions watched for", 1)
		}
	}
}

// watch adds a secret to those that nobody may see; false if it is none, or known. It needs the lock.
func (c *cloud) watch(secret string) bool {
	if secret == "" || slices.Contains(c.secrets, secret) {
		return false
	}
	c.secrets = append(c.secrets, secret)
	return true
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.attempt.operation == "sts" {
		b.cloud.mu.Lock()
		b.watchSession(p[:n])
		b.cloud.mu.Unlock()
	}
	if err != nil {
		b.cloud.mu.Lock()
		defer b.cloud.mu.Unlock()
		if b.attempt.end.IsZero() {
			b.attempt.end, b.attempt.complete = time.Now(), errors.Is(err, io.EOF)
			b.cloud.run.broke(b.attempt)
		}
	}
	return n, err
}

// Close implements io.Closer.
func (b *watchedBody) Close() error {
	b.cloud.mu.Lock()
	if b.attempt.end.IsZero() {
		b.attempt.end = time.Now()
		b.cloud.run.broke(b.attempt)
	}
	b.cloud.mu.Unlock()
	return b.ReadCloser.Close()
}

// broke notes that the connection of an attempt without a whole answer may be no good: the next attempt may
// find it so. A create is no excuse for a create.
func (r *run) broke(a *attempt) {
	if a.complete || a.operation == awssim.OpCreateAPIKey {
		return
	}
	for _, link := range a.links {
		r.badLink(link)
	}
}

// operationOf names the operations that have a quota of their own; the others are one to us.
func operationOf(req *http.Request) string {
	segments := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	switch {
	case req.Method == http.MethodPost && segments[0] == "apikeys":
		return awssim.OpCreateAPIKey
	case req.Method == http.MethodDelete && segments[0] == "apikeys":
		return awssim.OpDeleteAPIKey
	case req.Method == http.MethodPost && segments[0] == "usageplans":
		return awssim.OpCreateUsagePlanKey
	}
	return "read"
}

// withName reads the key's name out of a request's body, which is given back as it was.
func withName(req *http.Request) (*http.Request, string) {
	body, err := io.ReadAll(req.Body)
	_ = req.Body.Close() // it is in memory
	again := req.Clone(req.Context())
	again.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failing{err}))
	var in struct {
		Name string `json:"name"`
	}
	_ = json.Unmarshal(body, &in) // without a name it is nobody's
	return again, in.Name
}

// failing is a reader that ends with an error, or at once if there is none.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return 0, io.EOF
}
