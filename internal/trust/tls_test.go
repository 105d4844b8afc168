package trust_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"federation-agent/internal/secret"
	"federation-agent/internal/trust"
)

// chain names the certificates of a pair.
func chain(t *testing.T, pair tls.Certificate) string {
	t.Helper()
	var names []string
	for _, der := range pair.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, c.Subject.CommonName)
	}
	return strings.Join(names, " ")
}

// pemPair makes a certificate that is its own issuer, for a host, with its key.
func pemPair(t *testing.T, host string, until time.Time) []byte {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: until.Add(-time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})...)
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	// A new file in the old one's place, as Kubernetes and certbot do it.
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// shake lets a client and a server meet and gives both errors, and what the client saw.
func shake(t *testing.T, client, server *tls.Config) (state tls.ConnectionState, noClient, noServer error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			ended <- err
			return
		}
		secured := tls.Server(conn, server)
		err = secured.HandshakeContext(t.Context())
		if err == nil {
			_, err = secured.Write([]byte{1})
		}
		_ = conn.Close()
		ended <- err
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	secured := tls.Client(conn, client)
	noClient = secured.HandshakeContext(t.Context())
	if noClient == nil {
		_, noClient = secured.Read(make([]byte, 1)) // a refused certificate of TLS 1.3 is only noticed here
	}
	state = secured.ConnectionState()
	_, _ = conn.Close(), listener.Close()
	return state, noClient, <-ended
}

// named sets the name that a client expects.
func named(config *tls.Config, host string) *tls.Config {
	config.ServerName = host
	return config
}

func newClient(t *testing.T, o trust.Options) *trust.Client {
	t.Helper()
	c, err := trust.NewClient(options(o))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newServer(t *testing.T, o trust.Options) *trust.Server {
	t.Helper()
	s, err := trust.NewServer(options(o))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAClientTrustsWhatItIsToldToTrust(t *testing.T) {
	server := newServer(t, trust.Options{Keys: with(store(trust.PKCS12, "keys.p12"), alias("second"))}).Config()
	for name, c := range map[string]struct {
		options trust.Options
		host    string
		want    string
	}{
		"its CA":     {trust.Options{Trust: store(trust.JKS, "trust.jks")}, "second", ""},
		"wrong CA":   {trust.Options{Trust: store(trust.PEM, "other.pem")}, "second", "unknown authority"},
		"the system": {trust.Options{}, "second", "unknown authority"},
		"wrong name": {trust.Options{Trust: store(trust.JKS, "trust.jks")}, "apim", "not apim"},
		"any name":   {trust.Options{Trust: store(trust.JKS, "trust.jks"), AnyHost: true}, "apim", ""},
		"any name, wrong CA": {
			trust.Options{Trust: store(trust.PEM, "other.pem"), AnyHost: true}, "apim", "unknown authority",
		},
		"everything":            {trust.Options{TrustAll: true}, "apim", ""},
		"the certificate alone": {trust.Options{Trust: store(trust.PKCS12, "openssl.p12")}, "second", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err, _ := shake(t, named(newClient(t, c.options).Config(), c.host), server)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestAServerAsksForACertificateAndChecksIt(t *testing.T) {
	keys := func(file string) *trust.Source { return store(trust.PKCS12, file) }
	server := newServer(t, trust.Options{
		Keys: keys("rsa.p12"), Trust: store(trust.PEM, "ca.pem"), ClientAuth: tls.RequireAnyClientCert,
	})
	trusting := func(o trust.Options) *tls.Config {
		o.TrustAll = true
		return newClient(t, o).Config()
	}
	for name, c := range map[string]struct {
		client *tls.Config
		want   string
	}{
		"of its CA":                {trusting(trust.Options{Keys: keys("openssl.p12")}), ""},
		"the one of two that fits": {trusting(trust.Options{Keys: keys("keys.p12")}), ""},
		"of another CA":            {trusting(trust.Options{Keys: with(keys("keys.p12"), alias("first"))}), "unknown authority"},
		"none":                     {trusting(trust.Options{}), "didn't provide a certificate"},
		"the server's own":         {server.Self(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := shake(t, c.client, server.Config())
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestAServerThatOnlyAsksLetsInWhoHasNoCertificate(t *testing.T) {
	server := newServer(t, trust.Options{
		Keys: store(trust.PKCS12, "rsa.p12"), Trust: store(trust.PEM, "ca.pem"), ClientAuth: tls.RequestClientCert,
	}).Config()
	if _, _, err := shake(t, newClient(t, trust.Options{TrustAll: true}).Config(), server); err != nil {
		t.Error(err)
	}
	wrong := trust.Options{TrustAll: true, Keys: with(store(trust.PKCS12, "keys.p12"), alias("first"))}
	if _, _, err := shake(t, newClient(t, wrong).Config(), server); err == nil {
		t.Error("a certificate of another authority was let in")
	}
}

func TestSelfTrustsNobodyElse(t *testing.T) {
	own := newServer(t, trust.Options{Keys: store(trust.PKCS12, "rsa.p12")})
	other := newServer(t, trust.Options{Keys: store(trust.PKCS12, "openssl.p12")})
	if _, err, _ := shake(t, own.Self(), other.Config()); err == nil || !strings.Contains(err.Error(), "another certificate") {
		t.Errorf("got %v", err)
	}
}

func TestProtocolsAndCiphersOfAServer(t *testing.T) {
	server := newServer(t, trust.Options{
		Keys: store(trust.PKCS12, "rsa.p12"), Protocols: []uint16{tls.VersionTLS12}, HTTP2: true,
		Ciphers: []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384},
	}).Config()
	client := newClient(t, trust.Options{TrustAll: true}).Config()
	client.NextProtos = []string{"h2"}
	state, err, _ := shake(t, client, server)
	if err != nil || state.Version != tls.VersionTLS12 || state.NegotiatedProtocol != "h2" ||
		state.CipherSuite != tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 {
		t.Errorf("%v %x %x %q", err, state.Version, state.CipherSuite, state.NegotiatedProtocol)
	}
}

func TestAChangedStoreIsUsedFromTheNextConnectionOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.pem")
	until := time.Now().Add(time.Hour)
	write(t, path, pemPair(t, "old.example", until))
	var log bytes.Buffer
	o := options(trust.Options{})
	o.Keys = &trust.Source{Key: key, Type: trust.PEM, Path: path}
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	server, err := trust.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	o.Trust, o.Keys = o.Keys, nil
	client, err := trust.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	listening := server.Config()
	meet := func(host string) {
		t.Helper()
		if _, err, _ := shake(t, named(client.Config(), host), listening); err != nil {
			t.Error(err)
		}
	}
	meet("old.example")
	write(t, path, pemPair(t, "new.example", until))
	meet("new.example")
	if strings.Count(log.String(), "is used from now on") != 2 {
		t.Errorf("the log says %s", log.String())
	}

	log.Reset()
	write(t, path, []byte("-----BEGIN CERT")) // half of it
	meet("new.example")
	meet("new.example")
	if strings.Count(log.String(), "the old one stays in use") != 2 { // once for each side, not for each connection
		t.Errorf("the log says %s", log.String())
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	meet("new.example")
	write(t, path, pemPair(t, "last.example", until))
	meet("last.example")
}

// renewed is a password that was another one before it was read again.
type renewed struct{ text, next string }

func (r *renewed) Text() string            { return r.text }
func (r *renewed) Refresh(context.Context) { r.text = r.next }

func TestAChangedContentIsUsedFromTheNextConnectionOn(t *testing.T) {
	until := time.Now().Add(time.Hour)
	text := &renewed{text: string(pemPair(t, "old.example", until)), next: string(pemPair(t, "new.example", until))}
	var log bytes.Buffer
	o := options(trust.Options{})
	o.Trust = &trust.Source{Key: key, Type: trust.PEM, Content: secret.Live(text)}
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	client, err := trust.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	before := client.Config().RootCAs
	if !before.Equal(client.Config().RootCAs) {
		t.Error("changes by itself")
	}
	text.Refresh(t.Context())
	if before.Equal(client.Config().RootCAs) || strings.Count(log.String(), "is used from now on") != 1 {
		t.Errorf("the log says %s", log.String())
	}
	text.text = "no certificate"
	client.Config()
	if !strings.Contains(log.String(), "the old one stays in use") {
		t.Errorf("the log says %s", log.String())
	}
}

func TestThePasswordOfAChangedStoreIsReadAgainWithIt(t *testing.T) {
	data := func(name string) []byte {
		t.Helper()
		content, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	path := filepath.Join(t.TempDir(), "trust")
	write(t, path, data("trust.jks")) // which needs no password
	var log bytes.Buffer
	o := options(trust.Options{})
	o.Trust = &trust.Source{Key: key, Type: trust.JKS, Path: path, Password: secret.Live(&renewed{next: password})}
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	client, err := trust.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, data("trust.p12"))
	client.Config()
	if !strings.Contains(log.String(), "is used from now on") {
		t.Errorf("the log says %s", log.String())
	}
}

func TestCertificatesThatEndSoonAreNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.pem")
	keys := &trust.Source{Key: "ssl.keystore", Type: trust.PEM, Path: path}
	roots := &trust.Source{Key: "ssl.truststore", Type: trust.PEM, Path: path}
	now := time.Now()
	for name, c := range map[string]struct {
		until time.Time
		want  string
	}{
		"soon": {now.Add(29 * 24 * time.Hour), "expires on " + now.Add(29*24*time.Hour).UTC().Format(time.DateOnly)},
		"past": {now.Add(-time.Hour), "has expired on "},
		"late": {now.Add(31 * 24 * time.Hour), ""},
	} {
		write(t, path, pemPair(t, "agent", c.until))
		lines := newClient(t, trust.Options{Trust: roots, Keys: keys}).Expiring(now)
		if c.want == "" && len(lines) > 0 || c.want != "" && (!strings.HasPrefix(lines["ssl.keystore.path"], "the certificate of CN=agent "+c.want) ||
			!strings.HasPrefix(lines["ssl.truststore.path"], "the last certificate of the trust store "+c.want)) {
			t.Errorf("%s: %q", name, lines)
		}
	}
	if lines := newClient(t, trust.Options{}).Expiring(now); len(lines) > 0 {
		t.Errorf("without stores: %q", lines)
	}
}
