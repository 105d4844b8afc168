//go:build !unix || solaris || aix

package store

import (
	"errors"
	"os"
)

// lockFile fails: without a lock two agents would destroy each other's journal, so here it is kept in memory only.
func lockFile(*os.File) (held bool, err error) { return false, errors.ErrUnsupported }
