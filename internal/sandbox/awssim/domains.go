package awssim

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The endpoint types of custom domain names.
const (
	endpointEdge     = "EDGE"
	endpointRegional = "REGIONAL"
	endpointPrivate  = "PRIVATE"
)

// The routing modes as the first API names them.
const (
	RoutingMappings          = "BASE_PATH_MAPPING_ONLY"
	RoutingRules             = "ROUTING_RULE_ONLY"
	RoutingRulesThenMappings = "ROUTING_RULE_THEN_BASE_PATH_MAPPING"
)

// CustomDomain is a custom domain name with what leads from it to APIs.
type CustomDomain struct {
	// Name is unique within account and region, unless it is PRIVATE: then it is together with ID.
	Name string `json:"name"`
	ID   string `json:"id,omitempty"`
	// Endpoint is EDGE, REGIONAL or PRIVATE; empty means EDGE.
	Endpoint string `json:"endpoint,omitempty"`
	// SecurityPolicy is the least TLS; empty means TLS_1_2.
	SecurityPolicy string `json:"securityPolicy,omitempty"`
	MutualTLS      bool   `json:"mutualTls,omitempty"`
	// RoutingMode is one of the three; empty means [RoutingMappings].
	RoutingMode string `json:"routingMode,omitempty"`
	// Status is AVAILABLE if it is empty.
	Status   string            `json:"status,omitempty"`
	Mappings []DomainMapping   `json:"mappings,omitempty"`
	Rules    []RoutingRule     `json:"rules,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
}

// DomainMapping leads from a key, which may be empty, to a stage. Without a stage, callers name it behind the key.
type DomainMapping struct {
	Key     string `json:"key,omitempty"`
	RestAPI string `json:"restApi"`
	Stage   string `json:"stage,omitempty"`
}

// RoutingRule is one of a domain name.
type RoutingRule struct {
	ID            string       `json:"id"`
	Priority      int          `json:"priority"`
	BasePaths     []string     `json:"basePaths,omitempty"`
	Headers       []HeaderGlob `json:"headers,omitempty"`
	RestAPI       string       `json:"restApi"`
	Stage         string       `json:"stage"`
	StripBasePath bool         `json:"stripBasePath,omitempty"`
}

// HeaderGlob is a condition on a header.
type HeaderGlob struct {
	Header string `json:"header"`
	Value  string `json:"value"`
}

func (d CustomDomain) clone() CustomDomain {
	d.Mappings, d.Rules, d.Tags = slices.Clone(d.Mappings), slices.Clone(d.Rules), maps.Clone(d.Tags)
	return d
}

// key is unique among the domain names of a region.
func (d *CustomDomain) key() string { return domainKey(d.Name, d.ID) }

func domainKey(name, id string) string {
	if id == "" {
		return name
	}
	return name + "+" + id
}

// putDomain stores a copy with what AWS fills in itself. The caller holds the lock or owns the region.
func (g *region) putDomain(d CustomDomain) error {
	d = d.clone()
	fill := func(text *string, with string) {
		if *text == "" {
			*text = with
		}
	}
	fill(&d.Endpoint, endpointEdge)
	fill(&d.SecurityPolicy, "TLS_1_2")
	fill(&d.RoutingMode, RoutingMappings)
	fill(&d.Status, "AVAILABLE")
	if d.Name == "" || (d.Endpoint == endpointPrivate) != (d.ID != "") {
		return fmt.Errorf("%s: custom domain name %q needs a name, and an id if it is PRIVATE and only then", g.scope, d.Name)
	}
	g.domains.put(d.key(), &d)
	return nil
}

// PutDomain adds a custom domain name, or replaces the one of the same name and id.
func (s *Server) PutDomain(scope Scope, d CustomDomain) error {
	g, err := s.known(scope)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.putDomain(d)
}

// DeleteDomain deletes a custom domain name with what it maps. The id is that of a private one.
func (s *Server) DeleteDomain(scope Scope, name, id string) error {
	g, err := s.known(scope)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.domains.remove(domainKey(name, id)) {
		return fmt.Errorf("%s custom domain name %q: %w", scope, domainKey(name, id), ErrUnknown)
	}
	return nil
}

// Wire shapes as the SDKs' models have them.

type domainWire struct {
	DomainName     string            `json:"domainName"`
	DomainNameID   string            `json:"domainNameId,omitempty"`
	DomainNameARN  string            `json:"domainNameArn"`
	Status         string            `json:"domainNameStatus"`
	Endpoint       endpointWire      `json:"endpointConfiguration"`
	SecurityPolicy string            `json:"securityPolicy"`
	RoutingMode    string            `json:"routingMode"`
	MutualTLS      *truststoreWire   `json:"mutualTlsAuthentication,omitempty"`
	Tags           map[string]string `json:"tags,omitempty"`
}

type truststoreWire struct {
	URI string `json:"truststoreUri"`
}

func getDomainNames(_ *Server, r *request) (response, *apiError) {
	out, bad := listing(r, &r.region.domains, oldestFirst, all[CustomDomain], func(d *CustomDomain) domainWire {
		w := domainWire{
			DomainName: d.Name, DomainNameID: d.ID, Status: d.Status, SecurityPolicy: d.SecurityPolicy, Tags: d.Tags,
			RoutingMode: d.RoutingMode, Endpoint: endpointWire{IPAddressType: "ipv4", Types: []string{d.Endpoint}},
		}
		owner := "" // only the ARN of a private one has it
		if d.Endpoint == endpointPrivate {
			owner = r.region.scope.Account
		}
		w.DomainNameARN = "arn:" + r.region.partition + ":apigateway:" + r.region.scope.Region + ":" + owner + ":/domainnames/" + d.key()
		if d.MutualTLS {
			w.MutualTLS = &truststoreWire{"s3://truststore/" + d.Name + ".pem"}
		}
		return w
	})
	if bad != nil {
		return response{}, bad
	}
	return jsonResponse(http.StatusOK, out), nil
}

const messageNoSuchDomain = "Invalid domain name identifier specified"

func (r *request) domain() (*CustomDomain, *apiError) {
	g := r.region
	g.mu.Lock()
	defer g.mu.Unlock()
	if d, found := g.domains.get(domainKey(r.event.Domain, r.query.Get("domainNameId"))); found {
		return d, nil
	}
	return nil, notFound(messageNoSuchDomain)
}

type basePathWire struct {
	BasePath string `json:"basePath"`
	RestAPI  string `json:"restApiId"`
	Stage    string `json:"stage,omitempty"`
}

// getBasePathMappings lists no paths of several parts: this API does not take them either.
func getBasePathMappings(_ *Server, r *request) (response, *apiError) {
	d, missing := r.domain()
	if missing != nil {
		return response{}, missing
	}
	mappings := []basePathWire{}
	for _, m := range d.Mappings {
		key := m.Key
		if key == "" {
			key = "(none)"
		}
		if !strings.Contains(key, "/") {
			mappings = append(mappings, basePathWire{key, m.RestAPI, m.Stage})
		}
	}
	items, next, bad := part(r, mappings, "limit", "position")
	if bad != nil {
		return response{}, bad
	}
	return jsonResponse(http.StatusOK, page[basePathWire]{items, next}), nil
}

// second is the domain name for a call of the second API, which knows only regional ones.
func (r *request) second() (*CustomDomain, *apiError) {
	if r.region.noSecond {
		return nil, badRequest("API Gateway V2 is not available in this region")
	}
	d, missing := r.domain()
	switch {
	case missing != nil:
		return nil, missing
	case d.Endpoint == endpointEdge, d.Endpoint == endpointRegional && d.SecurityPolicy == "TLS_1_0":
		return nil, badRequest("Only REGIONAL domain names can be managed through the API Gateway V2 API. " +
			"For EDGE domain names, please use the API Gateway V1 API.")
	}
	return d, nil
}

type apiMappingWire struct {
	APIID     string `json:"apiId"`
	MappingID string `json:"apiMappingId"`
	Key       string `json:"apiMappingKey"`
	Stage     string `json:"stage,omitempty"`
}

func getAPIMappings(_ *Server, r *request) (response, *apiError) {
	d, refused := r.second()
	if refused != nil {
		return response{}, refused
	}
	mappings := []apiMappingWire{}
	for _, m := range d.Mappings {
		id := identifier(hash64(0, "api mapping", d.Name, m.Key), lowerAlphanumeric, 6)
		mappings = append(mappings, apiMappingWire{m.RestAPI, id, m.Key, m.Stage})
	}
	items, next, bad := part(r, mappings, "maxResults", "nextToken")
	if bad != nil {
		return response{}, bad
	}
	return jsonResponse(http.StatusOK, map[string]any{"items": items, "nextToken": next}), nil
}

func listRoutingRules(_ *Server, r *request) (response, *apiError) {
	d, refused := r.second()
	if refused != nil {
		return response{}, refused
	}
	rules := []map[string]any{}
	for _, rule := range d.Rules {
		conditions := []any{}
		if len(rule.BasePaths) > 0 {
			conditions = append(conditions, map[string]any{"matchBasePaths": map[string]any{"anyOf": rule.BasePaths}})
		}
		for _, h := range rule.Headers {
			conditions = append(conditions, map[string]any{"matchHeaders": map[string]any{
				"anyOf": []any{map[string]any{"header": h.Header, "valueGlob": h.Value}},
			}})
		}
		rules = append(rules, map[string]any{
			"routingRuleId": rule.ID, "priority": rule.Priority, "conditions": conditions,
			"routingRuleArn": "arn:" + r.region.partition + ":apigateway:" + r.region.scope.Region + ":" +
				r.region.scope.Account + ":/domainnames/" + d.key() + "/routingrules/" + rule.ID,
			"actions": []any{map[string]any{"invokeApi": map[string]any{
				"apiId": rule.RestAPI, "stage": rule.Stage, "stripBasePath": rule.StripBasePath,
			}}},
		})
	}
	items, next, bad := part(r, rules, "maxResults", "nextToken")
	if bad != nil {
		return response{}, bad
	}
	return jsonResponse(http.StatusOK, map[string]any{"routingRules": items, "nextToken": next}), nil
}

// part is a page of a list that is no table. Its position is how many items came before.
func part[T any](r *request, list []T, limit, position string) (items []T, next string, bad *apiError) {
	most, from := min(defaultPageSize, r.maxPage), 0
	if text := r.query.Get(limit); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, "", badRequest("Invalid limit specified")
		}
		most = min(n, r.maxPage)
	}
	if token := r.query.Get(position); token != "" {
		text, err := base64.RawURLEncoding.DecodeString(token)
		if err == nil {
			from, err = strconv.Atoi(string(text))
		}
		if err != nil || from < 1 || from > len(list) {
			return nil, "", badRequest("Invalid position parameter")
		}
	}
	list = list[from:]
	if len(list) <= most {
		return list, "", nil
	}
	return list[:most], base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(from + most))), nil
}

// domainPermission is the one that a call about a custom domain name needs: resources have no version, and those of
// private names and of routing rules have the account.
func (r *request) domainPermission() permission {
	path := strings.TrimPrefix(r.path, "/v2")
	name := domainKey(r.event.Domain, r.query.Get("domainNameId"))
	p := permission{verb: r.method, path: strings.Replace(path, "/"+r.event.Domain+"/", "/"+name+"/", 1)}
	if name != r.event.Domain {
		p.account = r.event.Account
	}
	if r.event.Operation == OpListRoutingRules {
		p = permission{verb: OpListRoutingRules, path: p.path + "/*", account: r.event.Account}
	}
	return p
}
