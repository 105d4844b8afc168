// Package exports decides which documents are asked for next, for which stages one is enough, how many bytes of them may be
// held, and what goes into one INGEST. It is pure but for the memory bound ([Bound]), which all that prepare and hold
// documents share, and what was seen of documents ([Sharing]).
package exports
