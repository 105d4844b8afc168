package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"strconv"
	"strings"

	"federation-agent/internal/keys"
)

const (
	// schema is the version of the file and its rows. A file of a newer schema is left alone, and nothing is started. One
	// of schema 1, which was a bbolt file, is read and rewritten.
	schema = 2

	// headFormat is the first line. Up to the schema's number it never changes, so that each version knows a newer one.
	headFormat = "federation-agent journal, schema %d, %012d lines\n"
	headBytes  = 64 // more than the first line has

	// maxFileBytes is far beyond the journal of the largest account. A larger file is not this agent's, and to read it
	// would take the memory that the agent needs.
	maxFileBytes = 256 << 20
)

// content is what a journal's file was found to hold.
type content struct {
	schema  int // 0: the file is empty
	rows    map[Row]json.RawMessage
	lines   int   // that can be read
	size    int64 // up to the end of the last line that can be read
	tornOff bool  // the last write is missing, or was cut off
	damage  []string
}

// readJournal reads a journal's file. Its head says which schema it has and how many lines follow; each commit is one
// line: the CRC-32C of the rest of the line in eight hex digits, a space, and the changes as JSON. So a damaged line
// costs its own rows only, and the worst that a file can do is to be refused.
//
// A commit writes its line and the head, in any order, and then waits until both are on disk. So a stop in the middle
// leaves a head that counts one line too many or too few, or a last line that is incomplete. No caller was told that
// this commit was done, so it is left out, and that is not damage. A last line that was whole and is damaged later
// looks the same; the log names both. Errors: the file cannot be read; [ErrNewer].
func readJournal(file *os.File) (*content, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	c := &content{rows: map[Row]json.RawMessage{}}
	switch {
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no regular file")
	case info.Size() > maxFileBytes:
		c.damaged("it has %d bytes, more than any journal", info.Size())
		return c, nil
	case info.Size() == 0:
		return c, nil
	}
	data := make([]byte, info.Size())
	if _, err := file.ReadAt(data, 0); err != nil {
		return nil, err
	}
	if err := newer(data); err != nil {
		return nil, err
	}
	if !c.readBolt(data) {
		c.readLines(data)
	}
	if len(c.damage) > 0 {
		c.doubt()
	}
	return c, nil
}

// newer judges the beginning of a journal.
func newer(beginning []byte) error {
	found := 0
	_, _ = fmt.Sscanf(string(beginning[:min(len(beginning), headBytes)]), headFormat, &found, new(int))
	if found > schema {
		return fmt.Errorf("%w: it has version %d, and this one reads versions up to %d", ErrNewer, found, schema)
	}
	return nil
}

func head(lines int) []byte { return fmt.Appendf(nil, headFormat, schema, lines) }

// readLines reads a file of today's schema.
func (c *content) readLines(data []byte) {
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	counted := 0
	_, _ = fmt.Sscanf(string(first)+"\n", headFormat, &c.schema, &counted)
	end := int64(len(first) + 1)
	c.size = end
	lost, unread := 0, 0 // lines that cannot be read: before and after the last one that can
	for line := range bytes.Lines(rest) {
		end += int64(len(line))
		changes, err := decodeLine(line)
		if err != nil {
			unread++
			continue
		}
		c.lines, c.size = c.lines+1, end
		lost, unread = lost+unread, 0
		for _, change := range changes {
			if change.Value == nil {
				delete(c.rows, change.Row)
			} else {
				c.rows[change.Row] = change.Value
			}
		}
	}
	missing := counted - c.lines
	switch {
	case !bytes.HasPrefix(data, head(counted)):
		c.damaged("its first line is not that of a journal")
	case lost > 0 || unread > 1 || missing > 1 || missing < -1:
		c.damaged("its first line counts %d lines, %d can be read, %d cannot", counted, c.lines, lost+unread)
	default:
		c.tornOff = unread == 1 || missing == 1
	}
}

// crcTable is the one of CRC-32C.
func crcTable() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func encodeLines(commits ...[]Change) (lines []byte, err error) {
	for _, changes := range commits {
		body, err := json.Marshal(changes)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		lines = fmt.Appendf(lines, "%08x %s\n", crc32.Checksum(body, crcTable()), body)
	}
	return lines, nil
}

func decodeLine(line []byte) (changes []Change, err error) {
	sum, body, _ := bytes.Cut(line, []byte(" "))
	body, whole := bytes.CutSuffix(body, []byte("\n"))
	want, err := strconv.ParseUint(string(sum), 16, 32)
	if err != nil || !whole || uint32(want) != crc32.Checksum(body, crcTable()) {
		return nil, errDamagedRow
	}
	return changes, json.Unmarshal(body, &changes)
}

func (c *content) damaged(format string, args ...any) {
	const enough = 5 // of a file full of faults the first ones say enough
	if len(c.damage) < enough {
		c.damage = append(c.damage, fmt.Sprintf(format, args...))
	}
}

// err is the damage, nil for a sound file.
func (c *content) err() error {
	if len(c.damage) == 0 {
		return nil
	}
	return errors.New(strings.Join(c.damage, "; "))
}

// handOver gives all rows to take. A row that it refuses is damaged.
func (c *content) handOver(take func(Change) error) {
	for row, value := range c.rows {
		if err := take(Change{row, value}); err != nil {
			c.damaged("%v", err)
			delete(c.rows, row)
		}
	}
}

// doubt marks keys of a damaged file as unconfirmed that a restart would delete. A lost line may have been a later
// state of the same key, and APIM may have accepted the subscription since.
func (c *content) doubt() {
	for row, value := range c.rows {
		var rec keys.Record
		if row.Table != tableKeys || json.Unmarshal(value, &rec) != nil ||
			rec.State != keys.Created && rec.State != keys.Attached {
			continue
		}
		rec.State, rec.Reason = keys.Unconfirmed, "the journal was damaged: what became of this key later may be lost"
		if changed, err := json.Marshal(rec); err == nil {
			c.rows[row] = changed
		}
	}
}
