package secret

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// Reference names a text that is kept elsewhere. It is no secret itself. Its zero value names nothing.
type Reference struct {
	// Provider is one of the providers below, or another one that a user named.
	Provider string
	// Namespace and Kind are of Kubernetes. An empty namespace is the provider's own; Kind is KindSecret or KindConfigMap.
	Namespace, Kind string
	// Path is a secret's name, or a file's.
	Path string
	// Key is the one of several values that a secret holds; empty for all that is there.
	Key string
	// Fixed means that the text is read only once.
	Fixed bool

	written string
}

// The providers that are served.
const (
	Kubernetes = "kubernetes"
	AWS        = "aws"
	File       = "file"
)

// The kinds of Kubernetes objects, as its API spells them.
const (
	KindSecret    = "secrets"
	KindConfigMap = "configmaps"
)

const (
	// Scheme begins references of the form that is a text while its provider is off.
	Scheme           = "secret://"
	kubernetesScheme = "kubernetes://"
)

// FileReference names a file.
func FileReference(path string) Reference {
	return Reference{Provider: File, Path: path, written: "the file " + path}
}

// IsReference reports whether a text was meant as a reference.
func IsReference(text string) bool {
	return strings.HasPrefix(text, Scheme) || strings.HasPrefix(text, kubernetesScheme)
}

const (
	grammar           = "is not secret://PROVIDER/PATH:KEY, with options after a ? if any"
	kubernetesGrammar = "is not kubernetes://NAMESPACE/secrets/NAME/KEY, or the same with configmaps"
)

// ParseReference reads secret://PROVIDER/PATH[:KEY][?OPTION=VALUE&…] as the vendor's agent does: the last colon behind
// the last slash begins the key, and an option without a value is true. Its older kubernetes://… has exactly four
// parts.
func ParseReference(text string) (Reference, error) {
	if strings.ContainsFunc(text, unicode.IsControl) {
		return Reference{}, errors.New("contains a line break or another control character")
	}
	if rest, older := strings.CutPrefix(text, kubernetesScheme); older {
		return parseKubernetes(text, rest)
	}
	rest, query, hasQuery := strings.Cut(strings.TrimPrefix(text, Scheme), "?")
	provider, path, _ := strings.Cut(rest, "/")
	r := Reference{Provider: strings.TrimSpace(provider), written: text}
	r.Path = strings.TrimSpace(path)
	if colon := strings.LastIndex(r.Path, ":"); colon > strings.LastIndex(r.Path, "/") {
		r.Path, r.Key = r.Path[:colon], strings.TrimSpace(r.Path[colon+1:])
	}
	r.Path = strings.TrimRight(r.Path, "/")
	if r.Provider == "" || slices.ContainsFunc(strings.Split(r.Path, "/"), isBlank) {
		return Reference{}, errors.New(grammar)
	}
	if r.Provider == Kubernetes {
		r.Kind = KindSecret
	}
	if !hasQuery {
		return r, nil
	}
	for option := range strings.SplitSeq(query, "&") {
		if err := r.option(option); err != nil {
			return Reference{}, err
		}
	}
	return r, nil
}

func isBlank(text string) bool { return strings.TrimSpace(text) == "" }

// option takes one option. An unknown one is refused, because a misspelt namespace would read somebody else's secret.
func (r *Reference) option(text string) error {
	name, value, hasValue := strings.Cut(text, "=")
	if !hasValue {
		value = "true"
	}
	switch name {
	case "namespace":
		if r.Namespace == "" { // the vendor's takes the first, too
			r.Namespace = strings.TrimSpace(value)
		}
	case "watch":
		r.Fixed = strings.EqualFold(value, "false")
	case "keymap", "resolveBeforeWatch": // say nothing about a single value that is always read first
	default:
		const text = "has the option %q, which is none of namespace, watch, keymap and resolveBeforeWatch"
		return fmt.Errorf(text, name)
	}
	return nil
}

func parseKubernetes(text, rest string) (Reference, error) {
	const parts = 4
	p := strings.Split(rest, "/")
	if len(p) != parts || slices.ContainsFunc(p, isBlank) || p[1] != KindSecret && p[1] != KindConfigMap {
		return Reference{}, errors.New(kubernetesGrammar)
	}
	return Reference{Provider: Kubernetes, Namespace: p[0], Kind: p[1], Path: p[2], Key: p[3], written: text}, nil
}

// String names what is referred to, as the user wrote it.
func (r Reference) String() string { return r.written }

// maxNamed is how many keys of a secret an error names.
const maxNamed = 20

// Find gives the text that a reference names among those that were read: by key, or the whole under the empty key.
// White space around it is no part of it. The error names keys, never a text.
func (r Reference) Find(texts map[string]string) (string, error) {
	text, found := texts[r.Key]
	text = strings.TrimSpace(text)
	_, isWhole := texts[""]
	keys := slices.DeleteFunc(slices.Sorted(maps.Keys(texts)), func(key string) bool { return key == "" })
	has := "it has no keys"
	if len(keys) > 0 {
		has = "it has " + strings.Join(keys[:min(len(keys), maxNamed)], ", ")
	}
	switch {
	case found && text == "":
		return "", errors.New("is empty")
	case found:
		return text, nil
	case r.Key == "":
		return "", fmt.Errorf("holds values by key; name one with a colon behind the path (%s)", has)
	case isWhole:
		return "", errors.New("holds one text without keys; leave the colon and what follows it out")
	default:
		return "", fmt.Errorf("has no key %q (%s)", r.Key, has)
	}
}
