package trust

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Options say whom one side of TLS trusts, and who it is itself. Trust and Keys are nil for the system's roots and for
// no certificate.
type Options struct {
	Trust, Keys *Source
	// Read reads a file.
	Read func(name string) ([]byte, error)
	// Log takes what happens to stores later. It is not needed where a store is only checked.
	Log *slog.Logger

	// TrustAll and AnyHost belong to a client: it accepts any certificate, or any host name in it.
	TrustAll, AnyHost bool

	// ClientAuth, Protocols (tls.VersionTLS…), Ciphers and HTTP2 belong to a server. No protocol and no cipher means
	// Go's own choice. ClientAuth is one that does not verify: the server does, because it accepts its own key, too.
	ClientAuth tls.ClientAuthType
	Protocols  []uint16
	Ciphers    []uint16
	HTTP2      bool
}

// stores are what both sides have.
type stores struct {
	options Options
	roots   *watched[[]*x509.Certificate]
	keys    *watched[[]tls.Certificate]
}

// open reads the stores. Its error joins a [*Fault] for each that cannot be used.
func open(o Options) (s stores, err error) {
	s.options = o
	var noRoots, noKeys error
	if o.Trust != nil {
		s.roots, noRoots = watch(*o.Trust, o, Source.roots)
	}
	if o.Keys != nil {
		s.keys, noKeys = watch(*o.Keys, o, Source.keys)
	}
	return s, errors.Join(noRoots, noKeys)
}

// pool is nil for the system's roots.
func (s stores) pool() (*x509.CertPool, int) {
	if s.roots == nil {
		return nil, 0
	}
	roots, version := s.roots.get()
	pool := x509.NewCertPool()
	for _, c := range roots {
		pool.AddCert(c)
	}
	return pool, version
}

// soon is how long before a certificate ends it is time to say so: many renew them a month before.
const soon = 30 * 24 * time.Hour

// Expiring says which certificates end soon or have ended: those of keys, and a trust store's if none of its
// certificates lives longer. Each line is under the key of the configuration that names the store.
func (s stores) Expiring(now time.Time) map[string]string {
	lines := map[string]string{}
	pairs, _ := s.keys.get()
	for _, pair := range pairs {
		if end := pair.Leaf.NotAfter; end.Before(now.Add(soon)) {
			const text = "the certificate of %s %s; renew it. The new file is used without a restart"
			lines[s.options.Keys.Key+".path"] = fmt.Sprintf(text, pair.Leaf.Subject, ends(end, now))
		}
	}
	roots, _ := s.roots.get()
	if len(roots) == 0 {
		return lines
	}
	last := slices.MaxFunc(roots, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }).NotAfter
	if last.Before(now.Add(soon)) {
		const text = "the last certificate of the trust store %s; add its successor"
		lines[s.options.Trust.Key+"."+s.options.Trust.location()] = fmt.Sprintf(text, ends(last, now))
	}
	return lines
}

func ends(end, now time.Time) string {
	if end.Before(now) {
		return "has expired on " + end.Format(time.DateOnly)
	}
	return "expires on " + end.Format(time.DateOnly)
}

// Client is the TLS of connections that this program opens.
type Client struct{ stores }

// NewClient reads the stores.
func NewClient(o Options) (*Client, error) {
	s, err := open(o)
	return &Client{s}, err
}

// Config is the configuration for one connection, with what the stores hold now.
func (c *Client) Config() *tls.Config {
	pool, _ := c.pool()
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	if pairs, _ := c.keys.get(); len(pairs) > 0 {
		config.GetClientCertificate = func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return choose(pairs, asked), nil
		}
	}
	if c.options.TrustAll || c.options.AnyHost {
		config.InsecureSkipVerify = true //nolint:gosec // the user asks for it, and is warned at each start
	}
	if c.options.AnyHost && !c.options.TrustAll {
		config.VerifyConnection = func(state tls.ConnectionState) error {
			return verify(state.PeerCertificates, pool, x509.ExtKeyUsageServerAuth)
		}
	}
	return config
}

// choose takes the first certificate that the server says it accepts, else the first of all: servers name fewer
// authorities than they accept.
func choose(pairs []tls.Certificate, asked *tls.CertificateRequestInfo) *tls.Certificate {
	fits := slices.IndexFunc(pairs, func(pair tls.Certificate) bool { return asked.SupportsCertificate(&pair) == nil })
	return &pairs[max(fits, 0)]
}

// verify is crypto/tls's check without the host name.
func verify(chain []*x509.Certificate, roots *x509.CertPool, usage x509.ExtKeyUsage) error {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{usage},
	})
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: chain, Err: err}
	}
	return nil
}

// Server is the TLS of connections that this program accepts.
type Server struct {
	stores

	mu       sync.Mutex
	current  *tls.Config
	versions [2]int
}

// NewServer reads the stores. Options.Keys must be there.
func NewServer(o Options) (*Server, error) {
	s, err := open(o)
	return &Server{stores: s}, err
}

// Config is the configuration of a listener. Each handshake has what the stores hold then.
func (s *Server) Config() *tls.Config {
	config := s.now().Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.now(), nil }
	return config
}

// now is made anew only after a change, so that sessions can be resumed.
func (s *Server) now() *tls.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	pairs, keys := s.keys.get()
	pool, roots := s.pool()
	if versions := [2]int{keys, roots}; s.current == nil || s.versions != versions {
		s.current, s.versions = s.config(pairs, pool), versions
	}
	return s.current
}

func (s *Server) config(pairs []tls.Certificate, pool *x509.CertPool) *tls.Config {
	o := s.options
	config := &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: pairs, CipherSuites: o.Ciphers, NextProtos: []string{"http/1.1"},
		ClientAuth: o.ClientAuth, ClientCAs: pool,
	}
	if o.HTTP2 {
		config.NextProtos = []string{"h2", "http/1.1"}
	}
	if len(o.Protocols) > 0 {
		config.MinVersion, config.MaxVersion = slices.Min(o.Protocols), slices.Max(o.Protocols)
	}
	config.VerifyConnection = func(state tls.ConnectionState) error {
		peer := state.PeerCertificates
		if len(peer) == 0 || isOne(peer[0], pairs) { // none: only where crypto/tls lets it pass
			return nil
		}
		return verify(peer, pool, x509.ExtKeyUsageClientAuth)
	}
	return config
}

// Self is the configuration with which this machine's own program asks the server: each knows the other by the key
// that both have.
func (s *Server) Self() *tls.Config {
	pairs, _ := s.keys.get()
	return &tls.Config{
		MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, //nolint:gosec // checked below, more strictly
		GetClientCertificate: func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return choose(pairs, asked), nil
		},
		VerifyConnection: func(state tls.ConnectionState) error {
			if !isOne(state.PeerCertificates[0], pairs) {
				return errNotSelf
			}
			return nil
		},
	}
}

var errNotSelf = errors.New("what answers has another certificate than this agent's key store")

func isOne(c *x509.Certificate, pairs []tls.Certificate) bool {
	return slices.ContainsFunc(pairs, func(pair tls.Certificate) bool { return pair.Leaf.Equal(c) })
}
