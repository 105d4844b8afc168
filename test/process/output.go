package process

import (
	"strings"
	"sync"
)

// Output collects what is written to it by any number of goroutines, and tells its readers when it grows. Its zero
// value is empty.
type Output struct {
	mu    sync.Mutex
	text  strings.Builder
	grown chan struct{} // closed by the next write; nil while nobody waits
}

// Write implements io.Writer.
func (o *Output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.grown != nil {
		close(o.grown)
		o.grown = nil
	}
	return o.text.Write(text)
}

// String is all of it.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// line gives the first whole line that holds all of the texts, and what is closed when there is more to read.
func (o *Output) line(texts []string) (line string, found bool, grown <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.grown == nil {
		o.grown = make(chan struct{})
	}
	for line := range strings.Lines(o.text.String()) {
		if strings.HasSuffix(line, "\n") && holds(line, texts) {
			return line, true, o.grown
		}
	}
	return "", false, o.grown
}

func holds(line string, texts []string) bool {
	for _, text := range texts {
		if !strings.Contains(line, text) {
			return false
		}
	}
	return true
}
