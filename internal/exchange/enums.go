package exchange

// Enum values are small integers here, so that no value which a controller does not know can reach the wire by accident: an
// unknown one makes it fail to read the whole message. A value out of range is written as the type's zero value.

// APIType is an API's `type`.
type APIType uint8

// The types of API.
const (
	APITypeProxy APIType = iota
	APITypeMessage
)

var apiTypeNames = [...]string{"PROXY", "MESSAGE"}

// String gives the value on the wire.
func (t APIType) String() string { return enumName(apiTypeNames[:], uint8(t)) }

// PageType is a page's `pageType`. APIM imports only SWAGGER and ASYNCAPI pages.
type PageType uint8

// The types of page.
const (
	PageTypeSwagger PageType = iota
	PageTypeAsyncAPI
	PageTypeASCIIDoc
	PageTypeMarkdown
	PageTypeMarkdownTemplate
)

var pageTypeNames = [...]string{"SWAGGER", "ASYNCAPI", "ASCIIDOC", "MARKDOWN", "MARKDOWN_TEMPLATE"}

// String gives the value on the wire.
func (t PageType) String() string { return enumName(pageTypeNames[:], uint8(t)) }

// PlanSecurity is a plan's `planSecurityType`.
type PlanSecurity uint8

// The types of plan security.
const (
	PlanSecurityAPIKey PlanSecurity = iota
	PlanSecurityOAuth2
	PlanSecurityJWT
)

var planSecurityNames = [...]string{"API_KEY", "OAUTH2", "JWT"}

// String gives the value on the wire.
func (s PlanSecurity) String() string { return enumName(planSecurityNames[:], uint8(s)) }

// MetadataFormat is a metadata entry's `format`.
type MetadataFormat uint8

// The formats of metadata.
const (
	FormatString MetadataFormat = iota
	FormatNumeric
	FormatBoolean
	FormatDate
	FormatMail
	FormatURL
)

var metadataFormatNames = [...]string{"STRING", "NUMERIC", "BOOLEAN", "DATE", "MAIL", "URL"}

// String gives the value on the wire.
func (f MetadataFormat) String() string { return enumName(metadataFormatNames[:], uint8(f)) }

func enumName(names []string, value uint8) string {
	if int(value) >= len(names) {
		value = 0
	}
	return names[value]
}

// SubscriptionType is a subscription's `type`, as a controller sent it: one that this package does not know is kept as it is, so
// that the refusal can name it.
type SubscriptionType string

// The types of subscription. UNSUBSCRIBE carries none.
const (
	SubscriptionAPIKey SubscriptionType = "API_KEY"
	SubscriptionOAuth  SubscriptionType = "OAUTH"
	SubscriptionJWT    SubscriptionType = "JWT"
)

// Status is a reply's `commandStatus`.
type Status string

// The statuses of a reply.
const (
	StatusPending    Status = "PENDING"
	StatusInProgress Status = "IN_PROGRESS"
	StatusSucceeded  Status = "SUCCEEDED"
	StatusError      Status = "ERROR"
)

// Known reports whether the protocol has this status.
func (s Status) Known() bool {
	switch s {
	case StatusPending, StatusInProgress, StatusSucceeded, StatusError:
		return true
	}
	return false
}
