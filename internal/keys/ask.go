package keys

import "time"

const (
	// firstAsk is when APIM is asked first: it stores a subscription only after it has read the answer.
	firstAsk = 2 * time.Minute
	// askAgain is when it is asked again, for as long as what it tells settles nothing.
	askAgain = 10 * time.Minute
)

// Told is what APIM tells of a subscription.
type Told struct {
	// Status is its state, as APIM names it. Empty: APIM has the API, of this integration, and in it no such subscription.
	Status string
	// KeyID is AWS's id of the key that APIM has for it, which SUBSCRIBE was answered with; empty if its metadata name none.
	KeyID string
}

// AskAt is when APIM should be asked what became of a subscription with these records, if it can be asked. One answer
// is for all that are unconfirmed, so the newest of them must be old enough. A key that somebody has acknowledged is
// settled, too: its acknowledgement ends with its state.
func AskAt(records []Record) (at time.Time, ask bool) {
	for _, r := range records {
		if r.State != Unconfirmed {
			continue
		}
		ask = true
		for _, due := range []time.Time{r.UpdatedAt.Add(firstAsk), r.AskedAt.Add(askAgain)} {
			if due.After(at) {
				at = due
			}
		}
	}
	return at, ask
}

// Told gives an unconfirmed record after APIM's answer.
//
//	APIM has the subscription as      its metadata name   what follows
//	--------------------------------  ------------------  ------------------------------------------
//	ACCEPTED, PAUSED                  this key            delivered
//	ACCEPTED, PAUSED                  another key         this key is deleted: APIM has another
//	ACCEPTED, PAUSED                  none                it stays unconfirmed: nobody can tell
//	REJECTED, CLOSED                  any                 it is deleted
//	PENDING, or a state not known     any                 it stays unconfirmed, and is asked about again
//	no such one, and it has the API                       it is deleted
//
// What is no answer, such as an API that is not there, settles nothing: see [Record.Untold].
func (r Record) Told(t Told, now time.Time) Record {
	switch t.Status {
	case "ACCEPTED", "PAUSED":
		switch t.KeyID {
		case "":
			return r.Untold("APIM has the subscription as "+t.Status+", and its metadata name no key", now)
		case r.KeyID:
			return r.Become(Delivered, "APIM has the subscription as "+t.Status+", with this key", now)
		}
		return r.Become(Deleting, "APIM has the subscription as "+t.Status+", with another key", now)
	case "REJECTED", "CLOSED":
		return r.Become(Deleting, "APIM has the subscription as "+t.Status, now)
	case "":
		return r.Become(Deleting, "APIM has the API, and no such subscription", now)
	case "PENDING":
		return r.Untold("APIM has the subscription as PENDING", now)
	}
	return r.Untold("APIM has the subscription in a state that the agent does not know", now)
}

// Untold is the record after a question that has settled nothing, and why. A wrong address, token or environment must
// never have a key deleted.
func (r Record) Untold(why string, now time.Time) Record {
	r.AskedAt, r.LastError = now.UTC(), why
	return r
}

// Looks is where the agent may look for what became of keys.
type Looks struct {
	// AWS: keys may be looked for there by their names (agent.keys.lookup).
	AWS bool
	// APIM: it may be asked for subscriptions (agent.apim.url).
	APIM bool
}

// asking is the advice about an unconfirmed key where APIM can be asked.
func (r Record) asking(now time.Time) (do string, alone bool) {
	by := r.State.Advice()
	at, _ := AskAt([]Record{r})
	switch {
	case r.LastError != "":
		return "the agent asks APIM for the subscription's state every ten minutes, and could not settle the key yet (" +
			r.LastError + "): mend that, or " + by, false
	case now.After(at.Add(lookOverdue)):
		return "the agent should have asked APIM for the subscription's state, and has not: see whether the key's " +
			"integration, account and region is configured and can be used, or " + by, false
	}
	return "nothing: the agent asks APIM for the subscription's state (agent.apim.url), and keeps the key or deletes it", true
}
