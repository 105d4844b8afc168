package store

import "os"

// Volume is where the files of the journal and of the cache take room. A simulation has one of its own, which is full
// when it says so.
type Volume interface {
	// WriteAt is [os.File.WriteAt]. A full volume takes what it has room for, and answers ENOSPC.
	WriteAt(file *os.File, data []byte, at int64) (int, error)
	// Sync is [os.File.Sync].
	Sync(file *os.File) error
	// Free is how many bytes can still be written to the volume of a directory, where that is known.
	Free(dir string) (bytes int64, known bool)
	// Same reports whether two directories are on one volume, or will be where they do not exist yet.
	Same(a, b string) bool
}

// systemVolume is what the operating system says.
type systemVolume struct{}

func (systemVolume) WriteAt(file *os.File, data []byte, at int64) (int, error) {
	return file.WriteAt(data, at)
}

func (systemVolume) Sync(file *os.File) error { return file.Sync() }

func (systemVolume) Free(dir string) (int64, bool) { return freeBytes(dir) }

func (systemVolume) Same(a, b string) bool { return sameVolume(a, b) }

func orSystem(v Volume) Volume {
	if v == nil {
		return systemVolume{}
	}
	return v
}
