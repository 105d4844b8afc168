package exchange

// Types of commands and replies, as they stand in `et:` and in the JSON's `type`.
const (
	TypeHello       = "HELLO"
	TypePrimary     = "PRIMARY"
	TypeHealthCheck = "HEALTH_CHECK"
	TypeGoodBye     = "GOOD_BYE"
	TypeDiscover    = "DISCOVER"
	TypeStartIngest = "START_INGEST"
	TypeIngest      = "INGEST"
	TypeSubscribe   = "SUBSCRIBE"
	TypeUnsubscribe = "UNSUBSCRIBE"
	// TypeList and TypeFetch are discovery and ingest in APIM 4.4.
	TypeList  = "LIST"
	TypeFetch = "FETCH"
	// TypeNoReply answers a command of a known type that nobody serves.
	TypeNoReply = "NO_REPLY"
	// TypeUnknown answers a command of a type that is not known at all.
	TypeUnknown = "UNKNOWN"
)

// Dialect is the set of commands that a controller uses. It is known from what the controller sends, never from configuration.
type Dialect uint8

// The dialects.
const (
	// DialectUnknown: the controller has not yet sent a command that tells.
	DialectUnknown Dialect = iota
	// DialectV44 is APIM 4.4: LIST and FETCH.
	DialectV44
	// DialectV45 is APIM 4.5 and later: DISCOVER, START_INGEST and INGEST.
	DialectV45
)

// String implements fmt.Stringer.
func (d Dialect) String() string {
	switch d {
	case DialectV44:
		return "4.4"
	case DialectV45:
		return "4.5 and later"
	}
	return "unknown"
}

// DialectOf tells the dialect from a command's type; most types are common to both and tell nothing.
func DialectOf(commandType string) Dialect {
	switch commandType {
	case TypeList, TypeFetch:
		return DialectV44
	case TypeDiscover, TypeStartIngest:
		return DialectV45
	}
	return DialectUnknown
}

// NeedsCredit reports whether a message is one that makes work: a command other than HEALTH_CHECK, GOOD_BYE and PRIMARY. Replies
// and those three must pass even while no further work is taken, or a busy agent would look dead. A message that cannot be read
// needs none, since it makes none.
func NeedsCredit(message []byte) bool {
	kind, typ, ok := PeekFrame(message)
	if !ok || kind == KindReply {
		return false
	}
	switch typ {
	case TypeHealthCheck, TypeGoodBye, TypePrimary:
		return false
	}
	return true
}
