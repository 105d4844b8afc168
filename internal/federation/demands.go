package federation

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"federation-agent/internal/gateway"
	"federation-agent/internal/rawjson"
)

// demands are what the methods of a stage ask of their callers, as its document says.
type demands struct {
	// methods is 0 if there is no document to read. A method OPTIONS counts only if it asks for a key: it answers
	// browsers, which have none.
	methods, keyed int
	// others are what methods ask for beside an API key, such as sigv4 or the name of an authorizer.
	others []string
}

// awsKeyScheme is AWS's name for the security scheme of its API keys.
const awsKeyScheme = "api_key"

// demandsOf reads a document, where it lies, because it may have megabytes.
func demandsOf(document []byte) demands {
	var paths, components, security []byte
	for m := range rawjson.Members(document) {
		switch string(m.Key) {
		case `"paths"`:
			paths = m.Value
		case `"components"`:
			components = m.Value
		case `"security"`: // of the methods that say nothing else
			security = m.Value
		}
	}
	keys, others := keySchemes(components), map[string]bool{}
	known := map[string][]string{} // schemes by their text: most methods ask for the same
	var d demands
	for path := range rawjson.Members(paths) {
		for method := range rawjson.Members(path.Value) {
			if !isMethod(method.Key) {
				continue
			}
			asks := security
			for m := range rawjson.Members(method.Value) {
				if string(m.Key) == `"security"` {
					asks = m.Value
				}
			}
			schemes, read := known[string(asks)]
			if !read {
				schemes = schemesIn(asks)
				known[string(asks)] = schemes
			}
			keyed := false
			for _, scheme := range schemes {
				if keys[scheme] {
					keyed = true
				} else {
					others[line(scheme)] = true
				}
			}
			if keyed {
				d.keyed++
			}
			if keyed || string(method.Key) != `"options"` {
				d.methods++
			}
		}
	}
	d.others = slices.Sorted(maps.Keys(others))
	return d
}

// isMethod reports whether a member of a path is a method. AWS's own name means any of them.
func isMethod(key []byte) bool {
	switch string(key) {
	case `"get"`, `"put"`, `"post"`, `"delete"`, `"options"`, `"head"`, `"patch"`, `"trace"`,
		`"x-amazon-apigateway-any-method"`:
		return true
	}
	return false
}

// keySchemes are the names of the security schemes that mean an API key of AWS's.
func keySchemes(components []byte) map[string]bool {
	keys := map[string]bool{awsKeyScheme: true}
	for m := range rawjson.Members(components) {
		var schemes map[string]struct{ Type, Name string }
		if string(m.Key) != `"securitySchemes"` || json.Unmarshal(m.Value, &schemes) != nil {
			continue
		}
		for name, scheme := range schemes {
			keys[name] = scheme.Type == "apiKey" && strings.EqualFold(scheme.Name, "x-api-key")
		}
	}
	return keys
}

// schemesIn are the names in a list of security requirements.
func schemesIn(security []byte) []string {
	var requirements []map[string]json.RawMessage
	if len(security) == 0 || json.Unmarshal(security, &requirements) != nil {
		return nil
	}
	var names []string
	for _, alternative := range requirements {
		names = append(names, slices.Collect(maps.Keys(alternative))...)
	}
	return names
}

// keyText says what an API key is good for at a stage. It has a text for every case, see documentTexts.
func keyText(api *gateway.RestAPI, d demands) string {
	text := "in the header x-api-key"
	if api.KeyFromAuthorizer {
		text = "taken from the answer of a Lambda authorizer, and not from the header x-api-key"
	}
	switch {
	case d.methods == 0:
		text += "; the methods that ask for it are not known"
	case d.keyed == 0:
		return "no method asks for one: calls need no key, and no plan limits them" + othersText(d)
	case d.keyed == d.methods:
		text += "; all methods ask for it"
	default:
		text += fmt.Sprintf("; %d of %d methods ask for it", d.keyed, d.methods)
	}
	return text + othersText(d)
}

func othersText(d demands) string {
	if len(d.others) == 0 {
		return ""
	}
	return "; methods also ask for: " + strings.Join(d.others, ", ")
}

// keyNotes tell the readers of a plan that its key is not enough, or is not needed.
func keyNotes(api *gateway.RestAPI, d demands) []string {
	notes := []string{}
	note := func(applies bool, text string) {
		if applies {
			notes = append(notes, Cut(text, MaxCharacteristic))
		}
	}
	unasked := d.methods > 0 && d.keyed == 0
	note(unasked, "no method asks for an API key")
	note(api.KeyFromAuthorizer && !unasked, "key comes from a Lambda authorizer, not from x-api-key")
	note(len(d.others) > 0, "methods also ask for: "+strings.Join(d.others, ", "))
	note(api.EndpointDisabled, "only by a custom domain name")
	return notes
}

// accessLimits are what may refuse a caller who has a key. What a custom domain name demands is not among the answers
// that the minimum policy allows, so it is known only with the optional grant.
func accessLimits(e Entry) string {
	var all []string
	if e.API.ResourcePolicy {
		all = append(all, "a resource policy may refuse callers, whatever their key")
	}
	if e.Bases != nil {
		all = append(all, e.Bases.domainLimits()...)
	}
	if e.API.EndpointDisabled && !e.Bases.knows() {
		all = append(all, "a custom domain name may demand a client certificate (mutual TLS)")
	}
	if e.API.TLSPolicy != "" {
		all = append(all, "TLS policy "+e.API.TLSPolicy)
	}
	if e.API.AccessMode != "" {
		all = append(all, "endpoint access mode "+e.API.AccessMode)
	}
	if e.Details != nil {
		if e.Details.WebACL {
			all = append(all, "a web ACL may refuse callers, whatever their key")
		}
		all = append(all, methodLimits(e.Details.Throttle)...)
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, "; ")
}
