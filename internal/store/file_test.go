package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/keys"
)

var (
	_ KeyJournal = (*FileStore)(nil)
	_ Ingests    = (*FileStore)(nil)
	_ Listings   = (*FileStore)(nil)
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func keyRecord(id string, state keys.State) keys.Record {
	return keys.Record{
		ID: id, Integration: "i", State: state, KeyName: "name-" + id, SubscriptionID: "sub",
		CreatedAt: noon, UpdatedAt: noon,
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// openIn opens a store that the test's end closes.
func openIn(t testing.TB, dir string) (*FileStore, Health) {
	t.Helper()
	s, health := Open(dir, Options{LockWait: time.Millisecond})
	t.Cleanup(func() { _ = s.Close() })
	return s, health
}

func wantHealth(t testing.TB, health Health, durable bool, texts ...string) {
	t.Helper()
	all := strings.Join(health.Messages, "\n")
	if health.Durable != durable {
		t.Errorf("durable: %v, want %v (%s)", health.Durable, durable, all)
	}
	if len(texts) == 0 && all != "" {
		t.Errorf("messages: %s", all)
	}
	for _, text := range texts {
		if !strings.Contains(all, text) {
			t.Errorf("messages do not say %q: %s", text, all)
		}
	}
}

func recordIDs(t testing.TB, s *FileStore) []string {
	t.Helper()
	records, err := recordsIn(s, Filter{})
	must(t, err)
	ids := []string{}
	for _, rec := range records {
		ids = append(ids, rec.ID)
	}
	return ids
}

// filledFile gives the content of a store's file with records r00…, one that is gone again, and some more tables.
func filledFile(t testing.TB, records int) []byte {
	t.Helper()
	dir := t.TempDir()
	s, health := openIn(t, dir)
	wantHealth(t, health, true)
	for n := range records {
		must(t, put(s, keyRecord(fmt.Sprintf("r%02d", n), keys.Delivered)))
	}
	must(t, put(s, keyRecord("gone", keys.Intent)))
	must(t, removeKey(s, "gone"))
	must(t, s.SaveListing(t.Context(), "i", "t", []RememberedAPI{{ID: "a", Name: strings.Repeat("n", 9000)}}))
	must(t, note(s, "i", map[string][]string{"a": {"p"}}))
	must(t, s.Close())
	content, err := os.ReadFile(filepath.Join(dir, FileName))
	must(t, err)
	return content
}

func dirWith(t testing.TB, content []byte) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, FileName), content, 0o600))
	return dir
}

func TestASecondWriterRunsInMemoryAndTakesOverLater(t *testing.T) {
	dir := t.TempDir()
	first, _ := openIn(t, dir)
	must(t, put(first, keyRecord("first's", keys.Created)))
	must(t, put(first, keyRecord("both's", keys.Created)))

	var log strings.Builder
	second, health := Open(dir, Options{LockWait: time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	t.Cleanup(func() { _ = second.Close() })
	wantHealth(t, health, false, "another process holds the store", dir, "in memory only", "forgets which API keys")
	must(t, put(second, keyRecord("second's", keys.Intent)))
	both := keyRecord("both's", keys.Attached)
	must(t, put(second, both))
	must(t, put(first, keyRecord("late", keys.Deleting)))
	must(t, first.Close())

	must(t, second.Flush())
	wantHealth(t, second.Health(), true)
	if !strings.Contains(log.String(), "keys=2") {
		t.Errorf("the log does not tell of the first's two keys: %s", log.String())
	}
	records, err := recordsIn(second, Filter{States: []keys.State{keys.Created, keys.Deleting}})
	must(t, err)
	firsts := []keys.Record{keyRecord("first's", keys.Created), keyRecord("late", keys.Deleting)}
	if diff := cmp.Diff(firsts, records); diff != "" {
		t.Errorf("adopted: %s", diff)
	}
	must(t, second.Close())
	third, _ := openIn(t, dir)
	if diff := cmp.Diff([]string{"both's", "first's", "late", "second's"}, recordIDs(t, third)); diff != "" {
		t.Error(diff)
	}
	if got, _ := recordsIn(third, Filter{States: []keys.State{keys.Attached}}); len(got) != 1 || got[0].ID != "both's" {
		t.Errorf("the living process's own record counts: %+v", got)
	}
}

func TestADamagedFileOfALivingProcessIsLeftToIt(t *testing.T) {
	dir := t.TempDir()
	first, _ := openIn(t, dir)
	must(t, put(first, keyRecord("r", keys.Created)))
	file, err := os.OpenFile(filepath.Join(dir, FileName), os.O_WRONLY, 0)
	must(t, err)
	_, err = file.WriteAt(make([]byte, 8192), 0)
	must(t, errors.Join(err, file.Close()))
	_, health := openIn(t, dir)
	wantHealth(t, health, false, "another process holds")
	if aside, _ := filepath.Glob(filepath.Join(dir, "*.corrupt-*")); len(aside) > 0 {
		t.Errorf("moved aside under its owner: %v", aside)
	}
}

// refusing opens a medium; its file cannot be opened for writing while err is set.
func refusing(dir string, err *error) *fileMedium {
	return &fileMedium{path: filepath.Join(dir, FileName), lockWait: time.Millisecond, log: slog.New(slog.DiscardHandler), volume: systemVolume{},
		openFile: func(name string, flag int, mode fs.FileMode) (*os.File, error) {
			if *err != nil {
				return nil, &fs.PathError{Op: "open", Path: name, Err: *err}
			}
			return os.OpenFile(name, flag, mode)
		}}
}

func TestAReadOnlyDiskIsReadAndTheRestKeptInMemory(t *testing.T) {
	dir := dirWith(t, filledFile(t, 3))
	var refusal error = syscall.EROFS
	s, health := NewFileStore(refusing(dir, &refusal), Options{})
	wantHealth(t, health, false, "read-only file system", "in memory only")
	if diff := cmp.Diff([]string{"r00", "r01", "r02"}, recordIDs(t, s)); diff != "" {
		t.Fatal(diff)
	}
	must(t, put(s, keyRecord("r00", keys.Deleting)))
	must(t, put(s, keyRecord("new", keys.Intent)))
	must(t, s.Flush())
	wantHealth(t, s.Health(), false, "read-only file system")

	refusal = nil
	must(t, s.Flush())
	wantHealth(t, s.Health(), true)
	must(t, s.Close())
	s, _ = openIn(t, dir)
	if diff := cmp.Diff([]string{"new", "r00", "r01", "r02"}, recordIDs(t, s)); diff != "" {
		t.Error(diff)
	}
	if got, _ := recordsIn(s, Filter{States: []keys.State{keys.Deleting}}); len(got) != 1 {
		t.Errorf("what was written meanwhile: %+v", got)
	}
}

func TestADirectoryThatCannotBeMadeIsNotFatal(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	s, health := openIn(t, filepath.Join(file, "store"))
	wantHealth(t, health, false, "in memory only", file)
	must(t, put(s, keyRecord("r", keys.Intent)))
	if err := s.Close(); err == nil {
		t.Error("closing says nothing of what is lost")
	}
}

// A file that can only be read stands for the full disk. TestARealDiskThatIsFullAndThenRemounted has a real one.
func TestAFullDiskCostsDurabilityAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	var refusal error
	medium := refusing(dir, &refusal)
	full, open := false, medium.openFile
	medium.openFile = func(name string, flag int, mode fs.FileMode) (*os.File, error) {
		if full {
			flag = os.O_RDONLY
		}
		return open(name, flag, mode)
	}
	s, health := NewFileStore(medium, Options{})
	t.Cleanup(func() { _ = s.Close() })
	wantHealth(t, health, true)
	must(t, put(s, keyRecord("before", keys.Intent)))
	must(t, put(s, keyRecord("removed while full", keys.Intent)))
	const n = 5
	for i := range n {
		if i == 3 {
			full = true
			must(t, medium.file.Close())
			readable, err := os.Open(medium.path)
			must(t, err)
			medium.file = readable
		}
		err := s.SaveListing(t.Context(), "i", fmt.Sprint("t", i), []RememberedAPI{{ID: "a", Name: strings.Repeat("x", 10_000)}})
		if errors.Is(err, ErrInMemory) != full {
			t.Fatalf("full: %v, the write says %v", full, err)
		}
		must(t, tolerated(err))
	}
	if err := note(s, "i", map[string][]string{"a": {"p"}}); !errors.Is(err, ErrInMemory) {
		t.Errorf("plans are noted in memory, and the write says %v", err)
	}
	must(t, TolerateIngests(s).SaveClaims(t.Context(), "i", map[string][]string{"a": {"p"}}))
	wantHealth(t, s.Health(), false, "in memory only", "forgets which API keys")
	must(t, put(s, keyRecord("while full", keys.Intent)))
	must(t, removeKey(s, "removed while full"))
	if diff := cmp.Diff([]string{"before", "while full"}, recordIDs(t, s)); diff != "" {
		t.Error(diff)
	}
	want, _ := s.Listings(t.Context(), "i")

	full = false
	for range maxSkip + 1 { // writes alone bring it back, without anybody's Flush
		must(t, put(s, keyRecord("while full", keys.Intent)))
	}
	wantHealth(t, s.Health(), true)
	must(t, s.Close())
	s, health = openIn(t, dir)
	wantHealth(t, health, true)
	if diff := cmp.Diff([]string{"before", "while full"}, recordIDs(t, s)); diff != "" {
		t.Error(diff)
	}
	got, _ := s.Listings(t.Context(), "i")
	if diff := cmp.Diff(want, got); diff != "" || len(got) != n {
		t.Errorf("%d listings: %s", n, diff)
	}
}

func TestWhatOthersWroteWhileTheLockWasLostIsKept(t *testing.T) {
	dir := t.TempDir()
	var refusal error
	medium := refusing(dir, &refusal)
	s, _ := NewFileStore(medium, Options{})
	t.Cleanup(func() { _ = s.Close() })
	must(t, put(s, keyRecord("ours", keys.Intent)))
	must(t, os.Truncate(filepath.Join(dir, FileName), 0)) // makes the next write fail
	must(t, put(s, keyRecord("ours too", keys.Intent)))
	refusal = syscall.EIO
	must(t, s.Flush())
	wantHealth(t, s.Health(), false, "input/output error")

	other, health := openIn(t, dir)
	wantHealth(t, health, true)
	must(t, put(other, keyRecord("others'", keys.Intent)))
	must(t, other.Close())

	refusal = nil
	must(t, s.Flush())
	wantHealth(t, s.Health(), true)
	must(t, s.Close())
	s, _ = openIn(t, dir)
	if diff := cmp.Diff([]string{"others'", "ours", "ours too"}, recordIDs(t, s)); diff != "" {
		t.Error(diff)
	}
}

func TestAFileCutOffOrRemovedWhileInUseIsReplacedFromMemory(t *testing.T) {
	for name, row := range map[string]struct {
		harm func(path string) error
		says []string
	}{
		"cut off": {func(path string) error { return os.Truncate(path, 8192) }, []string{"corrupt-1"}},
		"removed": {os.Remove, nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, _ := openIn(t, dir)
			for n := range 200 {
				must(t, put(s, keyRecord(fmt.Sprintf("r%03d", n), keys.Intent)))
			}
			want := recordIDs(t, s)
			must(t, row.harm(filepath.Join(dir, FileName)))
			must(t, tolerated(note(s, "i", map[string][]string{"a": {"p"}})))
			must(t, put(s, keyRecord("r000", keys.Creating)))
			must(t, s.Flush())
			wantHealth(t, s.Health(), true, row.says...)
			must(t, s.Close())
			s, _ = openIn(t, dir)
			if diff := cmp.Diff(want, recordIDs(t, s)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// After a failed fsync the system may show what never reached the disk.
func TestAFileWhoseSyncFailedIsNotTrusted(t *testing.T) {
	dir := t.TempDir()
	var refusal error
	medium := refusing(dir, &refusal)
	s, _ := NewFileStore(medium, Options{})
	t.Cleanup(func() { _ = s.Close() })
	must(t, put(s, keyRecord("known", keys.Intent)))
	before, err := medium.file.Stat()
	must(t, err)
	must(t, medium.Close())
	medium.unsynced = true
	must(t, put(s, keyRecord("new", keys.Intent)))
	must(t, s.Flush())
	wantHealth(t, s.Health(), true)
	if _, current := medium.inPlace(medium.file); !current || medium.unsynced {
		t.Error("the new file is not in place")
	}
	if after, err := medium.file.Stat(); err != nil || os.SameFile(before, after) {
		t.Error("the file is still used")
	}
	must(t, s.Close())
	s, _ = openIn(t, dir)
	if diff := cmp.Diff([]string{"known", "new"}, recordIDs(t, s)); diff != "" {
		t.Error(diff)
	}
}

func TestAnEmptyFileIsANewOne(t *testing.T) {
	for _, content := range [][]byte{nil, unzipped(t, "bbolt-empty.db.gz")} {
		s, health := openIn(t, dirWith(t, content))
		wantHealth(t, health, true)
		must(t, put(s, keyRecord("r", keys.Intent)))
	}
}

func TestAFileIsRewrittenWithoutWhatIsOutdated(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	must(t, os.WriteFile(path+".new", []byte("left by a stop in the middle of a rewrite"), 0o600))
	s, _ := openIn(t, dir)
	must(t, put(s, keyRecord("r", keys.Intent)))
	var largest, rewritten int64
	for n := range 40 {
		must(t, s.SaveListing(t.Context(), "i", "t", []RememberedAPI{{ID: fmt.Sprint(n), Name: strings.Repeat("x", 100_000)}}))
		info, err := os.Stat(path)
		must(t, err)
		if info.Size() < largest {
			rewritten++
		}
		largest = max(largest, info.Size())
	}
	if largest > 2*rewriteSlack || rewritten < 2 {
		t.Errorf("it grew to %d bytes and was rewritten %d times", largest, rewritten)
	}
	wantHealth(t, s.Health(), true)
	_, health := openIn(t, dir)
	wantHealth(t, health, false, "another process holds") // the new file is locked as the old one was
	must(t, s.Close())
	s, health = openIn(t, dir)
	wantHealth(t, health, true)
	got, err := s.Listings(t.Context(), "i")
	must(t, err)
	if diff := cmp.Diff([]string{"r"}, recordIDs(t, s)); diff != "" || len(got["t"]) != 1 || got["t"][0].ID != "39" {
		t.Errorf("%s %d", diff, len(got))
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 { // with the reserve
		t.Errorf("%v %v", entries, err)
	}
}

func TestAFileThatCannotBeRewrittenGrowsOn(t *testing.T) {
	dir := t.TempDir()
	var refusal error
	medium := refusing(dir, &refusal)
	s, _ := NewFileStore(medium, Options{})
	t.Cleanup(func() { _ = s.Close() })
	refusal = syscall.ENOSPC
	for n := range 30 {
		must(t, s.SaveListing(t.Context(), "i", "t", []RememberedAPI{{ID: fmt.Sprint(n), Name: strings.Repeat("x", 100_000)}}))
	}
	wantHealth(t, s.Health(), true)
	must(t, s.Close())
	s, health := openIn(t, dir)
	wantHealth(t, health, true)
	if got, _ := s.Listings(t.Context(), "i"); len(got["t"]) != 1 || got["t"][0].ID != "29" {
		t.Errorf("%d", len(got["t"]))
	}
}

func TestTheFileIsForItsOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made")
	openIn(t, dir)
	for path, want := range map[string]fs.FileMode{dir: 0o700, filepath.Join(dir, FileName): 0o600} {
		info, err := os.Stat(path)
		must(t, err)
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

// A key's value has no field to be written in. Who adds a field must come by here.
func TestAKeyRecordHasNoPlaceForAKeysValue(t *testing.T) {
	want := []string{
		"ID", "Integration", "Account", "Region", "SubscriptionID", "APIID", "UsagePlanID", "KeyName", "KeyID",
		"State", "CommandID", "CreatedAt", "UpdatedAt", "Reason", "LastError",
		"Acknowledged", "Sought", "AskedAt", "Restored", "Contested",
	}
	var got []string
	for field := range reflect.TypeFor[keys.Record]().Fields() {
		got = append(got, field.Name)
		if strings.Contains(strings.ToLower(field.Name), "value") ||
			field.Type.PkgPath() == "federation-agent/internal/secret" {
			t.Errorf("%s", field.Name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Before the order in time decided, a record named the one that it replaced.
func TestARecordWithAFieldOfAnEarlierVersionIsRead(t *testing.T) {
	old := keyRecord("old", keys.Delivered)
	row, err := encodeRow(Row{tableKeys, rowKey(old.ID)}, struct {
		keys.Record
		Replaces string `json:"replaces"`
	}{old, "an older one"})
	must(t, err)
	st := newState()
	must(t, st.apply(row))
	if got, _ := st.keys.get(old.ID); !cmp.Equal(old, got) {
		t.Error(cmp.Diff(old, got))
	}
}

func job(integration, id string) OwnedJob { return OwnedJob{Integration: integration, JobID: id} }

func note(s *FileStore, integration string, plans map[string][]string) error {
	_, err := s.Sending(context.Background(), OwnedJob{Integration: integration}, plans)
	return err
}

func plansOf(s *FileStore, integration string) (map[string][]string, error) {
	sent, err := s.Sent(context.Background(), integration)
	return sent.Plans, err
}
