package store

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"federation-agent/internal/keys"
	"federation-agent/test/missing"
)

const tmpfsDir = "STORE_TEST_TMPFS_DIR"

// inTmpfs runs a test in a tiny file system of its own, in a mount namespace of its own.
func inTmpfs(t *testing.T, size string, test func(t *testing.T, dir string)) {
	t.Helper()
	if dir := os.Getenv(tmpfsDir); dir != "" {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
			t.Skip(err)
		}
		test(t, dir)
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), tmpfsDir+"="+t.TempDir())
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := child.CombinedOutput()
	switch {
	case strings.Contains(string(out), "--- SKIP"): // so the child says that it may not mount
		missing.Require(t, noTmpfs(errors.New(string(out))))
	case child.ProcessState == nil:
		missing.Require(t, noTmpfs(err))
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	}
}

func noTmpfs(err error) error {
	return &missing.Error{
		What: "leave to mount a tmpfs in a user namespace of one's own",
		Install: "sysctl -w user.max_user_namespaces=1000 kernel.apparmor_restrict_unprivileged_userns=0 " +
			"(and kernel.unprivileged_userns_clone=1 on older Debian); in a container, run it with CAP_SYS_ADMIN " +
			"or without its seccomp profile",
		Err: err,
	}
}

func TestARealDiskThatIsFullAndThenRemounted(t *testing.T) { inTmpfs(t, "256k", fullAndRemounted) }

func fullAndRemounted(t *testing.T, dir string) {
	t.Helper()
	s, health := openIn(t, dir)
	wantHealth(t, health, true)
	ballast := filepath.Join(dir, "ballast")
	must(t, os.WriteFile(ballast, make([]byte, 128<<10), 0o600))
	n := 0
	for ; s.Health().Durable; n++ {
		must(t, put(s, keyRecord(fmt.Sprintf("r%04d", n), keys.Intent)))
		must(t, TolerateListings(s).SaveListing(t.Context(), "i", fmt.Sprint(n), []RememberedAPI{{ID: "a", Name: strings.Repeat("x", 3000)}}))
		if n > 500 {
			t.Fatal("the disk is not full")
		}
	}
	wantHealth(t, s.Health(), false, "no space left on device")
	must(t, put(s, keyRecord("while-full", keys.Intent)))
	must(t, removeKey(s, "r0000"))
	want := recordIDs(t, s)

	must(t, os.Remove(ballast))
	must(t, s.Flush())
	wantHealth(t, s.Health(), true)
	must(t, s.Close())
	s, health = openIn(t, dir)
	wantHealth(t, health, true)
	if got := recordIDs(t, s); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("records %v, want %v", got, want)
	}

	// Read-only from one moment to the next: a descriptor open for writing forbids that, so at a start.
	must(t, s.Close())
	must(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=256k"))
	s, health = openIn(t, dir)
	wantHealth(t, health, false, "read-only file system")
	if got := recordIDs(t, s); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("records of the read-only disk %v, want %v", got, want)
	}
	must(t, put(s, keyRecord("while-read-only", keys.Intent)))
	must(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=1m"))
	must(t, s.Flush())
	wantHealth(t, s.Health(), true)
}

func TestThe512KiBVolumeThatTheCacheFillsHasRoomForTheJournal(t *testing.T) {
	inTmpfs(t, "512k", cacheAndJournal)
}

func TestThe1MiBVolumeThatTheCacheFillsHasRoomForTheJournal(t *testing.T) {
	inTmpfs(t, "1m", cacheAndJournal)
}

// cacheAndJournal ingests 60 APIs with three stages each, and then makes keys: all of it is in the journal.
func cacheAndJournal(t *testing.T, dir string) {
	t.Helper()
	cache := openExports(t, filepath.Join(dir, "exports"), 512<<20)
	s, health := Open(dir, Options{GiveWay: cache.GiveWay})
	wantHealth(t, health, true)
	apis, plans := []RememberedAPI{}, map[string][]string{}
	kept := 0
	for n := range 180 {
		id := fmt.Sprintf("111122223333:eu-west-1:api%07d:stage%d", n/3, n%3)
		apis, plans[id] = append(apis, RememberedAPI{ID: id, Name: "An API's name"}), []string{"a1b2c3"}
		if cache.Put(exportKey(n, "d"), Export{Document: make([]byte, 6<<10)}) == nil && cache.Size(exportKey(n, "d")) > 0 {
			kept++
		}
		if free, _ := freeBytes(dir); free < leastFree {
			t.Fatalf("after %d documents %d bytes are free", n, free)
		}
	}
	must(t, s.SaveListing(t.Context(), "i", "t", apis))
	must(t, note(s, "i", plans))
	if kept == 0 {
		t.Error("the cache keeps nothing: the test shows nothing")
	}
	made := []keys.State{keys.Intent, keys.Creating, keys.Created, keys.Attached, keys.Answered, keys.Delivered}
	for n := range 200 {
		for _, state := range made {
			rec := keyRecord(fmt.Sprintf("r%04d", n), state)
			rec.APIID, rec.Reason = apis[n%180].ID, strings.Repeat("x", 200)
			must(t, put(s, rec))
			wantHealth(t, s.Health(), true)
		}
		_ = cache.Put(exportKey(n, "e"), Export{Document: make([]byte, 6<<10)})
	}
	want := recordIDs(t, s)
	must(t, s.Close())
	s, health = openIn(t, dir)
	wantHealth(t, health, true)
	records, err := recordsIn(s, Filter{States: []keys.State{keys.Delivered}})
	must(t, err)
	if got := recordIDs(t, s); fmt.Sprint(got) != fmt.Sprint(want) || len(records) != 200 {
		t.Errorf("%d records, %d delivered, want %d", len(got), len(records), len(want))
	}
	if remembered, err := plansOf(s, "i"); err != nil || len(remembered) != 180 {
		t.Errorf("%d plans, %v", len(remembered), err)
	}
}

func TestAVolumeThatAnEarlierVersionsCacheFilledHasRoomAgain(t *testing.T) {
	inTmpfs(t, "512k", filledBefore)
}

func filledBefore(t *testing.T, dir string) {
	t.Helper()
	filler, err := OpenExports(filepath.Join(dir, "exports"), "/proc", 512<<20) // it knows of no journal beside it
	must(t, err)
	for n := 0; filler.Put(exportKey(n, "d"), Export{Document: make([]byte, 3<<10)}) == nil; n++ {
		if n > 500 {
			t.Fatal("the disk is not full")
		}
	}
	var cache *DiskExports // it is opened later: the journal is in memory until then
	s, health := Open(dir, Options{GiveWay: func() int64 {
		if cache == nil {
			return 0
		}
		return cache.GiveWay()
	}})
	wantHealth(t, health, false, "no space left on device")
	must(t, put(s, keyRecord("in-memory", keys.Attached)))
	cache = openExports(t, filepath.Join(dir, "exports"), 512<<20)
	must(t, s.Flush())
	wantHealth(t, s.Health(), true)
	must(t, s.Close())
	s, _ = openIn(t, dir)
	if got := recordIDs(t, s); len(got) != 1 {
		t.Errorf("records %v", got)
	}
	if free, _ := freeBytes(dir); free < leastFree {
		t.Errorf("%d bytes are free", free)
	}
}

func TestAVolumeThatOthersFillTakesTheNextRecords(t *testing.T) { inTmpfs(t, "1m", filledByOthers) }

func filledByOthers(t *testing.T, dir string) {
	t.Helper()
	s, health := openIn(t, dir)
	wantHealth(t, health, true)
	ballast, reserve := filepath.Join(dir, "ballast"), filepath.Join(dir, FileName+reserveSuffix)
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); !noRoom(err) {
		t.Fatalf("the disk is not full: %v", err)
	}
	made := []keys.State{keys.Intent, keys.Creating, keys.Created, keys.Attached, keys.Answered, keys.Delivered}
	put := func(from, to int) {
		for n := from; n < to; n++ {
			for _, state := range made {
				rec := keyRecord(fmt.Sprintf("r%04d", n), state)
				rec.Reason = strings.Repeat("x", 200)
				must(t, put(s, rec))
			}
		}
		wantHealth(t, s.Health(), true)
	}
	put(0, 100) // 300 KB of lines
	must(t, os.Remove(ballast))
	put(100, 200)
	if _, err := os.Stat(reserve); err != nil {
		t.Errorf("the reserve was not made again: %v", err)
	}
	must(t, s.Close())
	s, _ = openIn(t, dir)
	if got := recordIDs(t, s); len(got) != 200 {
		t.Errorf("%d records", len(got))
	}
}

func TestASmallVolumeIsNeverFilledByLinesThatAreObsolete(t *testing.T) {
	inTmpfs(t, "1m", obsoleteLines)
}

// obsoleteLines makes and forgets keys for as long as it takes to write the volume full three times: no more than a
// quarter of it is ever of use.
func obsoleteLines(t *testing.T, dir string) {
	t.Helper()
	s, health := openIn(t, dir)
	wantHealth(t, health, true)
	const kept = 300
	for n := range 1500 {
		for _, state := range []keys.State{
			keys.Intent, keys.Creating, keys.Created, keys.Attached, keys.Answered, keys.Delivered,
		} {
			rec := keyRecord(fmt.Sprintf("r%04d", n), state)
			rec.Reason, rec.SubscriptionID = strings.Repeat("x", 200), rec.ID
			must(t, put(s, rec))
		}
		if n >= kept {
			must(t, removeKey(s, fmt.Sprintf("r%04d", n-kept)))
		}
		if n%500 == 250 { // a start does not know how much of the file is obsolete
			must(t, s.Close())
			s, _ = openIn(t, dir)
		}
		if wantHealth(t, s.Health(), true); t.Failed() {
			t.Fatalf("after %d keys", n)
		}
	}
	must(t, s.Close())
	s, health = openIn(t, dir)
	wantHealth(t, health, true)
	if got := recordIDs(t, s); len(got) != kept {
		t.Errorf("%d records", len(got))
	}
}
