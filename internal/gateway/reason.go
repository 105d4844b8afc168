package gateway

// Reason is why an ingest leaves an API out though AWS has it, as metrics and the status page name it: the name of a
// failure's [Class], or one of the others below.
type Reason string

// The reasons that are no failure of a call to AWS.
const (
	// PlansUnconfirmed: AWS does not list all of the API's plans any more, and a second listing has not confirmed that.
	PlansUnconfirmed Reason = "plans_unconfirmed"
	// RefusedByAPIM: APIM answered ERROR to the API.
	RefusedByAPIM Reason = "refused_by_apim"
	// TooLarge: no message to APIM has room for the API, even without its document.
	TooLarge Reason = "too_large"
	// TooLate: it did not get ready in time.
	TooLate Reason = "too_late"
	// NotConfigured: its account and region are not configured.
	NotConfigured Reason = "not_configured"
	// Filtered: a filter does not let it through, as its export found out. It is no failure, and not counted.
	Filtered Reason = "filtered"
	// Planless: no usage plan contains it any more. Only who compares asks for such a stage, and it is not counted.
	Planless Reason = "no_usage_plan"
)

// Omission is why an API is left out: a reason to be counted by, and a text for people.
type Omission struct {
	Reason Reason
	Why    string
}

// Reason is the class as a reason.
func (c Class) Reason() Reason { return Reason(c.String()) }

// Reasons are all reasons that are counted.
func Reasons() []Reason {
	all := []Reason{PlansUnconfirmed, RefusedByAPIM, TooLarge, TooLate, NotConfigured, NoPermit.Reason()}
	for _, c := range GetExport.Results() {
		if c != OK && c != NotFound && c != NotExportable { // those are deleted, or go out without a document
			all = append(all, c.Reason())
		}
	}
	return all
}

// Results are the classes of an attempt's outcome that are known for an operation. A metric of each exists before the
// first, so that the first shows as an increase.
func (o Operation) Results() []Class {
	all := []Class{
		OK, Throttled, Unavailable, Unreachable, AccessDenied, BadCredentials, ExpiredCredentials, ClockOff,
		RegionUnavailable, Invalid, Cancelled, Internal,
	}
	switch o {
	case GetStages, DeleteAPIKey, GetBasePathMappings, GetAPIMappings, ListRoutingRules:
		all = append(all, NotFound)
	case GetExport:
		all = append(all, NotFound, NotExportable)
	case CreateAPIKey:
		all = append(all, AnswerLost, HardLimit, ConflictRetryable)
	case CreateUsagePlanKey:
		all = append(all, AnswerLost, HardLimit, ConflictRetryable, NotFound, NotYet, Conflict)
	default: // nothing of their own
	}
	return all
}
