//go:build !unix || solaris || aix

package store

import (
	"errors"
	"os"
)

// lockFile fails. Without a lock two agents would destroy each other's journal, so on this system it is in memory only.
func lockFile(*os.File) (held bool, err error) { return false, errors.ErrUnsupported }
