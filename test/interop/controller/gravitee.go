package controller

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Options of a controller. The zero value is as APIM runs it.
type Options struct {
	// HealthCheckInterval is between two HEALTH_CHECKs; 0 means 30 s.
	HealthCheckInterval time.Duration
	// Settings are others of the controller's own, without their "integration." prefix.
	Settings map[string]string
	// Beside is the controller of another node of the same APIM, in the same process: both share a cluster and a cache.
	// Nil for a node alone.
	Beside *Gravitee
}

// healthCheckSetting is the controller's own name for the interval, in milliseconds (read in exchange 1.5.2 to 2.0.1).
const healthCheckSetting = "controller.channel.healthcheck.delay"

// Gravitee is a published controller that runs in a [Process]. It is a [Controller].
type Gravitee struct {
	process  *Process
	beside   *Gravitee
	settings map[string]string
	events   EventLog

	// changing lets one of Start, Stop and Drop happen at a time.
	changing sync.Mutex

	mu   sync.Mutex
	name string
	port int
	// connections is how many upgrade requests earlier runs have counted.
	connections, latest int
	tokens              map[string]bool
	integrations        map[string]string
	rules               []IngestRule
}

var _ Controller = (*Gravitee)(nil)

// NewController starts a controller in the process, on a free port of loopback.
func (p *Process) NewController(ctx context.Context, options Options) (*Gravitee, error) {
	settings := maps.Clone(options.Settings)
	if settings == nil {
		settings = map[string]string{}
	}
	if options.HealthCheckInterval > 0 {
		settings[healthCheckSetting] = strconv.FormatInt(options.HealthCheckInterval.Milliseconds(), 10)
	}
	g := &Gravitee{
		process: p, beside: options.Beside, settings: settings, tokens: map[string]bool{}, integrations: map[string]string{},
	}
	return g, g.Start(ctx)
}

// Name says which product it is the controller of.
func (g *Gravitee) Name() string { return "APIM " + g.process.version.APIM }

// Dialect is the version's.
func (g *Gravitee) Dialect() Dialect { return g.process.version.Dialect }

// Endpoint has no path: APIM listens without a prefix.
func (g *Gravitee) Endpoint() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return fmt.Sprintf("http://127.0.0.1:%d", g.port)
}

// Events is the one log of all runs of this controller.
func (g *Gravitee) Events() *EventLog { return &g.events }

// Start listens. What was decided before goes along, so that an agent that is back at once meets the same decisions.
func (g *Gravitee) Start(ctx context.Context) error {
	g.changing.Lock()
	defer g.changing.Unlock()
	name := g.register()
	g.mu.Lock()
	request := map[string]any{
		"op": "start", "controller": name, "port": g.port, "settings": g.settings,
		"tokens": slices.Sorted(maps.Keys(g.tokens)), "integrations": g.integrations, "rules": g.rules,
	}
	g.mu.Unlock()
	if g.beside != nil {
		g.beside.mu.Lock()
		request["beside"] = g.beside.name
		g.beside.mu.Unlock()
	}
	var result struct{ Port int }
	if err := g.process.call(ctx, request, &result); err != nil {
		return err
	}
	g.mu.Lock()
	g.port = result.Port
	g.mu.Unlock()
	return nil
}

// register takes a new name for this run, so that events of an earlier one cannot be taken for its own.
func (g *Gravitee) register() string {
	g.mu.Lock()
	g.connections = g.latest
	offset := g.connections
	g.mu.Unlock()

	g.process.mu.Lock()
	defer g.process.mu.Unlock()
	name := "c" + strconv.Itoa(len(g.process.logs)+1)
	g.process.logs[name] = func(e Event) {
		if e.Connection > 0 {
			e.Connection += offset
			g.mu.Lock()
			g.latest = max(g.latest, e.Connection)
			g.mu.Unlock()
		}
		g.events.Add(e)
	}
	g.mu.Lock()
	g.name = name
	g.mu.Unlock()
	return name
}

// Stop says GOOD_BYE to the agents and waits for them; one that does not close keeps it waiting for 60 s.
func (g *Gravitee) Stop(ctx context.Context) error { return g.end(ctx, "stop") }

// Drop closes with 1000 and without a GOOD_BYE.
func (g *Gravitee) Drop(ctx context.Context) error { return g.end(ctx, "drop") }

func (g *Gravitee) end(ctx context.Context, op string) error {
	g.changing.Lock()
	defer g.changing.Unlock()
	return g.call(ctx, map[string]any{"op": op}, nil)
}

// AllowToken lets agents with this token connect.
func (g *Gravitee) AllowToken(ctx context.Context, token string) error {
	g.mu.Lock()
	g.tokens[token] = true
	g.mu.Unlock()
	return g.call(ctx, map[string]any{"op": "token", "token": token, "valid": true}, nil)
}

// RevokeToken refuses agents with this token from now on.
func (g *Gravitee) RevokeToken(ctx context.Context, token string) error {
	g.mu.Lock()
	delete(g.tokens, token)
	g.mu.Unlock()
	return g.call(ctx, map[string]any{"op": "token", "token": token, "valid": false}, nil)
}

// BreakAuthentication makes upgrades fail with a 500.
func (g *Gravitee) BreakAuthentication(ctx context.Context, broken bool) error {
	return g.call(ctx, map[string]any{"op": "break_authentication", "broken": broken}, nil)
}

// PutIntegration creates or changes an integration.
func (g *Gravitee) PutIntegration(ctx context.Context, id, provider string) error {
	g.mu.Lock()
	g.integrations[id] = provider
	g.mu.Unlock()
	return g.call(ctx, map[string]any{"op": "integration", "target": id, "provider": provider}, nil)
}

// DeleteIntegration deletes an integration.
func (g *Gravitee) DeleteIntegration(ctx context.Context, id string) error {
	g.mu.Lock()
	delete(g.integrations, id)
	g.mu.Unlock()
	return g.call(ctx, map[string]any{"op": "integration", "target": id}, nil)
}

// SetIngestRules replaces the rules.
func (g *Gravitee) SetIngestRules(ctx context.Context, rules ...IngestRule) error {
	g.mu.Lock()
	g.rules = rules
	g.mu.Unlock()
	return g.call(ctx, map[string]any{"op": "ingest_rules", "rules": rules}, nil)
}

// Release answers an INGEST that is held.
func (g *Gravitee) Release(ctx context.Context, commandID, errorDetails string) error {
	request := map[string]any{"op": "release", "commandId": commandID}
	if errorDetails != "" {
		request["error"] = errorDetails
	}
	return g.call(ctx, request, nil)
}

// IngestCommand returns an INGEST whole.
func (g *Gravitee) IngestCommand(ctx context.Context, commandID string) (json.RawMessage, error) {
	var command json.RawMessage
	err := g.call(ctx, map[string]any{"op": "ingest", "commandId": commandID}, &command)
	return command, err
}

// Channels asks the controller's own metrics.
func (g *Gravitee) Channels(ctx context.Context, integration string) ([]Channel, error) {
	var result struct{ Channels []Channel }
	err := g.call(ctx, map[string]any{"op": "channels", "target": integration}, &result)
	return result.Channels, err
}

// Send sends a command as APIM does.
func (g *Gravitee) Send(ctx context.Context, command Command) (Outcome, error) {
	payload := command.Payload
	if payload == nil {
		payload = struct{}{}
	}
	request := map[string]any{
		"op": "send", "target": command.Target, "type": command.Type, "payload": payload, "raw": command.Raw,
	}
	if command.Timeout > 0 {
		request["timeoutMs"] = command.Timeout.Milliseconds()
	}
	var result struct {
		CommandID string
		Reply     *Reply
		Failure   *javaFailure
	}
	if err := g.call(ctx, request, &result); err != nil {
		return Outcome{}, err
	}
	outcome := Outcome{CommandID: result.CommandID, Reply: result.Reply}
	if result.Failure != nil {
		outcome.Failure = &Failure{Kind: kindOf(result.Failure), Message: result.Failure.Message}
	}
	return outcome, nil
}

func (g *Gravitee) call(ctx context.Context, request map[string]any, result any) error {
	g.mu.Lock()
	request["controller"] = g.name
	g.mu.Unlock()
	return g.process.call(ctx, request, result)
}

// kindOf translates the controller's exceptions.
func kindOf(f *javaFailure) FailureKind {
	switch f.Kind {
	case "ChannelTimeoutException", "ControllerClusterTimeoutException":
		return FailureTimeout
	case "ChannelNoReplyException":
		return FailureNoReply
	case "ChannelUnknownCommandException":
		return FailureUnknown
	case "ChannelClosedException":
		return FailureClosed
	case "ControllerClusterNoChannelException", "NoChannelFoundException", "ChannelInactiveException":
		return FailureNoChannel
	case "ControllerClusterShutdownException":
		return FailureStopped
	default:
		return FailureOther
	}
}
