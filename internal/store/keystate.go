package store

import "slices"

// KeyState says how far the making, or the removal, of one API key has come. The state is written down before the
// step that it announces is taken, so after a crash the state is the furthest that things can have gone.
//
//	state        written                        crash                session cut,         session cut,
//	                                                                 reply never left     reply may have left
//	-----------  -----------------------------  -------------------  -------------------  -------------------
//	intent       SUBSCRIBE taken, AWS not asked forget               forget               (cannot be)
//	creating     just before CreateApiKey       list as lost create  keep: answer is due  (cannot be)
//	             (intent again once AWS refused that attempt: nothing was made, and another may follow)
//	created      AWS gave the key's id          delete               delete               (cannot be)
//	attached     CreateUsagePlanKey succeeded   delete               delete               (cannot be)
//	answered     just before the reply's write  list as unconfirmed  delete               list as unconfirmed
//	delivered    the reply's ping was answered  keep                 keep                 keep
//	unconfirmed  delivery could not be proved   list as unconfirmed  list as unconfirmed  list as unconfirmed
//	deleting     just before DeleteApiKey       delete               delete               delete
//	lost-create  CreateApiKey's answer is lost  list as lost create  list as lost create  list as lost create
//
// Why: APIM rejects a subscription whose reply it never got (so its key must go), and may have accepted one whose
// reply was written (so its key must stay, and be listed). A key of unknown id cannot be looked up under the minimum
// policy, so a lost CreateApiKey can only be named; it is never repeated.
//
// "Reply never left" includes the reply that could not be written within APIM's 60 s.
// A record is removed once nothing is left to do or to name: its key is gone, or it was forgotten.
type KeyState string

const (
	// StateIntent is written when the SUBSCRIBE is taken up; AWS has not been asked for anything.
	StateIntent KeyState = "intent"
	// StateCreating is written just before CreateApiKey is sent, when its permit is in hand. It is apart from
	// StateIntent, to which an attempt that AWS refused leads back, so that the wait for a permit or for another attempt
	// does not turn each crash into a suspected lost create.
	StateCreating KeyState = "creating"
	// StateCreated is written when AWS gave the key's id. The key opens nothing yet.
	StateCreated KeyState = "created"
	// StateAttached is written when the key is in its usage plan: from here on it opens the API.
	StateAttached KeyState = "attached"
	// StateAnswered is written just before the reply's first byte.
	StateAnswered KeyState = "answered"
	// StateDelivered is written when the pong to the ping behind the reply came back.
	StateDelivered KeyState = "delivered"
	// StateUnconfirmed: the reply was written, its delivery was never proved; the key stays and is listed.
	StateUnconfirmed KeyState = "unconfirmed"
	// StateDeleting is written before the first DeleteApiKey and stays until AWS deleted the key or said it is gone.
	StateDeleting KeyState = "deleting"
	// StateLostCreate: CreateApiKey was sent and never answered; an unattached key may exist under KeyName.
	StateLostCreate KeyState = "lost-create"
)

// becomes gives the states that may follow s, and whether s is a state at all. A state may always be written again
// (a new reason, another try).
func (s KeyState) becomes() (next []KeyState, known bool) {
	switch s {
	case StateIntent:
		next = []KeyState{StateCreating}
	case StateCreating:
		next = []KeyState{StateIntent, StateCreated, StateLostCreate}
	case StateCreated:
		next = []KeyState{StateAttached, StateDeleting}
	case StateAttached:
		next = []KeyState{StateAnswered, StateDeleting}
	case StateAnswered:
		next = []KeyState{StateDelivered, StateUnconfirmed, StateDeleting}
	case StateDelivered:
		next = []KeyState{StateUnconfirmed, StateDeleting}
	case StateUnconfirmed:
		next = []KeyState{StateDelivered, StateDeleting}
	case StateDeleting, StateLostCreate:
	default:
		return nil, false
	}
	return next, true
}

// Valid reports whether s is one of the states above.
func (s KeyState) Valid() bool {
	_, known := s.becomes()
	return known
}

// CanBecome reports whether a record in state s may be written with state next. No step may be skipped, and
// a deletion once begun is not called off: the key may be gone already.
func (s KeyState) CanBecome(next KeyState) bool {
	allowed, known := s.becomes()
	return known && (s == next || slices.Contains(allowed, next))
}

// Advice is what an operator should do about a key in this state; empty where there is nothing to do.
func (s KeyState) Advice() string {
	switch s {
	case StateUnconfirmed:
		return "see in APIM whether the subscription is accepted; if it is not, delete the key in the API Gateway console"
	case StateLostCreate:
		return "look for it by its name in the API Gateway console and delete it"
	default:
		return ""
	}
}

// Action is what a crash leaves to be done about one key.
type Action string

const (
	// ActionForget: nothing was done in AWS; the record is removed.
	ActionForget Action = "forget"
	// ActionDelete: the key is deleted, for as long as it takes, and then the record removed.
	ActionDelete Action = "delete"
	// ActionListUnconfirmed: the key stays; the record stands in the list of unconfirmed keys.
	ActionListUnconfirmed Action = "list-unconfirmed"
	// ActionListLostCreate: the record stands in the list of lost creates.
	ActionListLostCreate Action = "list-lost-create"
	// ActionKeep: nothing is to be done now.
	ActionKeep Action = "keep"
)

// AfterCrash says what a new process has to do about a record that it finds. It looks at this record alone;
// [Resume] also knows which record replaces which.
func AfterCrash(rec KeyRecord) Action {
	switch rec.State {
	case StateIntent:
		return ActionForget
	case StateCreating, StateLostCreate:
		return ActionListLostCreate
	case StateCreated, StateAttached, StateDeleting:
		return ActionDelete
	case StateAnswered, StateUnconfirmed:
		return ActionListUnconfirmed
	case StateDelivered:
		return ActionKeep
	}
	// A state that this build does not know cannot be read into a record. Were it to happen, naming the key harms
	// nobody, while deleting it might.
	return ActionListUnconfirmed
}

// Step is what [Resume] wants done about one record.
type Step struct {
	Record KeyRecord
	Action Action
}

// Resume says, for all records that a new process finds, what to do about each, in the records' order. Beyond
// [AfterCrash] it heeds Replaces: a key is deleted once a later key of its subscription was delivered, and both are
// unconfirmed while nobody knows which of the two APIM holds.
func Resume(records []KeyRecord) []Step {
	byID := make(map[string]KeyRecord, len(records))
	for _, rec := range records {
		byID[rec.ID] = rec
	}
	superseded, doubtful := map[string]bool{}, map[string]bool{}
	for _, rec := range records {
		var mark map[string]bool
		switch rec.State {
		case StateDelivered:
			mark = superseded
		case StateAnswered, StateUnconfirmed:
			mark = doubtful
		default:
			continue
		}
		seen := map[string]bool{rec.ID: true} // a ring can only come from a damaged file; it must not hang us
		for older, ok := byID[rec.Replaces]; ok && !seen[older.ID]; older, ok = byID[older.Replaces] {
			mark[older.ID] = true
			seen[older.ID] = true
		}
	}
	steps := make([]Step, 0, len(records))
	for _, rec := range records {
		action := AfterCrash(rec)
		held := action == ActionKeep || action == ActionListUnconfirmed
		switch {
		case held && superseded[rec.ID]:
			action = ActionDelete
		case held && doubtful[rec.ID]:
			action = ActionListUnconfirmed
		}
		steps = append(steps, Step{Record: rec, Action: action})
	}
	return steps
}
