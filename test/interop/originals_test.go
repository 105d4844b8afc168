//go:build interop

package interop

const withOriginals = true
