package exchange

// The sizes here are exact, so that a caller can fill a message up to a limit before it writes it: count is the number of encoded
// elements, bytes the sum of their lengths.

// IngestSize is the length of what [Ingest] makes, with done taken as false, its longer value.
func IngestSize(id, jobID string, count, bytes int) int {
	return frameSize(KindCommand, TypeIngest) +
		len(`{"id":,"type":,"payload":{"ingestJobId":,"apis":[],"done":false}}`) +
		stringSize(id) + stringSize(TypeIngest) + stringSize(jobID) + listSize(count, bytes)
}

// DiscoverReplySize is the length of what [DiscoverReply] makes, with partial taken as false, its longer value. What
// [ListReply] makes of the same is shorter by some bytes.
func DiscoverReplySize(commandID string, count, bytes int) int {
	return apisReplySize(TypeDiscover, commandID, count, bytes) + len(`,"isPartialDiscovery":false`)
}

// FetchReplySize is the length of what [FetchReply] makes.
func FetchReplySize(commandID string, count, bytes int) int {
	return apisReplySize(TypeFetch, commandID, count, bytes)
}

func apisReplySize(typ, commandID string, count, bytes int) int {
	return frameSize(KindReply, typ) +
		len(`{"commandId":,"type":,"commandStatus":"SUCCEEDED","payload":{"apis":[]}}`) +
		stringSize(commandID) + stringSize(typ) + listSize(count, bytes)
}

func frameSize(kind Kind, typ string) int {
	return len(kindPrefix) + len(kind) + len(separator) + len(typePrefix) + len(typ) + len(separator) + len(contentPrefix)
}

func listSize(count, bytes int) int { return bytes + max(0, count-1) }
