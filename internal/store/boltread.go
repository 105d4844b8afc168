package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// bbolt reads its file through a memory map and trusts it: a file that is cut off or has a wrong page number in it ends
// in a fault, a panic or a loop without end. This reader checks a file before bbolt may work on it, reads what can be
// read of a damaged one, and cannot fail otherwise than with an error. The format is bbolt's version 2, little changed
// since 2013 and the same up to 1.5.

const (
	boltMagic         = 0xED0CDAED
	boltVersion       = 2
	boltHeaderBytes   = 16
	boltMetaBytes     = 64
	boltElementBytes  = 16
	boltBucketBytes   = 16 // root page and sequence
	boltBranch        = 0x01
	boltLeaf          = 0x02
	boltFreelist      = 0x10
	boltBucketElement = 0x01
	boltNoFreelist    = ^uint64(0)
	// boltMaxPage is the largest page size that bbolt itself looks for.
	boltMaxPage = 1024 << 14
	// boltMaxDepth is far beyond a tree of 2^32 pages: deeper means a loop.
	boltMaxDepth = 64
)

// errNotOurs: the file is no bbolt file, or none that this program wrote.
var errNotOurs = errors.New("not a store of this agent")

// boltMeta is a head page's content.
type boltMeta struct {
	pageSize                    int64
	root, freelist, pages, txid uint64
}

// boltReader reads one file. damage collects what could not be read.
type boltReader struct {
	file   io.ReaderAt
	size   int64
	meta   boltMeta
	seen   map[uint64]bool
	damage []string
}

// newBoltReader finds the newest intact head page. [errNotOurs] when there is none, or when bbolt would have to rebuild
// the list of free pages (this program always writes one).
func newBoltReader(file io.ReaderAt, size int64) (*boltReader, error) {
	r := &boltReader{file: file, size: size, seen: map[uint64]bool{}}
	found := false
	consider := func(offset int64) {
		if meta, ok := r.readMeta(offset); ok && (offset == 0 || offset == meta.pageSize) && (!found || meta.txid > r.meta.txid) {
			r.meta, found = meta, true
		}
	}
	consider(0)
	for pageSize := int64(1024); pageSize <= boltMaxPage; pageSize *= 2 {
		consider(pageSize)
	}
	switch {
	case !found:
		return nil, fmt.Errorf("%w: no intact head page in its %d bytes", errNotOurs, size)
	case r.meta.freelist == boltNoFreelist:
		return nil, fmt.Errorf("%w: it has no list of free pages", errNotOurs)
	case int64(r.meta.pages) > size/r.meta.pageSize:
		r.damaged("it is cut off: %d bytes instead of at least %d pages of %d", size, r.meta.pages, r.meta.pageSize)
	}
	return r, nil
}

func (r *boltReader) readMeta(offset int64) (boltMeta, bool) {
	var b [boltHeaderBytes + boltMetaBytes]byte
	if _, err := r.file.ReadAt(b[:], offset); err != nil {
		return boltMeta{}, false
	}
	m := b[boltHeaderBytes:]
	sum := fnv.New64a()
	sum.Write(m[:56])
	u32, u64 := binary.NativeEndian.Uint32, binary.NativeEndian.Uint64
	pageSize := int64(u32(m[8:]))
	if u32(m) != boltMagic || u32(m[4:]) != boltVersion || u64(m[56:]) != sum.Sum64() ||
		pageSize < 1024 || pageSize > boltMaxPage || pageSize&(pageSize-1) != 0 {
		return boltMeta{}, false
	}
	return boltMeta{pageSize: pageSize, root: u64(m[16:]), freelist: u64(m[32:]), pages: u64(m[40:]), txid: u64(m[48:])}, true
}

func (r *boltReader) damaged(format string, args ...any) {
	const enough = 5 // a file full of faults is not told in full
	if len(r.damage) < enough {
		r.damage = append(r.damage, fmt.Sprintf(format, args...))
	}
}

// page reads a page with its overflow and marks it as used. Nil when it cannot be a page of this file.
func (r *boltReader) page(id uint64) []byte {
	if id < 2 || id >= r.meta.pages {
		r.damaged("page %d is out of bounds", id)
		return nil
	}
	var head [boltHeaderBytes]byte
	offset := int64(id) * r.meta.pageSize
	if _, err := r.file.ReadAt(head[:], offset); err != nil {
		r.damaged("page %d cannot be read: %v", id, err)
		return nil
	}
	span := uint64(binary.NativeEndian.Uint32(head[12:])) + 1
	if binary.NativeEndian.Uint64(head[:]) != id || span > r.meta.pages-id {
		r.damaged("page %d does not bear its own number", id)
		return nil
	}
	b := make([]byte, int64(span)*r.meta.pageSize)
	if _, err := r.file.ReadAt(b, offset); err != nil {
		r.damaged("page %d cannot be read: %v", id, err)
		return nil
	}
	for i := id; i < id+span; i++ {
		if r.seen[i] {
			r.damaged("page %d is used twice", i)
			return nil
		}
		r.seen[i] = true
	}
	return b
}

// boltItem is one key of a bucket; nested items are buckets.
type boltItem struct {
	key, value []byte
	nested     bool
}

// tree visits the items of a bucket in order.
func (r *boltReader) tree(id uint64, depth int, visit func(boltItem)) {
	if depth > boltMaxDepth {
		r.damaged("the tree is too deep")
		return
	}
	if b := r.page(id); b != nil {
		r.node(b, id, depth, visit)
	}
}

func (r *boltReader) node(b []byte, id uint64, depth int, visit func(boltItem)) {
	u32 := binary.NativeEndian.Uint32
	flags, count := binary.NativeEndian.Uint16(b[8:]), int(binary.NativeEndian.Uint16(b[10:]))
	// bbolt looks at the first item of a branch before it asks how many there are.
	if (flags != boltBranch && flags != boltLeaf) || flags == boltBranch && count == 0 || boltHeaderBytes+count*boltElementBytes > len(b) {
		r.damaged("page %d is no page of a tree", id)
		return
	}
	for i := range count {
		at := boltHeaderBytes + i*boltElementBytes
		element := b[at:]
		if flags == boltBranch {
			if end := int64(at) + int64(u32(element)) + int64(u32(element[4:])); end > int64(len(b)) {
				r.damaged("page %d: a key lies outside of it", id)
				return
			}
			r.tree(binary.NativeEndian.Uint64(element[8:]), depth+1, visit)
			continue
		}
		start := int64(at) + int64(u32(element[4:]))
		keyEnd := start + int64(u32(element[8:]))
		end := keyEnd + int64(u32(element[12:]))
		if end > int64(len(b)) {
			r.damaged("page %d: an item lies outside of it", id)
			return
		}
		visit(boltItem{key: b[start:keyEnd], value: b[keyEnd:end], nested: u32(element)&boltBucketElement != 0})
	}
}

// bucket visits the items of a bucket whose head is an item's value; a small bucket lies in that value itself.
func (r *boltReader) bucket(head []byte, visit func(boltItem)) {
	if len(head) < boltBucketBytes {
		r.damaged("a bucket's head is cut off")
		return
	}
	root := binary.NativeEndian.Uint64(head)
	if root != 0 {
		r.tree(root, 0, visit)
		return
	}
	if inline := head[boltBucketBytes:]; len(inline) >= boltHeaderBytes {
		r.node(inline, 0, 0, visit)
		return
	}
	r.damaged("a bucket is cut off")
}

// buckets gives the heads of the topmost buckets by name.
func (r *boltReader) buckets() map[string][]byte {
	heads := map[string][]byte{}
	r.tree(r.meta.root, 0, func(item boltItem) {
		if item.nested {
			heads[string(item.key)] = item.value
		}
	})
	return heads
}

// checkFreelist finds pages that are listed as free and are in use: bbolt would overwrite them. Call it after
// everything was read.
func (r *boltReader) checkFreelist() {
	b := r.page(r.meta.freelist)
	if b == nil {
		return
	}
	if binary.NativeEndian.Uint16(b[8:]) != boltFreelist {
		r.damaged("page %d is no list of free pages", r.meta.freelist)
		return
	}
	ids := b[boltHeaderBytes:]
	count := uint64(binary.NativeEndian.Uint16(b[10:]))
	if count == 0xFFFF { // more than fit into 16 bits: the first entry is the count
		count, ids = binary.NativeEndian.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids))/8 {
		r.damaged("the list of free pages is cut off")
		return
	}
	for i := range count {
		if id := binary.NativeEndian.Uint64(ids[8*i:]); id < 2 || id >= r.meta.pages || r.seen[id] {
			r.damaged("page %d is listed as free and is not", id)
			return
		}
	}
}
