package keys

import "time"

// restoredAdvice is what an operator should do about a key without an id of a restored table.
const restoredAdvice = "see in APIM whether the subscription is accepted; if it is, a key of this name may be its: acknowledge " +
	"it (federation-agent keys ack); if it is not, delete the key in the API Gateway console, and acknowledge it here"

// Restore is a record of a table that was restored, or copied while an agent may have gone on. Then its state is not the
// furthest that things can have gone: a key that is attached here may be delivered since.
//
//	state                               becomes      why
//	----------------------------------  -----------  ------------------------------------------------------------
//	delivered                           the same     APIM had it, and nothing is done about it
//	unconfirmed                         the same     it is listed
//	created, attached, answered,        unconfirmed  APIM may have it by now, and a copy may be another agent's
//	deleting
//	intent, creating, lost-create       lost-create  the same, of a key without an id: it is listed by its name
//
// None of them is deleted before APIM, an operator, or a later key of the subscription says so ([Decide]).
func (r Record) Restore(now time.Time) Record {
	state := r.State
	switch r.State {
	case Created, Attached, Answered, Deleting:
		state = Unconfirmed
	case Intent, Creating:
		state = LostCreate
	case Delivered, Unconfirmed, LostCreate:
	}
	if state != r.State {
		r = r.Become(state, "from a restored table: there it was "+string(r.State), now)
	}
	r.Restored = true
	return r
}
