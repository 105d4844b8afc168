package keys

import (
	"strconv"
	"time"
)

// Order is what an operator wants done about one record.
type Order struct {
	// ID is the record's.
	ID string
	// Of is the record's subscription. Who carries the order out follows from it.
	Of     Subscription
	Wanted Wanted
	// By is who gives the order, Reason is theirs in words. Neither may contain a secret.
	By, Reason string
	// Seen is the state that the operator saw; empty means any.
	Seen State
	// EvenIfInUse says that the operator knows that a customer may use the key, and that it stops working.
	EvenIfInUse bool
}

// Wanted is what an [Order] asks for.
type Wanted string

const (
	// Acknowledge: somebody has looked at the key, and it is no longer counted as something that needs somebody.
	Acknowledge Wanted = "ack"
	// Remove: the key is deleted in AWS.
	Remove Wanted = "delete"
)

// Acknowledgement says that somebody has looked at a record in its present state. Another state ends it.
type Acknowledgement struct {
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// Refusal is an order that cannot be carried out. Its text says what to do instead.
type Refusal struct {
	Why  Why
	Text string
}

// Error implements error.
func (r *Refusal) Error() string { return r.Text }

// Why sorts refusals for programs.
type Why string

const (
	// Unknown: there is no such record, or none any more.
	Unknown Why = "unknown"
	// Changed: the record is in another state than the operator saw.
	Changed Why = "changed"
	// UnderWay: the key is being made. Its state is settled within minutes.
	UnderWay Why = "under-way"
	// InUse: a customer uses the key, or may use it.
	InUse Why = "in-use"
	// Nameless: AWS's id of the key is not known.
	Nameless Why = "no-key-id"
	// NotYet: the account or region cannot be used yet, and may be at any moment.
	NotYet Why = "not-yet"
)

func refuse(why Why, text string) error { return &Refusal{why, text} }

// Gone is the answer to an order about a record that is not there.
func Gone(id string) error {
	return refuse(Unknown, "no key with the id "+id+" is in the journal, or none any more")
}

// Obey gives a record as the order leaves it in the journal, before anything is asked of AWS. Errors: a [*Refusal].
//
//	state                               acknowledge               delete
//	----------------------------------  ------------------------  -----------------------------------------------
//	intent, creating, created,          refused: it is under way, and settled by itself
//	attached, answered
//	delivered                           refused: nothing to see   only even if it is in use
//	unconfirmed                         done                      only even if it is in use
//	lost-create                         done                      refused: nothing names it to AWS
//	deleting                            done                      done: it is tried again at once
//
// Why: what a delivered or an unconfirmed key opens may be a customer's. Only APIM knows whether the subscription is
// accepted. Where the agent can ask it, it does so by itself, and an operator need not.
func (o Order) Obey(r Record, now time.Time) (Record, error) {
	switch r.State {
	case Intent, Creating, Created, Attached, Answered:
		return r, refuse(UnderWay, "the key is being made ("+string(r.State)+"): look again in a minute")
	case Delivered, Unconfirmed, Deleting, LostCreate:
	}
	if o.Seen != "" && o.Seen != r.State {
		return r, refuse(Changed, "the key is "+string(r.State)+" by now, and was "+string(o.Seen)+" when you looked: look again")
	}
	if o.Wanted == Acknowledge {
		if r.State == Delivered {
			return r, refuse(InUse, "the key is delivered and in use: there is nothing to acknowledge")
		}
		r.Acknowledged = Acknowledgement{By: o.By, Reason: o.Reason, At: now.UTC()}
		return r, nil
	}
	switch {
	case r.State == LostCreate:
		return r, refuse(Nameless, "the answer to CreateApiKey was lost, so AWS's id of this key is not known: look for "+
			strconv.Quote(r.KeyName)+" in the API Gateway console, delete it there, and acknowledge it here; with agent.keys.lookup the agent does that")
	case r.State == Delivered && !o.EvenIfInUse:
		return r, refuse(InUse, "APIM has this key, and the customer of subscription "+r.SubscriptionID+" uses it: end the "+
			"subscription in APIM, which deletes the key. If APIM does not show the subscription as accepted, delete the key "+
			"even if it is in use: whoever has it then gets 403")
	case r.State == Unconfirmed && !o.EvenIfInUse:
		return r, refuse(InUse, "the customer of subscription "+r.SubscriptionID+" may use this key: see in APIM whether the "+
			"subscription is accepted. If it is, keep the key and acknowledge it. If it is not, delete the key even if it is in "+
			"use: whoever has it then gets 403, and APIM does not learn of it")
	case r.State != Deleting:
		r = r.Become(Deleting, "deleted by "+o.By+": "+o.Reason, now)
	}
	return r, nil
}

// Become is the record in another state, as of now. What was said of the former one ends with it. A record that is in
// the state already stays in it since then.
func (r Record) Become(state State, reason string, now time.Time) Record {
	if r.State != state {
		r.Acknowledged, r.Sought, r.LastError, r.UpdatedAt = Acknowledgement{}, Sought{}, "", now
		r.AskedAt, r.Restored = time.Time{}, false
	}
	r.State, r.Reason = state, reason
	r.Contested = r.Contested && state == Unconfirmed
	return r
}

// NeedsSomebody reports whether an operator should look at the key, and none has yet. A key that is to be deleted, and
// that nothing configured reaches, needs somebody, too: only the keeper knows which.
func (r Record) NeedsSomebody() bool {
	return (r.State == Unconfirmed || r.State == LostCreate) && !r.IsAcknowledged()
}

// IsAcknowledged reports whether somebody has looked at the record in its present state.
func (r Record) IsAcknowledged() bool { return r.Acknowledged != Acknowledgement{} }
