package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"federation-agent/internal/secret"
	"federation-agent/internal/trust"
)

// SSL is TLS towards APIM. It concerns the endpoints that are https, and the REST API if it is.
type SSL struct {
	// Whether any certificate of APIM is accepted. Whoever is on the way can then read the token and give commands: only
	// for a trial. A warning at each start says so.
	TrustAll bool `env:"trustAll" envDefault:"false" guard:"trust" example:"true"`
	// Whether the certificate must be for the endpoint's host name. Without it, whoever has any certificate of a trusted
	// authority can pass for APIM. A warning at each start says so.
	VerifyHost bool       `env:"verifyHost" envDefault:"true" guard:"trust" example:"false"`
	KeyStore   KeyStore   `envPrefix:"keystore."`
	TrustStore TrustStore `envPrefix:"truststore."`
}

// NodeSSL is TLS of the node API.
type NodeSSL struct {
	// Versions of TLS that are offered, with commas: TLSv1.2, TLSv1.3. Without it: both.
	Protocols []string `env:"tlsProtocols" example:"TLSv1.3"`
	// Cipher suites of TLS 1.2 by their IANA names, with commas. Without it: Go's secure ones. Those of TLS 1.3 are always
	// all on.
	Ciphers []string `env:"tlsCiphers" example:"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"`
	// Whether callers must show a certificate that the trust store trusts: true is required; with request, who shows none
	// is let in. Probes of Kubernetes have none: let them run federation-agent health, which shows the agent's own.
	ClientAuth string     `env:"clientAuth" envDefault:"none" oneof:"none,request,required,true,false" example:"required"`
	KeyStore   KeyStore   `envPrefix:"keystore."`
	TrustStore TrustStore `envPrefix:"truststore."`
}

// KeyStore is a certificate with its private key.
type KeyStore struct {
	// Kind of the key store, in small or capital letters. PEM is a file with the certificate, those of its issuers and the
	// private key, without a password; the vendor's agent does not take it.
	Type string `env:"type" envDefault:"none" oneof:"none,pem,pkcs12,jks" example:"PKCS12"`
	// File of the key store. It is read again when it changes.
	Path string `env:"path" example:"/etc/federation-agent/agent.p12"`
	// Password of the key store, and of the keys in it. Never printed.
	Password secret.String `env:"password" example:"a-long-password"`
	// Entry of a PKCS12 or JKS store whose key is used. Without it, of several keys: the first one that fits what the
	// other side accepts, in the order of the store (PKCS12) or of the aliases (JKS). An addition to the vendor's keys.
	Alias string `env:"alias" example:"federation-agent"`
}

// TrustStore are the authorities to trust instead of the system's.
type TrustStore struct {
	// Kind of the trust store, in small or capital letters. None: the system's authorities, or those of
	// SSL_CERT_FILE in their place.
	Type string `env:"type" envDefault:"none" oneof:"none,pem,pkcs12,jks" example:"PEM"`
	// File of the trust store. It is read again when it changes. It comes before the content.
	Path string `env:"path" example:"/etc/federation-agent/ca.pem"`
	// The trust store itself: text for PEM, base64 for PKCS12 and JKS. What a reference names is read again when it changes.
	Content secret.String `env:"content" lines:"" example:"MIIKEgIBAzCCCb4GCSqGSIb3DQEHAaCC"`
	// Password of a PKCS12 or JKS store. Never printed.
	Password secret.String `env:"password" example:"changeit"`
	// Entry of a PKCS12 or JKS store that alone is trusted. Without it: all of them; of a key, only its own certificate.
	Alias string `env:"alias" example:"private-ca"`
}

const (
	typeNone = "none"
	// sslPrefix and nodeSSLPrefix begin the keys of both sides.
	sslPrefix     = connectorPrefix + "ssl."
	nodeSSLPrefix = servicesPrefix + "ssl."
)

func (k KeyStore) source(prefix string) *trust.Source {
	if k.Type == "" || k.Type == typeNone {
		return nil
	}
	return &trust.Source{Key: prefix + "keystore", Type: k.Type, Path: k.Path, Password: k.Password, Alias: k.Alias}
}

func (s TrustStore) source(prefix string) *trust.Source {
	if s.Type == "" || s.Type == typeNone {
		return nil
	}
	return &trust.Source{
		Key: prefix + "truststore", Type: s.Type, Path: s.Path, Content: s.Content, Password: s.Password, Alias: s.Alias,
	}
}

// ClientTLS says whom the session to APIM and the REST client trust. What happens to the stores later goes to the log.
func (c Connector) ClientTLS(log *slog.Logger) trust.Options {
	return trust.Options{
		Trust: c.SSL.TrustStore.source(sslPrefix), Keys: c.SSL.KeyStore.source(sslPrefix),
		TrustAll: c.SSL.TrustAll, AnyHost: !c.SSL.VerifyHost, Read: ReadFile, Log: log,
	}
}

// clientAuths are the words for whether a caller shows a certificate. The trust package verifies it.
var clientAuths = map[string]tls.ClientAuthType{
	"request": tls.RequestClientCert, "required": tls.RequireAnyClientCert, "true": tls.RequireAnyClientCert,
}

// ServerTLS says how the node API is secured.
func (h NodeHTTP) ServerTLS(log *slog.Logger) trust.Options {
	o := trust.Options{
		Keys: h.SSL.KeyStore.source(nodeSSLPrefix), ClientAuth: clientAuths[h.SSL.ClientAuth], HTTP2: h.ALPN,
		Read: ReadFile, Log: log,
	}
	if o.ClientAuth != tls.NoClientCert {
		o.Trust = h.SSL.TrustStore.source(nodeSSLPrefix)
	}
	for _, name := range h.SSL.Protocols {
		o.Protocols = append(o.Protocols, tlsVersions[strings.ToLower(name)])
	}
	for _, suite := range tls.CipherSuites() {
		if slices.ContainsFunc(h.SSL.Ciphers, func(name string) bool { return strings.EqualFold(name, suite.Name) }) {
			o.Ciphers = append(o.Ciphers, suite.ID)
		}
	}
	return o
}

var tlsVersions = map[string]uint16{"tlsv1.2": tls.VersionTLS12, "tlsv1.3": tls.VersionTLS13}

// checkTLS opens the stores, so that what is wrong with them is found before anything is started. A command that does
// not need the session's leaves them alone: what they refer to was not read.
func (l *loader) checkTLS(cfg Config) {
	if strings.HasPrefix(sslPrefix, l.src.Needed) {
		l.checkStated(sslPrefix)
		client := cfg.Connector.ClientTLS(nil)
		client.Read = l.src.ReadFile
		l.judgeStores(trust.NewClient(client))
	}
	l.checkNodeTLS(cfg.Services.HTTP)
}

func (l *loader) checkNodeTLS(api NodeHTTP) {
	if !api.Secured {
		l.adviseUnused(nodeSSLPrefix, servicesPrefix+"secured is not true")
		return
	}
	l.checkStated(nodeSSLPrefix)
	for _, name := range api.SSL.Protocols {
		if tlsVersions[strings.ToLower(name)] == 0 {
			l.fault(nodeSSLPrefix+"tlsProtocols", "%s is not one of TLSv1.2, TLSv1.3", show(name))
		}
	}
	for _, name := range api.SSL.Ciphers {
		if !slices.ContainsFunc(tls.CipherSuites(), func(s *tls.CipherSuite) bool { return strings.EqualFold(name, s.Name) }) {
			l.fault(nodeSSLPrefix+"tlsCiphers", "%q is not the IANA name of a cipher suite that is secure", name)
		}
	}
	server := api.ServerTLS(nil)
	server.Read = l.src.ReadFile
	if server.Keys == nil {
		l.fault(nodeSSLPrefix+"keystore.type", "is missing: without a key store, the node API cannot be secured")
		return
	}
	switch {
	case server.ClientAuth == tls.NoClientCert:
		l.adviseUnused(nodeSSLPrefix+"truststore.", nodeSSLPrefix+"clientAuth is none")
	case server.Trust == nil:
		l.fault(nodeSSLPrefix+"truststore.type", "is missing: whose certificates callers must show")
	}
	l.judgeStores(trust.NewServer(server))
}

// checkStated refuses stores that are described, but have no type: whom to trust is not guessed.
func (l *loader) checkStated(prefix string) {
	for _, store := range []string{"keystore", "truststore"} {
		kind := prefix + store + ".type"
		if _, stated := l.settings[kind]; stated {
			continue
		}
		for _, key := range sortedKeys(l.settings) {
			if strings.HasPrefix(key, prefix+store+".") {
				l.fault(kind, "is missing, though %s is set; NONE switches the store off", l.settings[key])
				break
			}
		}
	}
}

// opened are stores that could be read.
type opened interface {
	Expiring(now time.Time) map[string]string
}

// judgeStores names what is wrong with stores, or else the settings of certificates that end soon.
func (l *loader) judgeStores(stores opened, err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			if fault, ok := errors.AsType[*trust.Fault](one); ok {
				l.fault(fault.Key, "%s", fault.Text)
			}
		}
		return
	}
	lines := stores.Expiring(l.src.Now())
	for _, key := range slices.Sorted(maps.Keys(lines)) {
		l.warn(l.settings[key].String() + ": " + lines[key])
	}
}

// adviseUnused warns of settings that have no effect because of another one.
func (l *loader) adviseUnused(prefix, because string) {
	for _, key := range sortedKeys(l.settings) {
		if strings.HasPrefix(key, prefix) {
			l.warn(fmt.Sprintf("%s: has no effect, because %s", l.settings[key], because))
		}
	}
}

// adviseTrust warns where anybody can pass for APIM.
func (l *loader) adviseTrust(cfg Config) {
	c, risky := cfg.Connector, map[string]string{}
	if c.SSL.TrustAll {
		risky[sslPrefix+"trustAll"] = "any certificate of APIM is accepted, so whoever is on the way can read the token " +
			"and give commands; trust APIM's authority instead (" + sslPrefix + "truststore)"
	}
	if !c.SSL.VerifyHost {
		risky[sslPrefix+"verifyHost"] = "the host name in APIM's certificate is not checked, so whoever has any certificate " +
			"of a trusted authority can pass for APIM; give APIM a certificate for the endpoint's host"
	}
	isSecure := func(endpoint string) bool { return strings.HasPrefix(endpoint, "https:") }
	for _, key := range slices.Sorted(maps.Keys(risky)) {
		text := risky[key]
		if !slices.ContainsFunc(slices.Concat(c.Endpoints, []string{cfg.Agent.APIM.URL}), isSecure) {
			text = "has no effect, because no endpoint is https"
		}
		l.warn(l.settings[key].String() + ": " + text)
	}
}
