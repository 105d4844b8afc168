package quota

// Waiting is how many requests wait.
func (b *Budget) Waiting() int { return len(b.waiting) }
