package store

import (
	"slices"
	"sync"
)

// DefaultMemoryExportBytes bounds the exports in memory where there is no disk. With it the process fits into a
// container of 64 MiB, and the documents of a small account fit into the cache.
const DefaultMemoryExportBytes = 16 << 20

// MemoryExports is an [ExportCache] in memory, bounded in bytes. The least recently used export goes first.
type MemoryExports struct {
	mu    sync.Mutex
	index *lru[memoryExport]
}

type memoryExport struct {
	key    ExportKey
	export Export
}

// memoryExportOverhead is about what an entry costs in addition to its texts.
const memoryExportOverhead = 300

// NewMemoryExports gives a cache of at most limit bytes. With 0 it keeps nothing.
func NewMemoryExports(limit int64) *MemoryExports {
	return &MemoryExports{index: newLRU[memoryExport](limit)}
}

// Get implements [ExportCache]; it never returns an error.
func (c *MemoryExports) Get(key ExportKey) (Export, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept, ok := c.index.get(key.slot())
	if !ok || kept.key != key {
		return Export{}, false, nil
	}
	export := kept.export
	export.Document = slices.Clone(export.Document)
	return export, true, nil
}

// Size implements [ExportCache].
func (c *MemoryExports) Size(key ExportKey) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.index.size(key.slot())
}

// Used is about how many bytes all exports take.
func (c *MemoryExports) Used() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.index.used
}

// Put implements [ExportCache]; it never returns an error. An export larger than the whole cache is not kept.
func (c *MemoryExports) Put(key ExportKey, export Export) error {
	export.Document = slices.Clone(export.Document)
	c.mu.Lock()
	defer c.mu.Unlock()
	size := int64(len(export.Document)+len(export.NotExportable)) + memoryExportOverhead
	c.index.set(key.slot(), size, memoryExport{key, export})
	return nil
}
