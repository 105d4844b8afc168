package awssim

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Neighbour is somebody else's traffic on the same quota: a burst of calls, again and again.
type Neighbour struct {
	AccessKeyID string `json:"accessKeyId"`
	Region      string `json:"region"`
	// Operation is what it calls; empty means GetRestApis.
	Operation string `json:"operation,omitempty"`
	// Burst is the number of calls at once, Every the time from one burst to the next.
	Burst int           `json:"burst"`
	Every time.Duration `json:"every"`
}

// Touch makes one call as that access key, without HTTP: it takes its token from the quota, or is
// throttled, and stands in the log and the counters like any other. It tells whether it was admitted.
func (s *Server) Touch(accessKeyID, region, operation string) (bool, error) {
	c, refusal := s.identities.authenticate(accessKeyID, "", time.Now())
	if refusal != nil {
		return false, fmt.Errorf("access key id %s: %w", accessKeyID, ErrUnknown)
	}
	g := s.region(Scope{c.account, region})
	event := s.log.number(Event{Account: c.account, Region: region, Operation: operation})
	call := s.log.begin(Call{Start: time.Now(), Event: event, AccessKeyID: accessKeyID, Principal: c.principal})
	call.Outcome, call.Status = OutcomeAnswered, http.StatusOK
	if !g.take(operation, time.Now()) {
		call.Throttled, call.Status, call.Code = true, http.StatusTooManyRequests, CodeTooManyRequests
	}
	s.log.end(call)
	return !call.Throttled, nil
}

// RunNeighbour makes a neighbour's calls until the context ends or the server is closed.
func (s *Server) RunNeighbour(ctx context.Context, n Neighbour) error {
	if err := s.checkNeighbour(n); err != nil {
		return err
	}
	if n.Operation == "" {
		n.Operation = OpGetRestAPIs
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)()
	for {
		for range n.Burst {
			if _, err := s.Touch(n.AccessKeyID, n.Region, n.Operation); err != nil {
				return err
			}
		}
		if !sleep(ctx, n.Every) {
			return nil
		}
	}
}

// StartNeighbour runs a neighbour in the background until [Server.Close].
func (s *Server) StartNeighbour(n Neighbour) error {
	if err := s.checkNeighbour(n); err != nil {
		return err
	}
	s.traffic.Go(func() {
		// It was checked above, and neither users nor their keys change.
		_ = s.RunNeighbour(s.closing, n)
	})
	return nil
}

func (s *Server) checkNeighbour(n Neighbour) error {
	if n.Every <= 0 || n.Burst <= 0 || !regionPattern.MatchString(n.Region) {
		return fmt.Errorf("neighbour %+v: needs a burst, a time between bursts and a region", n)
	}
	if _, known := s.identities.users[n.AccessKeyID]; !known {
		return fmt.Errorf("access key id %s: %w", n.AccessKeyID, ErrUnknown)
	}
	return nil
}
