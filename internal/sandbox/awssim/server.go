package awssim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Path prefixes beside AWS's own surface.
const (
	// ManagementPrefix is where a sandbox in a process of its own is looked at and changed.
	ManagementPrefix = "/_sandbox/"
	// ExecutePrefix is where the data plane is called: /_execute/ACCOUNT/REGION/API/STAGE/PATH.
	ExecutePrefix = "/_execute/"
)

// Server is the stand-in. It is an [http.Handler], safe for concurrent use.
type Server struct {
	options    Options
	identities *identities
	log        *callLog
	script     Script
	management http.Handler

	closing context.Context
	close   context.CancelFunc
	traffic sync.WaitGroup

	mu       sync.Mutex
	accounts map[string]string // id -> partition
	regions  map[Scope]*region
	quota    Quota
}

// New makes a server of an estate; its error names every fault of the estate.
func New(o Options) (*Server, error) {
	o = o.withDefaults()
	ids, err := newIdentities(o.Estate)
	faults := []error{err}
	s := &Server{
		options: o, identities: ids, log: newCallLog(o.LogSize, o.Observe),
		accounts: map[string]string{}, regions: map[Scope]*region{}, quota: o.Quota,
	}
	now := time.Now()
	for _, account := range o.Estate.Accounts {
		if _, double := s.accounts[account.ID]; double {
			faults = append(faults, fmt.Errorf("account %s is listed twice", account.ID))
		}
		s.accounts[account.ID] = partitionOf(account)
		for _, content := range account.Regions {
			scope := Scope{account.ID, content.Name}
			if _, double := s.regions[scope]; double || !regionPattern.MatchString(content.Name) {
				faults = append(faults,
					fmt.Errorf("account %s: region %q is listed twice or is no region's name", account.ID, content.Name))
			}
			g, err := newRegion(scope, partitionOf(account), content, o.Quota, now)
			faults = append(faults, err)
			s.regions[scope] = g
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("reading estate: %w", err)
	}
	s.options.Estate = Estate{} // the regions hold it now
	s.closing, s.close = context.WithCancel(context.Background())
	s.management = s.managementHandler()
	return s, nil
}

// Close ends what hangs, what waits and all neighbours' traffic. The server still answers afterwards.
func (s *Server) Close() error {
	s.close()
	s.traffic.Wait()
	return nil
}

// headerTimeout is for a connection that never says what it wants; real clients need milliseconds.
const headerTimeout = 10 * time.Second

// Serve answers on a listener until the context ends, and closes the server then. It returns nil if it
// was the context that ended it.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: s, ReadHeaderTimeout: headerTimeout}
	stop := context.AfterFunc(ctx, func() {
		s.close()
		server.Close() //nolint:errcheck // what it would report, Serve below returns
	})
	defer stop()
	err := server.Serve(l)
	if closeErr := s.Close(); ctx.Err() != nil && errors.Is(err, http.ErrServerClosed) {
		return closeErr
	}
	return fmt.Errorf("serving AWS stand-in: %w", err)
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	switch {
	case strings.HasPrefix(hr.URL.Path, ManagementPrefix):
		s.management.ServeHTTP(w, hr)
	case strings.HasPrefix(hr.URL.Path, ExecutePrefix):
		s.serveExecute(w, hr)
	default:
		s.serveAWS(w, hr)
	}
}

// serveAWS takes one attempt from the credential check to its answer or its fault.
func (s *Server) serveAWS(w http.ResponseWriter, hr *http.Request) {
	r, refusal := s.receive(w, hr)
	r.event = s.log.number(r.event)
	r.id = requestID(hash64(s.options.Seed, "request", r.event.String()))
	call := s.log.begin(Call{
		Start: time.Now(), Event: r.event, AccessKeyID: r.credential.accessKeyID, Principal: r.caller.principal,
		KeyID: r.keyID,
	})
	if refusal != nil {
		s.answer(w, r, call, errorResponse(r.credential.service, r.id, refusal))
		return
	}

	ctx, cancel := context.WithCancel(hr.Context())
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)()

	fault := s.faultFor(r.event)
	call.Fault = fault.Kind
	if fault.Delay > 0 && !sleep(ctx, fault.Delay) {
		s.drop(call, OutcomeAbandoned)
	}
	if fault.costsToken() && r.region != nil && !r.region.take(r.event.Operation, time.Now()) {
		call.Throttled, call.Fault = true, ""
		s.answer(w, r, call, errorResponse(r.credential.service, r.id, throttled()))
		return
	}
	switch fault.Kind {
	case FaultCloseBefore:
		s.drop(call, OutcomeCut)
	case FaultHang:
		<-ctx.Done()
		s.drop(call, OutcomeAbandoned)
	case FaultAnswer:
		e := &apiError{status: fault.Status, code: fault.Code, message: fault.Message, retryAfter: fault.RetryAfter}
		s.answer(w, r, call, errorResponse(r.credential.service, r.id, e))
		return
	case FaultForeign:
		s.answer(w, r, call, foreign(w, fault))
		return
	default: // the others do the operation first
	}

	answer, done := s.carryOut(ctx, r)
	if !done {
		s.drop(call, OutcomeAbandoned)
	}
	call.Status, call.Code, call.KeyID = answer.status, answer.code, r.keyID
	switch {
	case fault.Kind == FaultLoseAnswer || ctx.Err() != nil:
		s.drop(call, OutcomeLost)
	case fault.Kind == FaultHangAfter:
		call.Outcome = OutcomeLost
		s.log.end(call)
		<-ctx.Done()
		panic(http.ErrAbortHandler)
	case fault.Kind == FaultTruncate:
		call.Outcome = OutcomeLost
		s.log.end(call)
		writeHead(w, r, answer)
		// The error is the cut itself, or a client that left.
		_ = answer.writeBody(&cutWriter{to: w, left: fault.Bytes})
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	default:
		s.answer(w, r, call, answer)
	}
}

// receive reads, routes and authenticates. It always gives a request, fit for the log.
func (s *Server) receive(w http.ResponseWriter, hr *http.Request) (*request, *apiError) {
	r := &request{
		method: hr.Method, path: hr.URL.EscapedPath(), query: hr.URL.Query(), accept: hr.Header.Get("Accept"),
		maxPage: s.options.MaxPageSize, event: Event{Operation: OpUnknown},
	}
	var refusal *apiError
	if r.credential, refusal = parseAuthorization(hr); refusal != nil {
		return r, refusal
	}
	r.event.Region = r.credential.region
	body, err := io.ReadAll(http.MaxBytesReader(w, hr.Body, maxRequestBytes))
	if err != nil {
		return r, badRequest(messageInvalidRequestBody)
	}
	r.body = body
	var unroutable *apiError
	switch r.credential.service {
	case serviceSTS:
		unroutable = routeSTS(r)
	case serviceAccount:
		unroutable = routeAccount(r)
	case serviceSQS:
		unroutable = routeQueue(r, hr.Header.Get(targetHeader))
	case serviceDynamoDB:
		unroutable = routeTable(r, hr.Header.Get(targetHeader))
	default:
		unroutable = route(r)
	}
	r.caller, refusal = s.identities.authenticate(r.credential.accessKeyID, hr.Header.Get(securityTokenHeader), time.Now())
	if refusal != nil {
		return r, refusal
	}
	r.event.Account = r.caller.account
	g := s.region(Scope{r.caller.account, r.credential.region})
	if g.isDisabled() {
		return r, unrecognized()
	}
	if r.credential.service == serviceAPIGateway {
		r.region = g
		if r.keyID != "" {
			r.event.Key = g.nameOfKey(r.keyID)
		}
	}
	return r, unroutable
}

// carryOut authorises and does the operation. false means that nothing was done since the client left. A
// write that was let in is done even then, as AWS would not notice in time.
func (s *Server) carryOut(ctx context.Context, r *request) (response, bool) {
	if denied := authorise(r); denied != nil {
		return errorResponse(r.credential.service, r.id, denied), true
	}
	if r.event.Operation == OpCreateUsagePlanKey {
		if !r.region.beginAttach() {
			return errorResponse(r.credential.service, r.id,
				refuse(http.StatusConflict, CodeConflict, messageConcurrentChange)), true
		}
		defer r.region.endAttach()
	}
	waited := sleep(ctx, s.options.Latency.of(r.class, s.options.Seed, r.event))
	if !waited && r.class != classKey {
		return response{}, false
	}
	r.left = ctx.Done()
	answer, refused := r.do(s, r)
	if refused != nil {
		answer = errorResponse(r.credential.service, r.id, refused)
	}
	return answer, true
}

// authorise holds an API Gateway call against the caller's policy. STS checks for itself.
func authorise(r *request) *apiError {
	if r.region == nil {
		return nil
	}
	own := permission{verb: r.method, path: r.path}
	if r.event.Domain != "" {
		own = r.domainPermission()
	}
	for _, needed := range append([]permission{own}, r.permissions...) {
		action := "apigateway:" + needed.verb
		resource := fmt.Sprintf(
			"arn:%s:apigateway:%s:%s:%s", r.region.partition, r.region.scope.Region, needed.account, needed.path)
		if decision := r.caller.policy.Evaluate(action, resource); decision != Allowed {
			return refuse(http.StatusForbidden, CodeAccessDenied, "%s", deniedMessage(r.caller.arn, action, resource, decision))
		}
	}
	return nil
}

// answer logs an attempt as answered, then answers it: a client that has its answer finds it in the log.
func (s *Server) answer(w http.ResponseWriter, r *request, call Call, a response) {
	call.Outcome, call.Status, call.Code = OutcomeAnswered, a.status, a.code
	s.log.end(call)
	writeHead(w, r, a)
	_ = a.writeBody(w) // a client that left is no fault of ours
}

// drop logs an attempt's outcome and closes its connection, the way net/http provides for it.
func (s *Server) drop(call Call, o Outcome) {
	call.Outcome = o
	s.log.end(call)
	panic(http.ErrAbortHandler)
}

func (s *Server) faultFor(e Event) Fault {
	f := s.script.Fault(e)
	if f == (Fault{}) && s.options.Faults != nil {
		f = s.options.Faults(e)
	}
	if err := f.check(); err != nil {
		return Answer(http.StatusInternalServerError, "InternalFailure", err.Error())
	}
	return f
}

// region gives what a known account has in a region; one that the estate does not list is enabled and empty.
func (s *Server) region(scope Scope) *region {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.regions[scope]
	if !ok {
		// An empty region has no faults to report.
		g, _ = newRegion(scope, s.accounts[scope.Account], Region{Name: scope.Region}, s.quota, time.Now())
		s.regions[scope] = g
	}
	return g
}

// foreign is the answer of another server. It says its size unless it has no end.
func foreign(w http.ResponseWriter, f Fault) response {
	if f.Location != "" {
		w.Header().Set("Location", f.Location)
	}
	answer := response{status: f.Status, contentType: "text/html", body: []byte(f.Body)}
	if f.Endless {
		answer.size, answer.stream = -1, func(to io.Writer) error {
			for {
				if _, err := to.Write(answer.body); err != nil {
					return err
				}
			}
		}
	}
	return answer
}

var errCut = errors.New("answer cut short")

// cutWriter passes so many bytes on, then fails.
type cutWriter struct {
	to   io.Writer
	left int
}

func (c *cutWriter) Write(p []byte) (int, error) {
	if len(p) <= c.left {
		n, err := c.to.Write(p)
		c.left -= n
		return n, err
	}
	n, err := c.to.Write(p[:c.left])
	c.left -= n
	return n, errors.Join(err, errCut)
}

// requestID spells bits as AWS spells its request ids.
func requestID(bits uint64) string {
	more := mix(bits + 1)
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", uint32(bits), uint16(bits>>32), bits>>52, uint16(more)|0x8000,
		more>>16)
}
