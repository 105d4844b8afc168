//go:build unix && !solaris && !aix

package store

import (
	"os"
	"syscall"
)

// lockedByAnother reports whether another process has bbolt's lock (flock) on the file. A lock got here goes with the
// file's closing.
func lockedByAnother(file *os.File) bool {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == syscall.EWOULDBLOCK
}

// unlock gives bbolt's lock up. Closing the file does not do it while bbolt's memory map still refers to it.
func unlock(file *os.File) error { return syscall.Flock(int(file.Fd()), syscall.LOCK_UN) }
