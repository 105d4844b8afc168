package store

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// KeyRecord is one making of an API key, from the SUBSCRIBE that asked for it to the key's end. It never holds the
// key's value.
type KeyRecord struct {
	// ID is made by the caller, one for each making of a key. A repeated SUBSCRIBE makes another record.
	ID string `json:"id"`
	// Integration is the integration whose session asked.
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
	// KeyName is the name that the key was asked for: all that is known of a lost create.
	KeyName string `json:"keyName"`
	// KeyID is AWS's id of the key, empty until AWS gave it.
	KeyID string `json:"keyId,omitempty"`
	// Replaces is the ID of the record whose key this one takes the place of, where the same SUBSCRIBE came again.
	Replaces string   `json:"replaces,omitempty"`
	State    KeyState `json:"state"`
	// CommandID is the id of the SUBSCRIBE command.
	CommandID string `json:"commandId,omitempty"`
	// CreatedAt and UpdatedAt are the caller's wall clock. They are read back in UTC.
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	// Reason says in words why the record is in its state, for lists that operators read. No secret belongs in it.
	Reason string `json:"reason,omitempty"`
}

// Filter chooses records; an empty field chooses all.
type Filter struct {
	Integration, Account, Region, SubscriptionID string
	States                                       []KeyState
}

func (f Filter) matches(rec KeyRecord) bool {
	return (f.Integration == "" || f.Integration == rec.Integration) &&
		(f.Account == "" || f.Account == rec.Account) &&
		(f.Region == "" || f.Region == rec.Region) &&
		(f.SubscriptionID == "" || f.SubscriptionID == rec.SubscriptionID) &&
		(len(f.States) == 0 || slices.Contains(f.States, rec.State))
}

// KeyJournal is written before each step of making or deleting a key, so that a crash leaves no key that nobody knows.
// It does not promise that this process is the only one that writes.
type KeyJournal interface {
	// Put writes a record, new or changed. When it returns nil the record outlives the process, or the store's health
	// says that it cannot promise that. Errors: [ErrInvalid], [ErrTransition], [ErrFenced], [ErrClosed]; after any of
	// them the step that the record announces must not be taken.
	Put(KeyRecord) error
	// Remove forgets a record; one that is not there is no error. Durable as Put is.
	Remove(id string) error
	// Records gives copies of the records that the filter chooses, oldest CreatedAt first, then by ID. Each was current
	// when it was read.
	Records(Filter) ([]KeyRecord, error)
}

// Put implements [KeyJournal].
func (s *FileStore) Put(rec KeyRecord) error {
	return s.write(durable, func(st *state) ([]Change, error) {
		if err := checkID(tableKeys, rec.Integration); err != nil {
			return nil, err
		}
		if before, ok := st.keys.get(rec.ID); ok && !before.State.CanBecome(rec.State) {
			return nil, fmt.Errorf("%w: key record %s is %s and cannot become %s",
				ErrTransition, rec.ID, before.State, rec.State)
		}
		rec.CreatedAt, rec.UpdatedAt = rec.CreatedAt.UTC(), rec.UpdatedAt.UTC()
		return st.keys.set(rec, rec.ID)
	})
}

// Remove implements [KeyJournal].
func (s *FileStore) Remove(id string) error {
	return s.write(durable, func(st *state) ([]Change, error) { return st.keys.remove(id), nil })
}

// Records implements [KeyJournal].
func (s *FileStore) Records(filter Filter) ([]KeyRecord, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []KeyRecord
	for _, rec := range s.state.keys.byKey {
		if filter.matches(rec) {
			found = append(found, rec)
		}
	}
	sortRecords(found)
	return found, nil
}

func sortRecords(records []KeyRecord) {
	slices.SortFunc(records, func(a, b KeyRecord) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
}
