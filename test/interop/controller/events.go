package controller

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// EventKind says what happened on a controller.
type EventKind string

const (
	// EventUpgrade is a request for a websocket, accepted or not.
	EventUpgrade EventKind = "upgrade"
	// EventHello is a HELLO, accepted or not.
	EventHello EventKind = "hello"
	// EventIngest is an INGEST that was read.
	EventIngest EventKind = "ingest"
	// EventChannels is a change of an integration's agents: one more, one less, or another primary.
	EventChannels EventKind = "channels"
)

// Event is one thing that happened on a controller. Which fields are set follows from its kind.
type Event struct {
	Kind EventKind `json:"event"`
	// Connection numbers the upgrade requests from 1; upgrades, HELLOs and INGESTs carry it.
	Connection int `json:"connection"`
	// Accepted is the verdict on an upgrade or a HELLO.
	Accepted bool `json:"accepted"`
	// Target is the integration's id, of a HELLO or of channels.
	Target   string    `json:"target"`
	Provider string    `json:"provider"`
	Channels []Channel `json:"channels"`
	Ingest
}

// Ingest is the outline of an INGEST; the whole of it is had by its command id.
type Ingest struct {
	CommandID string   `json:"commandId"`
	JobID     string   `json:"ingestJobId"`
	APIIDs    []string `json:"apiIds"`
	Done      bool     `json:"done"`
	// Bytes is the size of the command's JSON as the controller would write it.
	Bytes int `json:"bytes"`
	// Held and Refused say what the ingest rules decided.
	Held    bool `json:"held"`
	Refused bool `json:"refused"`
}

// EventLog keeps all events of a controller in their order. Its zero value is ready for use.
type EventLog struct {
	mu      sync.Mutex
	events  []Event
	changed chan struct{}
}

// Add appends an event and wakes whoever waits.
func (l *EventLog) Add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// All returns the events so far.
func (l *EventLog) All() []Event {
	events, _ := l.from(0)
	return events
}

// Len is the position behind the last event; Wait from there sees only what is yet to happen.
func (l *EventLog) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.events)
}

// Wait returns the first event at or behind position from that matches, and the position behind it.
func (l *EventLog) Wait(ctx context.Context, from int, matches func(Event) bool) (Event, int, error) {
	next := from
	for {
		events, changed := l.from(next)
		for _, e := range events {
			next++
			if matches(e) {
				return e, next, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Event{}, next,
				fmt.Errorf("waiting for an event among %d seen, the last being %+v: %w", next-from, l.last(), ctx.Err())
		}
	}
}

func (l *EventLog) from(position int) ([]Event, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	if position >= len(l.events) {
		return nil, l.changed
	}
	return slices.Clone(l.events[position:]), l.changed
}

func (l *EventLog) last() Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.events) == 0 {
		return Event{}
	}
	return l.events[len(l.events)-1]
}

// IsHello matches a HELLO for an integration with that verdict.
func IsHello(target string, accepted bool) func(Event) bool {
	return func(e Event) bool { return e.Kind == EventHello && e.Target == target && e.Accepted == accepted }
}

// IsUpgrade matches an upgrade request with that verdict.
func IsUpgrade(accepted bool) func(Event) bool {
	return func(e Event) bool { return e.Kind == EventUpgrade && e.Accepted == accepted }
}

// IsIngest matches every INGEST.
func IsIngest(e Event) bool { return e.Kind == EventIngest }

// HasChannels matches the moment from which an integration has that many agents, one of them primary (none where
// there are no agents).
func HasChannels(target string, count int) func(Event) bool {
	return func(e Event) bool {
		if e.Kind != EventChannels || e.Target != target || len(e.Channels) != count {
			return false
		}
		primaries := 0
		for _, c := range e.Channels {
			if c.Primary {
				primaries++
			}
		}
		return primaries == min(1, count)
	}
}
