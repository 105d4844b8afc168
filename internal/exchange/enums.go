package exchange

// The enums are small integers, so that no value which a controller does not know can be sent by accident: with an
// unknown value, the controller cannot read the whole message. A value out of range is written as the type's zero
// value.

// APIType is an API's `type`.
type APIType uint8

// The types of API.
const (
	APITypeProxy APIType = iota
	APITypeMessage
)

// String is the value in a message.
func (t APIType) String() string { return enumName(t, "PROXY", "MESSAGE") }

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

// String is the value in a message.
func (t PageType) String() string {
	return enumName(t, "SWAGGER", "ASYNCAPI", "ASCIIDOC", "MARKDOWN", "MARKDOWN_TEMPLATE")
}

// PlanSecurity is a plan's `planSecurityType`.
type PlanSecurity uint8

// The types of plan security.
const (
	PlanSecurityAPIKey PlanSecurity = iota
	PlanSecurityOAuth2
	PlanSecurityJWT
)

// String is the value in a message.
func (s PlanSecurity) String() string { return enumName(s, "API_KEY", "OAUTH2", "JWT") }

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

// String is the value in a message.
func (f MetadataFormat) String() string {
	return enumName(f, "STRING", "NUMERIC", "BOOLEAN", "DATE", "MAIL", "URL")
}

func enumName[T ~uint8](value T, names ...string) string {
	if int(value) >= len(names) {
		value = 0
	}
	return names[value]
}

// SubscriptionType is a subscription's `type` as the controller sent it. An unknown type is kept as it is, so that the
// refusal can name it.
type SubscriptionType string

// The types of subscription. UNSUBSCRIBE has none.
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
	return s == StatusPending || s == StatusInProgress || s == StatusSucceeded || s == StatusError
}
