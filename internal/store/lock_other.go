//go:build !unix || solaris || aix

package store

import "os"

// lockedByAnother cannot be asked here; on Windows a file in use cannot be renamed, which protects it as well.
func lockedByAnother(*os.File) bool { return false }

// unlock is left to the file's closing.
func unlock(*os.File) error { return nil }
