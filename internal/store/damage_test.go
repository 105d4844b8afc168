package store

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/keys"
)

// unzipped gives a file of testdata.
func unzipped(t testing.TB, name string) []byte {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", name))
	must(t, err)
	defer file.Close()
	zipped, err := gzip.NewReader(file)
	must(t, err)
	content, err := io.ReadAll(zipped)
	must(t, err)
	return content
}

// lastLine gives where the last line of a journal begins.
func lastLine(content []byte) int { return bytes.LastIndexByte(content[:len(content)-1], '\n') + 1 }

func TestAFileThatCannotBeUsedIsMovedAsideAndNamed(t *testing.T) {
	whole, earlier := filledFile(t, 30), unzipped(t, "schema-1.db.gz")
	headBytes := len(head(0))
	for name, row := range map[string]struct {
		content []byte
		says    string
		kept    int // records that are read all the same
	}{
		"text":                    {[]byte("this is no journal"), "not that of a journal", 0},
		"zeros":                   {make([]byte, 1<<16), "not that of a journal", 0},
		"another program's":       {unzipped(t, "bbolt-foreign.db.gz"), "a database without the table keys", 0},
		"cut off in its head":     {whole[:20], "not that of a journal", 0},
		"cut off behind its head": {whole[:headBytes], "0 can be read", 0},
		"cut off in the middle":   {whole[:len(whole)/4], "can be read", 8},
		"with its head destroyed": {append(make([]byte, headBytes), whole[headBytes:]...), "not that of a journal", 30},

		"an earlier version's, cut off": {earlier[:len(earlier)/4], "earlier version", 0},
		"an earlier version's, with both head pages destroyed": {
			append(make([]byte, 8192), earlier[8192:]...), "not that of a journal", 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := dirWith(t, row.content)
			s, health := openIn(t, dir)
			aside := filepath.Join(dir, FileName+".corrupt-1")
			wantHealth(t, health, true, row.says, aside, "can no longer be guaranteed")
			if got := len(recordIDs(t, s)); got < row.kept {
				t.Errorf("%d records, want %d", got, row.kept)
			}
			kept, err := os.ReadFile(aside)
			must(t, err)
			if string(kept) != string(row.content) {
				t.Error("the file moved aside is not as it was")
			}
			must(t, put(s, keyRecord("new", keys.Intent)))
			must(t, s.Close())

			s, health = openIn(t, dir)
			wantHealth(t, health, true, "earlier starts", dir, filepath.Base(aside))
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

// later is a journal as the next version of the agent may write it.
func later(content []byte) []byte {
	return bytes.Replace(content, []byte("schema 2, "), []byte("schema 3, and more; "), 1)
}

func TestAJournalOfANewerVersionIsRefusedAndLeftAlone(t *testing.T) {
	content := later(filledFile(t, 3))
	dir := dirWith(t, content)
	path := filepath.Join(dir, FileName)
	err := Check(dir)
	for _, text := range []string{path, "newer version", "version 3", "up to 2"} {
		if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), text) {
			t.Errorf("the check does not say %q: %v", text, err)
		}
	}
	// One that meets it later, because another process had the journal, works in memory.
	s, health := openIn(t, dir)
	wantHealth(t, health, false, "newer version", "version 3")
	must(t, put(s, keyRecord("new", keys.Intent)))
	must(t, s.Flush())
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, content) {
		t.Errorf("the file was touched: %v", err)
	}
	if aside, _ := filepath.Glob(path + ".*"); len(aside) > 0 {
		t.Errorf("there is %v", aside)
	}
	_ = s.Close()

	for name, fine := range map[string]string{
		"no directory": filepath.Join(dir, "none"), "no journal": t.TempDir(), "one of this version": dirWith(t, filledFile(t, 3)),
		"one of an earlier version": dirWith(t, unzipped(t, "schema-1.db.gz")), "one cut off": dirWith(t, content[:20]),
	} {
		if err := Check(fine); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An earlier version of the agent knew only databases. It moved this version's journal aside, and began another one.
func TestAJournalThatAnEarlierVersionMovedAsideIsReadAgain(t *testing.T) {
	moved := t.TempDir()
	s, _ := openIn(t, moved)
	must(t, put(s, keyRecord("only-aside", keys.Unconfirmed)))
	must(t, put(s, keyRecord("r005", keys.Unconfirmed))) // the database has it, too, and goes on with it
	must(t, note(s, "i", map[string][]string{"a/b": {"older"}, "only-aside": {"p"}}))
	must(t, s.Close())
	aside, err := os.ReadFile(filepath.Join(moved, FileName))
	must(t, err)
	for name, content := range map[string][]byte{
		"a database": unzipped(t, "schema-1.db.gz"), "a journal": nil, "a damaged journal": []byte("damaged"),
	} {
		t.Run(name, func(t *testing.T) {
			before, _ := openIn(t, dirWith(t, content))
			known := recordIDs(t, before)
			dir := dirWith(t, content)
			paths := []string{
				filepath.Join(dir, FileName+".corrupt-1"), filepath.Join(dir, FileName+".corrupt-2"),
			}
			must(t, os.WriteFile(paths[0], aside, 0o600))
			must(t, os.WriteFile(paths[1], aside[:len(aside)/2], 0o600)) // it is damaged, and stays
			s, health := openIn(t, dir)
			wantHealth(t, health, true, "earlier starts", "corrupt-2")
			if strings.Contains(fmt.Sprint(health.Messages), "corrupt-1,") {
				t.Errorf("it is called damaged: %v", health.Messages)
			}
			want := append([]string{"only-aside"}, known...)
			if !slices.Contains(known, "r005") {
				want = append(want, "r005")
			}
			got := recordIDs(t, s)
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			plans, err := plansOf(s, "i")
			must(t, err)
			if content := fmt.Sprint(plans["a/b"]); name == "a database" && content != "[p q]" || len(plans["only-aside"]) != 1 {
				t.Errorf("plans %v", plans)
			}
			if _, err := os.Stat(paths[0]); !os.IsNotExist(err) {
				t.Errorf("the file that was read again is still there: %v", err)
			}
			must(t, removeKey(s, "only-aside"))
			must(t, s.Close())
			s, _ = openIn(t, dir)
			if slices.Contains(recordIDs(t, s), "only-aside") {
				t.Error("what ended since came back")
			}
		})
	}
}

func TestAFileLargerThanAnyJournalIsNotRead(t *testing.T) {
	dir := dirWith(t, filledFile(t, 3))
	must(t, os.Truncate(filepath.Join(dir, FileName), maxFileBytes+1))
	_, health := openIn(t, dir)
	wantHealth(t, health, true, "more than any journal", "corrupt-1")
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

// harm damages a file before the byte end, as disks and people do.
func harm(rng *rand.Rand, whole []byte, end int) []byte {
	const block = 4096
	content := bytes.Clone(whole)
	for range 1 + rng.IntN(3) {
		at := rng.IntN(end)
		start := at / block * block
		switch rng.IntN(6) {
		case 0:
			content[at] ^= 1 << rng.IntN(8)
		case 1: // the head of a block, where a database has its numbers
			content[min(start+rng.IntN(48), end-1)] = byte(rng.IntN(256))
		case 2: // a block in another one's place
			from := rng.IntN(len(content)/block+1) * block
			copy(content[start:min(start+block, end)], content[from:])
		case 3: // a block that was never written
			clear(content[start:min(start+block, end)])
		case 4: // from here on
			clear(content[at:end])
		case 5:
			copy(content[at:end], "\n")
		}
	}
	return content
}

// A row is either there as it was, or its loss is told: whatever bytes were overwritten. (The last line of a journal is
// the exception: damage there passes for a write that was cut off. So are the two head pages of an earlier version's:
// when the newer one is destroyed, the older one counts, one write back.)
func TestNoDamageIsFatalOrPassesSilently(t *testing.T) {
	const records, seeds = 60, 100
	appended := filledFile(t, records)
	rewritten := func() []byte {
		dir := dirWith(t, appended[:lastLine(appended)-1]) // damaged, so that it is rewritten
		s, _ := openIn(t, dir)
		must(t, s.Close())
		content, err := os.ReadFile(filepath.Join(dir, FileName))
		must(t, err)
		return content
	}()
	earlier := unzipped(t, "schema-1.db.gz")
	delivered := func(int) keys.State { return keys.Delivered }
	earlierState := func(n int) keys.State {
		return []keys.State{keys.Intent, keys.Creating, keys.Created, keys.Attached, keys.Answered, keys.Delivered,
			keys.Unconfirmed, keys.Deleting, keys.LostCreate}[n%9]
	}
	for name, row := range map[string]struct {
		content  []byte
		from, to int // the bytes that are damaged
		want     map[string]keys.Record
	}{
		"appended":           {appended, 0, lastLine(appended), wanted(records, "r%02d", delivered)},
		"rewritten":          {rewritten, 0, len(rewritten), wanted(records, "r%02d", delivered)},
		"an earlier version": {earlier, 8192, len(earlier), wanted(180, "r%03d", earlierState)},
	} {
		t.Run(name, func(t *testing.T) {
			delete(row.want, "r000") // was removed
			told, kept := 0, 0
			for seed := range uint64(seeds) {
				rng := rand.New(rand.NewPCG(seed, 6))
				content := append(bytes.Clone(row.content[:row.from]), harm(rng, row.content[row.from:], row.to-row.from)...)
				dir := dirWith(t, content)
				s, health := Open(dir, Options{LockWait: time.Millisecond})
				if !health.Durable {
					t.Fatalf("seed %d: %v", seed, health.Messages)
				}
				found, err := recordsIn(s, Filter{})
				must(t, err)
				intact := 0
				for _, rec := range found {
					want, ok := row.want[rec.ID]
					switch {
					case cmp.Diff(want, rec) == "":
						intact++
					case len(health.Messages) == 0:
						t.Fatalf("seed %d: a record changed: %s", seed, cmp.Diff(want, rec))
					case !ok && rec.State == keys.Intent: // its removal was lost
					case rec.State == keys.Unconfirmed && (want.State == keys.Created || want.State == keys.Attached):
					default:
						t.Fatalf("seed %d: a record changed: %s", seed, cmp.Diff(want, rec))
					}
				}
				if len(health.Messages) > 0 {
					told++
					if len(found) > 0 {
						kept++
					}
				} else if intact != len(row.want) {
					t.Fatalf("seed %d: %d records and no word of it", seed, len(found))
				}
				must(t, put(s, keyRecord("new", keys.Intent)))
				must(t, s.Close())
				s, health = Open(dir, Options{LockWait: time.Millisecond})
				if !health.Durable || len(recordIDs(t, s)) != len(found)+1 {
					t.Fatalf("seed %d: after the restart %d records, want %d; %v",
						seed, len(recordIDs(t, s)), len(found)+1, health.Messages)
				}
				must(t, s.Close())
			}
			if told < seeds/4 || kept < seeds/10 {
				t.Errorf("%d of %d damages told, in %d of them records were kept: the test does not damage what it means to",
					told, seeds, kept)
			}
		})
	}
}

func wanted(records int, id string, state func(n int) keys.State) map[string]keys.Record {
	all := map[string]keys.Record{}
	for n := range records {
		rec := keyRecord(fmt.Sprintf(id, n), state(n))
		all[rec.ID] = rec
	}
	return all
}

// A stop leaves any part of the last line, and the head with or without it.
func TestAWriteThatWasCutOffIsNoDamage(t *testing.T) {
	whole := filledFile(t, 3)
	last := lastLine(whole)
	lines := bytes.Count(whole, []byte("\n")) - 1
	for _, counted := range []int{lines - 1, lines} {
		for end := last; end < len(whole); end += 5 {
			for _, zeros := range []int{0, 10} { // the file had grown already
				content := append(bytes.Clone(whole[:end]), make([]byte, zeros)...)
				copy(content, head(counted))
				dir := dirWith(t, content)
				s, health := openIn(t, dir)
				wantHealth(t, health, true)
				if plans, err := plansOf(s, "i"); err != nil || len(plans) != 0 || len(recordIDs(t, s)) != 3 {
					t.Fatalf("%d lines counted, cut off at %d: %v %v %v", counted, end, plans, recordIDs(t, s), err)
				}
				if end%4 == 0 {
					must(t, put(s, keyRecord("new", keys.Intent)))
				}
				must(t, s.Close())
				s, health = openIn(t, dir)
				wantHealth(t, health, true)
				must(t, s.Close())
			}
		}
	}
}

// What a damaged journal says last of a key may be an old state of it. On its word no key is deleted.
func TestADamagedJournalDeletesNoKey(t *testing.T) {
	dir := t.TempDir()
	s, _ := openIn(t, dir)
	for _, last := range []keys.State{keys.Created, keys.Attached, keys.Answered, keys.Deleting} {
		for _, state := range []keys.State{keys.Created, keys.Attached, keys.Answered, keys.Deleting} {
			must(t, put(s, keyRecord("was-"+string(last), state)))
			if state == last {
				break
			}
		}
	}
	must(t, put(s, keyRecord("lost", keys.Delivered)))
	must(t, put(s, keyRecord("new", keys.Intent)))
	must(t, s.Close())
	path := filepath.Join(dir, FileName)
	content, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, bytes.Replace(content, []byte(string(keys.Delivered)), []byte("delivereD"), 1), 0o600))
	for range 2 { // what was doubtful stays so
		s, health := openIn(t, dir)
		wantHealth(t, health, true, "corrupt-1")
		got := map[string]keys.State{}
		records, err := recordsIn(s, Filter{})
		must(t, err)
		for _, rec := range records {
			got[rec.ID] = rec.State
		}
		if diff := cmp.Diff(map[string]keys.State{
			"was-created": keys.Unconfirmed, "was-attached": keys.Unconfirmed, "was-answered": keys.Answered,
			"was-deleting": keys.Deleting, "new": keys.Intent,
		}, got); diff != "" {
			t.Error(diff)
		}
		must(t, s.Close())
	}
}
