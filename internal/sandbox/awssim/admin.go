package awssim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// managementHandler serves ManagementPrefix: JSON, for a sandbox that runs in a process of its own. It has
// no access control and shows key values, so it belongs on loopback. Durations are in nanoseconds.
//
//	GET    /_sandbox/aws/keys               all API keys, with their values
//	GET    /_sandbox/aws/calls?since=SEQ    the remembered attempts after SEQ
//	GET    /_sandbox/aws/counts             counters, and 429s by principal
//	DELETE /_sandbox/aws/calls              forgets both
//	GET    /_sandbox/aws/estate             accounts and regions with APIs, stages and usage plans
//	POST   /_sandbox/aws/redeploy           {account, region, restApi, stage}
//	POST   /_sandbox/aws/link, /unlink      {account, region, usagePlan, restApi, stage}
//	POST   /_sandbox/aws/delete-api         {account, region, restApi}
//	POST   /_sandbox/aws/delete-stage       {account, region, restApi, stage}
//	POST   /_sandbox/aws/delete-plan        {account, region, usagePlan}
//	POST   /_sandbox/aws/delete-key         {account, region, key}
//	POST   /_sandbox/aws/put-domain         {account, region, domain: a custom domain name as in the estate}
//	POST   /_sandbox/aws/delete-domain      {account, region, domain: {name, id}}
//	PUT    /_sandbox/aws/faults             a list of Rule in place of the present ones
//	POST   /_sandbox/aws/send               {account, region, queue, body}: a message to a queue, as EventBridge sends it
//	POST   /_sandbox/aws/expire-sessions    {role}: its sessions, or all
//	POST   /_sandbox/aws/neighbours         a Neighbour, until the server is closed
//	POST   /_sandbox/aws/invoke             {account, region, restApi, stage, value}: what the data plane would answer
func (s *Server) managementHandler() http.Handler {
	mux := http.NewServeMux()
	at := func(method, path string, do func(*http.Request) (any, error)) {
		mux.HandleFunc(method+" "+ManagementPrefix+"aws/"+path, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxRequestBytes)
			writeManagement(w, do, r)
		})
	}
	at(http.MethodGet, "keys", func(*http.Request) (any, error) { return s.keysWithValues(), nil })
	at(http.MethodGet, "calls", s.callsSince)
	at(http.MethodDelete, "calls", func(*http.Request) (any, error) { s.ResetCalls(); return done{}, nil })
	at(http.MethodGet, "counts", func(*http.Request) (any, error) {
		return map[string]any{"counts": s.Counts(), "throttled": s.Throttled()}, nil
	})
	at(http.MethodGet, "estate", func(*http.Request) (any, error) { return s.estateNow() })
	for path, do := range s.commands() {
		at(http.MethodPost, path, func(r *http.Request) (any, error) {
			var c command
			if err := decode(r, &c); err != nil {
				return nil, err
			}
			return do(Scope{c.Account, c.Region}, c)
		})
	}
	at(http.MethodPut, "faults", s.replaceFaults)
	at(http.MethodPost, "neighbours", func(r *http.Request) (any, error) {
		var n Neighbour
		if err := decode(r, &n); err != nil {
			return nil, err
		}
		return done{}, s.StartNeighbour(n)
	})
	return mux
}

// command is the body of the commands that change the estate.
type command struct {
	Account   string `json:"account"`
	Region    string `json:"region"`
	RestAPI   string `json:"restApi"`
	Stage     string `json:"stage"`
	UsagePlan string `json:"usagePlan"`
	Key       string `json:"key"`
	Role      string `json:"role"`
	Value     string `json:"value"`
	Queue     string `json:"queue"`
	Body      string `json:"body"`

	Domain CustomDomain `json:"domain"`
}

// done is the answer of what has nothing to tell.
type done struct{}

func (s *Server) commands() map[string]func(Scope, command) (any, error) {
	plain := func(do func(Scope, command) error) func(Scope, command) (any, error) {
		return func(at Scope, c command) (any, error) { return done{}, do(at, c) }
	}
	return map[string]func(Scope, command) (any, error){
		"redeploy": func(at Scope, c command) (any, error) {
			id, err := s.Redeploy(at, c.RestAPI, c.Stage)
			return map[string]string{"deploymentId": id}, err
		},
		"link":         plain(func(at Scope, c command) error { return s.Link(at, c.UsagePlan, c.RestAPI, c.Stage) }),
		"unlink":       plain(func(at Scope, c command) error { return s.Unlink(at, c.UsagePlan, c.RestAPI, c.Stage) }),
		"delete-api":   plain(func(at Scope, c command) error { return s.DeleteRestAPI(at, c.RestAPI) }),
		"delete-stage": plain(func(at Scope, c command) error { return s.DeleteStage(at, c.RestAPI, c.Stage) }),
		"delete-plan":  plain(func(at Scope, c command) error { return s.DeleteUsagePlan(at, c.UsagePlan) }),
		"delete-key":   plain(func(at Scope, c command) error { return s.RemoveKey(at, c.Key) }),
		"put-domain":   plain(func(at Scope, c command) error { return s.PutDomain(at, c.Domain) }),
		"delete-domain": plain(func(at Scope, c command) error {
			return s.DeleteDomain(at, c.Domain.Name, c.Domain.ID)
		}),
		"send": plain(func(at Scope, c command) error { return s.Send(at, c.Queue, c.Body) }),
		"expire-sessions": func(_ Scope, c command) (any, error) {
			return map[string]int{"expired": s.ExpireSessions(c.Role)}, nil
		},
		"invoke": func(at Scope, c command) (any, error) {
			return map[string]int{"status": s.Invoke(at, c.RestAPI, c.Stage, c.Value)}, nil
		},
	}
}

func decode(r *http.Request, into any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("reading the request's body: %w", err)
	}
	return nil
}

func writeManagement(w http.ResponseWriter, do func(*http.Request) (any, error), r *http.Request) {
	value, err := do(r)
	answer := jsonResponse(http.StatusOK, value)
	switch {
	case errors.Is(err, ErrUnknown):
		answer = jsonResponse(http.StatusNotFound, map[string]string{"message": err.Error()})
	case err != nil:
		answer = jsonResponse(http.StatusBadRequest, map[string]string{"message": err.Error()})
	}
	w.Header().Set("Content-Type", answer.contentType)
	w.WriteHeader(answer.status)
	_ = answer.writeBody(w) // a client that left is no fault of ours
}

// shownKey is a key with its value, which is shown nowhere else: this is a sandbox.
type shownKey struct {
	APIKey
	Value string `json:"value"`
}

func (s *Server) keysWithValues() []shownKey {
	out := []shownKey{}
	for _, k := range s.Keys() {
		out = append(out, shownKey{APIKey: k, Value: k.Value.Reveal()})
	}
	return out
}

func (s *Server) callsSince(r *http.Request) (any, error) {
	var since int64
	if text := r.URL.Query().Get("since"); text != "" {
		var err error
		if since, err = strconv.ParseInt(text, 10, 64); err != nil {
			return nil, fmt.Errorf("since=%q is not a number", text)
		}
	}
	return s.Calls(since), nil
}

// estateNow shows what exists; principals and roles do not change and are not shown.
func (s *Server) estateNow() (Estate, error) {
	var out Estate
	for _, scope := range s.Scopes() {
		content, err := s.Snapshot(scope)
		if err != nil {
			return Estate{}, err
		}
		if n := len(out.Accounts); n == 0 || out.Accounts[n-1].ID != scope.Account {
			out.Accounts = append(out.Accounts, Account{ID: scope.Account})
		}
		last := &out.Accounts[len(out.Accounts)-1]
		last.Regions = append(last.Regions, content)
	}
	return out, nil
}

func (s *Server) replaceFaults(r *http.Request) (any, error) {
	var rules []Rule
	if err := decode(r, &rules); err != nil {
		return nil, err
	}
	for _, rule := range rules {
		if err := rule.Fault.check(); err != nil {
			return nil, err
		}
	}
	s.script.Clear()
	s.script.Add(rules...)
	return done{}, nil
}
