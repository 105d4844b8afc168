package gateway

// Domain is a custom domain name as GetDomainNames lists it, with what leads from it to REST APIs. It never changes.
type Domain struct {
	// Name begins with "*." if it stands for many.
	Name string
	// ID is that of a private domain name. Others have none: their name is unique.
	ID string
	// Endpoint is EDGE, REGIONAL or PRIVATE.
	Endpoint string
	// TLSPolicy is the least that AWS demands of connections, such as TLS_1_2.
	TLSPolicy string
	// MutualTLS says that callers need a client certificate.
	MutualTLS bool
	// Status is what AWS says of a domain name that serves nobody yet, or not any more; empty for one that serves.
	Status  string
	Routing Routing
	// Mappings and Rules are what AWS lists of them, also where Routing leaves them out of use.
	Mappings []Mapping
	Rules    []RoutingRule
	// Gap says that AWS did not list its mappings or rules now, and why, in words. It is empty if nothing is missing.
	Gap string
	// MappingsUnknown and RulesUnknown say of which of them AWS has told nothing yet.
	MappingsUnknown, RulesUnknown bool
}

// Completed has what AWS told earlier of mappings or rules in the place of what it does not tell now.
func (d *Domain) Completed(earlier *Domain) *Domain {
	out := *d
	if d.MappingsUnknown {
		out.Mappings, out.MappingsUnknown = earlier.Mappings, earlier.MappingsUnknown
	}
	if d.RulesUnknown {
		out.Rules, out.RulesUnknown = earlier.Rules, earlier.RulesUnknown
	}
	return &out
}

// Routing says what of a domain name leads to APIs. Its zero value is mappings, as with AWS.
type Routing int8

// The modes. [RulesThenMappings] tries the rules first.
const (
	MappingsOnly Routing = iota
	RulesOnly
	RulesThenMappings
)

// Mapping leads from a path below a domain name to a stage.
type Mapping struct {
	// Key is the path, without slashes at its ends. It may have several parts, and is empty for the root.
	Key string
	// Stage is empty if callers name the stage behind the key.
	APIID, Stage string
}

// RoutingRule leads from a domain name to a stage where its conditions are met: one of its base paths, if there are
// any, and each of its headers.
type RoutingRule struct {
	ID string
	// Priority orders the rules. The smallest is tried first.
	Priority  int32
	BasePaths []string
	// Headers hold the alternatives of each condition on a header.
	Headers      [][]HeaderMatch
	APIID, Stage string
	// StripBasePath says that the API does not see the base path.
	StripBasePath bool
}

// HeaderMatch is a header with a value, in which * stands for any text.
type HeaderMatch struct{ Name, Value string }
