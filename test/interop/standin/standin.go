// Package standin makes our APIM stand-in a [controller.Controller], so that every contract case runs on it as it
// does on the published controllers, and the stand-in cannot drift from them.
package standin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/test/interop/controller"
)

// brokenForever is more upgrades than any case makes.
const brokenForever = 1 << 30

// StandIn is one stand-in, listening on loopback. It is a [controller.Controller].
type StandIn struct {
	version string
	dialect controller.Dialect
	apim    *apimsim.APIM
	events  controller.EventLog
	desk    desk

	// changing lets one of Start, Stop and Drop happen at a time.
	changing sync.Mutex

	mu      sync.Mutex
	address string
	server  *http.Server
}

var _ controller.Controller = (*StandIn)(nil)

// New starts a stand-in of that APIM version on a free port of loopback. Close ends it.
func New(version controller.Version, options controller.Options) (*StandIn, error) {
	s := &StandIn{version: version.StandIn, dialect: version.Dialect}
	s.desk = desk{events: &s.events, held: map[string]chan string{}, whole: map[string]json.RawMessage{}}
	var err error
	s.apim, err = apimsim.New(apimsim.Options{
		Version: s.version, HealthCheckInterval: options.HealthCheckInterval,
		OnHappening: s.happened, Script: &apimsim.Script{Ingest: s.desk.take},
		// A held INGEST is answered, or forgotten, by who holds it.
		CommandTimeout: apimsim.DefaultCommandTimeout,
	})
	if err != nil {
		return nil, err
	}
	// A stand-in without tokens asks for none; this one shall.
	s.apim.AllowToken("")
	s.apim.RevokeToken("")
	return s, s.Start(context.Background())
}

// Close ends the stand-in at once.
func (s *StandIn) Close() {
	s.mu.Lock()
	server := s.server
	s.mu.Unlock()
	s.desk.close()
	s.apim.Close()
	_ = server.Close()
}

// Name says which version it imitates.
func (s *StandIn) Name() string { return "stand-in " + s.version }

// Dialect is that version's.
func (s *StandIn) Dialect() controller.Dialect { return s.dialect }

// Endpoint has no path, as APIM itself has none.
func (s *StandIn) Endpoint() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return "http://" + s.address
}

// Events is the one log of all runs.
func (s *StandIn) Events() *controller.EventLog { return &s.events }

// AllowToken lets agents with this token connect.
func (s *StandIn) AllowToken(_ context.Context, token string) error {
	s.apim.AllowToken(token)
	return nil
}

// RevokeToken refuses agents with this token from now on.
func (s *StandIn) RevokeToken(_ context.Context, token string) error {
	s.apim.RevokeToken(token)
	return nil
}

// BreakAuthentication makes upgrades fail with a 500.
func (s *StandIn) BreakAuthentication(_ context.Context, broken bool) error {
	n := 0
	if broken {
		n = brokenForever
	}
	s.apim.RefuseUpgrades(n, http.StatusInternalServerError)
	return nil
}

// PutIntegration creates or changes an integration.
func (s *StandIn) PutIntegration(_ context.Context, id, provider string) error {
	s.apim.AddIntegration(apimsim.Integration{ID: id, Provider: provider})
	return nil
}

// DeleteIntegration deletes an integration.
func (s *StandIn) DeleteIntegration(_ context.Context, id string) error {
	s.apim.RemoveIntegration(id)
	return nil
}

// Send sends a command. The stand-in knows no classes of commands, so a raw one is nothing special.
func (s *StandIn) Send(ctx context.Context, command controller.Command) (controller.Outcome, error) {
	waiting, cancel := ctx, context.CancelFunc(func() {})
	if command.Timeout > 0 {
		waiting, cancel = context.WithTimeout(ctx, command.Timeout)
	}
	defer cancel()
	payload := command.Payload
	if payload == nil {
		payload = struct{}{}
	}
	reply, err := s.apim.SendCommand(waiting, command.Target, command.Type, payload)
	if err != nil && ctx.Err() != nil {
		return controller.Outcome{}, ctx.Err()
	}
	if err != nil {
		return controller.Outcome{CommandID: reply.CommandID, Failure: failureOf(reply, err)}, nil
	}
	return controller.Outcome{CommandID: reply.CommandID, Reply: &controller.Reply{
		CommandID: reply.CommandID, Type: reply.Type, Status: reply.Status, Error: reply.ErrorDetails, Payload: reply.Payload,
	}}, nil
}

func failureOf(reply apimsim.Reply, err error) *controller.Failure {
	f := &controller.Failure{Kind: controller.FailureOther, Message: err.Error()}
	switch {
	case errors.Is(err, apimsim.ErrNoReply), errors.Is(err, context.DeadlineExceeded):
		f.Kind = controller.FailureTimeout
	case errors.Is(err, apimsim.ErrNotHandled):
		f.Kind, f.Message = controller.FailureNoReply, reply.ErrorDetails
	case errors.Is(err, apimsim.ErrUnknownCommand):
		f.Kind, f.Message = controller.FailureUnknown, reply.ErrorDetails
	case errors.Is(err, apimsim.ErrChannelClosed):
		f.Kind = controller.FailureClosed
	case errors.Is(err, apimsim.ErrNoAgent):
		f.Kind = controller.FailureNoChannel
	case errors.Is(err, apimsim.ErrClosed):
		f.Kind = controller.FailureStopped
	}
	return f
}

// SetIngestRules replaces the rules.
func (s *StandIn) SetIngestRules(_ context.Context, rules ...controller.IngestRule) error {
	s.desk.setRules(rules)
	return nil
}

// Release answers an INGEST that is held.
func (s *StandIn) Release(_ context.Context, commandID, errorDetails string) error {
	return s.desk.release(commandID, errorDetails)
}

// IngestCommand returns an INGEST whole, as the stand-in read it.
func (s *StandIn) IngestCommand(_ context.Context, commandID string) (json.RawMessage, error) {
	return s.desk.command(commandID)
}

// Channels lists the agents that take commands.
func (s *StandIn) Channels(_ context.Context, integration string) ([]controller.Channel, error) {
	var channels []controller.Channel
	for _, agent := range s.apim.Agents() {
		if agent.IntegrationID == integration {
			channels = append(channels, channelOf(agent))
		}
	}
	return channels, nil
}

func channelOf(agent apimsim.Agent) controller.Channel {
	return controller.Channel{ID: fmt.Sprint(agent.Conn), Primary: agent.Primary}
}

func (s *StandIn) happened(h apimsim.Happening) {
	e := controller.Event{Connection: h.Upgrade, Accepted: h.Accepted}
	switch h.Kind {
	case apimsim.HappeningUpgrade:
		e.Kind = controller.EventUpgrade
	case apimsim.HappeningHello:
		e.Kind, e.Target, e.Provider = controller.EventHello, h.Integration, h.Provider
	case apimsim.HappeningAgents:
		e.Kind, e.Target = controller.EventChannels, h.Integration
		for _, agent := range h.Agents {
			e.Channels = append(e.Channels, channelOf(agent))
		}
	}
	s.events.Add(e)
}

// Start listens, on the same port as before.
func (s *StandIn) Start(context.Context) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.Lock()
	address := s.address
	s.mu.Unlock()
	if address == "" {
		address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	s.apim.Resume()
	server := &http.Server{Handler: s.apim, ReadHeaderTimeout: 10 * time.Second}
	s.mu.Lock()
	s.address, s.server = listener.Addr().String(), server
	s.mu.Unlock()
	go func() { _ = server.Serve(listener) }() // it ends with the server
	return nil
}

// Stop says GOOD_BYE with reconnect and waits for the agents to go.
func (s *StandIn) Stop(ctx context.Context) error { return s.end(ctx, s.apim.Stop) }

// Drop closes with 1000 and without a GOOD_BYE.
func (s *StandIn) Drop(ctx context.Context) error { return s.end(ctx, s.apim.Drop) }

func (s *StandIn) end(ctx context.Context, leave func(context.Context) error) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	err := leave(ctx)
	s.mu.Lock()
	server := s.server
	s.mu.Unlock()
	return errors.Join(err, server.Close())
}
