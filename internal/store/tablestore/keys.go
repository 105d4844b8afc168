package tablestore

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
	"federation-agent/internal/table"
)

// How an entry stands in the table. Its partition is [partitionKeys] and its sort key the subscription. The attributes:
//
//	v, token, owner   the version of its last write, and who makes or deletes the keys
//	open              there while something is left to do, or to see: the entry is in the index then
//	k.ID.FIELD        a field of the record ID; one that is empty is absent
//
// Fields and states that this version does not know stay as they are: an entry is changed field by field.
const (
	partitionKeys = "keys"
	openKeys      = "keys"

	attributeVersion = "v"
	attributeToken   = "token"
	attributeOwner   = "owner"
	recordPrefix     = "k."
	fieldState       = "state"
	fieldRestored    = "restored"
)

// writes is how often a write whose answer is lost is sent again. The token makes it the same write.
const writes = 3

// Entry implements [store.KeyJournal].
func (s *Store) Entry(ctx context.Context, of keys.Subscription) (store.Entry, error) {
	item, err := s.items.Get(ctx, keyOf(of))
	if err != nil {
		return store.Entry{}, err
	}
	return entryOf(of, item), nil
}

// Entries implements [store.KeyJournal].
func (s *Store) Entries(ctx context.Context, filter store.Filter, open bool) ([]store.Entry, error) {
	query := table.Query{Partition: partitionKeys, Prefix: prefixOf(filter)}
	if open {
		query.Partition, query.Index = openKeys, true
	}
	found, err := s.items.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	var entries []store.Entry
	for _, f := range found {
		of, err := subscriptionOf(f.Key.Sort)
		if err != nil {
			continue // a newer version's
		}
		entry := entryOf(of, f.Item)
		entry.Records = slices.DeleteFunc(entry.Records, func(r keys.Record) bool { return !filter.Matches(r) })
		if len(entry.Records) > 0 {
			entries = append(entries, entry)
		}
	}
	return entries, nil
}

// Write implements [store.KeyJournal].
func (s *Store) Write(ctx context.Context, from store.Entry, owner string, records []keys.Record) (store.Entry, error) {
	to, err := from.With(records)
	if err != nil {
		return store.Entry{}, err
	}
	if n := slices.IndexFunc(records, func(r keys.Record) bool { return strings.Contains(r.ID, ".") }); n >= 0 {
		return store.Entry{}, fmt.Errorf("%w: a key record's id %q with a dot", store.ErrInvalid, records[n].ID)
	}
	to.Owner = owner
	to.Version = store.Version{Number: from.Version.Number + 1, Token: s.token()}
	key, on, lost := keyOf(from.Of), unchanged(from.Version.Number, from.Version.Token), false
	for range writes {
		if len(to.Records) == 0 && to.Unknown == 0 {
			err = s.items.Delete(ctx, key, on)
		} else {
			err = s.items.Update(ctx, key, changeOf(attributesOf(from), attributesOf(to), on))
		}
		if !errors.Is(err, table.ErrUnknown) {
			break
		}
		lost = true
		if ctx.Err() != nil {
			break
		}
	}
	if refused, ok := errors.AsType[*table.RefusedError](err); ok {
		return s.refused(to, refused.Item)
	}
	switch {
	case !lost && errors.Is(err, table.ErrNotWritten):
		return store.Entry{}, fmt.Errorf("%w: %w", store.ErrNotWritten, err)
	case err != nil:
		return store.Entry{}, fmt.Errorf("%w: %w", store.ErrUnknown, err)
	}
	if from.Owner != "" && owner != "" && owner != from.Owner {
		s.board.TookOver(status.TookKeys)
	}
	return afterWrite(to), nil
}

// refused tells a write that had succeeded before, and was sent again, from one that somebody else came before.
func (s *Store) refused(to store.Entry, item table.Item) (store.Entry, error) {
	now := entryOf(to.Of, item)
	if now.Version == to.Version || item == nil && len(to.Records) == 0 {
		return afterWrite(to), nil
	}
	s.board.Contested()
	return store.Entry{}, &store.MovedError{Now: now}
}

// afterWrite is the entry as it is behind a write. One without records is not there.
func afterWrite(to store.Entry) store.Entry {
	if len(to.Records) == 0 && to.Unknown == 0 {
		to.Version, to.Owner = store.Version{}, ""
	}
	return to
}

// unchanged is true of an item while nobody has written since a version. Number 0 is that of one that is not there.
func unchanged(number int64, token string) table.Condition {
	if number == 0 {
		return table.Condition{Absent: []string{attributeVersion}}
	}
	return table.Condition{Equal: table.Item{
		attributeVersion: table.Number(number), attributeToken: table.Text(token),
	}}
}

// changeOf sets what differs.
func changeOf(before, after table.Item, on table.Condition) table.Change {
	c := table.Change{Set: table.Item{}, If: on}
	for name, value := range after {
		if before[name] != value {
			c.Set[name] = value
		}
	}
	for name := range before {
		if _, kept := after[name]; !kept {
			c.Remove = append(c.Remove, name)
		}
	}
	slices.Sort(c.Remove)
	return c
}

// attributesOf is an entry as it stands in the table.
func attributesOf(e store.Entry) table.Item {
	if e.Version == (store.Version{}) {
		return nil
	}
	item := table.Item{
		attributeVersion: table.Number(e.Version.Number), attributeToken: table.Text(e.Version.Token),
	}
	if e.Owner != "" {
		item[attributeOwner] = table.Text(e.Owner)
	}
	if e.Owner != "" || e.Unknown > 0 || len(e.Records) != 1 || e.Records[0].State != keys.Delivered {
		item[table.Open] = table.Text(openKeys)
	}
	for _, r := range e.Records {
		for _, f := range fields {
			if value, there := f.write(r); there {
				item[recordPrefix+r.ID+"."+f.name] = value
			}
		}
	}
	return item
}

// entryOf reads an item; nil is an entry that is not there.
func entryOf(of keys.Subscription, item table.Item) store.Entry {
	e := store.Entry{Of: of, Owner: item[attributeOwner].Text()}
	if item == nil {
		return e
	}
	e.Version = store.Version{Number: item[attributeVersion].Number(), Token: item[attributeToken].Text()}
	for name, value := range item {
		id, isState := strings.CutSuffix(strings.TrimPrefix(name, recordPrefix), "."+fieldState)
		if !isState || !strings.HasPrefix(name, recordPrefix) {
			continue
		}
		if !keys.State(value.Text()).Valid() {
			e.Unknown++
			continue
		}
		r := of.Record(id)
		for _, f := range fields {
			if value, there := item[recordPrefix+id+"."+f.name]; there {
				f.read(&r, value)
			}
		}
		e.Records = append(e.Records, r)
	}
	slices.SortFunc(e.Records, keys.Compare)
	return e
}

// field is one of a record's, as an attribute.
type field struct {
	name  string
	write func(keys.Record) (value table.Value, there bool)
	read  func(*keys.Record, table.Value)
}

var fields = []field{
	text(fieldState, func(r *keys.Record) *string { return (*string)(&r.State) }),
	text("api", func(r *keys.Record) *string { return &r.APIID }),
	text("plan", func(r *keys.Record) *string { return &r.UsagePlanID }),
	text("name", func(r *keys.Record) *string { return &r.KeyName }),
	text("key", func(r *keys.Record) *string { return &r.KeyID }),
	text("command", func(r *keys.Record) *string { return &r.CommandID }),
	text("reason", func(r *keys.Record) *string { return &r.Reason }),
	text("error", func(r *keys.Record) *string { return &r.LastError }),
	instant("created", func(r *keys.Record) *time.Time { return &r.CreatedAt }),
	instant("updated", func(r *keys.Record) *time.Time { return &r.UpdatedAt }),
	text("ack.by", func(r *keys.Record) *string { return &r.Acknowledged.By }),
	text("ack.reason", func(r *keys.Record) *string { return &r.Acknowledged.Reason }),
	instant("ack.at", func(r *keys.Record) *time.Time { return &r.Acknowledged.At }),
	instant("sought.at", func(r *keys.Record) *time.Time { return &r.Sought.At }),
	{
		name: "sought.missing",
		write: func(r keys.Record) (table.Value, bool) {
			return table.Number(int64(r.Sought.Missing)), r.Sought.Missing != 0
		},
		read: func(r *keys.Record, v table.Value) { r.Sought.Missing = int(v.Number()) },
	},
	instant("sought.deleted", func(r *keys.Record) *time.Time { return &r.Sought.Deleted }),
	instant("asked", func(r *keys.Record) *time.Time { return &r.AskedAt }),
	{
		name:  fieldRestored,
		write: func(r keys.Record) (table.Value, bool) { return table.Number(1), r.Restored },
		read:  func(r *keys.Record, _ table.Value) { r.Restored = true },
	},
	{
		name:  "contested",
		write: func(r keys.Record) (table.Value, bool) { return table.Number(1), r.Contested },
		read:  func(r *keys.Record, _ table.Value) { r.Contested = true },
	},
}

func text(name string, of func(*keys.Record) *string) field {
	return field{
		name:  name,
		write: func(r keys.Record) (table.Value, bool) { return table.Text(*of(&r)), *of(&r) != "" },
		read:  func(r *keys.Record, v table.Value) { *of(r) = v.Text() },
	}
}

// instant is a time in nanoseconds since 1970, which is exact from 1678 to 2262.
func instant(name string, of func(*keys.Record) *time.Time) field {
	return field{
		name: name,
		write: func(r keys.Record) (table.Value, bool) {
			return table.Number(of(&r).UnixNano()), !of(&r).IsZero()
		},
		read: func(r *keys.Record, v table.Value) { *of(r) = time.Unix(0, v.Number()).UTC() },
	}
}

func keyOf(of keys.Subscription) table.Key {
	return table.Key{Partition: partitionKeys, Sort: join(of.Integration, of.Account, of.Region, of.ID)}
}

func subscriptionOf(sort string) (keys.Subscription, error) {
	parts, err := split(sort, 4)
	if err != nil {
		return keys.Subscription{}, err
	}
	return keys.Subscription{Integration: parts[0], Account: parts[1], Region: parts[2], ID: parts[3]}, nil
}

// prefixOf is what the sort keys of all that a filter chooses begin with.
func prefixOf(f store.Filter) string {
	ids := []string{f.Integration, f.Account, f.Region, f.SubscriptionID}
	if n := slices.Index(ids, ""); n >= 0 {
		ids = ids[:n]
	}
	return join(ids...)
}

// join makes a sort key of ids. Each ends with a slash, so that no list of ids is the beginning of another's id.
func join(ids ...string) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(url.PathEscape(id) + "/")
	}
	return b.String()
}

func split(sort string, want int) ([]string, error) {
	parts := strings.Split(strings.TrimSuffix(sort, "/"), "/")
	if len(parts) != want {
		return nil, fmt.Errorf("the sort key %q has %d parts, not %d", sort, len(parts), want)
	}
	for n, part := range parts {
		plain, err := url.PathUnescape(part)
		if err != nil {
			return nil, fmt.Errorf("the sort key %q: %w", sort, err)
		}
		parts[n] = plain
	}
	return parts, nil
}

// End implements [store.KeyJournal].
func (s *Store) End(ctx context.Context, from store.Entry, _ time.Time) error {
	left, owner := slices.DeleteFunc(slices.Clone(from.Records), func(r keys.Record) bool { return r.KeyID != "" }), ""
	if len(left) == len(from.Records) {
		return nil
	}
	if keys.Unfinished(left) {
		owner = from.Owner
	}
	_, err := s.Write(ctx, from, owner, left)
	return err
}
