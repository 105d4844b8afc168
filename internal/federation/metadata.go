package federation

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"federation-agent/internal/gateway"
	"federation-agent/internal/region"
)

// Names of what routes a subscription. APIM (4.9 and later) gives back every metadata whose key contains
// "aws-api-gateway" with SUBSCRIBE, and the connection details with SUBSCRIBE and UNSUBSCRIBE.
const (
	MetadataAccountID   = "aws-api-gateway-account-id"
	MetadataRegion      = "aws-api-gateway-region"
	MetadataRestAPIID   = "aws-api-gateway-rest-api-id"
	MetadataStage       = "aws-api-gateway-stage"
	MetadataUsagePlanID = "aws-api-gateway-usage-plan-id"
	// MetadataKeyID names the AWS API key of a subscription; other agents use the same name.
	MetadataKeyID = "aws-api-key-id"
	// MetadataPlanID is APIM's own: the plan's id at SUBSCRIBE, which is the usage plan's id.
	MetadataPlanID = "planId"
)

// routing is the connection details of an API.
func routing(id ID) map[string]string {
	return map[string]string{
		MetadataAccountID: id.Account,
		MetadataRegion:    id.Region,
		MetadataRestAPIID: id.RestAPI,
		MetadataStage:     id.Stage,
	}
}

// metadata is for people and for routing. Stage variables are not among them: they may hold secrets.
func metadata(id ID, e Entry, missing Missing) []Metadata {
	m := &metadataList{keys: map[string]struct{}{}, list: []Metadata{}}
	m.add(MetadataAccountID, id.Account)
	m.add(MetadataRegion, id.Region)
	m.add(MetadataRestAPIID, id.RestAPI)
	m.add(MetadataStage, id.Stage)
	m.add("AWS account", id.Account)
	m.add("AWS region", id.Region)
	m.add("AWS stage", id.Stage)
	m.add("AWS endpoint type", endpointType(e.API))
	m.add("AWS invoke URL", invokeURL(id, e.API))
	m.add("AWS document", documentText(missing))
	m.addTags("AWS tag ", e.API.Tags)
	if e.Details != nil {
		m.addTags("AWS stage tag ", e.Details.Tags)
	}
	return m.list
}

// documentText is always there, as APIM never removes metadata that are left out later: a note about a missing document
// would stay after the document came.
func documentText(missing Missing) string {
	switch missing {
	case NeverExportable:
		return "not available: AWS API Gateway cannot export this stage"
	case TooLarge:
		return "left out: it is larger than one message to APIM may be"
	default:
		return "exported from AWS API Gateway"
	}
}

func endpointType(api *gateway.RestAPI) string {
	text := strings.Join(api.EndpointTypes, ", ")
	if len(api.VPCEndpointIDs) > 0 {
		text += " (" + strings.Join(api.VPCEndpointIDs, ", ") + ")"
	}
	return text
}

// invokeURL is where a stage is called, or why there is no such address.
func invokeURL(id ID, api *gateway.RestAPI) string {
	if api.EndpointDisabled {
		return "none: the default endpoint is disabled, callers use a custom domain name"
	}
	return fmt.Sprintf("https://%s.execute-api.%s.%s/%s", id.RestAPI, id.Region, region.PartitionOf(id.Region).Suffix, id.Stage)
}

// metadataList keeps names apart by the key that APIM makes of them, and leaves out what has no value: a null or empty
// one is refused there.
type metadataList struct {
	keys map[string]struct{}
	list []Metadata
}

func (m *metadataList) add(name, value string) {
	name, value = Cut(line(name), MaxMetadataKey), Cut(line(value), MaxMetadataValue)
	key := metadataKey(name)
	if _, taken := m.keys[key]; taken || key == "" || value == "" {
		return
	}
	m.keys[key] = struct{}{}
	m.list = append(m.list, Metadata{Name: name, Value: value})
}

// addTags adds AWS tags, in order of their names. A tag whose key in APIM is taken, or cannot be told because it has more
// than ASCII in it, is marked with a few digits of its own hash, which do not change when other tags do.
func (m *metadataList) addTags(prefix string, tags map[string]string) {
	for _, tag := range slices.Sorted(maps.Keys(tags)) {
		value := line(tags[tag])
		if value == "" {
			value = "(empty)"
		}
		name := Cut(prefix+line(tag), MaxMetadataKey)
		if _, taken := m.keys[metadataKey(name)]; taken || !isASCII(tag) {
			mark := fmt.Sprintf(" (%x)", sha256.Sum256([]byte(tag)))[:tagMark] + ")"
			name = Cut(prefix+line(tag), MaxMetadataKey-width(mark)) + mark
		}
		m.add(name, value)
	}
}

// tagMark is the length of " (" and eight digits of a hash: enough for the 50 tags that AWS allows.
const tagMark = 10

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

// metadataKey is the key that APIM makes of an ASCII name: lower case, without signs, one hyphen for a run of spaces and
// hyphens (read in gravitee-common's IdGenerator, which also drops accents).
func metadataKey(name string) string {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(name) {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			if gap && b.Len() > 0 {
				b.WriteByte('-')
			}
			gap = false
			b.WriteRune(r)
		case r == '-' || unicode.IsSpace(r):
			gap = true
		}
	}
	return b.String()
}
