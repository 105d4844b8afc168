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
	// TypeNoReply answers a command of a known type that the agent does not handle.
	TypeNoReply = "NO_REPLY"
	// TypeUnknown answers a command of an unknown type.
	TypeUnknown = "UNKNOWN"
)

// Dialect is the set of commands that a controller uses. It follows from the commands that the controller sends, never
// from configuration.
type Dialect string

// The dialects.
const (
	// DialectUnknown: the controller has not sent a command that only one dialect has.
	DialectUnknown Dialect = ""
	// DialectV44 is APIM 4.4: LIST and FETCH.
	DialectV44 Dialect = "4.4"
	// DialectV45 is APIM 4.5 and later: DISCOVER, START_INGEST and INGEST.
	DialectV45 Dialect = "4.5 and later"
)

// DialectOf is the dialect of a command's type. Most types are in both dialects and say nothing.
func DialectOf(commandType string) Dialect {
	switch commandType {
	case TypeList, TypeFetch:
		return DialectV44
	case TypeDiscover, TypeStartIngest:
		return DialectV45
	}
	return DialectUnknown
}
