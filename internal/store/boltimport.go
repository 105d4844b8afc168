package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"hash/fnv"
)

// A journal of schema 1 was a bbolt file. It is read here, once, and never written. bbolt itself cannot do that safely:
// on a damaged file it faults, or runs in a ring until the memory is used up (see docs/adr/0005-store.md). Here the
// file is a slice, whose bounds Go checks, and the number of visits to pages is bounded.

const (
	boltMagic  = 0xED0CDAED
	boltBranch = 1 // a page that names others
	boltLeaf   = 2 // a page of items
)

// boltFile is a bbolt file, format 2, while it is read.
type boltFile struct {
	data     []byte
	pageSize uint64
	writes   uint64 // transactions since the file was made
	left     uint64 // visits to pages that are left; more visits than pages mean a ring
}

// readBolt reads the rows of a bbolt file, and reports whether the file is one.
func (c *content) readBolt(data []byte) (isBolt bool) {
	f := boltFile{data: data}
	root, isBolt := f.newestRoot()
	if !isBolt {
		return false
	}
	c.schema = 1
	defer func() {
		if cause := recover(); cause != nil {
			c.damaged("it is a database of an earlier version, and damaged: %v", cause)
		}
	}()
	if f.writes < 2 {
		return true // the agent made the file and stopped before it wrote anything
	}
	buckets := map[string][]byte{}
	f.items(f.page(root), func(key, value []byte) { buckets[string(key)] = value })
	for _, table := range []Table{tableKeys, tableJobs, tableAcks, tableListings, tablePlans} {
		bucket, ok := buckets[string(table)]
		if !ok {
			c.damaged("it is a database without the table %s", table)
			continue
		}
		f.bucket(bucket, func(key, value []byte) { c.readBoltRow(Row{table, string(key)}, value) })
	}
	return true
}

// readBoltRow takes a row: four bytes of CRC-32C over its address and value, and the value.
func (c *content) readBoltRow(row Row, value []byte) {
	sum := crc32.Update(0, crcTable(), []byte(string(row.Table)+"\x00"+row.Key+"\x00"))
	if binary.BigEndian.Uint32(value) != crc32.Update(sum, crcTable(), value[4:]) {
		c.damaged("the checksum of %s %q is wrong", row.Table, row.Key)
		return
	}
	c.rows[row] = value[4:]
}

// newestRoot finds the newer of the two head pages and gives the page of the topmost bucket.
func (f *boltFile) newestRoot() (root uint64, found bool) {
	u32, u64 := binary.NativeEndian.Uint32, binary.NativeEndian.Uint64
	for at := 0; at <= 64<<10 && at+80 <= len(f.data); at = max(1024, 2*at) {
		m := f.data[at+16 : at+80]
		sum := fnv.New64a()
		sum.Write(m[:56])
		size, writes := u32(m[8:]), u64(m[48:])
		intact := u32(m) == boltMagic && u64(m[56:]) == sum.Sum64() && (at == 0 || at == int(size))
		if intact && (!found || writes > f.writes) {
			root, found, f.writes = u64(m[16:]), true, writes
			f.pageSize, f.left = uint64(size), uint64(len(f.data))/uint64(max(size, 1))
		}
	}
	return root, found
}

// bucket visits the items of a bucket. Its value names their page, or contains it if the bucket is small.
func (f *boltFile) bucket(value []byte, visit func(key, value []byte)) {
	page := value[16:]
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		page = f.page(root)
	}
	f.items(page, visit)
}

func (f *boltFile) page(id uint64) []byte {
	page := f.data[id*f.pageSize:]
	if f.left == 0 || binary.NativeEndian.Uint64(page) != id {
		panic(fmt.Sprintf("page %d is not where it belongs", id))
	}
	f.left--
	return page
}

// items visits the items of a page. Their descriptors come first, 16 bytes each, and then the data. So where the first
// item's data begin says how many items there are, and a damaged count is noticed.
func (f *boltFile) items(page []byte, visit func(key, value []byte)) {
	u32 := binary.NativeEndian.Uint32
	kind, count := binary.NativeEndian.Uint16(page[8:]), int(binary.NativeEndian.Uint16(page[10:]))
	if count == 0 && len(page) == 16 {
		return // an empty bucket, which has no page of its own
	}
	firstData := map[uint16]uint32{boltBranch: u32(page[16:]), boltLeaf: u32(page[20:])}[kind]
	if count == 0 || firstData != uint32(16*count) {
		panic(fmt.Sprintf("a page of kind %d does not have %d items", kind, count))
	}
	for i := range count {
		item := page[16+16*i:]
		if kind == boltBranch {
			f.items(f.page(binary.NativeEndian.Uint64(item[8:])), visit)
			continue
		}
		key := item[u32(item[4:]):]
		keyBytes, valueBytes := u32(item[8:]), u32(item[12:])
		visit(key[:keyBytes], key[keyBytes:][:valueBytes])
	}
}
