package status

import (
	"maps"
	"time"
)

// Events is what is noted of a queue that tells what has changed in AWS.
type Events struct {
	// Results counts the messages by what they turned out to be.
	Results map[EventResult]uint64 `json:"results"`
	// Last is when the last one came; zero for none since the agent began.
	Last time.Time `json:"lastAt,omitzero"`
	// Failure says why none can be received; empty if they can.
	Failure string `json:"failure,omitempty"`
}

// EventResult says what a message of the queue turned out to be.
type EventResult string

// The results.
const (
	// EventTaken: it names an API of a configured account and region, or a usage plan there.
	EventTaken EventResult = "taken"
	// EventElsewhere: it is about another account or region.
	EventElsewhere EventResult = "elsewhere"
	// EventIrrelevant: nothing follows from it.
	EventIrrelevant EventResult = "irrelevant"
	// EventUnreadable: it is no event of EventBridge.
	EventUnreadable EventResult = "unreadable"
)

// EventResults are all results.
func EventResults() []EventResult {
	return []EventResult{EventTaken, EventElsewhere, EventIrrelevant, EventUnreadable}
}

// Listens notes that events are to be received.
func (b *Board) Listens(id string) {
	b.with(id, func(i *integration) {
		if i.Events == nil {
			i.Events = &Events{Results: map[EventResult]uint64{}}
			for _, result := range EventResults() {
				i.Events.Results[result] = 0
			}
		}
	})
}

// EventHeard counts a message. Who calls it has called [Board.Listens].
func (b *Board) EventHeard(id string, result EventResult, at time.Time) {
	b.with(id, func(i *integration) {
		i.Events.Results[result]++
		i.Events.Last = at.UTC()
	})
}

// EventsFail notes why no events can be received; empty if they can. Who calls it has called [Board.Listens].
func (b *Board) EventsFail(id, why string) {
	b.with(id, func(i *integration) { i.Events.Failure = cut(why) })
}

func (e *Events) clone() *Events {
	if e == nil {
		return nil
	}
	c := *e
	c.Results = maps.Clone(e.Results)
	return &c
}
