package trust

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"sync"
)

// watched is what was read of a store. Who asks gets what the file holds now. A new file that cannot be read is logged,
// and the old content stays in use.
type watched[T any] struct {
	source  Source
	read    func(name string) ([]byte, error)
	convert func(Source, []byte) (T, error)
	log     *slog.Logger

	mu    sync.Mutex
	value T
	// version counts what was read.
	version int
	// seen is the file that value was read from, or content the text, and said the last reason why a newer one was not.
	seen    fs.FileInfo
	content string
	said    string
}

func watch[T any](s Source, o Options, convert func(Source, []byte) (T, error)) (*watched[T], error) {
	w := &watched[T]{source: s, read: o.Read, convert: convert, log: o.Log}
	return w, w.load(w.stat())
}

// stat is nil for what is no file.
func (w *watched[T]) stat() fs.FileInfo {
	info, err := os.Stat(w.source.Path)
	if err != nil {
		return nil
	}
	return info
}

// load reads the store. The file is looked at before it is read, so that what changes meanwhile is read next time.
func (w *watched[T]) load(now fs.FileInfo) error {
	content := w.source.Content.Reveal()
	data, err := w.source.bytes(w.read)
	if err != nil {
		return err
	}
	value, err := w.convert(w.source, data)
	if err != nil {
		return err
	}
	w.value, w.seen, w.content, w.said = value, now, content, ""
	w.version++
	return nil
}

// get gives the store, and which version of it. Its password may be renewed with its file, or later: both are read again,
// and what could not be read is tried again each time. No store holds nothing.
func (w *watched[T]) get() (value T, version int) {
	if w == nil {
		return value, 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.stat()
	if isSame(w.seen, now) || w.source.Path == "" && w.content == w.source.Content.Reveal() {
		return w.value, w.version
	}
	w.source.Password.Refresh(context.Background()) // which ends by itself
	switch err := w.load(now); {
	case err == nil:
		w.log.Info("a key store or trust store has changed; it is used from now on", "store", w.source.Key,
			"path", w.source.Path)
	case w.said != err.Error():
		w.said = err.Error()
		w.log.Error("a key store or trust store has changed and cannot be read; the old one stays in use", "error", err)
	}
	return w.value, w.version
}

// isSame tells whether a file is the one that was read. Kubernetes replaces mounted secrets by new files.
func isSame(a, b fs.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
