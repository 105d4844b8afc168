package store

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
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
)

// DiskExports is an [ExportCache] of plain files, one a stage, in 256 folders by hash. A file is written under another
// name and renamed, never synced, and checked by its checksum when read: one that is damaged is a miss and is removed.
// In memory it has about 100 bytes a file. Documents are not compressed: with a cache bounded in bytes, room is what
// the operator gave, while processor time is what an ingest of thousands of stages lacks.
type DiskExports struct {
	dir string

	// scanned is closed when the index of what earlier processes left is there; Get and Put wait for it. The scan
	// runs beside the start of the agent, which has no use for exports before its first ingest.
	scanned chan struct{}

	mu    sync.Mutex // also held around renaming and removing, so that index and directory agree
	index *lru[uint64]
}

// unknownVersion stands in the index for a file that was not read since the start.
const unknownVersion = 0

// OpenExports gives the cache in dir, made if it is not there, of at most limit bytes on disk. Nothing but
// this cache's own files is touched there. Errors: the directory cannot be made or written to (then use
// [NewMemoryExports] or [None]).
func OpenExports(dir string, limit int64) (*DiskExports, error) {
	c := &DiskExports{dir: dir, scanned: make(chan struct{}), index: newLRU[uint64](limit)}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the export cache: %w", err)
	}
	probe, err := os.CreateTemp(c.dir, tempPrefix)
	if err != nil {
		return nil, fmt.Errorf("writing to the export cache: %w", err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return nil, fmt.Errorf("writing to the export cache: %w", err)
	}
	go func() {
		defer close(c.scanned)
		c.scan()
	}()
	return c, nil
}

// scan builds the index from the directory, the files written or read last as the most recently used, and removes what is
// too much and what a stopped process left half-written.
func (c *DiskExports) scan() {
	type found struct {
		slot slotID
		size int64
		used time.Time
	}
	var files []found
	for shard := range 256 {
		dir := filepath.Join(c.dir, hex.EncodeToString([]byte{byte(shard)}))
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // not there yet, or not readable: its files are misses
		}
		for _, entry := range entries {
			slot, ok := slotOf(entry.Name())
			info, err := entry.Info()
			switch {
			case strings.HasPrefix(entry.Name(), tempPrefix):
				_ = os.Remove(filepath.Join(dir, entry.Name()))
			case ok && err == nil && info.Mode().IsRegular() && int(slot[0]) == shard:
				files = append(files, found{slot, onDisk(info.Size()), info.ModTime()})
			}
		}
	}
	slices.SortFunc(files, func(a, b found) int {
		return cmp.Or(a.used.Compare(b.used), slices.Compare(a.slot[:], b.slot[:]))
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, file := range files {
		c.removeFiles(c.index.set(file.slot, file.size, unknownVersion))
	}
}

func onDisk(size int64) int64 { return (size + exportBlock - 1) / exportBlock * exportBlock }

func slotOf(name string) (slot slotID, ok bool) {
	digits, ok := strings.CutSuffix(name, exportSuffix)
	if !ok || len(digits) != hex.EncodedLen(len(slot)) {
		return slot, false
	}
	_, err := hex.Decode(slot[:], []byte(digits))
	return slot, err == nil
}

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
	slot, version := key.slot(), key.version()
	c.mu.Lock()
	known, ok := c.index.get(slot)
	c.mu.Unlock()
	if !ok || (known != unknownVersion && known != version) {
		return Export{}, false, nil
	}
	file, err := os.ReadFile(c.path(slot))
	if err != nil {
		c.drop(slot, known)
		if errors.Is(err, fs.ErrNotExist) {
			return Export{}, false, nil
		}
		return Export{}, false, fmt.Errorf("reading an export from the cache: %w", err)
	}
	kept, export, err := decodeExport(file)
	if err != nil || kept.slot() != slot {
		c.drop(slot, known)
		return Export{}, false, nil //nolint:nilerr // a damaged file is a miss
	}
	if known == unknownVersion {
		c.learn(slot, kept.version())
	}
	if kept != key {
		return Export{}, false, nil
	}
	// For the order in which the next process finds the files. It takes microseconds beside the read; where it fails, the
	// order is that of writing.
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

// learn notes the version of a file of an earlier process, unless the file was replaced meanwhile.
func (c *DiskExports) learn(slot slotID, version uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.index.get(slot); ok && known == unknownVersion {
		c.index.update(slot, version)
	}
}

// drop removes a file that proved useless, unless another one has taken its place meanwhile. (One of the very same
// version may be removed with it: it is fetched again.)
func (c *DiskExports) drop(slot slotID, seen uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.index.get(slot); ok && known == seen {
		c.index.remove(slot)
		c.removeFiles([]slotID{slot})
	}
}

// Put implements [ExportCache]. An export larger than the whole cache is not kept. Errors: the disk does not take it.
func (c *DiskExports) Put(key ExportKey, export Export) error {
	<-c.scanned
	head, err := exportFileHead(key, export)
	if err != nil {
		return fmt.Errorf("keeping an export: %w", err)
	}
	slot := key.slot()
	path := c.path(slot)
	size := onDisk(int64(len(head) + len(export.Document)))
	if size > c.index.limit {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.index.remove(slot)
		c.removeFiles([]slotID{slot})
		return nil
	}
	temp, err := writeTemp(filepath.Dir(path), head, export.Document)
	if err != nil {
		return fmt.Errorf("keeping an export: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := os.Rename(temp, path); err != nil {
		_ = os.Remove(temp)
		return fmt.Errorf("keeping an export: %w", err)
	}
	c.removeFiles(c.index.set(slot, size, key.version()))
	return nil
}

func writeTemp(dir string, head, document []byte) (name string, err error) {
	temp, err := os.CreateTemp(dir, tempPrefix)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", err
		}
		temp, err = os.CreateTemp(dir, tempPrefix)
	}
	if err != nil {
		return "", err
	}
	_, err = temp.Write(head)
	if err == nil {
		_, err = temp.Write(document)
	}
	if err = errors.Join(err, temp.Close()); err != nil {
		return "", errors.Join(err, os.Remove(temp.Name()))
	}
	return temp.Name(), nil
}
