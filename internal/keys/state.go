package keys

import "slices"

// State says how far the making, or the deletion, of one API key has come. A state is written to the journal before
// the step that it announces, so after a crash it is the furthest that things can have gone. [Decide] says what
// follows from each state then.
//
//	state        written
//	-----------  -------------------------------------------------------------------------------------------
//	intent       when the SUBSCRIBE is taken up, and again when AWS refused an attempt at CreateApiKey
//	creating     just before CreateApiKey is sent, with its permit in hand
//	created      when AWS gave the key's id
//	attached     when CreateUsagePlanKey succeeded
//	answered     just before the reply is handed over
//	delivered    when the pong to the ping behind the reply came back
//	unconfirmed  when the delivery of the reply could not be proved
//	deleting     before the first DeleteApiKey
//	lost-create  when CreateApiKey was sent and its answer is lost
//
// A record is removed when nothing is left to do or to name: its key is gone, or none was made.
type State string

const (
	// Intent: AWS has not been asked for anything, or has refused.
	Intent State = "intent"
	// Creating is apart from Intent, so that a crash during the wait for a permit, or for another attempt, does not look
	// like a lost CreateApiKey.
	Creating State = "creating"
	// Created: the key exists and opens nothing yet.
	Created State = "created"
	// Attached: the key is in its usage plan, and opens the API.
	Attached State = "attached"
	// Answered: the reply may have left.
	Answered State = "answered"
	// Delivered: APIM's side has read the reply.
	Delivered State = "delivered"
	// Unconfirmed: APIM may or may not have the key. It stays, and is listed.
	Unconfirmed State = "unconfirmed"
	// Deleting stays until AWS has deleted the key or said that it is gone.
	Deleting State = "deleting"
	// LostCreate: a key that is attached to nothing may exist under the record's KeyName.
	LostCreate State = "lost-create"
)

// next gives the states that may follow s, and whether s is a state at all.
func (s State) next() (states []State, known bool) {
	switch s {
	case Intent:
		return []State{Creating}, true
	case Creating:
		return []State{Intent, Created, LostCreate}, true
	case Created:
		return []State{Attached, Deleting}, true
	case Attached:
		return []State{Answered, Deleting}, true
	case Answered:
		return []State{Delivered, Unconfirmed, Deleting}, true
	case Delivered:
		return []State{Unconfirmed, Deleting}, true
	case Unconfirmed:
		return []State{Delivered, Deleting}, true
	case Deleting, LostCreate:
		return nil, true
	default:
		return nil, false
	}
}

// Valid reports whether s is one of the states above.
func (s State) Valid() bool {
	_, known := s.next()
	return known
}

// CanBecome reports whether a record in state s may be written with state next. A state may be written again (another
// reason, another try). No step may be skipped, and a deletion is never called off: the key may be gone already.
func (s State) CanBecome(next State) bool {
	allowed, known := s.next()
	return known && (s == next || slices.Contains(allowed, next))
}

// Held reports whether APIM has the subscription's key, or may have it.
func (s State) Held() bool {
	return s == Answered || s == Delivered || s == Unconfirmed
}

// Advice is what an operator should do about a key in this state; empty where there is nothing to do.
func (s State) Advice() string {
	switch s {
	case Unconfirmed:
		return "see in APIM whether the subscription is accepted; if it is, acknowledge the key (federation-agent keys ack), " +
			"if it is not, delete it (federation-agent keys delete)"
	case LostCreate:
		return "look for it by its name in the API Gateway console, delete it there, and acknowledge it here (federation-agent " +
			"keys ack)"
	default:
		return ""
	}
}

// Unfinished reports whether a key of a subscription is being made or deleted, so that somebody must go on with it.
func Unfinished(records []Record) bool {
	return slices.ContainsFunc(records, func(r Record) bool {
		return r.State != Delivered && r.State != Unconfirmed && r.State != LostCreate
	})
}

// AnsweredSince reports whether a key of a subscription was answered with since its records were as before, and nobody
// waits for that answer's fate any more.
func AnsweredSince(before, now []Record) bool {
	return slices.ContainsFunc(now, func(r Record) bool { return r.settled() && !settledIn(before, r.ID) })
}

// Contested gives those of a subscription's records whose answers may lose to the refusal of another SUBSCRIBE, which was
// taken up when they were as before: whether APIM has read them is not known, or was not known then. Where that one is
// refused already, or its session was lost, not even a proof says that they came first. Each is contested
// ([Record.Contested]), but not yet in its next state.
func Contested(before, now []Record, refused bool) (all []Record) {
	for _, r := range now {
		late := r.State == Unconfirmed || refused && r.State == Delivered
		doubtful := r.State == Answered || late && !settledIn(before, r.ID)
		if doubtful && !r.Contested {
			r.Contested = true
			all = append(all, r)
		}
	}
	return all
}

func (r Record) settled() bool { return r.State == Delivered || r.State == Unconfirmed }

func settledIn(records []Record, id string) bool {
	return slices.ContainsFunc(records, func(r Record) bool { return r.ID == id && r.settled() })
}

// Announces reports whether a step outside follows the writing of a state, that a process which may be gone must not
// take.
func (s State) Announces() bool { return s == Intent || s == Creating || s == Answered }

// Makes reports whether a key in this state is on its way to APIM.
func (s State) Makes() bool {
	return s == Intent || s == Creating || s == Created || s == Attached || s == Answered
}
