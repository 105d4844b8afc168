package tablestore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
	"federation-agent/internal/table"
)

// What the table knows of itself: one item, in the partition and with the sort key [partitionMeta]. The attributes:
//
//	schema     the newest way of writing that is in the table, see [schema]
//	writer     the oldest that may still write to it
//	table      the TableId that DynamoDB gave the table in which the records are what is true
//	restored   there while records of another table are in this one, until an operator has seen them: that one's TableId
//	noticed    when that was noticed, in nanoseconds since 1970
//
// A table that was restored from a backup, or copied, has another TableId than its item says. Then a record is not the
// furthest that things can have gone, and nothing may be deleted on it. So before anything else is done with the table,
// each record that is not settled becomes one that is listed ([keys.Record.Restore]), jobs end, and what was sent to APIM
// is forgotten. Only then the item gets the new TableId.
//
// A process also notices when the table is restored under it. Its counter must be in the table as it wrote it
// ([Store.Raise]), so an older table is known at the next raise, after [members.RaiseEvery]; and each [checkEvery] the
// TableId is read again. A process whose raise is not confirmed settles nothing, so after a table that was away for
// [members.StandsFor], as after each restore in place, nothing is done on old records at all.
const (
	partitionMeta = "meta"

	attributeSchema   = "schema"
	attributeWriter   = "writer"
	attributeTable    = "table"
	attributeRestored = "restored"
	attributeNoticed  = "noticed"

	// schema is how this version reads and writes. A version that adds a state or a field which must not be lost raises
	// it. It writes the addition only one release after it can be read.
	schema = 1
	// oldest is the schema of the oldest version that may write beside this one: of the first that can read all that this
	// one writes. A version raises it in the table before it writes anything, and versions that are older stop.
	oldest = 1

	// checkEvery is how often the TableId and the item are read, if nothing is suspected. DescribeTable costs nothing.
	checkEvery = time.Minute
	// restoreWithin bounds the work on the records of a restored table. A million of them take longer, and are gone on
	// with at the next try.
	restoreWithin = 2 * time.Minute
	// unnamed is the former table of records that came without the item.
	unnamed = "unknown"
)

// ErrUnfit says that the table cannot be the journal, whatever is tried again.
var ErrUnfit = errors.New("the table cannot be the journal")

// errAgain: somebody else has written the item meanwhile, or may have.
var errAgain = errors.New("the table's own item has changed meanwhile")

var metaKey = table.Key{Partition: partitionMeta, Sort: partitionMeta}

// Meta is what the table knows of itself.
type Meta struct {
	// Table is the TableId in which the records are what is true.
	Table string
	// From is the TableId of the table that the records were restored or copied from, while no operator has accepted that;
	// Noticed is since when that is known.
	From    string
	Noticed time.Time

	schema, writer int64
}

// Open sees that the table can be the journal, and that its records are what is true. Until it has succeeded nothing is
// read and nothing is written; [Store.Raise] tries again. Errors that last: [table.ErrNoTable], [ErrUnfit],
// [store.ErrNewer].
func (s *Store) Open(ctx context.Context) error {
	if !s.opened() {
		s.gate.shut(errors.New("the journal's table was not looked at yet"))
	}
	return s.check(ctx)
}

// Telling has the store say there what it finds out about its table, and note what follows from sharing it.
func (s *Store) Telling(log *slog.Logger, board *status.Board) *Store {
	s.log, s.board = log, board
	return s
}

// Meta is what the table knew of itself when it was read last, a minute ago at most.
func (s *Store) Meta() Meta {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.meta
}

// Notices tell people what is wrong with the table: that it cannot be used, or that it was restored.
func (s *Store) Notices() (notices []string) {
	if why := s.gate.isShut(); why != nil {
		notices = append(notices, "the journal's table cannot be used: "+why.Error())
	}
	if m := s.Meta(); m.From != "" {
		notices = append(notices, fmt.Sprintf("the journal's table was restored or copied from another one, which was noticed at %s: "+
			"no API key is deleted on what it says of before, the ingests that ran have ended, and which plans were sent is "+
			"forgotten. See what is left of it with federation-agent store accept-restore",
			m.Noticed.UTC().Format(time.RFC3339)))
	}
	return notices
}

func (s *Store) opened() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.checked.IsZero()
}

// check looks at the table once more, and opens or shuts the way to its items.
func (s *Store) check(ctx context.Context) error {
	select {
	case <-s.checking:
		defer func() { s.checking <- struct{}{} }()
	case <-ctx.Done():
		return fmt.Errorf("waiting for another look at the journal's table: %w", ctx.Err())
	}
	var err error
	for range writes {
		if err = s.look(ctx); !errors.Is(err, errAgain) {
			break
		}
	}
	switch wasShut := s.gate.isShut(); {
	case err == nil:
		s.mu.Lock()
		s.checked = time.Now()
		s.mu.Unlock()
		s.gate.shut(nil)
	case wasShut != nil || errors.Is(err, ErrUnfit) || errors.Is(err, store.ErrNewer):
		s.gate.shut(err)
	}
	return err
}

// look reads what the table is, and makes its records such that they can be relied on.
func (s *Store) look(ctx context.Context) error {
	is, err := s.gate.Items.Describe(ctx)
	if err != nil {
		return err
	}
	if err := Fit(is); err != nil {
		return err
	}
	item, err := s.gate.Items.Get(ctx, metaKey)
	if err != nil {
		return err
	}
	now := metaOf(item)
	switch {
	case now.writer > schema:
		return fmt.Errorf("the table %s: %w", is.Name, store.ErrNewer)
	case item == nil:
		now, err = s.first(ctx, is)
	case (now.Table == is.ID || is.ID == "") && now.schema >= schema && now.writer >= oldest:
	case now.Table == is.ID || is.ID == "":
		now, err = s.writeMeta(ctx, now, table.Condition{Equal: table.Item{attributeSchema: item[attributeSchema]}})
	default:
		now, err = s.restored(ctx, is, now)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	if s.meta.Table != now.Table {
		clear(s.listings) // what was remembered of another table need not be in this one
	}
	s.mu.Unlock()
	s.remember(now)
	return nil
}

// remember keeps what the table knows of itself.
func (s *Store) remember(m Meta) {
	s.mu.Lock()
	s.meta = m
	s.mu.Unlock()
	s.board.TableRestored(m.Noticed)
}

// ReadMeta reads what a table knows of itself, and changes nothing; the zero [Meta] where it was never used.
func ReadMeta(ctx context.Context, items table.Items) (Meta, error) {
	item, err := items.Get(ctx, metaKey)
	return metaOf(item), err
}

// Fit refuses a table that keeps no conditions, or has other keys: [ErrUnfit]; or that cannot be used yet.
func Fit(is table.Description) error {
	switch {
	case !is.Keys:
		return fmt.Errorf("%w: %s has another primary key, or no index %q; federation-agent store create makes one as it must be",
			ErrUnfit, is.Name, table.OpenIndex)
	case is.Consistency == table.Eventual:
		return fmt.Errorf("%w: %s is a global table in the eventual mode, with %s: a condition holds in one region only, so two "+
			"agents could make a key for one subscription. Use a table of one region, or one with multi-region strong consistency",
			ErrUnfit, is.Name, strings.Join(is.Replicas, ", "))
	case !is.Active:
		return fmt.Errorf("the table %s cannot be used yet: DynamoDB is making or deleting it", is.Name)
	}
	return nil
}

// first writes the item of a table that has none. One with records is not new: they came from elsewhere. Nor is one that
// takes the place of a table which this process has used: what that one had is lost, and people must know.
func (s *Store) first(ctx context.Context, is table.Description) (Meta, error) {
	held, err := s.held(ctx)
	if err != nil {
		return Meta{}, err
	}
	used := s.Meta().Table
	if is.ID == "" || held.nothing() && (used == "" || used == is.ID) {
		return s.writeMeta(ctx, Meta{Table: is.ID}, table.Condition{Absent: []string{attributeSchema}})
	}
	return s.restored(ctx, is, Meta{Table: cmp.Or(used, unnamed)})
}

// restored goes through the records of another table.
func (s *Store) restored(ctx context.Context, is table.Description, was Meta) (Meta, error) {
	s.gate.shut(fmt.Errorf("the table %s was restored or copied from another one, and its records are being gone through", is.Name))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreWithin)
	defer cancel()
	listed := 0
	for moved := true; moved; {
		held, err := s.held(ctx)
		if err != nil {
			return was, err
		}
		// What was read is old only if nobody has finished this meanwhile: the records of after that are true.
		item, err := s.gate.Items.Get(ctx, metaKey)
		if err != nil {
			return was, err
		}
		if now := metaOf(item); item != nil && now.Table == is.ID {
			return now, nil
		}
		var n int
		n, moved, err = s.giveUp(ctx, held)
		if listed += n; err != nil {
			return was, err
		}
	}
	on := table.Condition{Equal: table.Item{attributeTable: table.Text(was.Table)}}
	if was.schema == 0 {
		on = table.Condition{Absent: []string{attributeSchema}}
	}
	m := was
	m.Table, m.From, m.Noticed = is.ID, was.Table, time.Now().UTC()
	m, err := s.writeMeta(ctx, m, on)
	if err == nil {
		s.log.Error("store: the table was restored or copied from another one: no API key is deleted on what it says of before, "+
			"and the keys that were not settled are listed. See them with federation-agent store accept-restore",
			"table", is.Name, "keys", listed)
	}
	return m, err
}

// held is what a restored table has.
type held struct{ entries, heads, parts, ledgers, members []table.Found }

func (h held) nothing() bool { return len(h.entries)+len(h.heads)+len(h.ledgers) == 0 }

func (s *Store) held(ctx context.Context) (h held, err error) {
	for _, of := range []struct {
		partition string
		into      *[]table.Found
	}{
		{partitionKeys, &h.entries}, {partitionCourse, &h.heads}, {partitionParts, &h.parts}, {partitionQuota, &h.ledgers},
		{partitionMembers, &h.members},
	} {
		found, failed := s.gate.Items.Query(ctx, table.Query{Partition: of.partition})
		*of.into, err = found, errors.Join(err, failed)
	}
	return h, err
}

// giveUp has the records of another table say no more than what can be relied on. It says how many keys are listed for
// it, and whether something had moved meanwhile, so that it must be read again.
func (s *Store) giveUp(ctx context.Context, h held) (listed int, moved bool, err error) {
	send := func(key table.Key, change table.Change) (done bool) {
		failed := s.gate.Items.Update(ctx, key, change)
		_, refused := errors.AsType[*table.RefusedError](failed)
		moved = moved || refused
		if failed != nil && !refused {
			err = errors.Join(err, failed)
		}
		return failed == nil
	}
	for _, f := range h.entries {
		if change, records := s.restoredEntry(f); records > 0 && send(f.Key, change) {
			listed += records
		}
	}
	for _, f := range h.heads {
		if change, is := s.restoredHead(f.Item); is {
			send(f.Key, change)
		}
	}
	if err != nil || moved {
		return listed, moved, err
	}
	// The rest costs nothing if it stays: nobody reads the parts, holders of a quota that are silent lose it, and members
	// that do not move are gone.
	for _, f := range h.parts {
		_ = s.gate.Items.Delete(ctx, f.Key, table.Condition{})
	}
	for _, f := range h.ledgers {
		_ = s.gate.Items.Delete(ctx, f.Key, unchanged(f.Item[attributeVersion].Number(), f.Item[attributeToken].Text()))
	}
	for _, f := range h.members {
		const still = time.Minute // of the wall clocks; one that lives comes back with its next raise
		if time.Unix(f.Item[table.Expires].Number(), 0).Before(time.Now().Add(forgotten - still)) {
			_ = s.gate.Items.Delete(ctx, f.Key, table.Condition{Equal: table.Item{attributeCount: f.Item[attributeCount]}})
		}
	}
	return listed, moved, nil
}

// restoredEntry is what is to be changed in an entry of another table, and for how many of its keys. One that is delivered and
// alone stays as it is. Records of a newer version get the mark, which that one honours.
func (s *Store) restoredEntry(f table.Found) (change table.Change, records int) {
	of, err := subscriptionOf(f.Key.Sort)
	if err != nil {
		return change, 0 // a newer version's
	}
	from := entryOf(of, f.Item)
	if from.Owner == "" && from.Unknown == 0 && len(from.Records) == 1 && from.Records[0].State == keys.Delivered {
		return change, 0
	}
	to := from
	to.Owner, to.Records = "", nil
	to.Version = store.Version{Number: from.Version.Number + 1, Token: s.token()}
	for _, r := range from.Records {
		if !r.Restored {
			records++
			r = r.Restore(time.Now().UTC())
		}
		to.Records = append(to.Records, r)
	}
	change = changeOf(attributesOf(from), attributesOf(to), unchanged(from.Version.Number, from.Version.Token))
	for name, value := range f.Item {
		id, isState := strings.CutSuffix(name, "."+fieldState)
		if _, marked := f.Item[id+"."+fieldRestored]; isState && !keys.State(value.Text()).Valid() && !marked {
			change.Set[id+"."+fieldRestored] = table.Number(1)
			records++
		}
	}
	return change, records
}

// restoredHead is what is to be changed in an integration's history of another table: nothing is left of it.
func (s *Store) restoredHead(head table.Item) (change table.Change, is bool) {
	token := table.Text(s.token())
	change = table.Change{
		Set: table.Item{
			attributeVersion: table.Number(head[attributeVersion].Number() + 1), attributeToken: token,
			attributeGeneration: token, attributeParts: table.Number(0),
		},
		If: unchanged(head[attributeVersion].Number(), head[attributeToken].Text()),
	}
	for name := range head {
		if strings.HasPrefix(name, changePrefix) {
			change.Remove = append(change.Remove, name)
		}
	}
	return change, len(change.Remove) > 0 || head[attributeParts].Number() > 0
}

// AcceptRestore notes that an operator has seen what a restored table lists. Its keys stay listed until each is settled.
func (s *Store) AcceptRestore(ctx context.Context) error {
	m := s.Meta()
	m.From, m.Noticed = "", time.Time{}
	m, err := s.writeMeta(ctx, m, table.Condition{Equal: table.Item{attributeTable: table.Text(m.Table)}})
	if err == nil {
		s.remember(m)
	}
	return err
}

func (s *Store) writeMeta(ctx context.Context, m Meta, on table.Condition) (Meta, error) {
	m.schema, m.writer = max(m.schema, schema), max(m.writer, oldest)
	change := table.Change{Set: table.Item{}, If: on}
	for name, value := range map[string]table.Value{
		attributeSchema: table.Number(m.schema), attributeWriter: table.Number(m.writer), attributeTable: table.Text(m.Table),
		attributeRestored: table.Text(m.From), attributeNoticed: table.Number(m.Noticed.UnixNano()),
	} {
		if value == table.Text("") || name == attributeNoticed && m.Noticed.IsZero() {
			change.Remove = append(change.Remove, name)
		} else {
			change.Set[name] = value
		}
	}
	err := s.gate.Items.Update(ctx, metaKey, change)
	if _, refused := errors.AsType[*table.RefusedError](err); refused || errors.Is(err, table.ErrUnknown) {
		return m, fmt.Errorf("%w: %w", errAgain, err)
	}
	return m, err
}

func metaOf(item table.Item) Meta {
	m := Meta{
		Table: item[attributeTable].Text(), From: item[attributeRestored].Text(), schema: item[attributeSchema].Number(),
		writer: item[attributeWriter].Number(),
	}
	if at, there := item[attributeNoticed]; there {
		m.Noticed = time.Unix(0, at.Number()).UTC()
	}
	return m
}
