package federation

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"federation-agent/internal/federated"
	"federation-agent/internal/gateway"
)

// The names of the metadata that route a subscription. In SUBSCRIBE, APIM (4.9 and later) sends back every metadata
// whose key contains "aws-api-gateway". In SUBSCRIBE and UNSUBSCRIBE, it sends back the connection details.
const (
	MetadataAccountID   = "aws-api-gateway-account-id"
	MetadataRegion      = "aws-api-gateway-region"
	MetadataRestAPIID   = "aws-api-gateway-rest-api-id"
	MetadataStage       = "aws-api-gateway-stage"
	MetadataUsagePlanID = "aws-api-gateway-usage-plan-id"
	// MetadataKeyID is the name for the id of a subscription's AWS API key. Other agents use the same name.
	MetadataKeyID = "aws-api-key-id"
	// MetadataPlanID is APIM's own name for the plan's id in SUBSCRIBE, which is the usage plan's id.
	MetadataPlanID = "planId"
)

// routing are the connection details of an API.
func routing(id ID) map[string]string {
	return map[string]string{
		MetadataAccountID: id.Account,
		MetadataRegion:    id.Region,
		MetadataRestAPIID: id.RestAPI,
		MetadataStage:     id.Stage,
	}
}

// metadata are for people and for routing. Stage variables are not among them, because they may hold secrets.
func metadata(id ID, e Entry, missing Missing, asked demands) []federated.Metadata {
	m := &metadataList{keys: map[string]struct{}{}, list: []federated.Metadata{}}
	m.add(MetadataAccountID, id.Account)
	m.add(MetadataRegion, id.Region)
	m.add(MetadataRestAPIID, id.RestAPI)
	m.add(MetadataStage, id.Stage)
	m.add("AWS account", id.Account)
	m.add("AWS region", id.Region)
	m.add("AWS stage", id.Stage)
	m.add("AWS endpoint type", endpointType(e.API))
	if e.Bases != nil {
		m.add("AWS base URL", baseText(e))
	}
	m.add("AWS invoke URL", invokeURL(id, e))
	m.add("AWS document", documentTexts[missing])
	m.add("AWS key use", keyText(e.API, asked))
	m.add("AWS access limits", accessLimits(e))
	m.addTags("AWS tag ", e.API.Tags)
	if e.Details != nil {
		m.addTags("AWS stage tag ", e.Details.Tags)
	}
	return m.list
}

// documentTexts has a text for every case, because APIM keeps metadata that are left out later: a note about a missing
// document would stay after the document came.
var documentTexts = map[Missing]string{
	NotMissing:      "exported from AWS API Gateway",
	NeverExportable: "not available: AWS API Gateway cannot export this stage",
	TooLarge:        "left out: it is larger than one message to APIM may be",
}

func endpointType(api *gateway.RestAPI) string {
	text := strings.Join(api.EndpointTypes, ", ")
	if len(api.VPCEndpointIDs) > 0 {
		text += " (" + strings.Join(api.VPCEndpointIDs, ", ") + ")"
	}
	return text
}

// metadataList keeps each key only once, as APIM derives it from the name. It leaves out entries without a value,
// because APIM refuses null and empty values.
type metadataList struct {
	keys map[string]struct{}
	list []federated.Metadata
}

func (m *metadataList) add(name, value string) {
	name, value = Cut(line(name), MaxMetadataKey), Cut(line(value), MaxMetadataValue)
	key := metadataKey(name)
	if _, taken := m.keys[key]; taken || key == "" || value == "" {
		return
	}
	m.keys[key] = struct{}{}
	m.list = append(m.list, federated.Metadata{Name: name, Value: value})
}

// addTags adds AWS tags, ordered by name. If a tag's key in APIM is taken, or cannot be predicted because the tag has
// more than ASCII, the name gets a few digits of the tag's own hash. They do not change when other tags do.
func (m *metadataList) addTags(prefix string, tags map[string]string) {
	for _, tag := range slices.Sorted(maps.Keys(tags)) {
		name := Cut(prefix+line(tag), MaxMetadataKey)
		if _, taken := m.keys[metadataKey(name)]; taken || !isASCII(tag) {
			mark := fmt.Sprintf(" (%x)", sha256.Sum256([]byte(tag)))[:tagMark] + ")"
			name = Cut(prefix+line(tag), MaxMetadataKey-width(mark)) + mark
		}
		m.add(name, cmp.Or(line(tags[tag]), "(empty)"))
	}
}

// tagMark is the length of " (" and eight digits of a hash, which are enough for the 50 tags that AWS allows.
const tagMark = 10

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

// metadataKey is the key that APIM makes of an ASCII name: lower case, without signs, and one hyphen for each run of
// spaces and hyphens (read in gravitee-common's IdGenerator, which also removes accents).
func metadataKey(name string) string {
	key := make([]byte, 0, MaxMetadataKey)
	for _, r := range strings.ToLower(name) {
		switch gap := r == '-' || unicode.IsSpace(r); {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			key = append(key, byte(r))
		case gap && len(key) > 0 && key[len(key)-1] != '-':
			key = append(key, '-')
		}
	}
	return string(bytes.TrimSuffix(key, []byte("-")))
}
