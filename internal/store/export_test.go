package store

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func exportKey(n int, deployment string) ExportKey {
	return ExportKey{
		Account: "111122223333", Region: "eu-west-1", RestAPI: fmt.Sprintf("api%06d", n/10),
		Stage: fmt.Sprint("stage", n%10), DeploymentID: deployment,
	}
}

func openExports(t testing.TB, dir string, limit int64) *DiskExports {
	t.Helper()
	c, err := OpenExports(dir, dir, limit)
	must(t, err)
	t.Cleanup(func() { <-c.scanned }) // the test's folder is removed afterwards
	return c
}

func wantExport(t testing.TB, c ExportCache, key ExportKey, want Export) {
	t.Helper()
	got, ok, err := c.Get(key)
	must(t, err)
	if !ok {
		t.Errorf("%v is not there", key)
	} else if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%v: %s", key, diff)
	}
}

func wantMiss(t testing.TB, c ExportCache, key ExportKey) {
	t.Helper()
	if got, ok, err := c.Get(key); ok || err != nil {
		t.Errorf("%v: %d bytes, %v %v", key, len(got.Document), ok, err)
	}
}

// exportFile is an export's file as it is written.
func exportFile(t testing.TB, key ExportKey, export Export) []byte {
	t.Helper()
	head, err := exportFileHead(key, export)
	must(t, err)
	return append(head, export.Document...)
}

// exportFiles lists what lies in the cache's folder.
func exportFiles(t testing.TB, dir string) (names []string, bytes int64) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			info, err := entry.Info()
			must(t, err)
			names, bytes = append(names, path), bytes+onDisk(info.Size())
		}
		return err
	}))
	return names, bytes
}

func TestBothExportCachesKeepOneDocumentAStage(t *testing.T) {
	for name, open := range map[string]func(limit int64) ExportCache{
		"memory": func(limit int64) ExportCache { return NewMemoryExports(limit) },
		"disk":   func(limit int64) ExportCache { return openExports(t, t.TempDir(), limit) },
	} {
		t.Run(name, func(t *testing.T) {
			c := open(5 * exportBlock)
			a, b := exportKey(1, "d1"), exportKey(2, "d1")
			wantMiss(t, c, a)
			if size := c.Size(a); size != 0 {
				t.Errorf("%d bytes of what is not kept", size)
			}
			document := []byte(`{"openapi":"3.0.1"}`)
			must(t, c.Put(a, Export{Document: document}))
			document[0] = 'X'
			must(t, c.Put(b, Export{NotExportable: "JSON body models are not found"}))
			got, _, err := c.Get(a)
			must(t, err)
			got.Document[0] = 'X'
			wantExport(t, c, a, Export{Document: []byte(`{"openapi":"3.0.1"}`)})
			wantExport(t, c, b, Export{NotExportable: "JSON body models are not found"})

			for _, change := range []func(*ExportKey){
				func(k *ExportKey) { k.Account = "4" }, func(k *ExportKey) { k.Region = "x" },
				func(k *ExportKey) { k.RestAPI = "x" },
				func(k *ExportKey) { k.Stage = "x" }, func(k *ExportKey) { k.DeploymentID = "d2" },
				func(k *ExportKey) { k.DocumentationVersion = "1" }, func(k *ExportKey) { k.CanaryDeploymentID = "d1" },
			} {
				other := a
				change(&other)
				wantMiss(t, c, other)
			}
			wantExport(t, c, a, Export{Document: []byte(`{"openapi":"3.0.1"}`)})

			if size := c.Size(a); size < 19 || size > exportBlock {
				t.Errorf("a document of 19 bytes is said to take %d", size)
			}

			shared := Export{
				Document: []byte("{}"), Checked: true, Of: "what", Shared: &Shared{Stage: "dev", UpdatedAt: 7, Sure: true},
			}
			must(t, c.Put(b, shared))
			wantExport(t, c, b, shared)
			must(t, c.Put(b, Export{NotExportable: "JSON body models are not found"}))

			newer := exportKey(1, "d2")
			must(t, c.Put(newer, Export{Document: []byte{}}))
			wantMiss(t, c, a)
			wantExport(t, c, newer, Export{Document: []byte{}})

			must(t, c.Put(newer, Export{Document: make([]byte, 6*exportBlock)}))
			wantMiss(t, c, newer) // larger than the whole cache, and no older one stays in its place
			wantExport(t, c, b, Export{NotExportable: "JSON body models are not found"})
		})
	}
}

func TestTheLeastRecentlyUsedExportGoesFirst(t *testing.T) {
	size := exportBlock*2 - 1000 // two blocks a file, with its head
	for name, open := range map[string]func() ExportCache{
		"memory": func() ExportCache { return NewMemoryExports(int64(3*size + 3*memoryExportOverhead)) },
		"disk":   func() ExportCache { return openExports(t, t.TempDir(), 6*exportBlock) },
	} {
		t.Run(name, func(t *testing.T) {
			c := open()
			export := Export{Document: make([]byte, size)}
			for n := range 3 {
				must(t, c.Put(exportKey(n, "d"), export))
			}
			wantExport(t, c, exportKey(0, "d"), export)
			must(t, c.Put(exportKey(3, "d"), export))
			wantMiss(t, c, exportKey(1, "d"))
			for _, n := range []int{0, 2, 3} {
				wantExport(t, c, exportKey(n, "d"), export)
			}
		})
	}
}

func TestTheDiskCacheStaysWithinItsBoundWhateverIsPut(t *testing.T) {
	dir := t.TempDir()
	const limit = 20 * exportBlock
	c := openExports(t, dir, limit)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		key, document := exportKey(rng.IntN(40), fmt.Sprint(rng.IntN(3))), make([]byte, rng.IntN(4*exportBlock))
		must(t, c.Put(key, Export{Document: document}))
		_, _, err := c.Get(exportKey(rng.IntN(40), fmt.Sprint(rng.IntN(3))))
		must(t, err)
		names, used := exportFiles(t, dir)
		if used > limit || used != c.index.used || len(names) != len(c.index.entries) {
			t.Fatalf("%d bytes in %d files, the index has %d in %d", used, len(names), c.index.used, len(c.index.entries))
		}
	}
}

func TestTheDiskCacheSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	c := openExports(t, dir, 100*exportBlock)
	for n := range 50 {
		must(t, c.Put(exportKey(n, "d1"), Export{Document: fmt.Appendf(nil, "document %d", n)}))
	}
	must(t, os.WriteFile(filepath.Join(dir, "README"), []byte("somebody's"), 0o600))
	shard := filepath.Dir(c.path(exportKey(0, "").slot()))
	must(t, os.WriteFile(filepath.Join(shard, tempPrefix+"half"), []byte("half-writ"), 0o600))

	c = openExports(t, dir, 100*exportBlock)
	wantMiss(t, c, exportKey(7, "d2"))
	for n := range 50 {
		wantExport(t, c, exportKey(n, "d1"), Export{Document: fmt.Appendf(nil, "document %d", n)})
	}
	must(t, c.Put(exportKey(7, "d2"), Export{Document: []byte("newer")}))
	wantExport(t, c, exportKey(7, "d2"), Export{Document: []byte("newer")})
	names, _ := exportFiles(t, dir)
	if len(names) != 51 || !slices.Contains(names, filepath.Join(dir, "README")) {
		t.Errorf("%d files", len(names))
	}

	c = openExports(t, dir, 10*exportBlock) // a smaller bound than before
	<-c.scanned
	if _, used := exportFiles(t, dir); used > 11*exportBlock || used < 10*exportBlock { // one block is the README
		t.Errorf("%d bytes are left", used)
	}
}

func TestTheLeastRecentlyUsedExportGoesFirstAfterARestartToo(t *testing.T) {
	dir := t.TempDir()
	const limit = 3 * exportBlock
	first := openExports(t, dir, limit)
	export := Export{Document: []byte(`{"openapi":"3.0.1"}`)}
	for n := range 3 {
		key := exportKey(n, "d1")
		must(t, first.Put(key, export))
		written := time.Now().Add(time.Duration(n-3) * time.Hour)
		must(t, os.Chtimes(first.path(key.slot()), written, written))
	}
	wantExport(t, first, exportKey(0, "d1"), export) // the oldest is used

	second := openExports(t, dir, limit)
	must(t, second.Put(exportKey(3, "d1"), export))
	wantMiss(t, second, exportKey(1, "d1"))
	for _, n := range []int{0, 2, 3} {
		wantExport(t, second, exportKey(n, "d1"), export)
	}
}

func TestADamagedExportIsAMissAndRemoved(t *testing.T) {
	key := exportKey(1, "d")
	for name, damage := range map[string]func([]byte) []byte{
		"empty":               func([]byte) []byte { return nil },
		"cut off":             func(b []byte) []byte { return b[:len(b)-1] },
		"cut off in its head": func(b []byte) []byte { return b[:10] },
		"a bit":               func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"zeros":               func(b []byte) []byte { return make([]byte, len(b)) },
		"longer":              func(b []byte) []byte { return append(b, 0) },
		"another stage's": func([]byte) []byte {
			return exportFile(t, exportKey(2, "d"), Export{Document: []byte("x")})
		},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restart %v", name, restart), func(t *testing.T) {
				dir := t.TempDir()
				c := openExports(t, dir, 1<<20)
				must(t, c.Put(key, Export{Document: []byte(strings.Repeat("document ", 100))}))
				content, err := os.ReadFile(c.path(key.slot()))
				must(t, err)
				must(t, os.WriteFile(c.path(key.slot()), damage(content), 0o600))
				if restart {
					c = openExports(t, dir, 1<<20)
				}
				wantMiss(t, c, key)
				if names, _ := exportFiles(t, dir); len(names) > 0 || c.index.used != 0 {
					t.Errorf("still there: %v, %d bytes", names, c.index.used)
				}
				must(t, c.Put(key, Export{Document: []byte("again")}))
				wantExport(t, c, key, Export{Document: []byte("again")})
			})
		}
	}
}

func TestExportsThatSomebodyRemovedAreMisses(t *testing.T) {
	dir := t.TempDir()
	c := openExports(t, dir, 1<<20)
	must(t, c.Put(exportKey(1, "d"), Export{Document: []byte("x")}))
	must(t, os.RemoveAll(dir))
	wantMiss(t, c, exportKey(1, "d"))
	must(t, c.Put(exportKey(1, "d"), Export{Document: []byte("y")}))
	wantExport(t, c, exportKey(1, "d"), Export{Document: []byte("y")})
}

func TestAFileThatIsGoneLeavesTheIndex(t *testing.T) {
	c := openExports(t, t.TempDir(), 1<<20)
	key := exportKey(1, "d1")
	must(t, c.Put(key, Export{Document: []byte("x")}))
	must(t, os.Remove(c.path(key.slot())))
	wantMiss(t, c, key)
	if c.index.used != 0 {
		t.Error("a file that is gone stays in the index")
	}
}

func TestAnExportCacheThatCannotBeWrittenSaysSo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if _, err := OpenExports(file, file, 1<<20); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("%v", err)
	}
	dir := t.TempDir()
	c := openExports(t, dir, 1<<20)
	key := exportKey(1, "d")
	must(t, os.WriteFile(filepath.Dir(c.path(key.slot())), nil, 0o600)) // a file where a folder must be
	if err := c.Put(key, Export{}); err == nil {
		t.Error("a failed Put says nothing")
	}
	wantMiss(t, c, key)
}

func TestTheDiskCacheIsSafeForConcurrentUse(t *testing.T) {
	dir := t.TempDir()
	c := openExports(t, dir, 12*exportBlock)
	var wait sync.WaitGroup
	for w := range 8 {
		wait.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 3))
			for range 150 {
				n, deployment := rng.IntN(20), fmt.Sprint(rng.IntN(2))
				key := exportKey(n, deployment)
				want := bytes.Repeat(fmt.Appendf(nil, "%d-%s ", n, deployment), 200)
				if rng.IntN(2) == 0 {
					if err := c.Put(key, Export{Document: want}); err != nil {
						t.Error(err)
					}
				} else if got, ok, err := c.Get(key); err != nil || (ok && !bytes.Equal(got.Document, want)) {
					t.Errorf("%v: %q %v", key, got.Document, err)
				}
			}
		})
	}
	wait.Wait()
	names, used := exportFiles(t, dir)
	if used != c.index.used || len(names) != len(c.index.entries) || used > 12*exportBlock {
		t.Errorf("%d bytes in %d files, the index has %d in %d", used, len(names), c.index.used, len(c.index.entries))
	}
}

func TestTheIndexCostsAboutAHundredBytesAFile(t *testing.T) {
	const files = 13_200
	heap := func() uint64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	index := newLRU[struct{}](1 << 40)
	before := heap()
	for n := range files {
		index.set(exportKey(n, "").slot(), 1<<16, struct{}{})
	}
	each := int64(heap()-before) / files
	if each > 110 {
		t.Errorf("%d bytes each", each)
	}
	t.Logf("%d bytes each", each)
	runtime.KeepAlive(index)
}

func TestACacheOfNoBytesKeepsNothing(t *testing.T) {
	none := NewMemoryExports(0)
	must(t, none.Put(exportKey(1, "d"), Export{Document: []byte("x")}))
	wantMiss(t, none, exportKey(1, "d"))
}
