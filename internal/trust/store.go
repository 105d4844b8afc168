// Package trust turns key stores and trust stores, as Java and OpenSSL make them, into what crypto/tls uses. A store
// is read again when it changes, so that a certificate is renewed without a restart.
package trust

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/sha1" //nolint:gosec // the checksum of a JKS store
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pavlo-v-chernykh/keystore-go/v4"

	"federation-agent/internal/secret"
	"federation-agent/internal/words"
)

// The types of stores. A store of the type PKCS12 may be JKS and the other way round, as for Java: the content decides.
const (
	PEM    = "pem"
	PKCS12 = "pkcs12"
	JKS    = "jks"
)

// Source says where a store is and what opens it.
type Source struct {
	// Key is the key of the configuration below which the store is described; errors name it.
	Key string
	// Type is PEM, PKCS12 or JKS.
	Type string
	// Path is a file. Content is the store itself, where there is no path: text for PEM, else base64. It is no secret, but
	// may be read from where secrets are kept.
	Path              string
	Content, Password secret.String
	// Alias names the one entry that counts; empty for all.
	Alias string
}

// Fault is a store that cannot be used. Key is the key of the configuration that has to be changed.
type Fault struct{ Key, Text string }

// Error implements error.
func (f *Fault) Error() string { return f.Key + ": " + f.Text }

func (s Source) fault(setting, format string, args ...any) *Fault {
	return &Fault{Key: s.Key + "." + setting, Text: fmt.Sprintf(format, args...)}
}

// location is the setting that says where the store is.
func (s Source) location() string {
	if s.Path != "" {
		return "path"
	}
	return "content"
}

// entry is a key with its chain, or a trusted certificate, which has no key.
type entry struct {
	alias string
	key   crypto.Signer
	chain []*x509.Certificate
}

// bytes gives the store itself.
func (s Source) bytes(read func(name string) ([]byte, error)) ([]byte, error) {
	switch {
	case s.Path != "":
		data, err := read(s.Path)
		if err != nil {
			return nil, s.fault("path", "the file %s cannot be read: %v", s.Path, err)
		}
		return data, nil
	case s.Content.IsZero():
		return nil, s.fault("path", "is missing: the file of the store, or its content (%s.content)", s.Key)
	case s.Type == PEM:
		return []byte(s.Content.Reveal()), nil
	}
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s.Content.Reveal()), ""))
	if err != nil {
		return nil, s.fault("content", "is not base64; write the output of base64 -w0 FILE")
	}
	return data, nil
}

// roots gives the certificates that a trust store trusts. Of an entry with a key that is its own certificate only, as
// for Java: who issued it may have issued many others.
func (s Source) roots(data []byte) (certificates []*x509.Certificate, err error) {
	if s.Type == PEM {
		return s.pemCertificates(data)
	}
	entries, err := s.entries(data)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if len(e.chain) > 0 {
			certificates = append(certificates, e.chain[0])
		}
	}
	if len(certificates) == 0 {
		return nil, s.fault(s.location(), "the trust store contains no certificate")
	}
	return certificates, nil
}

// keys gives the keys of a key store with their certificates.
func (s Source) keys(data []byte) (pairs []tls.Certificate, err error) {
	if s.Type == PEM {
		return s.pemKey(data)
	}
	entries, err := s.entries(data)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		switch {
		case e.key == nil:
		case len(e.chain) == 0:
			return nil, s.fault(s.location(), "the key %q has no certificate in the store; add it", e.alias)
		default:
			pair := tls.Certificate{PrivateKey: e.key, Leaf: e.chain[0]}
			for _, c := range e.chain {
				pair.Certificate = append(pair.Certificate, c.Raw)
			}
			pairs = append(pairs, pair)
		}
	}
	switch {
	case len(pairs) > 0:
		return pairs, nil
	case s.Password.IsZero(): // a JKS store's certificates are readable even so
		return nil, s.fault("password", missingPassword)
	}
	return nil, s.fault(s.location(), "the key store contains no private key%s", s.ofAlias())
}

const missingPassword = "is missing: the password of the store"

func (s Source) ofAlias() string {
	if s.Alias == "" {
		return ""
	}
	return fmt.Sprintf(" under the alias %q", s.Alias)
}

// entries opens a store of Java's kind, whichever of both the type says.
func (s Source) entries(data []byte) (entries []entry, err error) {
	switch {
	case bytes.HasPrefix(data, []byte{0xFE, 0xED, 0xFE, 0xED}):
		entries, err = readJKS(data, s.Password.Reveal())
	case bytes.HasPrefix(data, []byte{0xCE, 0xCE, 0xCE, 0xCE}):
		return nil, s.fault(s.location(), "it is a JCEKS store, which is not served; convert it: "+
			"keytool -importkeystore -deststoretype PKCS12")
	case bytes.Contains(data, []byte("-----BEGIN ")):
		return nil, s.fault("type", "is %s, but the store is PEM; set it to PEM", strings.ToUpper(s.Type))
	default:
		entries, err = readPKCS12(data, s.Password.Reveal())
	}
	switch {
	case errors.Is(err, errPassword) && s.Password.IsZero():
		return nil, s.fault("password", missingPassword)
	case errors.Is(err, errPassword):
		return nil, s.fault("password", "%v", err)
	case err != nil:
		return nil, s.fault(s.location(), "the store cannot be read: %v", err)
	case s.Alias == "":
		return entries, nil
	}
	// Java writes aliases of JKS in small letters and finds them in any.
	named := slices.DeleteFunc(slices.Clone(entries), func(e entry) bool { return !strings.EqualFold(e.alias, s.Alias) })
	if len(named) == 0 {
		return nil, s.fault("alias", "the store has no entry %q; it has %s", s.Alias, aliasesOf(entries))
	}
	return named, nil
}

// maxAliases is how many a message repeats: Java's own store has some 150.
const maxAliases = 10

func aliasesOf(entries []entry) string {
	var names []string
	for _, e := range entries {
		names = append(names, strconv.Quote(e.alias))
	}
	slices.Sort(names)
	return cmp.Or(words.Few(names, maxAliases, ", "), "none")
}

// readJKS gives the entries of a store, by the order of their aliases. Without a password its checksum is not checked,
// as by Java: certificates are readable even so.
func readJKS(data []byte, password string) (entries []entry, err error) {
	if end := len(data) - sha1.Size; password == "" && end > 0 {
		sum := sha1.Sum(append([]byte("Mighty Aphrodite"), data[:end]...))
		data = append(slices.Clone(data[:end]), sum[:]...)
	}
	store := keystore.New(keystore.WithOrderedAliases(), keystore.WithCaseExactAliases())
	if err := store.Load(bytes.NewReader(data), []byte(password)); err != nil {
		if strings.Contains(err.Error(), "invalid digest") { // the library has no value for it
			return nil, errPassword
		}
		return nil, err
	}
	for _, alias := range store.Aliases() {
		e := entry{alias: alias}
		chain, isKey := []keystore.Certificate(nil), store.IsPrivateKeyEntry(alias)
		if isKey {
			chain, err = store.GetPrivateKeyEntryCertificateChain(alias)
		} else {
			var trusted keystore.TrustedCertificateEntry
			trusted, err = store.GetTrustedCertificateEntry(alias)
			chain = append(chain, trusted.Certificate)
		}
		for _, c := range chain {
			certificate, wrong := x509.ParseCertificate(c.Content)
			err = errors.Join(err, wrong)
			e.chain = append(e.chain, certificate)
		}
		if err != nil {
			return nil, fmt.Errorf("entry %q: %w", alias, err)
		}
		if isKey && password != "" {
			key, err := store.GetPrivateKeyEntry(alias, []byte(password))
			if err != nil {
				return nil, fmt.Errorf("the key %q has another password than the store, which is not served; "+
					"change it: keytool -keypasswd -alias %s", alias, alias)
			}
			if e.key, err = parseKey(key.PrivateKey); err != nil {
				return nil, err
			}
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// pemCertificates reads every certificate of a text and skips what is none.
func (s Source) pemCertificates(data []byte) (certificates []*x509.Certificate, err error) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, s.fault(s.location(), "certificate %d cannot be read: %v", len(certificates)+1, err)
		}
		certificates = append(certificates, certificate)
	}
	if len(certificates) == 0 {
		return nil, s.fault(s.location(), "contains no -----BEGIN CERTIFICATE-----; if it is a store of Java, set %s.type "+
			"to PKCS12 or JKS", s.Key)
	}
	return certificates, nil
}

func (s Source) pemKey(data []byte) ([]tls.Certificate, error) {
	pair, err := tls.X509KeyPair(data, data)
	switch {
	case bytes.Contains(data, []byte("ENCRYPTED")):
		return nil, s.fault(s.location(), "its private key is encrypted; write it without a password, or make a PKCS12 "+
			"store: openssl pkcs12 -export -in FILE -out store.p12")
	case err != nil:
		return nil, s.fault(s.location(), "must hold a certificate, those of its issuers and its private key as PEM: %v", err)
	}
	return []tls.Certificate{pair}, nil
}
