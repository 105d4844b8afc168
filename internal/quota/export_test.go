package quota

// Waiting is the number of requests that wait.
func (b *Budget) Waiting() int { return len(b.waiting) }
