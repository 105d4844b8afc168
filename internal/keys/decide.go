package keys

import (
	"cmp"
	"slices"
	"time"
)

// Action is what is to be done about one record.
type Action string

const (
	// Forget: nothing was made in AWS; the record is removed.
	Forget Action = "forget"
	// Delete: the key is deleted, for as long as it takes, and then the record removed.
	Delete Action = "delete"
	// ListUnconfirmed: the key stays, and becomes [Unconfirmed].
	ListUnconfirmed Action = "list-unconfirmed"
	// ListLostCreate: the record becomes [LostCreate].
	ListLostCreate Action = "list-lost-create"
)

// Step is one thing to do about one record.
type Step struct {
	Record Record
	Action Action
	// Reason is what the record says then.
	Reason string
}

// Noted is the record as the step leaves it in the journal, before anything is asked of AWS; it is forgotten where keep
// is false.
func (s Step) Noted(now time.Time) (r Record, keep bool) {
	switch s.Action {
	case Delete:
		return s.Record.Become(Deleting, s.Reason, now), true
	case ListUnconfirmed:
		return s.Record.Become(Unconfirmed, s.Reason, now), true
	case ListLostCreate:
		return s.Record.Become(LostCreate, s.Reason, now), true
	case Forget:
	}
	return s.Record, false
}

// Decide says what is to be done about the records of a subscription for which nothing is under way: at the start
// of a process, when an answer's fate is known and written down, and at every sweep. Records of several
// subscriptions may be given at once. Steps come in the order of their records, the oldest first; a record that is
// as it should be has none.
//
// A later record is one of the same subscription that [Compare] puts behind. Of the later ones, those count that
// APIM has, or may have: one that is delivered, else one that is answered or unconfirmed.
//
//	             no later one counts  one is in doubt      one is delivered
//	state        (or there is none)   (answered, unconf.)  (whatever else is)
//	-----------  -------------------  -------------------  ------------------
//	intent       forget
//	creating     list lost create     list lost create     list lost create
//	lost-create  none: it is listed   none
//	created      delete
//	attached     delete
//	deleting     delete
//	answered     list unconfirmed     list unconfirmed     delete
//	unconfirmed  none: it is listed   none                 delete
//	delivered    none: it is in use   list unconfirmed     delete
//	restored     none: it is listed   none                 delete, if that one is not restored itself
//
// Restored is any state with [Record.Restored], but lost-create: it is never deleted on what an old table says.
//
// Why: APIM rejects a subscription if it never got the reply, so the key must go. It may have accepted one if the reply
// was written, so the key must stay and be listed. A later key that was proved delivered has taken the place of the
// earlier ones. While its delivery is in doubt, APIM may have any of them. A key of unknown id cannot be looked up
// under the minimum policy, so a lost CreateApiKey can only be named.
func Decide(records []Record) []Step {
	ordered := slices.SortedFunc(slices.Values(records), Compare)
	newer := map[Subscription]later{}
	var steps []Step
	for _, r := range slices.Backward(ordered) {
		since := newer[r.Subscription()]
		if action, reason := decide(r, since); action != "" {
			steps = append(steps, Step{Record: r, Action: action, Reason: reason})
		}
		newer[r.Subscription()] = since.with(r)
	}
	slices.Reverse(steps)
	return steps
}

// later is what is known of the records behind one.
type later struct {
	// delivered is the newest of those that were delivered; nil if none was.
	delivered *Record
	// doubtful: the delivery of one could not be proved, or not yet.
	doubtful bool
}

func (l later) with(r Record) later {
	switch r.State {
	case Delivered:
		l.delivered = cmp.Or(l.delivered, &r)
	case Answered, Unconfirmed:
		l.doubtful = true
	default: // APIM cannot have it
	}
	return l
}

func decide(r Record, since later) (action Action, reason string) {
	if r.Restored && (!r.State.Held() || since.delivered == nil || since.delivered.Restored) {
		return "", ""
	}
	switch {
	case r.State == Intent:
		return Forget, ""
	case r.State == Creating:
		return ListLostCreate, "the agent ended before AWS answered"
	case r.State == Created, r.State == Attached, r.State == Deleting:
		return Delete, cmp.Or(r.Reason, "its making was interrupted")
	case r.State.Held() && since.delivered != nil:
		return Delete, "replaced by key " + since.delivered.KeyID
	case r.State == Answered, r.State == Delivered && since.doubtful:
		return ListUnconfirmed, "the delivery of its answer could not be proved"
	default:
		return "", ""
	}
}
