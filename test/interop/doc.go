// Package interop holds the agent against programs that others wrote: Gravitee's published controllers in four
// versions, each in a JVM. README.md says what is needed to run it and how the parts fit together.
package interop

//go:generate go run ./golden
