package store

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// exportBlock is what a file's size is rounded up to: file systems give space in such blocks.
	exportBlock = 4096

	exportSuffix = ".export"
	tempPrefix   = "tmp-"

	// cachePart is the part of what the journal leaves free on their volume that the cache takes at most.
	cachePart = 2
	// leastFree is what the cache leaves free there: the records of some hundred subscriptions.
	leastFree = 256 << 10
	// cacheSilent is how long the cache stays empty after it gave way. What is free is not always known (quotas), and
	// until the disk has room, each refilling would end the same way.
	cacheSilent = 10 * time.Minute
)

// DiskExports is an [ExportCache] of plain files, one a stage, in 256 folders by hash. A file is written under another
// name and renamed, never synced, and checked by its checksum when read: one that is damaged is a miss and is removed.
// In memory it has about 100 bytes a file. Documents are not compressed: with a cache bounded in bytes, room is what
// the operator gave, while processor time is what an ingest of thousands of stages lacks.
type DiskExports struct {
	dir    string
	volume Volume
	// besideJournal: the journal is on the same volume.
	besideJournal bool

	// scanned is closed when the files of earlier processes are in the index. Get and Put wait for that. The scan runs
	// beside the start of the agent, which needs no exports before its first ingest.
	scanned chan struct{}

	mu     sync.Mutex // also held around renaming and removing, so that index and directory agree
	index  *lru[struct{}]
	silent time.Time // nothing is kept until then
}

// OpenExports opens the cache in dir, which is made if it is not there, with at most limit bytes on disk, and less
// where the journal's directory is on the same volume and needs the room. It touches no files but its own. Errors: the
// directory cannot be made or written to (then use [NewMemoryExports]).
func OpenExports(dir, journal string, limit int64) (*DiskExports, error) {
	return OpenExportsOn(systemVolume{}, dir, journal, limit)
}

// OpenExportsOn is [OpenExports] on a volume.
func OpenExportsOn(v Volume, dir, journal string, limit int64) (*DiskExports, error) {
	c := &DiskExports{
		dir: dir, volume: v, besideJournal: v.Same(dir, journal), scanned: make(chan struct{}),
		index: newLRU[struct{}](limit),
	}
	probe, err := c.writeTemp(dir, nil, nil)
	if err == nil {
		err = os.Remove(probe)
	}
	if err != nil {
		return nil, fmt.Errorf("writing to the export cache: %w", err)
	}
	go func() {
		defer close(c.scanned)
		c.scan()
	}()
	return c, nil
}

// scan builds the index from the directory. The files that were written or read last are the most recently used. It
// removes what is too much, and what a stopped process left half-written.
func (c *DiskExports) scan() {
	type found struct {
		slot slotID
		size int64
		used time.Time
	}
	var files []found
	dir := os.DirFS(c.dir)
	names, _ := fs.Glob(dir, "[0-9a-f][0-9a-f]/*") // what cannot be read is a miss
	for _, name := range names {
		var slot slotID
		digits, _ := hex.DecodeString(strings.TrimSuffix(path.Base(name), exportSuffix))
		copy(slot[:], digits) // any other name makes a slot whose path is another one
		info, err := fs.Stat(dir, name)
		switch {
		case strings.HasPrefix(path.Base(name), tempPrefix):
			_ = os.Remove(filepath.Join(c.dir, name))
		case err == nil && info.Mode().IsRegular() && c.path(slot) == filepath.Join(c.dir, name):
			files = append(files, found{slot, onDisk(info.Size()), info.ModTime()})
		}
	}
	slices.SortFunc(files, func(a, b found) int {
		return cmp.Or(a.used.Compare(b.used), slices.Compare(a.slot[:], b.slot[:]))
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, file := range files {
		c.removeFiles(c.index.set(file.slot, file.size, struct{}{}))
	}
	c.removeFiles(c.index.shrink(c.limit()))
}

// limit is how large the cache may be now. It is called with mu.
func (c *DiskExports) limit() int64 {
	free, known := c.volume.Free(c.dir)
	switch room := c.index.used + free; {
	case time.Now().Before(c.silent):
		return 0
	case c.besideJournal && known:
		return max(0, min(c.index.limit, room/cachePart, room-leastFree))
	}
	return c.index.limit
}

// GiveWay empties the cache, because the journal finds no room beside it, and says how many bytes that freed.
func (c *DiskExports) GiveWay() (freed int64) {
	<-c.scanned
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.besideJournal {
		return 0
	}
	freed = c.index.used
	c.silent = time.Now().Add(cacheSilent)
	c.removeFiles(c.index.shrink(0))
	return freed
}

func onDisk(size int64) int64 { return (size + exportBlock - 1) / exportBlock * exportBlock }

func (c *DiskExports) path(slot slotID) string {
	name := hex.EncodeToString(slot[:])
	return filepath.Join(c.dir, name[:2], name+exportSuffix)
}

// removeFiles is called with mu. A file that cannot be removed now is found by the next start's scan.
func (c *DiskExports) removeFiles(slots []slotID) {
	for _, slot := range slots {
		_ = os.Remove(c.path(slot))
	}
}

// Get implements [ExportCache]. A damaged file is a miss and is removed. Errors: the file is there and cannot be read.
func (c *DiskExports) Get(key ExportKey) (Export, bool, error) {
	<-c.scanned
	slot := key.slot()
	c.mu.Lock()
	_, ok := c.index.get(slot)
	c.mu.Unlock()
	if !ok {
		return Export{}, false, nil
	}
	file, err := os.ReadFile(c.path(slot))
	kept, export, whole := decodeExport(file)
	if !whole || kept.slot() != slot {
		c.drop(slot)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return Export{}, false, fmt.Errorf("reading an export from the cache: %w", err)
		}
		return Export{}, false, nil
	}
	if kept != key {
		return Export{}, false, nil
	}
	// For the order in which the next process finds the files. It takes microseconds beside the read. Where it fails,
	// the order is that of writing.
	now := time.Now()
	_ = os.Chtimes(c.path(slot), now, now)
	return export, true, nil
}

// Size implements [ExportCache]. It is what the file takes on disk, whichever deployment it is of.
func (c *DiskExports) Size(key ExportKey) int64 {
	<-c.scanned
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.index.size(key.slot())
}

// Used is how many bytes all files take on disk. Until those of earlier processes are found, it is less.
func (c *DiskExports) Used() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.index.used
}

// drop removes a useless file. One that has taken its place meanwhile is removed too, and fetched again.
func (c *DiskExports) drop(slot slotID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.index.remove(slot)
	c.removeFiles([]slotID{slot})
}

// Put implements [ExportCache]. An export larger than the whole cache is not kept. Errors: the disk does not take it.
func (c *DiskExports) Put(key ExportKey, export Export) error {
	<-c.scanned
	head, err := exportFileHead(key, export)
	if err != nil {
		return fmt.Errorf("keeping an export: %w", err)
	}
	slot := key.slot()
	size := onDisk(int64(len(head) + len(export.Document)))
	if !c.makeRoom(size) {
		c.drop(slot)
		return nil
	}
	temp, err := c.writeTemp(filepath.Dir(c.path(slot)), head, export.Document)
	if err != nil {
		return fmt.Errorf("keeping an export: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := os.Rename(temp, c.path(slot)); err != nil {
		_ = os.Remove(temp)
		return fmt.Errorf("keeping an export: %w", err)
	}
	c.removeFiles(c.index.set(slot, size, struct{}{}))
	return nil
}

// makeRoom drops what was not used for long, and reports whether so many bytes find room.
func (c *DiskExports) makeRoom(size int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := c.limit()
	fits := size <= limit
	if fits {
		limit -= size
	}
	c.removeFiles(c.index.shrink(limit))
	return fits
}

func (c *DiskExports) writeTemp(dir string, head, document []byte) (name string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	temp, err := os.CreateTemp(dir, tempPrefix)
	if err != nil {
		return "", err
	}
	_, headErr := c.volume.WriteAt(temp, head, 0)
	_, documentErr := c.volume.WriteAt(temp, document, int64(len(head)))
	if err := errors.Join(headErr, documentErr, temp.Close()); err != nil {
		return "", errors.Join(err, os.Remove(temp.Name()))
	}
	return temp.Name(), nil
}
