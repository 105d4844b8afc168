package tablestore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"federation-agent/internal/store"
	"federation-agent/internal/table"
)

// How a history stands in the table: its head, in the partition [partitionCourse] with the integration as the sort key,
// and the parts of the last whole copy, in the partition [partitionParts]. The attributes of the head:
//
//	v, token            the version of its last change
//	generation, parts   which copy the changes below follow on, and in how many parts it is; none: on nothing
//	c.NUMBER            a change since that copy, compressed
//
// One item, so one condition: what a process writes follows on all that others have written, or is refused. That makes
// the note of a batch's plans the fence of its job: a process whose job was taken over learns it there.
const (
	partitionCourse = "course"
	partitionParts  = "course-part"

	attributeGeneration = "generation"
	attributeParts      = "parts"
	attributeData       = "data"
	changePrefix        = "c."

	// copyAfter is after how many bytes of changes a whole copy is made. DynamoDB charges an update by the size of the
	// whole item, so changes must not pile up; a copy is as large as all APIs of the integration.
	copyAfter = 24 << 10
	// partBytes is how large a part is at most. An item has at most 400 KB.
	partBytes = 300 << 10
	// rereads is how often a history is read again whose copy was replaced meanwhile.
	rereads = 3
)

// course is what this process knows of a history. It is good as far as its version is the table's.
type course struct {
	turn       chan struct{} // who reads or writes has it taken out: it takes as long as the table does
	version    store.Version
	of         string // the TableId of then: a table that was restored counts its versions from those of its backup
	generation string
	parts      int
	changes    []string // the names of the changes since the copy
	bytes      int      // of them
	history    history
}

// course gives the one of an integration, until [course.leave]. Errors: [store.ErrNotWritten], as the context ended.
func (s *Store) course(ctx context.Context, integration string) (*course, error) {
	s.mu.Lock()
	c := s.courses[integration]
	if c == nil {
		c = &course{history: newHistory(), turn: make(chan struct{}, 1)}
		c.turn <- struct{}{}
		s.courses[integration] = c
	}
	s.mu.Unlock()
	select {
	case <-c.turn:
		return c, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", store.ErrNotWritten, ctx.Err())
	}
}

// leave lets the next one read or write.
func (c *course) leave() { c.turn <- struct{}{} }

// forget has all of it read again.
func (c *course) forget() { c.version, c.history = store.Version{}, newHistory() }

// read gives a history as it is now, and the number of its last change.
func (s *Store) read(ctx context.Context, integration string) (history, int64, error) {
	c, err := s.course(ctx, integration)
	if err != nil {
		return newHistory(), 0, err
	}
	defer c.leave()
	err = s.refresh(ctx, c, integration)
	return c.history, c.version.Number, err
}

func (s *Store) refresh(ctx context.Context, c *course, integration string) error {
	item, err := s.items.Get(ctx, headOf(integration))
	if err != nil {
		return err
	}
	return s.follow(ctx, c, integration, item)
}

// follow brings what is known up to a head that was read.
func (s *Store) follow(ctx context.Context, c *course, integration string, head table.Item) error {
	for range rereads {
		err := s.followTo(ctx, c, integration, head)
		if !errors.Is(err, errPartMissing) {
			return err
		}
		if head, err = s.items.Get(ctx, headOf(integration)); err != nil {
			return err
		}
	}
	return errPartMissing
}

// errPartMissing: the copy was replaced while it was read.
var errPartMissing = errors.New("a part of the journal's copy is missing")

func (s *Store) followTo(ctx context.Context, c *course, integration string, head table.Item) error {
	version := store.Version{Number: head[attributeVersion].Number(), Token: head[attributeToken].Text()}
	if version == c.version {
		return nil
	}
	next := course{
		version: version, of: s.Meta().Table, generation: head[attributeGeneration].Text(), parts: int(head[attributeParts].Number()),
		history: newHistory(),
	}
	from := int64(0)
	if next.of == c.of && next.generation == c.generation && c.version.Number <= version.Number && c.version.Token != "" {
		next.history, from = c.history, c.version.Number
	} else if next.generation != "" {
		if err := s.readCopy(ctx, integration, next.generation, next.parts, &next.history); err != nil {
			return err
		}
	}
	for name, value := range head {
		if strings.HasPrefix(name, changePrefix) {
			next.changes = append(next.changes, name)
			next.bytes += len(value.Bytes())
		}
	}
	slices.SortFunc(next.changes, func(a, b string) int { return int(numberOf(a) - numberOf(b)) })
	for _, name := range next.changes {
		if numberOf(name) <= from {
			continue
		}
		var step change
		if err := unpack(head[name].Bytes(), &step); err != nil {
			return fmt.Errorf("the change %s of the integration %s cannot be read: %w", name, integration, err)
		}
		next.history = next.history.with(step, numberOf(name))
	}
	c.version, c.of, c.generation, c.parts = next.version, next.of, next.generation, next.parts
	c.changes, c.bytes, c.history = next.changes, next.bytes, next.history
	return nil
}

func numberOf(name string) int64 {
	n, _ := strconv.ParseInt(strings.TrimPrefix(name, changePrefix), 10, 64)
	return n
}

func (s *Store) readCopy(ctx context.Context, integration, generation string, parts int, into *history) error {
	var all []byte
	for n := range parts {
		item, err := s.items.Get(ctx, partOf(integration, generation, n))
		if err != nil {
			return err
		}
		if item == nil {
			return errPartMissing
		}
		all = append(all, item[attributeData].Bytes()...)
	}
	if parts == 0 { // nothing is left of a restored table's
		return nil
	}
	if err := unpack(all, into); err != nil {
		return fmt.Errorf("the copy %s of the integration %s cannot be read: %w", generation, integration, err)
	}
	return nil
}

// write adds what decide makes of a history to it. Decide is asked again where somebody else came before, which a write
// to a history that is not known learns by its refusal. Errors: decide's; [store.ErrNotWritten], [store.ErrUnknown]; those
// of reading.
func (s *Store) write(ctx context.Context, integration string, decide func(history) (change, error)) error {
	c, err := s.course(ctx, integration)
	if err != nil {
		return err
	}
	defer c.leave()
	for fresh := false; ; {
		step, err := decide(c.history)
		if err != nil || step.nothing() {
			if fresh {
				return err
			}
			if err := s.refresh(ctx, c, integration); err != nil { // what another process wrote may decide otherwise
				return err
			}
			fresh = true
			continue
		}
		packed, err := pack(step)
		if err != nil {
			return err
		}
		to := store.Version{Number: c.version.Number + 1, Token: s.token()}
		name := changePrefix + strconv.FormatInt(to.Number, 10)
		err = s.send(ctx, headOf(integration), table.Change{
			Set: table.Item{
				attributeVersion: table.Number(to.Number), attributeToken: table.Text(to.Token), name: table.Bytes(packed),
			},
			If: unchanged(c.version.Number, c.version.Token),
		})
		refused, ok := errors.AsType[*table.RefusedError](err)
		switch {
		case ok && refused.Item[attributeToken].Text() != to.Token:
			if err := s.follow(ctx, c, integration, refused.Item); err != nil {
				return err
			}
			fresh = true
			continue
		case !ok && err != nil:
			c.forget() // what is there is read before the next write
			return err
		}
		c.version, c.of, c.history = to, s.Meta().Table, c.history.with(step, to.Number)
		c.changes, c.bytes = append(c.changes, name), c.bytes+len(packed)
		if c.bytes > copyAfter {
			s.copy(ctx, c, integration)
		}
		return nil
	}
}

// send sends a conditional write, and again where its answer is lost: the token in it makes it the same write.
func (s *Store) send(ctx context.Context, key table.Key, change table.Change) error {
	lost := false
	for range writes {
		err := s.items.Update(ctx, key, change)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, table.ErrUnknown):
			lost = true
			if ctx.Err() == nil {
				continue
			}
		case !errors.Is(err, table.ErrNotWritten):
			return err
		}
		if !lost {
			return fmt.Errorf("%w: %w", store.ErrNotWritten, err)
		}
		return fmt.Errorf("%w: %w", store.ErrUnknown, err)
	}
	return store.ErrUnknown
}

// copy makes a whole copy of a history in place of its changes. One that fails leaves all as it is: the next change
// tries again. The parts of a copy that nobody has named in a head stay in the table for good; there are some only
// where a process ended right there.
func (s *Store) copy(ctx context.Context, c *course, integration string) {
	packed, err := pack(c.history)
	if err != nil {
		return
	}
	to := store.Version{Number: c.version.Number + 1, Token: s.token()}
	parts := slices.Collect(slices.Chunk(packed, partBytes))
	for n, part := range parts {
		if err = s.items.Update(ctx, partOf(integration, to.Token, n), table.Change{
			Set: table.Item{attributeData: table.Bytes(part)},
		}); err != nil {
			break
		}
	}
	if err == nil {
		err = s.send(ctx, headOf(integration), table.Change{
			Set: table.Item{
				attributeVersion: table.Number(to.Number), attributeToken: table.Text(to.Token),
				attributeGeneration: table.Text(to.Token), attributeParts: table.Number(int64(len(parts))),
			},
			Remove: c.changes, If: unchanged(c.version.Number, c.version.Token),
		})
		if refused, ok := errors.AsType[*table.RefusedError](err); ok && refused.Item[attributeToken].Text() == to.Token {
			err = nil
		}
	}
	old, count := c.generation, c.parts
	switch {
	case errors.Is(err, store.ErrUnknown): // it may be named, or may still be
		c.forget()
		return
	case err != nil:
		old, count = to.Token, len(parts)
	default:
		c.version, c.generation, c.parts, c.changes, c.bytes = to, to.Token, len(parts), nil, 0
	}
	for n := range count {
		if old != "" {
			_ = s.items.Delete(ctx, partOf(integration, old, n), table.Condition{})
		}
	}
}

func headOf(integration string) table.Key {
	return table.Key{Partition: partitionCourse, Sort: join(integration)}
}

func partOf(integration, generation string, n int) table.Key {
	return table.Key{Partition: partitionParts, Sort: join(integration, generation, strconv.Itoa(n))}
}
