package exports

const (
	// firstGuess is how large a document is taken to be while none has come: most are smaller.
	firstGuess = 128 << 10
	// leastGuess is what a document under way costs however small those before it were: buffers, not text.
	leastGuess = 4 << 10
	// copies is how often a document under way is held: as AWS sent it, and as it goes out.
	Copies = 2
)

// documentSizes is how large documents were so far. Nobody knows a document's size before it comes, so one that is
// under way is taken to be like them. Its zero value has seen none.
type DocumentSizes struct{ seen, bytes int }

func (d *DocumentSizes) Came(bytes int) {
	d.seen++
	d.bytes += bytes
}

// guess is the size of the next one.
func (d *DocumentSizes) Guess() int {
	if d.seen == 0 {
		return firstGuess
	}
	return max(leastGuess, d.bytes/d.seen)
}

// held is how many bytes documents hold while they are under way.
func (d *DocumentSizes) Held(underWay int) int { return underWay * d.Guess() * Copies }
