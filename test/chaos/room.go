package chaos

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/store"
)

const (
	// leastVolume and mostVolume, in bytes, are small disks: on the least the cache has hardly a place.
	leastVolume = 320 << 10
	mostVolume  = 1200 << 10
	// block is what a file's size is rounded up to.
	block = 4 << 10
	// longestFull is how long somebody else fills a disk.
	longestFull = 3 * time.Minute
	// leastRoomDocument and mostRoomDocument, in bytes, are the documents of an estate that fills a cache.
	leastRoomDocument = 4 << 10
	mostRoomDocument  = 40 << 10
)

// volume is a small disk with the journal and the cache on it, and what others write there. The files are real. How
// many bytes they may have is decided here.
type volume struct {
	run      *run
	name     string
	dir      string
	capacity int64

	mu      sync.Mutex
	ballast int64
}

func (r *run) newVolume(name string) *volume {
	if !r.profile.has(famRoom) {
		return nil
	}
	size := r.dice.between(leastVolume/block, mostVolume/block, "volume", name) * block
	return &volume{run: r, name: name, dir: r.world.T.TempDir(), capacity: int64(size)}
}

// exportsDir is where the cache has its files.
func (v *volume) exportsDir() string { return filepath.Join(v.dir, "exports") }

// used is how many bytes the files of a directory take.
func used(dir string) (sum int64) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil {
				sum += (info.Size() + block - 1) / block * block
			}
		}
		return nil // what goes meanwhile is gone
	})
	return sum
}

// free needs the lock.
func (v *volume) free() int64 { return max(0, v.capacity-v.ballast-used(v.dir)) }

// WriteAt implements [store.Volume].
func (v *volume) WriteAt(file *os.File, data []byte, at int64) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	grows := at + int64(len(data)) - (info.Size()+block-1)/block*block
	if free := v.free(); grows > free {
		fits := max(0, int64(len(data))-(grows-free))
		n, err := file.WriteAt(data[:fits], at)
		return n, errors.Join(err, &fs.PathError{Op: "write", Path: filepath.Base(file.Name()), Err: syscall.ENOSPC})
	}
	return file.WriteAt(data, at)
}

// Sync implements [store.Volume]: a process that dies leaves what it has written.
func (v *volume) Sync(*os.File) error { return nil }

// Free implements [store.Volume].
func (v *volume) Free(string) (int64, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.free(), true
}

// Same implements [store.Volume].
func (v *volume) Same(string, string) bool { return true }

// fill has somebody write to a disk until so much is free.
func (v *volume) fill(left int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ballast = max(v.ballast, v.capacity-used(v.dir)-left)
}

func (v *volume) clear() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ballast = 0
}

// fillDisk fills a replica's disk for a while, in the middle of an ingest or of subscriptions.
func (r *run) fillDisk(s step) {
	slot, _ := one(r, s, "slot", r.slots)
	left := int64(r.dice.logarithmic(64<<10, "left", s.name()) - 1)
	long := r.dice.duration(time.Second, longestFull, "full", s.name())
	r.strike("disk filled", "%s but for %d bytes, for %s", slot.name, left, long)
	slot.volume.fill(left)
	for n := range subscribedMeanwhile {
		r.doInAPIM(step{at: s.at, n: subscribedMeanwhile*s.n + n, kind: doSubscribe})
	}
	if r.dice.chance(0.5, "ingest", s.name()) {
		r.ingest(s, nil)
	}
	r.start(func(context.Context) {
		time.Sleep(long)
		slot.volume.clear()
		r.note("disk of %s freed", slot.name)
	})
}

// openVolume opens the cache and the journal as the program does.
func (s *slot) openVolume() {
	v, r := s.volume, s.run
	cache, err := store.OpenExportsOn(v, v.exportsDir(), v.dir, exportsRoom)
	s.exports = store.NewMemoryExports(0) // as the program does without a place for files, but for its size
	giveWay := func() int64 { return 0 }
	if err == nil {
		s.exports = cache
		giveWay = func() int64 {
			freed := cache.GiveWay()
			if freed > 0 {
				r.strike("cache gave way", "%s: %d bytes", s.name, freed)
			}
			return freed
		}
	}
	s.disk.Beneath = func() store.Medium {
		return &watchedMedium{store.FileMedium(v.dir, store.Options{Volume: v, GiveWay: giveWay}), s}
	}
}

// watchedMedium is the observer at a journal that may be refused for want of room.
type watchedMedium struct {
	store.Medium
	slot *slot
}

// Open implements [store.Medium].
func (m *watchedMedium) Open(take func(store.Change) error) ([]string, error) {
	notices, err := m.Medium.Open(take)
	m.slot.onVolume(err)
	return notices, err
}

// Commit implements [store.Medium].
func (m *watchedMedium) Commit(changes []store.Change) error {
	err := m.Medium.Commit(changes)
	m.slot.onVolume(err)
	return err
}

// onVolume notes whether the disk took what the journal wrote. It may refuse only when nothing is left on it that could
// make room.
func (s *slot) onVolume(err error) {
	r, v := s.run, s.volume
	s.journal.mu.Lock()
	switch {
	case err == nil && s.journal.hidden:
	case err == nil:
		s.journal.failing = time.Time{}
	case s.journal.failing.IsZero():
		s.journal.failing = time.Now()
		fallthrough
	default:
		s.journal.failed = true
	}
	s.journal.mu.Unlock()
	if !errors.Is(err, syscall.ENOSPC) {
		return
	}
	r.strike("disk full: journal refused", "%s: %v", s.name, err)
	if bytes := used(v.exportsDir()); bytes > 0 {
		r.violated("cache-before-journal", "the journal of %s finds no room, and the cache beside it has %d bytes", s.name,
			bytes)
	}
	if reserves, _ := filepath.Glob(filepath.Join(v.dir, "*.reserve")); len(reserves) > 0 {
		r.violated("reserve-unused", "the journal of %s finds no room, and what is reserved for it is there", s.name)
	}
}

// checkVolumes: with room again, each journal is on its disk, and the cache leaves it room there.
func (r *run) checkVolumes() {
	for _, s := range r.slots {
		if health := s.life.instance.Store.Health(); !health.Durable {
			r.violated("store-in-memory", "the disk of %s takes everything, and its store says: %s", s.name,
				strings.Join(health.Messages, "; "))
		}
		if s.volume == nil {
			continue
		}
		free, _ := s.volume.Free("")
		cached := used(s.volume.exportsDir())
		r.count("small disks checked", 1)
		if cached > 0 {
			r.count("caches on a small disk", 1)
		}
		if cached > 0 && free < leastFree/2 { // what the journal has written since is its own
			r.violated("cache-greedy", "the cache of %s has %d bytes and leaves the journal %d", s.name, cached, free)
		}
	}
}

// leastFree, in bytes, is what docs/operations.md promises that the cache leaves free.
const leastFree = 256 << 10

// fillsCaches gives an estate documents of a size that a small disk notices.
func fillsCaches(d dice, estate awssim.Estate) awssim.Estate {
	for a := range estate.Accounts {
		for _, region := range estate.Accounts[a].Regions {
			for _, api := range region.RestAPIs {
				for n := range api.Stages {
					api.Stages[n].DocumentBytes = max(api.Stages[n].DocumentBytes,
						d.between(leastRoomDocument, mostRoomDocument, "document", region.Name, api.ID, api.Stages[n].Name))
				}
			}
		}
	}
	return estate
}

// ofLife is the cache as one process has it: when that has died, it reaches nothing any more.
type ofLife struct {
	store.ExportCache
	life *lifetime
}

var errDead = errors.New("this process has died")

// Put implements [store.ExportCache].
func (c ofLife) Put(key store.ExportKey, export store.Export) error {
	r := c.life.slot.run
	r.mu.Lock()
	dead := !c.life.ended.IsZero()
	r.mu.Unlock()
	if dead {
		return errDead
	}
	return c.ExportCache.Put(key, export)
}
