package exports

import "time"

// Shown is an API as a listing has shown it.
type Shown struct {
	Listed time.Time // when that listing was begun
	Plans  []string
}
