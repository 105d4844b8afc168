//go:build linux || darwin

package store

import (
	"math"
	"os"
	"path/filepath"
	"syscall"
)

// freeBytes is how many bytes can still be written to the volume of a directory. It is not known for a volume that does
// not say how large it is.
func freeBytes(dir string) (free int64, known bool) {
	var volume syscall.Statfs_t
	if err := syscall.Statfs(dir, &volume); err != nil || volume.Blocks == 0 {
		return 0, false
	}
	return int64(min(volume.Bavail*uint64(volume.Bsize), math.MaxInt64)), true
}

// sameVolume reports whether two directories are on one volume, or will be where they do not exist yet.
func sameVolume(a, b string) bool { return device(a) == device(b) }

func device(dir string) uint64 {
	for dir, err := filepath.Abs(dir); err == nil; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil {
			stat, _ := info.Sys().(*syscall.Stat_t)
			return uint64(stat.Dev) //nolint:unconvert // it is of another type on other systems
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return 0
}
