// Package store remembers what must outlive a session or the process: the keys being made and unmade
// ([KeyJournal]), the ingests that run ([IngestJobs]), the last listings ([Listings]), the plans that were last sent
// ([SentPlans]), and, apart from those and disposable, the exported documents ([ExportCache]).
//
// [FileStore] serves the first four from memory and writes every change through to a [Medium]. Reads therefore never
// fail, and a disk that fails costs durability, never service: [FileStore.Health] then says what cannot be promised,
// and the store goes back to the disk by itself once writes work again.
//
// Nothing here reads a clock: times come from the caller. No key value and no credential is stored: a [KeyRecord]
// knows AWS's id of a key, never its value.
package store
