package config

import (
	"cmp"
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"federation-agent/internal/secret"
)

// SecretReader reads what references name. Unless the reference is fixed, the secret is live: its text changes with
// what is read, and accept judges each later text by the rule of the setting. Read ends in a time of its own. Its
// errors contain no text that was read. It is safe for concurrent use.
type SecretReader interface {
	Read(ctx context.Context, r secret.Reference, accept func(text string) error) (secret.String, error)
}

// fileSuffix ends the name of a variable whose value is a file that holds the setting's, as in the official images of
// many programs.
const fileSuffix = "_FILE"

// variableOf gives the key that an environment variable sets, itself or by a file.
func (l *loader) variableOf(forms map[string]string, name string) (key string, isKey bool) {
	if base, ends := strings.CutSuffix(name, fileSuffix); ends {
		if key, isKey := matchVariable(forms, base); isKey && l.isSecret(key) {
			return key, true
		}
	}
	return matchVariable(forms, name)
}

func (l *loader) isSecret(key string) bool {
	f, isField := l.fieldOf(key)
	return isField && f.kind == kindSecret
}

// readReferences puts what references name in their place. The keys of one secret store may be kept in another one.
func (l *loader) readReferences() {
	stores, rest := map[string]secret.Reference{}, map[string]secret.Reference{}
	for _, key := range sortedKeys(l.settings) {
		r, is := l.referenceOf(key)
		f, isField := l.fieldOf(key)
		r.Fixed = r.Fixed || !f.isLive()
		switch {
		case !is || !isField:
		case !strings.HasPrefix(key, l.src.Needed) && !strings.HasPrefix(key, secretsPrefix):
			l.drop(key)
		case !strings.HasPrefix(key, secretsPrefix):
			rest[key] = r
		case f.kind == kindSecret && r.Provider != secret.AWS:
			stores[key] = r
		default:
			l.reject(key, "cannot be a reference, because it says how references are read; write the value itself")
		}
	}
	ofAWS := func(r secret.Reference) bool { return r.Provider == secret.AWS }
	if l.src.Needed != "" && !slices.ContainsFunc(slices.Collect(maps.Values(rest)), ofAWS) {
		for key := range stores { // nobody needs its keys
			l.drop(key)
		}
		clear(stores)
	}
	l.readAll(stores, kubernetesPrefix)
	l.readAll(rest, secretsPrefix)
}

// drop takes a value away without a fault.
func (l *loader) drop(key string) {
	l.rejected[key] = true
	delete(l.settings, key)
}

// referenceOf tells whether a setting refers to a text elsewhere. As in the vendor's agent, secret:// does so only
// while its provider is enabled, and is a text otherwise; kubernetes:// always does.
func (l *loader) referenceOf(key string) (r secret.Reference, is bool) {
	s := l.settings[key]
	_, isField := l.fieldOf(key)
	if s.isFile {
		return secret.FileReference(s.value), true
	}
	if !isField || !secret.IsReference(s.value) {
		return r, false
	}
	r, err := secret.ParseReference(s.value)
	isOlder := !strings.HasPrefix(s.value, secret.Scheme)
	switch {
	case !isOlder && !l.isEnabled(s.value):
		l.warn(s.String() + ": begins with secret:// but its provider is not enabled, so the text itself is the value")
		return r, false
	case err != nil:
		l.reject(key, err.Error())
		return r, false
	case r.Provider != secret.Kubernetes && r.Provider != secret.AWS:
		l.reject(key, "refers to the provider "+show(r.Provider)+", which is not served; only kubernetes and aws are")
		return r, false
	}
	return r, true
}

// isEnabled tells whether the provider of a reference is switched on.
func (l *loader) isEnabled(reference string) bool {
	provider, _, _ := strings.Cut(strings.TrimPrefix(reference, secret.Scheme), "/")
	key := secretsPrefix + strings.TrimSpace(provider) + ".enabled"
	found, _ := l.find(key)
	on, err := parseBool(cmp.Or(l.settings[key].value, found.value))
	return err == nil && on
}

// readAll reads references with the stores that the settings below a prefix describe.
func (l *loader) readAll(references map[string]secret.Reference, prefix string) {
	if len(references) == 0 {
		return
	}
	stores, used := l.fill(prefix).Secrets, map[string]bool{}
	for _, r := range references {
		used[r.Provider] = true
	}
	isGood := l.checkStores(stores, used)
	var keys []string
	for _, key := range sortedKeys(l.settings) {
		r, is := references[key]
		switch {
		case !is:
		case l.isUnread:
			l.leave(key, r)
		case l.src.OpenSecrets == nil:
			l.reject(key, "refers to a file or a secret store, and nothing here reads them")
		case !isGood && r.Provider == secret.AWS:
			l.drop(key) // what is wrong with the store was said
		default:
			keys = append(keys, key)
		}
	}
	if len(keys) > 0 {
		l.askFor(keys, references, l.src.OpenSecrets(stores))
	}
}

// askFor reads references all at once: together they take no longer than one of them.
func (l *loader) askFor(keys []string, references map[string]secret.Reference, reader SecretReader) {
	type answer struct {
		text secret.String
		err  error
	}
	answers := make([]answer, len(keys))
	var reading sync.WaitGroup
	for i, key := range keys {
		accept := l.ruleOf(key)
		reading.Go(func() {
			answers[i].text, answers[i].err = reader.Read(context.Background(), references[key], accept)
		})
	}
	reading.Wait()
	for i, key := range keys {
		l.put(key, references[key], answers[i].text, answers[i].err)
	}
}

// isLive tells whether the text of a reference may change: that of what is a secret.String in [Config].
func (f field) isLive() bool { return f.kind == kindSecret || f.kind == kindLines }

// ruleOf gives the rule by which a later text for a setting is judged: the one that counts at the start, as far as it
// concerns this setting alone.
func (l *loader) ruleOf(key string) func(text string) error {
	f, _ := l.fieldOf(key)
	header := Header{Name: l.settings[strings.TrimSuffix(key, "value")+"name"].value}
	now := l.src.Now
	return func(text string) error {
		_, err := f.canonicalValue(text)
		switch {
		case err != nil:
		case f.pattern == headerValue:
			err = header.checkValue(text)
		case f.pattern == cloudToken:
			_, err = readCloudToken(text, now())
		case f.pattern == keyAPIMToken:
			err = checkAPIMToken(text)
		}
		return err
	}
}

// put gives a setting the text that was read for it.
func (l *loader) put(key string, r secret.Reference, text secret.String, err error) {
	s := l.settings[key]
	if err != nil {
		l.refuse(s.String(), "refers to "+r.String()+", which cannot be read: "+err.Error(), "")
		l.drop(key)
		return
	}
	s.from, s.value, s.secret = r.String(), text.Reveal(), text
	l.settings[key] = s
}

// quoted is how messages show a value.
var quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// unseen leaves out of a fault what was read for a setting. It may be another secret than the user believes.
func (s setting) unseen(text string) string {
	if s.from == "" {
		return text
	}
	return quoted.ReplaceAllString(text, "its value") + " (read from " + s.from + ")"
}
