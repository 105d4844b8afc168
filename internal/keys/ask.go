package keys

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

const (
	// firstAsk is when APIM is asked first: it stores a subscription only after it has read the answer.
	firstAsk = 2 * time.Minute
	// askAgain is when it is asked again, for as long as what it tells settles nothing.
	askAgain = 10 * time.Minute
)

// Told is what APIM tells of a subscription. It reads both at one moment, which may be a while ago.
type Told struct {
	// Status is its state, as APIM names it.
	Status string
	// KeyID is AWS's id of the key in its metadata, empty if they name none. APIM takes the metadata from the first answer
	// to SUBSCRIBE that it accepts, and adds the key of each later one beside it (AcceptSubscriptionDomainService, alike in
	// 4.5, 4.9 and 4.12).
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

// Settles gives the unconfirmed ones of a subscription's records after APIM's answer. Records are all that the journal
// has of it.
//
//	APIM has the subscription as  its metadata name  a later key is in doubt  what follows
//	----------------------------  -----------------  -----------------------  ---------------------------------------
//	ACCEPTED, PAUSED              this key           no                       delivered
//	ACCEPTED, PAUSED              this key           yes                      it stays unconfirmed, and so does that one
//	ACCEPTED, PAUSED              another key, none  any                      it stays unconfirmed
//	REJECTED, CLOSED              any                any                      it is deleted
//	PENDING, or unknown           any                any                      it stays unconfirmed
//
// One that is delivered has taken the place of earlier ones, which [Decide] has deleted.
//
// Why: APIM accepts no answer for a subscription that is REJECTED or CLOSED, so neither state is left for the key's sake.
// But metadata that name another key do not say that APIM does not show this one to a customer, and people can edit them.
// What stays is asked about again: an operator's word about one key may settle the others.
func (t Told) Settles(records []Record, now time.Time) (after []Record) {
	doubtful := false // a later one
	for _, r := range slices.Backward(slices.SortedFunc(slices.Values(records), Compare)) {
		if r.State == Unconfirmed {
			after = append(after, t.settles(r, doubtful, now))
		}
		doubtful = doubtful || r.State == Answered || r.State == Unconfirmed
	}
	slices.Reverse(after)
	return after
}

func (t Told) settles(r Record, laterInDoubt bool, now time.Time) Record {
	is := "APIM has the subscription as " + t.Status
	switch t.Status {
	case "ACCEPTED", "PAUSED":
		switch {
		case t.KeyID == "":
			return r.Untold(is+", and its metadata name no key", now)
		case t.KeyID != r.KeyID:
			return r.Untold(is+", and its metadata name another key; it may have this one, too", now)
		case laterInDoubt:
			return r.Untold(is+", with this key; it may have a later one, too", now)
		}
		return r.Become(Delivered, is+", with this key", now)
	case "REJECTED", "CLOSED":
		return r.Become(Deleting, is, now)
	case "PENDING":
		return r.Untold(is, now)
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
	return NothingToDo + "the agent asks APIM for the subscription's state (agent.apim.url), and keeps the key or deletes it", true
}

// ToAsk is the subscriptions of these records about which APIM is to be asked, those first that have waited longest: so
// that those that it cannot tell about keep nobody from the others.
func ToAsk(records []Record, now time.Time) []Subscription {
	of, since := map[Subscription][]Record{}, map[Subscription]time.Time{}
	for _, r := range records {
		if r.State == Unconfirmed {
			of[r.Subscription()] = append(of[r.Subscription()], r)
		}
	}
	for subscription, records := range of {
		if at, ask := AskAt(records); ask && !now.Before(at) {
			since[subscription] = at
		}
	}
	return slices.SortedFunc(maps.Keys(since), func(a, b Subscription) int {
		return cmp.Or(since[a].Compare(since[b]), cmp.Compare(a.ID, b.ID))
	})
}

// AfterAsking gives the unconfirmed records as they are after a question to APIM, which may have failed.
func AfterAsking(records []Record, told Told, asking error, now time.Time) (all []Record) {
	if asking == nil {
		return told.Settles(records, now)
	}
	for _, r := range records {
		if r.State == Unconfirmed {
			all = append(all, r.Untold(asking.Error(), now))
		}
	}
	return all
}
