package federation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"federation-agent/internal/rawjson"
	"federation-agent/internal/region"
)

// address is a URL of a stage, as a server of a document. Its condition says when it answers. It is empty if it answers
// everywhere.
type address struct {
	URL       string              `json:"url"`
	Condition string              `json:"description,omitempty"`
	Variables map[string]variable `json:"variables,omitempty"`
	rank      int                 // the smallest comes first
	place     string              // of one under a custom domain name
}

type variable struct {
	Default     string `json:"default"`
	Description string `json:"description"`
}

// text is for people.
func (a address) text() string {
	text := a.URL
	for name := range a.Variables {
		text = strings.ReplaceAll(text, "{"+name+"}", "<"+name+">")
	}
	if a.Condition != "" {
		text += " (" + a.Condition + ")"
	}
	return text
}

// maxAddresses is how many addresses of a stage are shown. An API with more VPC endpoints than this has its list in
// AWS.
const maxAddresses = 50

// addresses are the URLs of a stage: those under custom domain names, if they are known, then those under AWS's own.
//
//	endpoint                     | addresses of AWS's own
//	disabled                     | the default one, which does not answer
//	PRIVATE, with VPC endpoints  | one for each endpoint, which needs no private DNS, then the default one
//	PRIVATE, without             | the default one, which answers only where private DNS is on
//	any other                    | the default one
func addresses(id ID, e Entry) []address {
	return slices.Concat(e.Bases.list(), awsAddresses(id, e))
}

func awsAddresses(id ID, e Entry) (all []address) {
	api := e.API
	at := func(host, condition string) address {
		suffix := ".execute-api." + id.Region + "." + region.PartitionOf(id.Region).Suffix
		return address{URL: "https://" + host + suffix + "/" + id.Stage, Condition: condition}
	}
	switch {
	case e.Unreachable():
		return append(all, at(id.RestAPI, "disabled, and no custom domain name leads here: not reachable"))
	case api.EndpointDisabled:
		return append(all, at(id.RestAPI, "disabled, callers use a custom domain name"))
	case !slices.Contains(api.EndpointTypes, "PRIVATE"):
		return append(all, at(id.RestAPI, ""))
	}
	for _, endpoint := range slices.Compact(slices.Sorted(slices.Values(api.VPCEndpointIDs))) {
		if endpoint = line(endpoint); endpoint != "" && len(all) < maxAddresses {
			all = append(all, at(id.RestAPI+"-"+endpoint, "VPC endpoint "+endpoint))
		}
	}
	return append(all, at(id.RestAPI, "only in a VPC with an execute-api endpoint that has private DNS"))
}

// invokeURL is the address of a stage under AWS's own domain, with those of its VPC endpoints, or the reason why there is
// none.
func invokeURL(id ID, e Entry) string {
	switch {
	case e.Unreachable():
		return "none: " + unreachable
	case e.API.EndpointDisabled:
		return "none: the default endpoint is disabled, callers use a custom domain name"
	default:
		return joined(awsAddresses(id, e), "")
	}
}

// joined are so many addresses as have room in metadata, with how many others there are, and a text behind them.
func joined(all []address, behind string) string {
	text := ""
	for i, a := range all {
		next := a.text()
		if i > 0 {
			next = text + ", " + next
		}
		more := fmt.Sprintf(", and %d more", len(all)-i)
		if i > 0 && width(next)+width(more)+width(behind) > MaxMetadataValue {
			return text + more + behind
		}
		text = next
	}
	return text + behind
}

// RewritesServers is how many bytes of servers are put into a stage's document: what it says of its servers is not
// enough. The changed document is a copy. It is 0 for a document that stays as it is.
func RewritesServers(id ID, e Entry) int64 {
	if !rewritesServers(e) {
		return 0
	}
	text, _ := json.Marshal(addresses(id, e)) // texts have no errors
	return int64(len(text))
}

func rewritesServers(e Entry) bool {
	return e.API.EndpointDisabled || slices.Contains(e.API.EndpointTypes, "PRIVATE") || len(e.Bases.list()) > 0
}

// withServers is the document with all addresses of its stage, and with the condition beside AWS's own. It is the same
// document if that is right already, and if it is not an OpenAPI document.
func withServers(id ID, e Entry, document []byte) []byte {
	if !rewritesServers(e) || !rawjson.IsObject(document) {
		return document
	}
	from := bytes.IndexByte(document, '{') + 1
	to, separator := from, ","
	var own []map[string]any
	for m := range rawjson.Members(document) {
		if string(m.Key) == `"servers"` {
			if json.Unmarshal(m.Value, &own) != nil {
				return document
			}
			from, to, separator = m.From, m.From+len(m.Value), ""
		}
	}
	all := addresses(id, e)
	servers := make([]any, 0, len(all)+len(own))
	for _, a := range all[:len(all)-1] {
		servers = append(servers, a)
	}
	ofAWS := all[len(all)-1]
	origin := strings.TrimSuffix(ofAWS.URL, "/"+id.Stage)
	changed := len(servers) > 0 || len(own) == 0
	for _, server := range own {
		url, _ := server["url"].(string)
		if isAmong(e.Bases.list(), server) {
			continue // AWS lists it, too
		}
		if _, described := server["description"]; !described && ofAWS.Condition != "" && strings.HasPrefix(url, origin) {
			server["description"] = ofAWS.Condition
			changed = true
		}
		servers = append(servers, server)
	}
	if len(own) == 0 {
		servers = append(servers, ofAWS)
	}
	text, err := json.Marshal(servers)
	if err != nil || !changed { // an error cannot be: it has only texts, and what was read as JSON
		return document
	}
	if separator != "" {
		text = append(append([]byte(`"servers":`), text...), separator...)
	}
	return slices.Concat(document[:from], text, document[to:])
}

// isAmong reports whether a document's server is one of these addresses.
func isAmong(all []address, server map[string]any) bool {
	url, _ := server["url"].(string)
	variables, _ := server["variables"].(map[string]any)
	for name, of := range variables {
		about, _ := of.(map[string]any)
		value, _ := about["default"].(string)
		url = strings.ReplaceAll(url, "{"+name+"}", strings.TrimPrefix(value, "/"))
	}
	url = strings.TrimSuffix(url, "/")
	return slices.ContainsFunc(all, func(a address) bool { return a.URL == url })
}
