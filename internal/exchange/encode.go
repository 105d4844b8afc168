package exchange

import (
	"strconv"

	"federation-agent/internal/secret"
)

// Each Append function here appends one whole frame to dst. The frames that hold lists are returned in parts. The
// fields stand in the order in which Gravitee's own classes write them, null fields are left out, and every `;` within
// a string is \u003b.

// AppendHello appends the command that must be the first on a connection.
func AppendHello(dst []byte, id, targetID string) []byte {
	return AppendHelloAs(dst, id, targetID, Provider)
}

// AppendHelloAs is [AppendHello] in the name of any provider.
func AppendHelloAs(dst []byte, id, targetID, provider string) []byte {
	o := beginCommand(dst, TypeHello, id)
	o.field("targetId", targetID)
	o.field("provider", provider)
	return o.end()
}

// Ingest is INGEST, the only command besides HELLO that an agent sends (APIM 4.5 and later), in parts. Each of apis
// comes from [AppendAPI]. done ends the job; without it, the job's deadline is extended. The list is never null,
// because a null list closes the socket.
func Ingest(id, jobID string, apis [][]byte, done bool) Parts {
	o := beginCommand(nil, TypeIngest, id)
	o.field("ingestJobId", jobID)
	return o.withAPIs(apis, func(rest *object) { rest.boolean("done", done) })
}

// AppendPrimaryReply answers PRIMARY.
func AppendPrimaryReply(dst []byte, commandID string) []byte {
	return beginSuccess(dst, TypePrimary, commandID).end()
}

// AppendHealthCheckReply answers HEALTH_CHECK. If the agent says that it is not healthy, the controller sends GOOD_BYE
// and drops this channel, so say it only where that helps. An empty detail is left out.
func AppendHealthCheckReply(dst []byte, commandID string, healthy bool, detail string) []byte {
	o := beginSuccess(dst, TypeHealthCheck, commandID)
	o.boolean("healthy", healthy)
	o.optional("detail", detail)
	return o.end()
}

// DiscoverReply answers DISCOVER, in parts. Each of apis comes from [AppendAPISummary]. partial says that APIs are
// missing, because a target failed or because there was too little time. APIM reads it from 4.9 on.
func DiscoverReply(commandID string, apis [][]byte, partial bool) Parts {
	o := beginSuccess(nil, TypeDiscover, commandID)
	return o.withAPIs(apis, func(rest *object) { rest.boolean("isPartialDiscovery", partial) })
}

// ListReply answers LIST (4.4), in parts. Each of apis comes from [AppendAPISummary].
func ListReply(commandID string, apis [][]byte) Parts {
	o := beginSuccess(nil, TypeList, commandID)
	return o.withAPIs(apis, nothing)
}

// FetchReply answers FETCH (4.4), in parts. Each of apis comes from [AppendAPI].
func FetchReply(commandID string, apis [][]byte) Parts {
	o := beginSuccess(nil, TypeFetch, commandID)
	return o.withAPIs(apis, nothing)
}

func nothing(*object) {}

// AppendStartIngestReply answers START_INGEST. With total 0 the job ends at once as a success.
func AppendStartIngestReply(dst []byte, commandID, jobID string, total int64) []byte {
	o := beginSuccess(dst, TypeStartIngest, commandID)
	o.field("ingestJobId", jobID)
	o.key("total")
	o.dst = strconv.AppendInt(o.dst, total, 10)
	return o.end()
}

// AppendSubscribeReply answers SUBSCRIBE. subscriptionID is the command's. metadata replace the subscription's in APIM.
// Its console shows them, so they hold no secret. A key's value is written only in this frame.
func AppendSubscribeReply(
	dst []byte, commandID, subscriptionID string, metadata map[string]string, apiKey secret.String,
) []byte {
	o := beginSuccess(dst, TypeSubscribe, commandID)
	o.begin("subscription")
	o.field("graviteeSubscriptionId", subscriptionID)
	o.stringMap("metadata", metadata)
	o.optional("apiKey", apiKey.Reveal())
	return o.end()
}

// AppendUnsubscribeReply answers UNSUBSCRIBE.
func AppendUnsubscribeReply(dst []byte, commandID string) []byte {
	return beginSuccess(dst, TypeUnsubscribe, commandID).end()
}

// AppendErrorReply answers a command of any type with ERROR. details are for a person and hold no secret.
func AppendErrorReply(dst []byte, commandType, commandID, details string) []byte {
	return beginReply(dst, commandType, commandID, StatusError, details).end()
}

// AppendNoReply answers a command of a known type that an agent does not handle ([Unhandled]).
func AppendNoReply(dst []byte, commandID, commandType string) []byte {
	details := "No handler found for command type '" + commandType + "'. Ignoring"
	o := beginReply(dst, TypeNoReply, commandID, StatusError, details)
	o.begin("payload")
	return o.end()
}

// AppendUnknownReply answers a command of an unknown type ([Unknown]).
func AppendUnknownReply(dst []byte, commandID string) []byte {
	o := beginReply(dst, TypeUnknown, commandID, StatusError, "Command unknown")
	o.begin("payload")
	return o.end()
}

// beginCommand begins a command. Its payload is open.
func beginCommand(dst []byte, typ, id string) object {
	o := newFrame(dst, KindCommand, typ)
	o.field("id", id)
	o.field("type", typ)
	o.begin("payload")
	return o
}

// beginSuccess begins a reply that says SUCCEEDED. Its payload is open.
func beginSuccess(dst []byte, typ, commandID string) object {
	o := beginReply(dst, typ, commandID, StatusSucceeded, "")
	o.begin("payload")
	return o
}

// beginReply begins a reply without a payload.
func beginReply(dst []byte, typ, commandID string, status Status, details string) object {
	o := newFrame(dst, KindReply, typ)
	o.field("commandId", commandID)
	o.field("type", typ)
	o.field("commandStatus", string(status))
	o.optional("errorDetails", details)
	return o
}

func newFrame(dst []byte, kind Kind, typ string) object {
	header := kindPrefix + string(kind) + separator + typePrefix + typ + separator + contentPrefix
	return newObject(append(dst, header...))
}
