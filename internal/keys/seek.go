package keys

import (
	"strings"
	"time"
)

const (
	// firstLook is when a lost create is looked for first: a CreateApiKey that was sent is over by then, and what AWS made
	// shows in its lists.
	firstLook = 2 * time.Minute
	// missingOnce and missingTwice are the times until the next look at a key that AWS does not list: its lists need not
	// be up to date at once.
	missingOnce, missingTwice = 15 * time.Minute, time.Hour
	// lookAgain is when a key that AWS lists is looked at again: somebody may have deleted it.
	lookAgain = 24 * time.Hour
	// missingForGood is how many looks in a row must not find a key. With the times above, they take more than an hour.
	missingForGood = 3
	// lookOverdue is how long after its time a look may begin: after one that failed there is none for ten minutes, and a
	// few begin every half minute.
	lookOverdue = 30 * time.Minute
)

// Sought is what came of looking for a record's key in AWS by its name.
type Sought struct {
	// At is when it was looked for last.
	At time.Time `json:"at"`
	// Missing is in how many looks in a row AWS did not list it.
	Missing int `json:"missing,omitempty"`
	// Deleted is when a key was found and deleted last; zero if none was.
	Deleted time.Time `json:"deleted,omitzero"`
}

// SeekAt is when the key should be looked for in AWS, if that is allowed. Of an unconfirmed key, its end is looked for:
// whether APIM has it, AWS does not know. What somebody has acknowledged as in use is left alone. A key whose name is
// not known is not sought, nor is one of a restored table: it may be in use since.
func (r Record) SeekAt() (at time.Time, seek bool) {
	switch {
	case r.State == LostCreate && (r.Restored || strings.HasPrefix(r.KeyName, unknownApplication)):
		return at, false
	case r.State != LostCreate && (r.State != Unconfirmed || r.IsAcknowledged()):
		return at, false
	case r.Sought.Missing == 1:
		return r.Sought.At.Add(missingOnce), true
	case r.Sought.Missing > 1:
		return r.Sought.At.Add(missingTwice), true
	case !r.Sought.At.IsZero():
		return r.Sought.At.Add(lookAgain), true
	case r.State == Unconfirmed:
		return r.UpdatedAt.Add(lookAgain), true
	}
	return r.UpdatedAt.Add(firstLook), true
}

// NothingToDo begins an advice where the agent does what is to be done. What it does follows.
const NothingToDo = "nothing: "

// Advice is what an operator should do about the key; empty where there is nothing to do. Alone says that the agent
// does it, because it may look there.
func (r Record) Advice(looks Looks, now time.Time) (do string, alone bool) {
	if r.Restored && r.State == LostCreate {
		return restoredAdvice, false
	}
	if r.State == Unconfirmed && looks.APIM {
		return r.asking(now)
	}
	at, seek := r.SeekAt()
	by := r.State.Advice()
	switch {
	case r.State != LostCreate || !looks.AWS || !seek:
		return by, false
	case r.LastError != "":
		return "the agent could not look for it by its name (" + r.LastError + "): mend that, or " + by, false
	case now.After(at.Add(lookOverdue)):
		return "the agent should have looked for it by its name, and has not: see whether the key's account and region is " +
			"configured and can be used, or " + by, false
	case !r.Sought.At.IsZero() && r.Sought.Missing == 0:
		return "the agent has found a key of this name that another subscription may have, and leaves it alone: " + by, false
	case !r.Sought.Deleted.IsZero() && r.Sought.Missing > 0:
		further := "two further looks show"
		if r.Sought.Missing > 1 {
			further = "one further look shows"
		}
		return NothingToDo + "a key of this name was found and deleted at " + r.Sought.Deleted.UTC().Format(time.DateTime) +
			" UTC; it is listed until " + further + " none (agent.keys.lookup)", true
	default:
		return NothingToDo + "the agent looks for it by its name (agent.keys.lookup), deletes what AWS made, and then lists it no " +
			"longer", true
	}
}

// unknownApplication begins the name of a key of which nobody knows how it was made.
const unknownApplication = "* / "

// UnknownName is the name of a key of a subscription of which nobody knows how it was made.
func UnknownName(subscription string) string { return unknownApplication + subscription }

// Listed is a key as AWS lists it.
type Listed struct {
	ID, Name string
	// Making is the id of the record that it was made for; empty for a key of an earlier version of the agent, or of
	// somebody else.
	Making string
}

// Found says what follows from the keys that AWS lists under a record's name, and gives the record after this look.
//
//	state        AWS lists                             what follows
//	-----------  ------------------------------------  --------------------------------------------------------------
//	lost-create  keys that were made for this record   they are deleted, and looked for again
//	lost-create  keys that may be this record's        it stays listed: another agent's subscription may have them
//	lost-create  none of these                         missing
//	unconfirmed  the key                               nothing
//	unconfirmed  not the key                           missing
//
// A key that was missing in three looks is settled: there is none. No lost create was ever attached to a plan or told to
// APIM, as nobody has its id. So a key that was made for it can be deleted.
func (r Record) Found(listed []Listed, now time.Time) (next Record, remove []Listed, settled bool) {
	next, maybe := r, false
	for _, k := range listed {
		switch {
		case r.State == Unconfirmed:
			maybe = maybe || k.ID == r.KeyID
		case k.Name != r.KeyName: // a longer name that begins so
		case k.Making == r.ID:
			remove = append(remove, k)
		case k.Making == "":
			maybe = true
		}
	}
	next.Sought.At, next.LastError = now.UTC(), ""
	next.Sought.Missing++
	switch {
	case len(remove) > 0:
		next.Sought.Deleted = next.Sought.At
		next.Sought.Missing = 1 // so that it is looked for again soon, and not settled by this look
	case maybe:
		next.Sought.Missing = 0
	}
	return next, remove, next.Sought.Missing >= missingForGood
}
