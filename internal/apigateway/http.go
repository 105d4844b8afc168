package apigateway

import (
	"net"
	"net/http"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

const (
	// dialTime and handshakeTime end the attempt at an address that does not answer, long before the attempt's own time
	// ends.
	dialTime      = 5 * time.Second
	handshakeTime = 5 * time.Second
	// idleTime is how long an idle connection is kept. At 7 requests a second a target needs a few connections, and all of
	// them are closed this long after the work ends. During work they must be kept: otherwise hundreds of targets would
	// open a connection for every request.
	idleTime = 15 * time.Second
	// maxIdle limits the idle connections of an integration. It is more than 200 targets at their full rate use.
	maxIdle = 2048
)

// NewHTTPClient makes the HTTP client that [NewCredentials] uses. All targets of an integration share its connections.
// It reads proxies from the environment, and the SDK adds AWS_CA_BUNDLE to it.
func NewHTTPClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTime }).
		WithTransportOptions(func(t *http.Transport) {
			t.TLSHandshakeTimeout = handshakeTime
			t.IdleConnTimeout = idleTime
			t.MaxIdleConns = maxIdle
			t.MaxIdleConnsPerHost = maxIdle
			t.MaxConnsPerHost = 0 // the quota is the limit; a wait for a connection would use up the attempt's time
		})
}

// direct is a client with the same transport that follows no redirect.
func direct(c *awshttp.BuildableClient) *http.Client {
	return &http.Client{
		Transport:     c.GetTransport(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
