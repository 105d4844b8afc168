package trust_test

import (
	"encoding/base64"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"federation-agent/internal/secret"
	"federation-agent/internal/trust"
)

// key is where the tests say that a store is described.
const key = "ssl.store"

// password opens the stores in testdata, which testdata/make.sh made.
const password = "changeit"

func store(kind, file string) *trust.Source {
	return &trust.Source{Key: key, Type: kind, Path: filepath.Join("testdata", file), Password: secret.New(password)}
}

func options(o trust.Options) trust.Options {
	o.Read, o.Log = os.ReadFile, slog.New(slog.DiscardHandler)
	return o
}

func with(s *trust.Source, change func(*trust.Source)) *trust.Source {
	change(s)
	return s
}

func alias(name string) func(*trust.Source) { return func(s *trust.Source) { s.Alias = name } }

func opens(word string) func(*trust.Source) {
	return func(s *trust.Source) { s.Password = secret.New(word) }
}

// content puts a file into the configuration itself.
func content(t *testing.T, kind, file string) *trust.Source {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	s := &trust.Source{Key: key, Type: kind, Content: secret.New(string(data)), Password: secret.New(password)}
	if kind != trust.PEM {
		text := base64.StdEncoding.EncodeToString(data)
		s.Content = secret.New(text[:20] + "\n  " + text[20:]) // as base64 without -w0 breaks lines
	}
	return s
}

func TestATrustStoreOfAnyKindIsRead(t *testing.T) {
	both := []string{"ca", "other"}
	for name, c := range map[string]struct {
		source *trust.Source
		want   []string
	}{
		"PEM":                       {store(trust.PEM, "ca.pem"), []string{"ca"}},
		"PEM in the configuration":  {content(t, trust.PEM, "ca.pem"), []string{"ca"}},
		"PKCS12 of JDK 17":          {store(trust.PKCS12, "trust.p12"), both},
		"PKCS12 in base64":          {content(t, trust.PKCS12, "trust.p12"), both},
		"PKCS12, one alias":         {with(store(trust.PKCS12, "trust.p12"), alias("Other")), []string{"other"}},
		"PKCS12 of JDK 8":           {store(trust.PKCS12, "jdk8.p12"), []string{"ca"}},
		"PKCS12 of OpenSSL":         {store(trust.PKCS12, "nokeys.p12"), both},
		"OpenSSL, one alias":        {with(store(trust.PKCS12, "nokeys.p12"), alias("ca")), []string{"ca"}},
		"JKS":                       {store(trust.JKS, "trust.jks"), both},
		"JKS in base64":             {content(t, trust.JKS, "trust.jks"), both},
		"JKS, one alias":            {with(store(trust.JKS, "trust.jks"), alias("CA")), []string{"ca"}},
		"JKS without its password":  {with(store(trust.JKS, "trust.jks"), opens("")), both},
		"PKCS12 that is called JKS": {store(trust.JKS, "trust.p12"), both},
		"JKS that is called PKCS12": {store(trust.PKCS12, "trust.jks"), both},
		"a key store, PKCS12":       {store(trust.PKCS12, "keys.p12"), []string{"first", "second"}},
		"a key store, JKS":          {with(store(trust.JKS, "keys.jks"), opens("")), []string{"first", "second"}},
		"keys and certificates":     {store(trust.PKCS12, "mixed.p12"), []string{"other", "second"}},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := trust.NewClient(options(trust.Options{Trust: c.source}))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, subject := range client.Config().RootCAs.Subjects() { //nolint:staticcheck // no system roots in it
				got = append(got, string(subject))
			}
			if len(got) != len(c.want) {
				t.Fatalf("%d certificates, want %v", len(got), c.want)
			}
			for _, name := range c.want {
				if !slices.ContainsFunc(got, func(subject string) bool { return strings.HasSuffix(subject, name) }) {
					t.Errorf("no %s in %q", name, got)
				}
			}
		})
	}
}

func TestAKeyStoreOfAnyKindIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		source *trust.Source
		want   []string // each certificate with its chain
	}{
		"PKCS12 of JDK 17":  {store(trust.PKCS12, "keys.p12"), []string{"first other", "second ca"}},
		"PKCS12, one alias": {with(store(trust.PKCS12, "keys.p12"), alias("second")), []string{"second ca"}},
		"JKS":               {store(trust.JKS, "keys.jks"), []string{"first other", "second ca"}},
		"JKS, one alias":    {with(store(trust.JKS, "keys.jks"), alias("SECOND")), []string{"second ca"}},
		"an RSA key":        {store(trust.PKCS12, "rsa.p12"), []string{"made"}},
		"OpenSSL 3":         {store(trust.PKCS12, "openssl.p12"), []string{"second ca"}},
		"OpenSSL 1":         {store(trust.PKCS12, "openssl1.p12"), []string{"second ca"}},
		"beside trust":      {store(trust.PKCS12, "mixed.p12"), []string{"second ca"}},
	} {
		t.Run(name, func(t *testing.T) {
			server, err := trust.NewServer(options(trust.Options{Keys: c.source}))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, pair := range server.Config().Certificates {
				got = append(got, chain(t, pair))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestAStoreThatCannotBeUsedSaysWhatToChange(t *testing.T) {
	for name, c := range map[string]struct {
		source *trust.Source
		isKeys bool
		want   string
	}{
		"no file":                  {source: store(trust.PEM, "nothing"), want: "path: the file testdata/nothing cannot be read"},
		"neither path nor content": {source: &trust.Source{Key: key, Type: trust.JKS}, want: "path: is missing"},
		"no base64":                {source: &trust.Source{Key: key, Type: trust.JKS, Content: secret.New("-----")}, want: "content: is not base64"},
		"wrong password": {
			source: with(store(trust.PKCS12, "trust.p12"), opens("wrong")), want: "password: the password does not open it",
		},
		"wrong password, JKS": {
			source: with(store(trust.JKS, "trust.jks"), opens("wrong")), want: "password: the password does not open it",
		},
		"no password": {source: with(store(trust.PKCS12, "trust.p12"), opens("")), want: "password: is missing"},
		"no password, JKS keys": {
			source: with(store(trust.JKS, "keys.jks"), opens("")), isKeys: true, want: "password: is missing",
		},
		"another password for the key": {
			source: store(trust.JKS, "otherkey.jks"), isKeys: true, want: "keytool -keypasswd -alias second",
		},
		"no such alias": {
			source: with(store(trust.PKCS12, "trust.p12"), alias("apim")),
			want:   `alias: the store has no entry "apim"; it has "ca", "other"`,
		},
		"alias of no key": {
			source: with(store(trust.PKCS12, "mixed.p12"), alias("other")), isKeys: true,
			want: `path: the key store contains no private key under the alias "other"`,
		},
		"no key":            {source: store(trust.JKS, "trust.jks"), isKeys: true, want: "path: the key store contains no private"},
		"PEM called PKCS12": {source: store(trust.PKCS12, "ca.pem"), want: "type: is PKCS12, but the store is PEM"},
		"PKCS12 called PEM": {source: store(trust.PEM, "trust.p12"), want: "set ssl.store.type to PKCS12 or JKS"},
		"JCEKS":             {source: store(trust.JKS, "old.jceks"), want: "keytool -importkeystore -deststoretype PKCS12"},
		"something else":    {source: store(trust.PKCS12, "make.sh"), want: "path: the store cannot be read: it is damaged"},
		"PEM without a key": {source: store(trust.PEM, "ca.pem"), isKeys: true, want: "path: must hold a certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(trust.Options{Trust: c.source})
			if c.isKeys {
				o = options(trust.Options{Keys: c.source})
			}
			_, err := trust.NewClient(o)
			fault, ok := errors.AsType[*trust.Fault](err)
			if !ok || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(fault.Key, key+".") {
				t.Errorf("%v\nwant %s", err, c.want)
			}
			if strings.Contains(err.Error(), "wrong") {
				t.Errorf("shows the password: %v", err)
			}
		})
	}
}

func TestADamagedStoreIsNoCrash(t *testing.T) {
	for _, file := range []string{"trust.p12", "keys.p12", "openssl1.p12", "keys.jks"} {
		whole, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		for at := range whole {
			o := options(trust.Options{Keys: store(trust.PKCS12, file)})
			o.Read = func(string) ([]byte, error) { return whole[:at], nil }
			if _, err := trust.NewClient(o); err == nil {
				t.Errorf("%s: %d of %d bytes are taken for the whole", file, at, len(whole))
			}
		}
	}
}
