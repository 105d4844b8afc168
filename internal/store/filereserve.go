package store

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
)

const (
	// reserveBytes is the size of the file beside the journal that is given up when the disk is full: room for a rewrite
	// of some thousand rows, or for the records of some hundred subscriptions. leastReserve is the least that is of use.
	reserveBytes = 1 << 20
	leastReserve = 16 << 10
	// reservePart is the part of what is free that the reserve takes at most: on a small volume the journal needs the
	// rest.
	reservePart = 4
	// reserveAgain is how far the journal grows without a reserve until it is rewritten, and the reserve tried again.
	reserveAgain = 64 << 10

	reserveSuffix = ".reserve"
)

// noRoom reports whether a write failed because the disk, or this user's share of it, is full.
func noRoom(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// withRoom does something. Where the disk is full, the cache gives way, and then the reserve.
func (m *fileMedium) withRoom(do func() error) error {
	err := do()
	if noRoom(err) && m.cacheGivesWay() {
		err = do()
	}
	if noRoom(err) && m.spend() {
		err = do()
	}
	return err
}

func (m *fileMedium) cacheGivesWay() bool {
	if m.giveWay == nil {
		return false
	}
	freed := m.giveWay()
	if freed > 0 {
		m.log.Warn("store: the disk is full, so the export cache was deleted; the next ingest fetches what it needs",
			"bytes", freed, "path", m.path)
	}
	return freed > 0
}

// spend gives up the reserve. The next rewrite makes it again.
func (m *fileMedium) spend() bool {
	if !m.reserved || os.Remove(m.path+reserveSuffix) != nil {
		return false
	}
	m.reserved, m.rewriteAt = false, 0
	m.log.Warn("store: the disk is full; the journal uses the room that was reserved for it", "path", m.path)
	return true
}

// reserve makes the file that keeps room on the disk, if there is none. Its content is noise: a volume that compresses
// would give no room to anything else.
func (m *fileMedium) reserve() {
	path, size := m.path+reserveSuffix, int64(0)
	if info, err := os.Lstat(path); err == nil {
		size = info.Size()
	}
	want := int64(reserveBytes)
	if free, known := m.volume.Free(filepath.Dir(m.path)); known {
		if size == 0 && free < leastFree && m.cacheGivesWay() {
			free, _ = m.volume.Free(filepath.Dir(m.path))
		}
		want = min(want, (free+size)/reservePart)
	}
	m.reserved = size > 0 && size >= want/2 // what is free changes
	if m.reserved || want < leastReserve {
		return
	}
	noise := make([]byte, want)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	if err := m.writeReserve(path, noise); err != nil {
		_ = os.Remove(path)
		m.log.Warn("store: no room can be reserved for the journal", "path", path, "error", err)
		return
	}
	m.reserved = true
}

func (m *fileMedium) writeReserve(path string, noise []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = m.volume.WriteAt(file, noise, 0)
	return errors.Join(err, file.Close())
}

// rewriteBy is the size beyond which the file is rewritten: at most this, and sooner where the volume would have no
// room for a second file then, even if all that was added is still of use. A file that has filled its volume with
// obsolete lines could never be rewritten.
func (m *fileMedium) rewriteBy(most int64) int64 {
	if !m.reserved {
		return m.size + reserveAgain
	}
	free, known := m.volume.Free(filepath.Dir(m.path))
	if !known {
		return most
	}
	if info, err := os.Lstat(m.path + reserveSuffix); err == nil {
		free += info.Size() // a rewrite may use it
	}
	return min(most, m.size+max((free-m.size)/2, reserveAgain))
}
