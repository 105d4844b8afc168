package config

import (
	"cmp"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"federation-agent/internal/secret"
)

// Sources are the places that a configuration is read from.
type Sources struct {
	// Environ is a list of NAME=value, as os.Environ gives it.
	Environ []string
	// Files are the values of the --config flag; each may name several files with commas. Without them,
	// the environment says which files are read, if any.
	Files []string
	// ReadFile reads a file; nil is [ReadFile].
	ReadFile func(name string) ([]byte, error)
	// Now is the wall clock; nil is the machine's.
	Now func() time.Time
	// OpenSecrets gives who reads what settings refer to: files and secret stores. It is called with the settings of the
	// stores, once for the keys of stores and once for all others, and not at all where nothing is referred to. Nil makes
	// each reference a fault.
	OpenSecrets func(Secrets) SecretReader
	// Needed begins the keys whose references are read; empty for all. The others are left out, whatever they refer to.
	Needed string
}

// Load reads, orders, fills and validates the configuration. The error, if any, joins every [Fault], one a line. A
// warning is one line about something that has no effect, or another one than it seems to have; warnings are given in
// either case. No warning and no error contains a secret.
func Load(src Sources) (cfg Config, warnings []string, err error) {
	l := newLoader(src)
	if cfg, err = l.load(); err != nil {
		return Config{}, l.warnings, err
	}
	return cfg, l.warnings, nil
}

func (l *loader) load() (Config, error) {
	l.readFiles()
	l.partial = len(l.faults) > 0
	l.collect()
	l.resolve()
	for _, list := range []string{connectorPrefix + "endpoints", connectorPrefix + "headers", "integration.providers"} {
		l.endAtGap(list)
	}
	for _, list := range l.accountLists() {
		l.endAtGap(list)
	}
	l.spreadLists()
	l.renumberFilters()
	cfg := l.fill("")
	l.finish(&cfg)
	l.check(cfg)
	return cfg, errors.Join(l.faults...)
}

// setting is one value and where it was found.
type setting struct {
	value    string
	variable string // the key as the user spelled it
	at       string // FILE:LINE, for YAML
	wrong    string // what is wrong with the shape of a value that is no text
	isFile   bool   // the value is the name of a file that holds it
	// from is what the value was read from, and secret the same value, which may be live.
	from   string
	secret secret.String
	// through are the origins of what the value's placeholders were replaced by.
	through  []string
	isFaulty bool
}

// asSecret gives the value as it was read, or as it is written.
func (s setting) asSecret() secret.String {
	if s.from != "" {
		return s.secret
	}
	return secret.New(s.value)
}

// String names the setting for a message, on one line whatever characters the name has.
func (s setting) String() string {
	name := s.variable
	if s.at != "" {
		name = s.at + ": " + name
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, name)
}

// loader carries one configuration through the steps of Load.
type loader struct {
	src     Sources
	fields  map[string]field // by pattern
	environ map[string]string
	yaml    map[string]setting
	// settings are the values that count, by key. They know how the user spelled each key.
	settings map[string]setting
	// rejected keys have a fault already; they get no second one.
	rejected map[string]bool
	// partial means that a file could not be read, so that it is unknown what is missing.
	partial  bool
	faults   []error // each a [Fault]
	warnings []string
	notes    []string
	files    []string // that were to be read, weakest first
	// isUnread leaves what settings refer to where it is.
	isUnread bool
	// told are settings that [Explain] knows and Load does not need: references that are not read, what stands for a
	// setting that nobody set, and faulty ones.
	told map[string]setting
}

func newLoader(src Sources) *loader {
	l := &loader{
		src: src, fields: map[string]field{}, environ: map[string]string{},
		yaml: map[string]setting{}, settings: map[string]setting{}, rejected: map[string]bool{},
		told: map[string]setting{},
	}
	if l.src.ReadFile == nil {
		l.src.ReadFile = ReadFile
	}
	if l.src.Now == nil {
		l.src.Now = time.Now
	}
	for _, f := range schema() {
		l.fields[f.pattern] = f
		if one, is := f.inOneValue(); is {
			l.fields[one.pattern] = one
		}
	}
	for _, entry := range slices.Backward(src.Environ) { // the first one of a name counts, as it does for os.Getenv
		name, value, _ := strings.Cut(entry, "=")
		l.environ[name] = value
	}
	return l
}

// find searches a key as the vendor's agent does: the environment with a prefix, the environment without one, YAML.
// An empty value counts as not set.
func (l *loader) find(key string) (setting, bool) {
	if s, ok := l.variable(key, ""); ok {
		return s, true
	}
	s, ok := l.yaml[key]
	s.value = strings.TrimSpace(s.value)
	return s, ok && s.value != ""
}

// variable searches a key in the environment, with a suffix behind it or without one.
func (l *loader) variable(key, suffix string) (setting, bool) {
	for _, prefix := range prefixes {
		for _, form := range spellings(key) {
			name := prefix + form + suffix
			if value := strings.TrimSpace(l.environ[name]); value != "" {
				return setting{value: value, variable: name, isFile: suffix == fileSuffix}, true
			}
		}
	}
	return setting{}, false
}

func (l *loader) warn(text string) { l.warnings = append(l.warnings, text) }

func (l *loader) note(text string) { l.notes = append(l.notes, text) }

// resolve replaces placeholders, and then references by what they name.
func (l *loader) resolve() {
	for _, key := range sortedKeys(l.settings) {
		s := l.settings[key]
		if s.wrong != "" {
			l.reject(key, s.wrong)
			continue
		}
		f, isField := l.fieldOf(key)
		e := expander{lookup: func(name string) (string, bool) {
			found, ok := l.find(name)
			if ok {
				s.through = append(s.through, found.String())
			}
			return found.value, ok
		}}
		value, err := e.expand(s.value)
		s.value = strings.TrimSpace(value)
		switch {
		case err != nil && !isField:
		case err != nil && f.kind == kindSecret: // the name would be a part of the secret
			l.reject(key, "contains a ${…} placeholder that cannot be resolved")
		case err != nil:
			l.reject(key, err.Error())
		case s.value == "":
			delete(l.settings, key)
		default:
			l.settings[key] = s
		}
	}
	l.readReferences()
}

// finish brings valid values into the form that the rest of the program expects.
func (l *loader) finish(cfg *Config) {
	l.enterCloud(cfg)
	l.settleLog(&cfg.Agent.Log)
	for i, raw := range cfg.Connector.Endpoints {
		if endpoint, err := normaliseEndpoint(raw); err == nil {
			cfg.Connector.Endpoints[i] = endpoint
		}
	}
	if address, err := normaliseAPIM(cfg.Agent.APIM.URL); err == nil {
		cfg.Agent.APIM.URL = address
	}
	if cfg.Agent.Events.IsOn() && cfg.Agent.Events.Region == "" {
		cfg.Agent.Events.Region = regionIn(cfg.Agent.Events.QueueURL)
	}
	for i := range cfg.Providers {
		p := &cfg.Providers[i]
		p.Regions = l.once(providerKey(i, "configuration.region"), p.Regions)
		p.RoleARNs = l.once(providerKey(i, "configuration.roleArn"), p.RoleARNs)
		for n := range p.Accounts {
			p.Accounts[n].Regions = l.once(accountKey(i, n, "regions"), p.Accounts[n].Regions)
		}
	}
	if !cfg.Agent.Store.Table.IsOn() {
		cfg.Agent.Cache.Path = cmp.Or(cfg.Agent.Cache.Path, filepath.Join(cfg.Agent.Store.Path, "exports"))
	}
	l.settleStore(&cfg.Agent)
	l.tell("agent.cache.path", cfg.Agent.Cache.Path, OriginDefault)
	l.adviseRegions(*cfg)
	l.adviseToken(*cfg)
	l.adviseClearText(*cfg)
	l.adviseTrust(*cfg)
	l.adviseNode(cfg.Services.HTTP)
	l.adviseSurroundings()
	cfg.Notes = l.notes
}

// once removes repeated values.
func (l *loader) once(key string, values []string) (kept []string) {
	var twice []string
	for _, v := range values {
		switch {
		case !slices.Contains(kept, v):
			kept = append(kept, v)
		case !slices.Contains(twice, show(v)):
			twice = append(twice, show(v))
		}
	}
	if len(twice) > 0 {
		l.warn(l.settings[key].String() + ": named more than once, counted once: " + strings.Join(twice, ", "))
	}
	return kept
}
