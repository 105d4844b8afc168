//go:build interop

package interop

const (
	withOriginals = true
	// casesAtATime is how many run together, over all controllers: nearly all of a case's time is waiting. More of them
	// keep four JVMs so busy that deadlines pass.
	casesAtATime = 10
)
