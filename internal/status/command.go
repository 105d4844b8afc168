package status

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// FailuresKept is how many failed commands of an integration are kept: what a page shows without a search.
const FailuresKept = 20

// Command is a kind of command from APIM and its outcome.
type Command struct {
	Type    string  `json:"type"`
	Outcome Outcome `json:"outcome"`
}

// Unreadable is the [Command.Type] of all messages that could not be read.
const Unreadable = "unreadable"

// CommandTypes are the types of the commands that are served.
func CommandTypes() []string {
	return []string{"DISCOVER", "FETCH", "START_INGEST", "SUBSCRIBE", "UNSUBSCRIBE"}
}

// Outcome is the result of a command.
type Outcome string

// The outcomes.
const (
	Succeeded Outcome = "succeeded"
	// Refused: it was answered ERROR.
	Refused Outcome = "error"
	// Unanswered: its session was gone before there was an answer, or it could not be read.
	Unanswered Outcome = "unanswered"
)

// Outcomes are all outcomes of a command that could be read.
func Outcomes() []Outcome { return []Outcome{Succeeded, Refused, Unanswered} }

// Commands is what is noted of an integration's commands.
type Commands struct {
	Counts map[Command]uint64 `json:"-"`
	// Open are those without an answer, by type.
	Open map[string]int `json:"openCommands,omitempty"`
	// Took is how long they took, by type. Those that were refused before they were served are not in it.
	Took map[string]*Histogram `json:"-"`
	// Failures are the last [FailuresKept] that did not succeed, the newest first.
	Failures []FailedCommand `json:"failedCommands"`
	// Subscriptions are the failures of those that make keys and end them.
	Subscriptions SubscriptionFailures `json:"-"`
}

// SubscriptionFailures are the SUBSCRIBEs and UNSUBSCRIBEs of the last hour that did not succeed. They are counted apart:
// other commands that fail push them out of [Commands.Failures].
type SubscriptionFailures struct {
	// Last is the newest, whenever that was.
	Last FailedCommand
	// Minutes are the last of them, the oldest first; minutes without one are left out.
	Minutes []FailedMinute
}

// FailedMinute is how many failed in the minute that began then.
type FailedMinute struct {
	At time.Time
	N  int
}

// Since is how many there were since then, which is an hour ago at most, to the minute.
func (f SubscriptionFailures) Since(begin time.Time) (n int) {
	for _, m := range f.Minutes {
		if m.At.Add(time.Minute).After(begin) {
			n += m.N
		}
	}
	return n
}

func (f *SubscriptionFailures) add(c FailedCommand) {
	f.Last = c
	at := c.At.Truncate(time.Minute)
	if last := len(f.Minutes) - 1; last < 0 || f.Minutes[last].At.Before(at) {
		if len(f.Minutes) > MinutesKept { // an hour touches one more
			f.Minutes = slices.Delete(f.Minutes, 0, 1)
		}
		f.Minutes = append(f.Minutes, FailedMinute{At: at})
	}
	f.Minutes[len(f.Minutes)-1].N++ // a clock that was put back goes on with the newest
}

// FailedCommand is a command that did not succeed.
type FailedCommand struct {
	Command
	// ID is the command's id, as APIM chose it.
	ID string    `json:"id"`
	At time.Time `json:"at"`
	// Subscription, API and Job are what the command names, as far as it does.
	Subscription string `json:"subscription,omitempty"`
	API          string `json:"api,omitempty"`
	Job          string `json:"job,omitempty"`
	// Reason is what APIM was answered, or why it was not.
	Reason string `json:"reason"`
}

// Opened notes a command that is to be answered.
func (b *Board) Opened(id, commandType string) {
	b.with(id, func(i *integration) {
		if i.Open == nil {
			i.Open = map[string]int{}
		}
		i.Open[commandType]++
	})
}

// Answered notes the end of a command that was [Board.Opened]: it had its one answer, or will have none.
func (b *Board) Answered(id string, c FailedCommand, took time.Duration) {
	b.with(id, func(i *integration) {
		if i.Open[c.Type] > 0 {
			i.Open[c.Type]--
		}
		if i.Took == nil {
			i.Took = map[string]*Histogram{}
		}
		i.Took[c.Type] = i.Took[c.Type].with(commandBounds, took)
		i.note(c)
	})
}

// TurnedAway notes a command that was answered, or could not be, before it was opened.
func (b *Board) TurnedAway(id string, c FailedCommand) {
	b.with(id, func(i *integration) { i.note(c) })
}

// note counts a command, and keeps one that failed. What cannot be read names nothing that could be shown.
func (c *Commands) note(f FailedCommand) {
	add(&c.Counts, f.Command)
	if f.Outcome == Succeeded || f.Type == Unreadable {
		return
	}
	f.At = f.At.UTC()
	for _, text := range []*string{&f.ID, &f.Subscription, &f.API, &f.Job, &f.Reason} {
		*text = cut(*text)
	}
	if strings.HasSuffix(f.Type, "SUBSCRIBE") {
		c.Subscriptions.add(f)
	}
	c.Failures = slices.Insert(c.Failures[:min(len(c.Failures), FailuresKept-1)], 0, f)
}

func (c Commands) clone() Commands {
	c.Counts, c.Open, c.Took = maps.Clone(c.Counts), maps.Clone(c.Open), maps.Clone(c.Took)
	for kind, took := range c.Took {
		c.Took[kind] = took.clone()
	}
	c.Failures = append([]FailedCommand{}, c.Failures...)
	c.Subscriptions.Minutes = slices.Clone(c.Subscriptions.Minutes)
	return c
}
