package apimrest

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
)

// sender sends what the generated client makes.
type sender struct{ http *http.Client }

func newSender(o Options) sender {
	open := o.Dial
	if open == nil {
		open = new(net.Dialer).DialContext
	}
	// net/http goes on opening a connection after its request has been given up, as the next one may use it.
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, o.Timeout)
		defer cancel()
		return open(ctx, network, address)
	}
	transport := &http.Transport{
		DialContext: dial, MaxIdleConnsPerHost: 1, IdleConnTimeout: idleFor, MaxResponseHeaderBytes: maxHeader,
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			raw, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			settings := &tls.Config{MinVersion: tls.VersionTLS12}
			if o.TLS != nil { // for each connection, because stores change
				settings = o.TLS().Clone()
			}
			if settings.ServerName == "" {
				settings.ServerName, _, _ = net.SplitHostPort(address) // net/http always adds the port
			}
			settings.NextProtos = []string{"http/1.1"}
			secured := tls.Client(raw, settings)
			ctx, cancel := context.WithTimeout(ctx, o.Timeout)
			defer cancel()
			if err := secured.HandshakeContext(ctx); err != nil {
				_ = raw.Close()
				return nil, err
			}
			return secured, nil
		},
	}
	return sender{&http.Client{
		Transport: transport,
		// The token would be sent there, too.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Do sends a request. One that only reads is sent once more if its connection was reset: APIM, or what stands before
// it, may have closed it just then.
func (s sender) Do(r *http.Request) (*http.Response, error) {
	response, err := s.http.Do(r)
	if r.Method == http.MethodGet && isReset(err) && r.Context().Err() == nil {
		response, err = s.http.Do(r)
	}
	return response, err
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF)
}
