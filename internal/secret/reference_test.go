package secret_test

import (
	"context"
	"strings"
	"testing"

	"federation-agent/internal/secret"
)

func TestAReferenceIsReadAsTheVendorsAgentReadsIt(t *testing.T) {
	for text, want := range map[string]secret.Reference{
		"secret://kubernetes/name:key":    {Provider: "kubernetes", Kind: "secrets", Path: "name", Key: "key"},
		"secret://kubernetes/name":        {Provider: "kubernetes", Kind: "secrets", Path: "name"},
		"secret://aws/a/b:c/d:key":        {Provider: "aws", Path: "a/b:c/d", Key: "key"},
		"secret://aws/a:b/c":              {Provider: "aws", Path: "a:b/c"},
		"secret://aws/a/b/":               {Provider: "aws", Path: "a/b"},
		"secret:// aws / a:b ":            {Provider: "aws", Path: "a", Key: "b"},
		"secret://aws/x:y?watch":          {Provider: "aws", Path: "x", Key: "y"},
		"secret://aws/x:y?watch=FALSE":    {Provider: "aws", Path: "x", Key: "y", Fixed: true},
		"secret://vault/x/y:z?keymap=a:b": {Provider: "vault", Path: "x/y", Key: "z"},
		"kubernetes://ns/secrets/n/key":   {Provider: "kubernetes", Namespace: "ns", Kind: "secrets", Path: "n", Key: "key"},
		"kubernetes://ns/configmaps/n/k":  {Provider: "kubernetes", Namespace: "ns", Kind: "configmaps", Path: "n", Key: "k"},
		"secret://kubernetes/n:k?namespace=a&namespace=b&resolveBeforeWatch=true": {
			Provider: "kubernetes", Namespace: "a", Kind: "secrets", Path: "n", Key: "k",
		},
		"secret://aws/arn:aws:secretsmanager:eu-west-1:123456789012:secret:name-AbCdEf:key": {
			Provider: "aws", Path: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:name-AbCdEf", Key: "key",
		},
	} {
		got, err := secret.ParseReference(text)
		if err != nil || got.String() != text {
			t.Errorf("%s: %v, %s", text, err, got)
		}
		if text, want := parts(got), parts(want); text != want {
			t.Errorf("%s, want %s", text, want)
		}
	}
}

func parts(r secret.Reference) string {
	fixed := ""
	if r.Fixed {
		fixed = "fixed"
	}
	return strings.Join([]string{r.Provider, r.Namespace, r.Kind, r.Path, r.Key, fixed}, "|")
}

func TestWhatIsNoReferenceSaysWhatOneIs(t *testing.T) {
	for text, want := range map[string]string{
		"secret://aws":                       "is not secret://PROVIDER/PATH:KEY",
		"secret://aws/":                      "is not secret://PROVIDER/PATH:KEY",
		"secret://aws/?watch":                "is not secret://PROVIDER/PATH:KEY",
		"secret://aws/:key":                  "is not secret://PROVIDER/PATH:KEY",
		"secret://aws/a//b:key":              "is not secret://PROVIDER/PATH:KEY",
		"secret://aws/a/ /b:key":             "is not secret://PROVIDER/PATH:KEY",
		"secret:///a:key":                    "is not secret://PROVIDER/PATH:KEY",
		"secret://aws/a:b?namepace=x":        `has the option "namepace"`,
		"secret://aws/a:b?":                  `has the option ""`,
		"secret://aws/a\nb:key":              "contains a line break",
		"kubernetes://ns/secrets/name":       "is not kubernetes://NAMESPACE/secrets/NAME/KEY",
		"kubernetes://ns/secrets/name/key/x": "is not kubernetes://NAMESPACE/secrets/NAME/KEY",
		"kubernetes://ns/pods/name/key":      "is not kubernetes://NAMESPACE/secrets/NAME/KEY",
		"kubernetes:///secrets/name/key":     "is not kubernetes://NAMESPACE/secrets/NAME/KEY",
	} {
		if _, err := secret.ParseReference(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	for text, want := range map[string]bool{
		"secret://x": true, "kubernetes://x": true, "bearer secret://x": false, "Secret://x": false, "": false,
	} {
		if secret.IsReference(text) != want {
			t.Errorf("IsReference(%q) is %v", text, !want)
		}
	}
}

func TestFindGivesOneTextAndNamesOnlyKeys(t *testing.T) {
	const hidden = "hunter2"
	several := map[string]string{"b": hidden, "a": " " + hidden + "\n", "blank": " \n"}
	whole := map[string]string{"": hidden}
	for _, c := range []struct {
		texts     map[string]string
		key, want string
		fails     bool
	}{
		{several, "a", hidden, false},
		{whole, "", hidden, false},
		{several, "", "holds values by key; name one with a colon behind the path (it has a, b, blank)", true},
		{several, "c", `has no key "c" (it has a, b, blank)`, true},
		{several, "blank", "is empty", true},
		{whole, "a", "holds one text without keys; leave the colon and what follows it out", true},
		{map[string]string{"": ""}, "", "is empty", true},
		{nil, "a", `has no key "a" (it has no keys)`, true},
	} {
		got, err := secret.Reference{Key: c.key}.Find(c.texts)
		switch {
		case c.fails && (err == nil || err.Error() != c.want || strings.Contains(err.Error(), hidden)):
			t.Errorf("%q: %v, want %s", c.key, err, c.want)
		case !c.fails && (err != nil || got != c.want):
			t.Errorf("%q: %v, %q", c.key, err, got)
		}
	}
}

// counter is a live secret that is another one each time it is read.
type counter struct{ reads int }

func (c *counter) Text() string            { return strings.Repeat("x", c.reads) }
func (c *counter) Refresh(context.Context) { c.reads++ }

func TestALiveSecretChangesInAllItsCopies(t *testing.T) {
	source := &counter{}
	s := secret.Live(source)
	other := s
	if !s.IsZero() || !s.IsLive() || s != other {
		t.Errorf("%v %v", s.IsZero(), s.IsLive())
	}
	s.Refresh(t.Context())
	if other.Reveal() != "x" || other.IsZero() || other.String() != secret.Redacted {
		t.Errorf("%q %s", other.Reveal(), other)
	}
	behind := s.Behind("bearer ")
	behind.Refresh(t.Context())
	if got := behind.Reveal() + "|" + s.Reveal() + "|" + secret.New("y").Behind("z").Reveal(); got != "bearer xx|xx|zy" {
		t.Error(got)
	}
	fixed := secret.New("y")
	fixed.Refresh(t.Context())
	if fixed.Reveal() != "y" || fixed.IsLive() {
		t.Error("a fixed secret is live")
	}
}
