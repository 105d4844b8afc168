package store

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
)

func TestAFileThatCannotBeUsedIsMovedAsideAndNamed(t *testing.T) {
	whole := filledFile(t, 30)
	foreign := filepath.Join(t.TempDir(), "foreign.db")
	db, err := bbolt.Open(foreign, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("somebody's")); return err }))
	must(t, db.Close())
	foreignBytes, err := os.ReadFile(foreign)
	must(t, err)

	newer := filepath.Join(t.TempDir(), "newer.db")
	must(t, os.WriteFile(newer, whole, 0o600))
	db, err = bbolt.Open(newer, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte(metaBucket)).Put([]byte("schema"), []byte("2")) }))
	must(t, db.Close())
	newerBytes, err := os.ReadFile(newer)
	must(t, err)

	unsyncedFreelist := filepath.Join(t.TempDir(), "nofreelist.db")
	db, err = bbolt.Open(unsyncedFreelist, 0o600, &bbolt.Options{NoFreelistSync: true})
	must(t, err)
	must(t, db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("b")); return err }))
	must(t, db.Close())
	noFreelist, err := os.ReadFile(unsyncedFreelist)
	must(t, err)

	for name, row := range map[string]struct {
		content []byte
		says    string
	}{
		"text":                           {[]byte("this is no database"), "no intact head page"},
		"zeros":                          {make([]byte, 1<<16), "no intact head page"},
		"another program's":              {foreignBytes, "another program's database"},
		"a newer version's":              {newerBytes, `schema "2"`},
		"without a list of free pages":   {noFreelist, "no list of free pages"},
		"cut off in its head":            {whole[:60], "no intact head page"},
		"cut off behind its head":        {whole[:2*4096], "cut off"},
		"cut off in the middle":          {whole[:len(whole)/4], "cut off"},
		"with both head pages destroyed": {append(make([]byte, 8192), whole[8192:]...), "no intact head page"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := dirWith(t, row.content)
			s, health := openIn(t, dir)
			aside := filepath.Join(dir, FileName+".corrupt-1")
			wantHealth(t, health, true, row.says, aside, "can no longer be vouched for")
			kept, err := os.ReadFile(aside)
			must(t, err)
			if string(kept) != string(row.content) {
				t.Error("the file moved aside is not as it was")
			}
			must(t, s.Put(keyRecord("new", StateIntent)))
			must(t, s.Close())

			s, health = openIn(t, dir)
			wantHealth(t, health, true, "earlier starts", aside)
			if ids := recordIDs(t, s); !strings.Contains(fmt.Sprint(ids), "new") {
				t.Errorf("records after the restart: %v", ids)
			}
			must(t, s.Close())
			must(t, os.Remove(aside))
			_, health = openIn(t, dir)
			wantHealth(t, health, true)
		})
	}
}

func TestAPageInUseTwiceIsDamage(t *testing.T) {
	content := filledFile(t, 100)
	for page := 2 * 4096; page < len(content); page += 4096 {
		if binary.NativeEndian.Uint16(content[page+8:]) != boltBranch || binary.NativeEndian.Uint64(content[page:]) != uint64(page/4096) {
			continue
		}
		first := content[page+boltHeaderBytes+8:]
		for loop, target := range map[string]uint64{"twice": binary.NativeEndian.Uint64(first), "in a ring": uint64(page / 4096)} {
			t.Run(loop, func(t *testing.T) {
				bad := append([]byte{}, content...)
				binary.NativeEndian.PutUint64(bad[page+boltHeaderBytes+boltElementBytes+8:], target)
				_, health := openIn(t, dirWith(t, bad))
				wantHealth(t, health, true, "is used twice", "corrupt-1")
			})
		}
	}
}

func TestATableThatIsGoneIsDamage(t *testing.T) {
	for _, table := range tables() {
		dir := dirWith(t, filledFile(t, 3))
		db, err := bbolt.Open(filepath.Join(dir, FileName), 0o600, nil)
		must(t, err)
		must(t, db.Update(func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte(table)) }))
		must(t, db.Close())
		_, health := openIn(t, dir)
		wantHealth(t, health, true, "table "+string(table)+" is missing", "corrupt-1")
	}
}

func TestDamagedFilesDoNotOverwriteEachOther(t *testing.T) {
	dir := t.TempDir()
	for n := range 3 {
		must(t, os.WriteFile(filepath.Join(dir, FileName), []byte(fmt.Sprint("damage ", n)), 0o600))
		s, _ := openIn(t, dir)
		must(t, s.Close())
	}
	for n := range 3 {
		content, err := os.ReadFile(fmt.Sprintf("%s.corrupt-%d", filepath.Join(dir, FileName), n+1))
		if err != nil || string(content) != fmt.Sprint("damage ", n) {
			t.Errorf("%d: %q %v", n+1, content, err)
		}
	}
}

// A row is either there as it was, or its loss is told: whatever bytes were overwritten. (A head page is the exception
// that bbolt makes itself: when the newer of the two is destroyed, the older one counts, one transaction back.)
func TestNoDamageIsFatalOrPassesSilently(t *testing.T) {
	const records = 60
	whole := filledFile(t, records)
	told, salvaged := 0, 0
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 6))
		content := append([]byte{}, whole...)
		const heads = 2 * 4096
		for range 1 + rng.IntN(3) {
			at := heads + rng.IntN(len(content)-heads)
			switch rng.IntN(3) {
			case 0:
				content[at] ^= 1 << rng.IntN(8)
			case 1: // the head of a page, where a wrong number does most harm
				content[at/4096*4096+rng.IntN(48)] = byte(rng.IntN(256))
			case 2: // a page in another one's place
				from := rng.IntN(len(content)/4096) * 4096
				copy(content[at/4096*4096:], content[from:min(from+4096, len(content))])
			}
		}
		dir := dirWith(t, content)
		s, health := Open(dir, Options{LockWait: time.Millisecond})
		if !health.Durable {
			t.Fatalf("seed %d: %v", seed, health.Messages)
		}
		found, err := s.Records(Filter{})
		must(t, err)
		for _, rec := range found {
			if diff := cmp.Diff(keyRecord(rec.ID, StateDelivered), rec); diff != "" {
				t.Fatalf("seed %d: a record changed: %s", seed, diff)
			}
		}
		if len(health.Messages) > 0 {
			told++
			if len(found) > 0 {
				salvaged++
			}
		} else if len(found) != records {
			t.Fatalf("seed %d: %d records and no word of it", seed, len(found))
		}
		must(t, s.Put(keyRecord("new", StateIntent)))
		must(t, s.Close())
		s, health = Open(dir, Options{LockWait: time.Millisecond})
		if !health.Durable || len(recordIDs(t, s)) != len(found)+1 {
			t.Fatalf("seed %d: after the restart %d records, want %d; %v", seed, len(recordIDs(t, s)), len(found)+1, health.Messages)
		}
		must(t, s.Close())
	}
	if told < 50 || salvaged < 20 {
		t.Errorf("%d of 300 damages told, %d salvaged: the test does not damage what it means to", told, salvaged)
	}
}

func TestADestroyedNewerHeadFallsBackWithoutHarm(t *testing.T) {
	whole := filledFile(t, 10)
	for page := range 2 {
		content := append([]byte{}, whole...)
		copy(content[page*4096+16:], make([]byte, 64))
		s, health := openIn(t, dirWith(t, content))
		if !health.Durable || len(recordIDs(t, s)) < 10 {
			t.Errorf("head %d: %v %v", page, recordIDs(t, s), health.Messages)
		}
		must(t, s.Put(keyRecord("new", StateIntent)))
	}
}
