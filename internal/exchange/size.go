package exchange

// These sizes are exact, so that a caller can fill a message up to a limit before it writes it. count is the number of
// encoded APIs, bytes is the sum of their lengths.

// IngestSize is the length of an [Ingest] with done false, which is the longer value.
func IngestSize(id, jobID string, count, bytes int) int {
	return withAPIsSize(Ingest(id, jobID, nil, false), count, bytes)
}

// DiscoverReplySize is the length of a [DiscoverReply] with partial false, which is the longer value. A [ListReply] of
// the same APIs is a few bytes shorter.
func DiscoverReplySize(commandID string, count, bytes int) int {
	return withAPIsSize(DiscoverReply(commandID, nil, false), count, bytes)
}

// FetchReplySize is the length of a [FetchReply].
func FetchReplySize(commandID string, count, bytes int) int {
	return withAPIsSize(FetchReply(commandID, nil), count, bytes)
}

// withAPIsSize is the length of a frame once APIs stand in its empty list, with commas between them.
func withAPIsSize(empty Parts, count, bytes int) int {
	size := bytes + max(0, count-1)
	for _, part := range empty {
		size += len(part)
	}
	return size
}
