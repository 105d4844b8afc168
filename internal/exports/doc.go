// Package exports decides what is to be exported next, and how many bytes of documents may be held. Pure, but for the
// one memory bound that all workers share.
package exports
