package store

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
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
	tableClaims   Table = "claims"
	tableTaken    Table = "taken"
)

// Row is the address of one stored value.
type Row struct {
	Table Table  `json:"table"`
	Key   string `json:"key"`
}

func compareRows(a, b Row) int {
	return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Key, b.Key))
}

// Change sets a row, or deletes it when Value is nil.
type Change struct {
	Row
	Value json.RawMessage `json:"value,omitempty"`
}

// maxIDBytes bounds the ids that come from outside. AWS's and APIM's are below 150 bytes.
const maxIDBytes = 1024

func checkID(table Table, id string) error {
	switch {
	case id == "":
		return fmt.Errorf("%w: one of the %s lacks an id", ErrInvalid, table)
	case len(id) > maxIDBytes:
		return fmt.Errorf("%w: one of the %s has an id of %d bytes, more than %d", ErrInvalid, table, len(id), maxIDBytes)
	case !utf8.ValidString(id):
		return fmt.Errorf("%w: one of the %s has an id that is not UTF-8", ErrInvalid, table)
	}
	return nil
}

// rowKey joins ids. Two different lists of ids never make the same key, whatever bytes are in them.
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

func encodeRow(row Row, v any) (Change, error) {
	value, err := json.Marshal(v)
	if err != nil {
		return Change{}, fmt.Errorf("%w: %s %s: %w", ErrInvalid, row.Table, row.Key, err)
	}
	return Change{Row: row, Value: value}, nil
}
