// Package keys is what a key's record says and what follows from it: states, transitions, and the one decision
// about the records of a subscription. It is pure: no clock, no disk, no AWS.
package keys

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Record is one making of an API key, from the SUBSCRIBE that asked for it to the key's end. It never holds the key's
// value. A repeated SUBSCRIBE makes another record.
type Record struct {
	// ID is made by the caller.
	ID string `json:"id"`
	// Integration is the integration that the SUBSCRIBE came to.
	Integration string `json:"integration"`
	// Account and Region say where the key is.
	Account string `json:"account"`
	Region  string `json:"region"`
	// SubscriptionID is APIM's id of the subscription.
	SubscriptionID string `json:"subscriptionId"`
	// APIID is the federated API's id, as SUBSCRIBE named it.
	APIID string `json:"apiId"`
	// UsagePlanID is the AWS usage plan that the key is, or was to be, attached to.
	UsagePlanID string `json:"usagePlanId"`
	// KeyName is the name that the key was asked for: all that is known of a key in state lost-create.
	KeyName string `json:"keyName"`
	// KeyID is AWS's id of the key, empty until AWS gave it.
	KeyID string `json:"keyId,omitempty"`
	State State  `json:"state"`
	// CommandID is the id of the SUBSCRIBE command.
	CommandID string `json:"commandId,omitempty"`
	// CreatedAt orders the records of a subscription; see [After] and [Before]. Like UpdatedAt it is the caller's wall
	// clock, and is read back in UTC.
	CreatedAt time.Time `json:"createdAt"`
	// UpdatedAt is since when the record is in its state: another error, reason or acknowledgement does not move it.
	UpdatedAt time.Time `json:"updatedAt"`
	// Reason says in words why the record is in its state, for lists that operators read. No secret belongs in it.
	Reason string `json:"reason,omitempty"`
	// LastError is why the key could not be deleted, looked for, or settled by APIM's answer, the last time, in words.
	// Another state ends it.
	LastError string `json:"lastError,omitempty"`
	// Acknowledged says who has looked at the record in its present state.
	Acknowledged Acknowledgement `json:"acknowledged,omitzero"`
	// Sought says what came of looking for the key in its present state.
	Sought Sought `json:"sought,omitzero"`
	// AskedAt is when APIM was asked last what became of the key, and settled nothing; zero if it was not.
	AskedAt time.Time `json:"askedAt,omitzero"`
	// Restored: the record is as it was when the journal's table was copied or saved, and was not settled then. What became
	// of the key since, nobody knows; see [Record.Restore]. Another state ends it.
	Restored bool `json:"restored,omitempty"`
	// Contested: another SUBSCRIBE of the subscription was refused, or its session was lost, before it was known that APIM had
	// read this key. It may have rejected the subscription by then, and have thrown the key away, though it has read it. So
	// the record is [Unconfirmed], and no later proof of delivery counts. Another state ends it.
	Contested bool `json:"contested,omitempty"`
}

// maxExamples is how many keys a log line names: enough to begin with, and the status page has all of them.
const maxExamples = 5

// Examples names the first of some keys in words.
func Examples(records []Record) []string {
	var named []string
	for _, r := range records[:min(len(records), maxExamples)] {
		named = append(named, "key "+strconv.Quote(r.KeyID)+", "+strconv.Quote(r.KeyName)+", "+r.Account+":"+r.Region+
			", subscription "+r.SubscriptionID+", integration "+r.Integration+": "+r.Reason)
	}
	return named
}

// Subscription identifies the subscription of a record. Records of two of them never touch each other.
type Subscription struct{ Integration, Account, Region, ID string }

// Subscription is the subscription that the record's key is for.
func (r Record) Subscription() Subscription {
	return Subscription{Integration: r.Integration, Account: r.Account, Region: r.Region, ID: r.SubscriptionID}
}

// Record is a record of a key of the subscription, with no more than its id.
func (s Subscription) Record(id string) Record {
	return Record{ID: id, Integration: s.Integration, Account: s.Account, Region: s.Region, SubscriptionID: s.ID}
}

// Place is where the subscription's keys are.
func (s Subscription) Place() Place {
	return Place{Integration: s.Integration, Account: s.Account, Region: s.Region}
}

// Subscription is one of the place's.
func (p Place) Subscription(id string) Subscription {
	return Subscription{Integration: p.Integration, Account: p.Account, Region: p.Region, ID: id}
}

// Compare orders records from the oldest to the newest.
func Compare(a, b Record) int {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
}

// After gives the CreatedAt of a record that is newer than all of these: now, or just behind the newest of them
// where the wall clock was put back.
func After(records []Record, now time.Time) time.Time {
	for _, r := range records {
		if !now.After(r.CreatedAt) {
			now = r.CreatedAt.Add(time.Nanosecond)
		}
	}
	return now
}

// Before gives those of the found records that must be written again to be older than all of ours, whatever the
// clocks said: an earlier process made them, and ours were made before this one knew of them.
func Before(found, ours []Record) []Record {
	first := map[Subscription]time.Time{}
	for _, r := range ours {
		if at, known := first[r.Subscription()]; !known || r.CreatedAt.Before(at) {
			first[r.Subscription()] = r.CreatedAt
		}
	}
	var moved []Record
	for _, r := range slices.Backward(slices.SortedFunc(slices.Values(found), Compare)) {
		if at, known := first[r.Subscription()]; known && !r.CreatedAt.Before(at) {
			r.CreatedAt = at.Add(-time.Nanosecond)
			first[r.Subscription()] = r.CreatedAt
			moved = append(moved, r)
		}
	}
	return moved
}
