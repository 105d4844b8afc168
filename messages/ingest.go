package messages

// IngestShare tells a job how many bytes of documents it may hold: the integration's bound, divided among the
// jobs that run. Integration -> ingest job.
type IngestShare struct{ Bytes int }
