package store

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/keys"
)

// FuzzRow: whatever lies in a row, it is refused or reads as something that is written back the same.
func FuzzRow(f *testing.F) {
	for _, seed := range []struct {
		table Table
		key   string
		value any
	}{
		{tableKeys, rowKey("r"), keyRecord("r", keys.Attached)},
		{tableKeys, rowKey("r"), keys.Record{ID: "r", State: "unknown"}},
		{tableJobs, rowKey("i", "j"), jobHeader{APIIDs: []string{"a"}, StartedAt: noon, Total: 1}},
		{tableAcks, rowKey("i", "j", "0000000a"), jobAck{At: noon, APIIDs: []string{"a"}}},
		{tableListings, rowKey("i", "t"), []RememberedAPI{{ID: "a", Name: "n"}}},
		{tablePlans, rowKey("i", "a"), []string{"p"}},
		{tablePlans, "no key of two parts", nil},
		{"unknown", rowKey("x"), 1},
	} {
		change, err := encodeRow(Row{seed.table, seed.key}, seed.value)
		must(f, err)
		f.Add(string(change.Table), change.Key, []byte(change.Value))
	}
	f.Fuzz(func(t *testing.T, table, key string, value []byte) {
		row := Row{Table(table), key}
		st := newState()
		if st.apply(Change{Row: row, Value: value}) != nil {
			return
		}
		rows, err := st.rows()
		if err != nil {
			t.Fatalf("read and cannot be written: %v", err)
		}
		again := newState()
		for row, value := range rows {
			must(t, again.apply(Change{row, value}))
		}
		for _, diff := range []string{
			cmp.Diff(st.keys.byKey, again.keys.byKey), cmp.Diff(st.jobs.byKey, again.jobs.byKey),
			cmp.Diff(st.acks.byKey, again.acks.byKey), cmp.Diff(st.listings.byKey, again.listings.byKey),
			cmp.Diff(st.plans.byKey, again.plans.byKey),
		} {
			if diff != "" {
				t.Error(diff)
			}
		}
		if len(rows) != 1 {
			t.Errorf("%d rows of one", len(rows))
		}
	})
}

// FuzzFile: whatever lies in the file, opening it neither panics nor hangs, and the store works afterwards.
func FuzzFile(f *testing.F) {
	whole := filledFile(f, 5)
	f.Add(0, []byte{})
	f.Add(34, []byte("3"))
	f.Add(40, []byte("999999"))
	f.Add(60, []byte("\n"))
	f.Add(len(whole)-1, []byte{1})
	f.Add(-1, append(head(1), "00000000 null\n"...))
	fuzzFile(f, whole)
}

// FuzzBoltFile: the same of files of an earlier version.
func FuzzBoltFile(f *testing.F) {
	f.Add(0, []byte{})
	f.Add(16, []byte{0})
	f.Add(2*4096, []byte{1, 2, 3, 4, 5, 6, 7, 8, 16})
	f.Add(3*4096+8, []byte{1, 0, 255, 255})
	fuzzFile(f, unzipped(f, "schema-1.db.gz"))
}

func fuzzFile(f *testing.F, whole []byte) {
	f.Fuzz(func(t *testing.T, at int, over []byte) {
		content := bytes.Clone(whole)
		if at < 0 || at >= len(content) {
			content = over
		} else {
			copy(content[at:], over)
		}
		dir := dirWith(t, content)
		s, health := Open(dir, Options{LockWait: time.Millisecond})
		if !health.Durable && newer(content) == nil {
			t.Fatal(health.Messages)
		}
		must(t, put(s, keyRecord("new", keys.Intent)))
		if health := s.Health(); !health.Durable && newer(content) == nil {
			t.Fatal(health.Messages)
		}
		if err := s.Close(); newer(content) == nil {
			must(t, err)
		}
	})
}

// FuzzExportFile: a file is refused, or is exactly what would be written of what it says.
func FuzzExportFile(f *testing.F) {
	for _, export := range []Export{
		{Document: []byte(`{"openapi":"3.0.1"}`)}, {Document: []byte{}}, {NotExportable: "never"}, {},
	} {
		file := exportFile(f, exportKey(1, "d"), export)
		f.Add(file, false)
		f.Add(file[len(exportMagic)+4:], true)
	}
	f.Fuzz(func(t *testing.T, file []byte, checksum bool) {
		if checksum {
			file = withExportChecksum(file)
		}
		key, export, whole := decodeExport(file)
		if !whole {
			return
		}
		key2, export2, whole := decodeExport(exportFile(t, key, export))
		if !whole {
			t.Fatal("it cannot be read again")
		}
		if diff := cmp.Diff(export, export2); diff != "" || key != key2 {
			t.Errorf("%v %v %s", key, key2, diff)
		}
		if len(export.Document) > len(file) {
			t.Error("a document out of nothing")
		}
		c := openExports(t, t.TempDir(), 1<<20)
		slot := key.slot()
		must(t, os.MkdirAll(filepath.Dir(c.path(slot)), 0o700))
		must(t, os.WriteFile(c.path(slot), file, 0o600))
		<-c.scanned
		c.index.set(slot, onDisk(int64(len(file))), struct{}{})
		wantExport(t, c, key, export)
	})
}

// withExportChecksum puts magic and checksum before what follows them.
func withExportChecksum(rest []byte) []byte {
	file := append([]byte(exportMagic), 0, 0, 0, 0)
	binary.BigEndian.PutUint32(file[len(exportMagic):], crc32.Checksum(rest, crcTable()))
	return append(file, rest...)
}
