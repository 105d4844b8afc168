package store

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// Table names a kind of row.
type Table string

const (
	tableKeys     Table = "keys"
	tableJobs     Table = "jobs"
	tableAcks     Table = "acks"
	tableListings Table = "listings"
	tablePlans    Table = "plans"
)

// tables are all there are, in the order in which they are read: a job comes before its acknowledgements.
func tables() []Table { return []Table{tableKeys, tableJobs, tableAcks, tableListings, tablePlans} }

// Row is the address of one stored value.
type Row struct {
	Table Table
	Key   string
}

// Change sets a row, or deletes it when Value is nil.
type Change struct {
	Row
	Value []byte
}

// maxIDBytes bounds the ids that come from outside. AWS's and APIM's are below 150 bytes; a hostile kilobyte of id still
// makes a row key well under bbolt's limit of 32,768 bytes.
const maxIDBytes = 1024

func checkID(table Table, id string) error {
	switch {
	case id == "":
		return fmt.Errorf("%w: one of the %s lacks an id", ErrInvalid, table)
	case len(id) > maxIDBytes:
		return fmt.Errorf("%w: one of the %s has an id of %d bytes, at most %d are taken", ErrInvalid, table, len(id), maxIDBytes)
	case !utf8.ValidString(id):
		return fmt.Errorf("%w: one of the %s has an id that is not UTF-8", ErrInvalid, table)
	}
	return nil
}

// rowKey joins ids so that no two lists of ids make the same key, whatever bytes are in them.
func rowKey(parts ...string) string {
	escaped := make([]string, len(parts))
	for i, part := range parts {
		escaped[i] = url.PathEscape(part)
	}
	return strings.Join(escaped, "/")
}

func splitRowKey(key string, want int) ([]string, error) {
	parts := strings.Split(key, "/")
	if len(parts) != want {
		return nil, fmt.Errorf("%w: key %q has %d parts, not %d", errDamagedRow, key, len(parts), want)
	}
	for i, part := range parts {
		plain, err := url.PathUnescape(part)
		if err != nil || plain == "" {
			return nil, fmt.Errorf("%w: key %q cannot be read", errDamagedRow, key)
		}
		parts[i] = plain
	}
	return parts, nil
}

// errDamagedRow: a row's content is not what was written.
var errDamagedRow = errors.New("damaged row")

// crcTable is CRC-32C: what a disk or a file system mangled is found, which bbolt checks for its two head pages only.
func crcTable() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// rowChecksum covers the address too, so that a value under another's key does not pass for it.
func rowChecksum(row Row, body []byte) uint32 {
	sum := crc32.Update(0, crcTable(), []byte(string(row.Table)+"\x00"+row.Key+"\x00"))
	return crc32.Update(sum, crcTable(), body)
}

// encodeRow makes a row's value: four bytes of checksum and the JSON of v.
func encodeRow(row Row, v any) (Change, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return Change{}, fmt.Errorf("%w: %s %s: %w", ErrInvalid, row.Table, row.Key, err)
	}
	value := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), rowChecksum(row, body))
	return Change{Row: row, Value: append(value, body...)}, nil
}

func decodeRow(c Change, into any) error {
	if len(c.Value) < 4 {
		return fmt.Errorf("%w: %s %q is cut off", errDamagedRow, c.Table, c.Key)
	}
	body := c.Value[4:]
	if binary.BigEndian.Uint32(c.Value) != rowChecksum(c.Row, body) {
		return fmt.Errorf("%w: the checksum of %s %q is wrong", errDamagedRow, c.Table, c.Key)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%w: %s %q: %w", errDamagedRow, c.Table, c.Key, err)
	}
	return nil
}

// CompareTables orders tables as a [Medium] hands over their rows: a job comes before its acknowledgements.
func CompareTables(a, b Table) int {
	order := tables()
	return cmp.Compare(slices.Index(order, a), slices.Index(order, b))
}
