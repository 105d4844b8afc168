package federation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"federation-agent/internal/gateway"
	"federation-agent/internal/rawjson"
	"federation-agent/internal/region"
)

// address is a URL of a stage. condition says when it answers. It is empty if it answers everywhere.
type address struct {
	URL       string `json:"url"`
	Condition string `json:"description,omitempty"`
}

// maxAddresses is how many addresses of a stage are shown. An API with more VPC endpoints than this has its list in
// AWS.
const maxAddresses = 50

// addresses are the URLs of a stage under AWS's own domain.
//
//	endpoint                     | addresses
//	disabled                     | the default one, which does not answer
//	PRIVATE, with VPC endpoints  | one for each endpoint, which needs no private DNS, then the default one
//	PRIVATE, without             | the default one, which answers only where private DNS is on
//	any other                    | the default one
func addresses(id ID, api *gateway.RestAPI) []address {
	at := func(host, condition string) address {
		suffix := ".execute-api." + id.Region + "." + region.PartitionOf(id.Region).Suffix
		return address{"https://" + host + suffix + "/" + id.Stage, condition}
	}
	var all []address
	switch {
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

// invokeURL is the address of a stage, with those of its VPC endpoints, or the reason why there is none.
func invokeURL(id ID, api *gateway.RestAPI) string {
	if api.EndpointDisabled {
		return "none: the default endpoint is disabled, callers use a custom domain name"
	}
	text := ""
	all := addresses(id, api)
	for i, a := range all {
		next := a.URL
		if a.Condition != "" {
			next += " (" + a.Condition + ")"
		}
		if i > 0 {
			next = text + ", " + next
		}
		more := fmt.Sprintf(", and %d more", len(all)-i)
		if i > 0 && width(next)+width(more) > MaxMetadataValue {
			return text + more
		}
		text = next
	}
	return text
}

// RewritesServers reports whether an API's document is changed: what it says of its servers is not enough. The changed
// document is a copy.
func RewritesServers(api *gateway.RestAPI) bool {
	return api.EndpointDisabled || slices.Contains(api.EndpointTypes, "PRIVATE")
}

// withServers is the document with all addresses of its stage, and with the condition beside AWS's own. It is the same
// document if that is right already, and if it is not an OpenAPI document.
func withServers(id ID, api *gateway.RestAPI, document []byte) []byte {
	if !RewritesServers(api) || !rawjson.IsObject(document) {
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
	all := addresses(id, api)
	servers := make([]any, 0, len(all)+len(own))
	for _, a := range all[:len(all)-1] {
		servers = append(servers, a)
	}
	ofAWS := all[len(all)-1]
	origin := strings.TrimSuffix(ofAWS.URL, "/"+id.Stage)
	changed := len(servers) > 0 || len(own) == 0
	for _, server := range own {
		url, _ := server["url"].(string)
		if _, described := server["description"]; !described && strings.HasPrefix(url, origin) {
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
