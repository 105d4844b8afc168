package config

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// ProviderType is the only kind of integration that this agent serves.
const ProviderType = "aws-api-gateway"

// Validate reports all faults of a configuration at once, each a [Fault]. [Load] does so too, with the user's own
// spellings; Validate is for configurations that code has made.
func (c Config) Validate() error {
	checks := newChecker()
	checks.check(c)
	return errors.Join(checks.faults...)
}

// checker gathers faults and knows how the user spelled each key.
type checker struct {
	fields   []field
	settings map[string]setting
	// rejected keys have a fault already; they get no second one.
	rejected map[string]bool
	// partial means that a file could not be read, so that it is unknown what is missing.
	partial bool
	faults  []error // each a [Fault]
}

func newChecker() checker {
	return checker{fields: schema(), settings: map[string]setting{}, rejected: map[string]bool{}}
}

// fieldOf finds the field that a canonical key sets.
func (c *checker) fieldOf(key string) (field, bool) {
	pattern, _ := toPattern(key)
	i := slices.IndexFunc(c.fields, func(f field) bool { return f.pattern == pattern })
	if i < 0 {
		return field{}, false
	}
	return c.fields[i], true
}

// fault adds a fault of a key under the user's spelling of it, or the one that would set it.
func (c *checker) fault(key, format string, args ...any) {
	if c.rejected[key] {
		return
	}
	s, found := c.settings[key]
	if !found && c.partial {
		return
	}
	if !found {
		s = setting{key: key, variable: variableName(key)}
	}
	f, _ := c.fieldOf(key)
	c.rejectWith(s, fmt.Sprintf(format, args...), s.variable, f.example)
}

// reject adds the only fault that a key will have, and removes its value.
func (c *checker) reject(key, text string) {
	c.fault(key, "%s", text)
	c.rejected[key] = true
	delete(c.settings, key)
}

func (c *checker) rejectWith(s setting, text, variable, example string) {
	assignment := variable + "=" + example
	switch {
	case example == "":
		assignment = ""
	case s.at != "" && variable == s.variable:
		assignment = variable + ": " + example
	}
	c.faults = append(c.faults, Fault{Variable: s.String(), Text: text, Example: assignment})
}

// check checks the values. Their form was checked before.
func (c *checker) check(cfg Config) {
	c.checkConnector(cfg.Connector)
	if len(cfg.Providers) == 0 {
		// With an empty one, the faults name every setting that is needed.
		cfg.Providers = []Provider{{}}
	}
	ids := map[string]int{}
	for i, p := range cfg.Providers {
		c.checkProvider(i, p)
		if first, twice := ids[p.IntegrationID]; twice && p.IntegrationID != "" {
			c.fault(providerKey(i, "integrationId"),
				"is already the integration of providers[%d]; each provider needs an integration of its own", first)
			continue
		}
		ids[p.IntegrationID] = i
	}
	c.checkLimits(cfg)
	c.checkServices(cfg.Services)
	c.checkAgent(cfg)
}

func providerKey(i int, last string) string {
	return fmt.Sprintf("integration.providers[%d].%s", i, last)
}

func (c *checker) checkConnector(connector Connector) {
	if len(connector.Endpoints) == 0 {
		c.fault(connectorPrefix+"endpoints[0]", "is missing: the address of APIM's integration controller")
	}
	for i, raw := range connector.Endpoints {
		if _, err := normaliseEndpoint(raw); err != nil {
			c.fault(fmt.Sprintf("%sendpoints[%d]", connectorPrefix, i), "%v", err)
		}
	}
	for i, h := range connector.Headers {
		c.checkHeader(fmt.Sprintf("%sheaders[%d].", connectorPrefix, i), h)
	}
}

var (
	// headerName is RFC 9110's token.
	headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	// ownHeaders are written by the websocket handshake and the exchange protocol.
	ownHeaders = regexp.MustCompile(`(?i)^(upgrade|connection|sec-websocket-.*|x-gravitee-exchange-protocol)$`)
)

func (c *checker) checkHeader(prefix string, h Header) {
	switch {
	case h.Name == "":
		c.fault(prefix+"name", "is missing: the header has a value but no name")
	case !headerName.MatchString(h.Name):
		c.fault(prefix+"name", "%s is not the name of an HTTP header", show(h.Name))
	case ownHeaders.MatchString(h.Name):
		c.fault(prefix+"name", "%s is set by the connection itself", show(h.Name))
	}
	value := h.Value.Reveal()
	scheme := strings.ToLower(strings.TrimSpace(value))
	switch {
	case value == "":
		c.fault(prefix+"value", "is missing: the header has a name but no value")
	case strings.ContainsFunc(value, func(r rune) bool { return isControl(r) && r != '\t' }):
		c.fault(prefix+"value", "contains a line break or another control character")
	case isTemplate(value):
		c.fault(prefix+"value", templateText)
	case h.isAuthorization() && scheme == "bearer":
		c.fault(prefix+"value", "has no token after the word bearer")
	case h.isAuthorization() && !strings.ContainsAny(scheme, " \t") && !strings.HasPrefix(scheme, "bearer"):
		// APIM removes as many characters as the word bearer has, whatever they are, and trims. It would search for the
		// rest of the token. bearerTOKEN does work.
		c.fault(prefix+"value", "has no scheme; write the word bearer and a space before the token")
	}
}

const templateText = "still contains a placeholder of the example file"

// isTemplate recognises the words in brackets of the vendor's .env example.
func isTemplate(value string) bool { return strings.Contains(value, "[your-") }

// checkLimits checks every field against the range or list in its tag.
func (c *checker) checkLimits(cfg Config) {
	root := reflect.ValueOf(cfg)
	for _, f := range c.fields {
		if f.min == "" && len(f.oneOf) == 0 { // no value in a list has limits
			continue
		}
		text := strings.ToLower(fmt.Sprint(root.FieldByIndex(f.path).Interface()))
		if _, err := f.canonicalValue(text); err != nil {
			c.fault(f.pattern, "%v", err)
		}
	}
}

var (
	accountID       = regexp.MustCompile(`^[0-9]{12}$`)
	roleSessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`) // AWS documents it so for AssumeRole
	externalID      = regexp.MustCompile(`^[\w+=,.@:/-]+$`)    // so documented, too, within the bounds below
)

const minExternalID, maxExternalID = 2, 1224

func (c *checker) checkAgent(cfg Config) {
	a := cfg.Agent
	if a.AWS.AccountID != "" && !accountID.MatchString(a.AWS.AccountID) {
		c.fault("agent.aws.accountId", "is not an account id of 12 digits")
	}
	if !roleSessionName.MatchString(a.AWS.RoleSessionName) {
		c.fault("agent.aws.roleSessionName", "must be 2 to 64 letters, digits or _+=,.@-")
	}
	id := a.AWS.ExternalID
	if id != "" && (len(id) < minExternalID || len(id) > maxExternalID || !externalID.MatchString(id)) {
		c.fault("agent.aws.externalId", "must be 2 to 1224 letters, digits or _+=,.@:/-")
	}
	if a.Ingest.BatchBytes > cfg.Connector.MaxMessageSize {
		c.fault("agent.ingest.batchBytes", "%d is more than the largest message, %d (%s)",
			a.Ingest.BatchBytes, cfg.Connector.MaxMessageSize, connectorPrefix+"maxWebSocketMessageSize")
	}
	if a.Ingest.MemoryBytes < a.Ingest.BatchBytes {
		c.fault("agent.ingest.memoryBytes", "%d is less than one batch, %d (agent.ingest.batchBytes)",
			a.Ingest.MemoryBytes, a.Ingest.BatchBytes)
	}
	if a.Store.Path == "" {
		c.fault("agent.store.path", "is missing: the directory of the journal")
	}
}
