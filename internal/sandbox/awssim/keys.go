package awssim

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"federation-agent/internal/secret"
)

// Limits of an API key (recorded, but for the description's, of which only that there is one was recorded).
const (
	maxKeyNameLength        = 1024
	maxKeyDescriptionLength = 125_000
	minKeyValueLength       = 20
	maxKeyValueLength       = 128
	generatedKeyValueLength = 40
	keyIDLength             = 10
)

const keyTypeAPIKey = "API_KEY"

// APIKey is one API key as it stands.
type APIKey struct {
	Scope       Scope             `json:"scope"`
	ID          string            `json:"id"`
	Name        string            `json:"name,omitempty"`
	Description string            `json:"description,omitempty"`
	CustomerID  string            `json:"customerId,omitempty"`
	Value       secret.String     `json:"-"`
	Enabled     bool              `json:"enabled"`
	Created     time.Time         `json:"created"`
	Updated     time.Time         `json:"updated"`
	Tags        map[string]string `json:"tags,omitempty"`
	// Plans are the usage plans that it is attached to, in the order of attaching.
	Plans []Attachment `json:"plans"`
	// MadeBy is the access key id that made it.
	MadeBy string `json:"madeBy"`
}

// Attachment is a key's membership in a usage plan.
type Attachment struct {
	UsagePlan string    `json:"usagePlan"`
	Since     time.Time `json:"since"`
}

func (k *APIKey) planIDs() []string {
	out := make([]string, len(k.Plans))
	for i, p := range k.Plans {
		out[i] = p.UsagePlan
	}
	return out
}

func (k *APIKey) attached(plan string) bool { return slices.Contains(k.planIDs(), plan) }

func (k APIKey) clone() APIKey {
	k.Tags = maps.Clone(k.Tags)
	k.Plans = slices.Clone(k.Plans)
	return k
}

type createKeyInput struct {
	Name        string            `json:"name"`
	Description string            `json:"description"`
	CustomerID  string            `json:"customerId"`
	Enabled     bool              `json:"enabled"`
	Value       string            `json:"value"`
	Tags        map[string]string `json:"tags"`
}

func (in createKeyInput) check() *apiError {
	switch {
	case len(in.Name) > maxKeyNameLength:
		return badRequest(messageKeyNameTooLong)
	case len(in.Description) > maxKeyDescriptionLength:
		return badRequest(messageKeyDescription)
	case in.Value != "" && len(in.Value) < minKeyValueLength:
		return badRequest(messageKeyValueShort)
	case len(in.Value) > maxKeyValueLength:
		return badRequest(messageKeyValueLong)
	}
	return nil
}

type keyWire struct {
	ID              string            `json:"id"`
	Value           string            `json:"value,omitempty"`
	Name            string            `json:"name,omitempty"`
	CustomerID      string            `json:"customerId,omitempty"`
	Description     string            `json:"description,omitempty"`
	Enabled         bool              `json:"enabled"`
	CreatedDate     int64             `json:"createdDate"`
	LastUpdatedDate int64             `json:"lastUpdatedDate"`
	StageKeys       []string          `json:"stageKeys"`
	Tags            map[string]string `json:"tags,omitempty"`
}

func wireKey(k *APIKey, withValue bool) keyWire {
	w := keyWire{
		ID: k.ID, Name: k.Name, CustomerID: k.CustomerID, Description: k.Description, Enabled: k.Enabled,
		CreatedDate: k.Created.Unix(), LastUpdatedDate: k.Updated.Unix(), StageKeys: []string{}, Tags: k.Tags,
	}
	if withValue {
		w.Value = k.Value.Reveal()
	}
	return w
}

func createAPIKey(s *Server, r *request) (response, *apiError) {
	in, _ := r.input.(createKeyInput)
	if bad := in.check(); bad != nil {
		return response{}, bad
	}
	g := r.region
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.keys.len() >= s.options.MaxKeys {
		return response{}, refuse(http.StatusTooManyRequests, CodeLimitExceeded,
			"Maximum number of API keys reached, the limit is %d", s.options.MaxKeys)
	}
	key := s.newKey(r, in)
	if _, exists := g.byValue[key.Value.Reveal()]; exists {
		return response{}, refuse(http.StatusConflict, CodeConflict, messageKeyExists)
	}
	g.keys.put(key.ID, key)
	g.byValue[key.Value.Reveal()] = key.ID
	r.keyID = key.ID
	return jsonResponse(http.StatusCreated, wireKey(key, true)), nil
}

// newKey makes id and value from the event's name, so that a replay makes the same ones. The caller holds
// the region's lock.
func (s *Server) newKey(r *request, in createKeyInput) *APIKey {
	now := time.Now()
	key := &APIKey{
		Scope: r.region.scope, Name: in.Name, Description: in.Description, CustomerID: in.CustomerID,
		Value:   secret.New(in.Value),
		Enabled: in.Enabled, Created: now, Updated: now, Tags: in.Tags, Plans: []Attachment{}, MadeBy: r.caller.accessKeyID,
	}
	for try := 0; key.ID == ""; try++ {
		id := identifier(hash64(s.options.Seed, "key id", r.event.String(), strconv.Itoa(try)), lowerAlphanumeric,
			keyIDLength)
		if _, taken := r.region.keys.get(id); !taken {
			key.ID = id
		}
	}
	if key.Value.IsZero() {
		key.Value = secret.New(
			identifier(hash64(s.options.Seed, "key value", key.ID, r.event.String()), alphanumeric, generatedKeyValueLength),
		)
	}
	return key
}

// deleteAPIKey also takes the key out of its usage plans, since the plans are kept with the key (recorded).
func deleteAPIKey(_ *Server, r *request) (response, *apiError) {
	g := r.region
	g.mu.Lock()
	defer g.mu.Unlock()
	key, ok := g.keys.get(r.keyID)
	if !ok {
		return response{}, notFound(messageNoSuchKey)
	}
	g.removeKey(key)
	return response{status: http.StatusAccepted}, nil
}

// removeKey needs the region's lock.
func (g *region) removeKey(key *APIKey) {
	g.keys.remove(key.ID)
	delete(g.byValue, key.Value.Reveal())
}

func getAPIKey(_ *Server, r *request) (response, *apiError) {
	r.region.mu.Lock()
	key, ok := r.region.keys.get(r.keyID)
	r.region.mu.Unlock()
	if !ok {
		return response{}, notFound(messageNoSuchKey)
	}
	return jsonResponse(http.StatusOK, wireKey(key, r.query.Get("includeValue") == "true")), nil
}

// getAPIKeys lists the newest first; `name` is a prefix and minds case (recorded).
func getAPIKeys(_ *Server, r *request) (response, *apiError) {
	prefix, withValues := r.query.Get("name"), r.query.Get("includeValues") == "true"
	out, bad := listing(r, &r.region.keys, newestFirst,
		func(k *APIKey) bool { return strings.HasPrefix(k.Name, prefix) },
		func(k *APIKey) keyWire { return wireKey(k, withValues) })
	if bad != nil {
		return response{}, bad
	}
	return jsonResponse(http.StatusOK, out), nil
}

type attachKeyInput struct {
	KeyID   string `json:"keyId"`
	KeyType string `json:"keyType"`
}

type planKeyWire struct {
	ID    string `json:"id"`
	Name  string `json:"name,omitempty"`
	Type  string `json:"type"`
	Value string `json:"value"`
}

func wirePlanKey(k *APIKey) planKeyWire {
	return planKeyWire{k.ID, k.Name, keyTypeAPIKey, k.Value.Reveal()}
}

func createUsagePlanKey(s *Server, r *request) (response, *apiError) {
	in, _ := r.input.(attachKeyInput)
	if in.KeyType != keyTypeAPIKey {
		return response{}, badRequest("Invalid key type specified, must be %s", keyTypeAPIKey)
	}
	g := r.region
	g.mu.Lock()
	defer g.mu.Unlock()
	plan, ok := g.plans.get(r.event.UsagePlan)
	if !ok {
		return response{}, notFound(messageNoSuchPlan)
	}
	stored, ok := g.keys.get(in.KeyID)
	if !ok {
		return response{}, notFound(messageNoSuchKey)
	}
	if stored.attached(plan.ID) {
		return response{},
			refuse(http.StatusConflict, CodeConflict, "API Key %s is already attached to usage plan %s", stored.ID, plan.ID)
	}
	if len(stored.Plans) >= s.options.MaxPlansPerKey {
		return response{}, refuse(http.StatusTooManyRequests, CodeLimitExceeded,
			"Maximum number of usage plans per API key reached, the limit is %d", s.options.MaxPlansPerKey)
	}
	key := stored.clone()
	key.Plans = append(key.Plans, Attachment{plan.ID, time.Now()})
	g.keys.put(key.ID, &key)
	return jsonResponse(http.StatusCreated, wirePlanKey(&key)), nil
}

func deleteUsagePlanKey(_ *Server, r *request) (response, *apiError) {
	g := r.region
	g.mu.Lock()
	defer g.mu.Unlock()
	stored, ok := g.keys.get(r.keyID)
	if !ok || !stored.attached(r.event.UsagePlan) {
		return response{}, notFound("Invalid API Key identifier specified for usage plan")
	}
	key := stored.clone()
	key.Plans = slices.DeleteFunc(key.Plans, func(a Attachment) bool { return a.UsagePlan == r.event.UsagePlan })
	g.keys.put(key.ID, &key)
	return response{status: http.StatusAccepted}, nil
}

// getUsagePlanKeys answers an empty list for a plan that does not exist (recorded).
func getUsagePlanKeys(_ *Server, r *request) (response, *apiError) {
	prefix := r.query.Get("name")
	out, bad := listing(r, &r.region.keys, newestFirst,
		func(k *APIKey) bool { return k.attached(r.event.UsagePlan) && strings.HasPrefix(k.Name, prefix) }, wirePlanKey)
	if bad != nil {
		return response{}, bad
	}
	return jsonResponse(http.StatusOK, out), nil
}
