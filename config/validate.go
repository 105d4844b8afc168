package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"federation-agent/internal/schedule"
)

// connectorPrefix begins the keys of the connection to APIM.
const connectorPrefix = "integration.connector.ws."

// headerValue is the pattern of what most users keep in a secret store: the token.
const headerValue = connectorPrefix + "headers[#].value"

// ProviderType is the only kind of integration that this agent serves.
const ProviderType = "aws-api-gateway"

// fieldOf finds the field that a canonical key sets.
func (l *loader) fieldOf(key string) (field, bool) {
	pattern, _ := toPattern(key)
	f, ok := l.fields[pattern]
	return f, ok
}

func (l *loader) refuse(variable, text, example string) {
	l.faults = append(l.faults, Fault{Variable: variable, Text: text, Example: example})
}

// fault adds a fault of a key under the user's spelling of it, or the one that would set it.
func (l *loader) fault(key, format string, args ...any) {
	if l.rejected[key] {
		return
	}
	s, found := l.settings[key]
	if !found && l.partial {
		return
	}
	if !found {
		s = setting{variable: variableName(key)}
	}
	if s.isFaulty = found; found {
		l.told[key] = s
	}
	f, _ := l.fieldOf(key)
	example := f.example
	if s.from != "" || s.isFile { // the value is to be changed elsewhere
		example = ""
	}
	assignment := s.variable + "=" + example
	switch {
	case example == "":
		assignment = ""
	case s.at != "":
		assignment = s.variable + ": " + example
	}
	text := s.unseen(fmt.Sprintf(format, args...))
	l.faults = append(l.faults, Fault{Key: key, Variable: s.String(), Text: text, Example: assignment})
}

// reject adds the only fault that a key will have, and removes its value.
func (l *loader) reject(key, text string) {
	l.fault(key, "%s", text)
	l.rejected[key] = true
	delete(l.settings, key)
}

// check checks the values. Their form was checked before.
func (l *loader) check(cfg Config) {
	l.checkConnector(cfg.Connector)
	if len(cfg.Providers) == 0 {
		// With an empty one, the faults name every setting that is needed.
		cfg.Providers = []Provider{{}}
	}
	ids := map[string]int{}
	for i, p := range cfg.Providers {
		l.checkProvider(i, p)
		l.checkAccounts(cfg, i)
		if first, twice := ids[p.IntegrationID]; twice && p.IntegrationID != "" {
			l.fault(providerKey(i, "integrationId"),
				"is already the integration of providers[%d]; each provider needs an integration of its own", first)
			continue
		}
		ids[p.IntegrationID] = i
	}
	l.checkTLS(cfg)
	l.checkProxy(cfg)
	l.checkAPIM(cfg.Agent.APIM)
	l.checkEvents(cfg)
	l.checkServices(cfg.Services)
	l.checkNames(cfg.Agent.Node.HostNames)
	l.checkAgent(cfg)
	l.checkSurroundings(cfg)
}

func providerKey(i int, last string) string {
	return fmt.Sprintf("integration.providers[%d].%s", i, last)
}

func (l *loader) checkConnector(connector Connector) {
	if len(connector.Endpoints) == 0 && !l.rejected[cloudToken] {
		l.fault(connectorPrefix+"endpoints[0]", "is missing: the address of APIM's integration controller")
	}
	for i, raw := range connector.Endpoints {
		if _, err := normaliseEndpoint(raw); err != nil {
			l.fault(fmt.Sprintf("%sendpoints[%d]", connectorPrefix, i), "%v", err)
		}
	}
	for i, h := range connector.Headers {
		prefix := fmt.Sprintf("%sheaders[%d].", connectorPrefix, i)
		l.checkHeader(prefix, h)
		if first := slices.IndexFunc(connector.Headers, Header.isAuthorization); h.isAuthorization() && first < i {
			l.fault(prefix+"name", "is the name of headers[%d], too; only one token can be sent", first)
		}
	}
}

var (
	// headerName is RFC 9110's token.
	headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	// ownHeaders are written by the websocket handshake and the exchange protocol.
	ownHeaders = regexp.MustCompile(`(?i)^(upgrade|connection|sec-websocket-.*|x-gravitee-exchange-protocol)$`)
)

func (l *loader) checkHeader(prefix string, h Header) {
	switch {
	case h.Name == "":
		l.fault(prefix+"name", "is missing: the header has a value but no name")
	case !headerName.MatchString(h.Name):
		l.fault(prefix+"name", "%s is not the name of an HTTP header", show(h.Name))
	case ownHeaders.MatchString(h.Name):
		l.fault(prefix+"name", "%s is set by the connection itself", show(h.Name))
	}
	if err := h.checkValue(h.Value.Reveal()); err != nil {
		l.fault(prefix+"value", "%v", err)
	}
}

func (h Header) checkValue(value string) error {
	switch {
	case strings.TrimSpace(value) == "":
		return errors.New("is missing: the header has a name but no value")
	case strings.ContainsFunc(value, func(r rune) bool { return isControl(r) && r != '\t' }):
		return errors.New("contains a line break or another control character")
	case isTemplate(value):
		return errors.New(templateText)
	case h.isAuthorization():
		return checkAuthorization(value)
	}
	return nil
}

// bearerToken is RFC 6750's.
var bearerToken = regexp.MustCompile(`^[\w.~+/-]+=*$`)

// checkAuthorization says why APIM would answer 401. APIM removes as many characters as the word bearer has, whatever
// they are, trims the rest and searches for it: bearerTOKEN does work, and so does another word of six letters.
func checkAuthorization(value string) error {
	words := strings.Fields(value)
	isBearer := func(text string) bool { return strings.HasPrefix(strings.ToLower(text), "bearer") }
	switch token := strings.TrimSpace(value[min(len("bearer"), len(value)):]); {
	case len(words) == 1 && !isBearer(value):
		return errors.New("has no scheme; write the word bearer and a space before the token")
	case token == "":
		return errors.New("has no token after the word bearer")
	case isBearer(token), slices.ContainsFunc(words[1:], isBearer):
		return errors.New("has the word bearer twice, or behind another word; write it once, then a space and the token")
	case isBearer(value) && !bearerToken.MatchString(token):
		return errors.New("must be the word bearer, a space and the token alone, without quotes, brackets, colons or more spaces")
	}
	return nil
}

const templateText = "still contains a placeholder of the example file"

// isTemplate recognises the words in brackets of the vendor's .env example.
func isTemplate(value string) bool { return strings.Contains(value, "[your-") }

var (
	accountID       = regexp.MustCompile(`^[0-9]{12}$`)
	roleSessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`) // AWS documents it so for AssumeRole
	externalID      = regexp.MustCompile(`^[\w+=,.@:/-]+$`)    // so documented, too, within the bounds below
)

const minExternalID, maxExternalID = 2, 1224

func (l *loader) checkExternalID(key, id string) {
	if id != "" && (len(id) < minExternalID || len(id) > maxExternalID || !externalID.MatchString(id)) {
		l.fault(key, "must be 2 to 1224 letters, digits or _+=,.@:/-")
	}
}

const keySchedule = "agent.ingest.schedule"

func (l *loader) checkSchedule(a Agent) {
	when, err := schedule.Parse(a.Ingest.Schedule)
	switch {
	case err != nil:
		l.fault(keySchedule, "%v", err)
	case !when.IsOn():
		l.adviseUnused(keySchedule+"Jitter", variableName(keySchedule)+" is not set")
	case !a.APIM.IsOn():
		l.fault(keyAPIMURL, "is missing: %s needs it, because APIM starts each ingest, and tells what it has",
			l.named(keySchedule))
	}
}

func (l *loader) checkAgent(cfg Config) {
	a := cfg.Agent
	if a.AWS.AccountID != "" && !accountID.MatchString(a.AWS.AccountID) {
		l.fault("agent.aws.accountId", "is not an account id of 12 digits")
	}
	if !roleSessionName.MatchString(a.AWS.RoleSessionName) {
		l.fault("agent.aws.roleSessionName", "must be 2 to 64 letters, digits or _+=,.@-")
	}
	l.checkExternalID("agent.aws.externalId", a.AWS.ExternalID)
	if a.Ingest.BatchBytes > cfg.Connector.MaxMessageSize {
		l.fault("agent.ingest.batchBytes", "%d is more than the largest message, %d (%s)",
			a.Ingest.BatchBytes, cfg.Connector.MaxMessageSize, connectorPrefix+"maxWebSocketMessageSize")
	}
	if a.Ingest.MemoryBytes < a.Ingest.BatchBytes {
		l.fault("agent.ingest.memoryBytes", "%d is less than one batch, %d (agent.ingest.batchBytes)",
			a.Ingest.MemoryBytes, a.Ingest.BatchBytes)
	}
	l.checkSchedule(a)
	l.checkGone(a.Ingest)
	if a.Store.Path == "" {
		l.fault("agent.store.path", "is missing: the directory of the journal")
	}
	l.checkTable(a.Store.Table, a.Store.Required)
}
