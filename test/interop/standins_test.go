//go:build !interop

package interop

const (
	withOriginals = false
	// casesAtATime is how many run together, over all stand-ins: nearly all of a case's time is waiting.
	casesAtATime = 30
)
