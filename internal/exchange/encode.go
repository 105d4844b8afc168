package exchange

import (
	"strconv"

	"federation-agent/internal/secret"
)

// Each Append function here appends one whole frame to dst; the frames that carry lists come in parts. Fields stand in the order that
// Gravitee's own classes write them in, null fields are left out, and every `;` within a string is \u003b.

// AppendHello appends the command that must come first on a connection.
func AppendHello(dst []byte, id, targetID string) []byte {
	o := beginCommand(dst, TypeHello, id)
	o.field("targetId", targetID)
	o.field("provider", Provider)
	return o.end()
}

// Ingest is INGEST, the one command besides HELLO that an agent sends (APIM 4.5 and later), in parts. Each of apis is what
// [AppendAPI] wrote. done ends the job; false moves its deadline. The list is never null, which would close the socket.
func Ingest(id, jobID string, apis [][]byte, done bool) Parts {
	o := beginCommand(nil, TypeIngest, id)
	o.field("ingestJobId", jobID)
	o.key("apis")
	tail := payload{object{dst: []byte("]")}}
	tail.key("done")
	tail.dst = strconv.AppendBool(tail.dst, done)
	return listed(o, apis, tail)
}

// AppendPrimaryReply answers PRIMARY.
func AppendPrimaryReply(dst []byte, commandID string) []byte {
	return beginReply(dst, TypePrimary, commandID, StatusSucceeded, "").end()
}

// AppendHealthCheckReply answers HEALTH_CHECK. Unhealthy makes the controller say GOOD_BYE and drop this channel, so say it only
// where that helps. detail is left out when empty.
func AppendHealthCheckReply(dst []byte, commandID string, healthy bool, detail string) []byte {
	o := beginReply(dst, TypeHealthCheck, commandID, StatusSucceeded, "")
	o.key("healthy")
	o.dst = strconv.AppendBool(o.dst, healthy)
	o.optional("detail", detail)
	return o.end()
}

// DiscoverReply answers DISCOVER, in parts. Each of apis is what [AppendAPISummary] wrote. partial says that something is missing,
// because a target failed or time ran out; APIM reads it from 4.9.
func DiscoverReply(commandID string, apis [][]byte, partial bool) Parts {
	o := beginReply(nil, TypeDiscover, commandID, StatusSucceeded, "")
	o.key("apis")
	tail := payload{object{dst: []byte("]")}}
	tail.key("isPartialDiscovery")
	tail.dst = strconv.AppendBool(tail.dst, partial)
	return listed(o, apis, tail)
}

// ListReply answers LIST (4.4), in parts. Each of apis is what [AppendAPISummary] wrote.
func ListReply(commandID string, apis [][]byte) Parts {
	return apisReply(TypeList, commandID, apis)
}

// FetchReply answers FETCH (4.4), in parts. Each of apis is what [AppendAPI] wrote.
func FetchReply(commandID string, apis [][]byte) Parts {
	return apisReply(TypeFetch, commandID, apis)
}

func apisReply(typ, commandID string, apis [][]byte) Parts {
	o := beginReply(nil, typ, commandID, StatusSucceeded, "")
	o.key("apis")
	return listed(o, apis, payload{object{dst: []byte("]")}})
}

// AppendStartIngestReply answers START_INGEST. total 0 ends the job at once as a success.
func AppendStartIngestReply(dst []byte, commandID, jobID string, total int64) []byte {
	o := beginReply(dst, TypeStartIngest, commandID, StatusSucceeded, "")
	o.field("ingestJobId", jobID)
	o.key("total")
	o.dst = strconv.AppendInt(o.dst, total, 10)
	return o.end()
}

// SubscriptionResult is what SUBSCRIBE yields.
type SubscriptionResult struct {
	// SubscriptionID is the command's graviteeSubscriptionId.
	SubscriptionID string
	// Metadata replace the subscription's in APIM and are shown in its console, so they hold no secret.
	Metadata map[string]string
	APIKey   secret.String
}

// AppendSubscribeReply answers SUBSCRIBE. This frame is the one place where a key's value is written.
func AppendSubscribeReply(dst []byte, commandID string, result SubscriptionResult) []byte {
	o := beginReply(dst, TypeSubscribe, commandID, StatusSucceeded, "")
	o.key("subscription")
	o.dst = append(o.dst, '{')
	o.field("graviteeSubscriptionId", result.SubscriptionID)
	o.stringMap("metadata", result.Metadata)
	o.optional("apiKey", result.APIKey.Reveal())
	o.dst = append(o.dst, '}')
	return o.end()
}

// AppendUnsubscribeReply answers UNSUBSCRIBE.
func AppendUnsubscribeReply(dst []byte, commandID string) []byte {
	return beginReply(dst, TypeUnsubscribe, commandID, StatusSucceeded, "").end()
}

// AppendErrorReply answers a command of any served type with ERROR; details are for a human and hold no secret.
func AppendErrorReply(dst []byte, commandType, commandID, details string) []byte {
	o := beginReplyFields(dst, commandType, commandID, StatusError, details)
	return append(o.dst, '}')
}

// AppendNoReply answers a command of a type that is known but that an agent does not serve ([Unhandled]).
func AppendNoReply(dst []byte, commandID, commandType string) []byte {
	details := "No handler found for command type '" + commandType + "'. Ignoring"
	return beginReply(dst, TypeNoReply, commandID, StatusError, details).end()
}

// AppendUnknownReply answers a command of a type that is not known at all ([Unknown]).
func AppendUnknownReply(dst []byte, commandID string) []byte {
	return beginReply(dst, TypeUnknown, commandID, StatusError, "Command unknown").end()
}

// payload is the innermost object of a frame that is being written.
type payload struct{ object }

// end closes payload and frame.
func (p payload) end() []byte { return append(p.dst, '}', '}') }

func beginCommand(dst []byte, typ, id string) payload {
	o := object{dst: append(appendFrameHeader(dst, KindCommand, typ), '{')}
	o.field("id", id)
	o.field("type", typ)
	return beginPayload(o)
}

func beginReply(dst []byte, typ, commandID string, status Status, details string) payload {
	return beginPayload(beginReplyFields(dst, typ, commandID, status, details))
}

func beginReplyFields(dst []byte, typ, commandID string, status Status, details string) object {
	o := object{dst: append(appendFrameHeader(dst, KindReply, typ), '{')}
	o.field("commandId", commandID)
	o.field("type", typ)
	o.field("commandStatus", string(status))
	o.optional("errorDetails", details)
	return o
}

func beginPayload(o object) payload {
	o.key("payload")
	o.dst = append(o.dst, '{')
	return payload{o}
}
