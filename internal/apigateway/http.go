package apigateway

import (
	"net"
	"net/http"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

const (
	// dialTime and handshakeTime fail a dead address well within an attempt's time.
	dialTime      = 5 * time.Second
	handshakeTime = 5 * time.Second
	// idleTime bounds how many connections are kept: at 7 requests a second a target needs a handful at a time, and all
	// of them are gone this long after the work is. Keeping them during work matters: without, hundreds of targets would
	// open a connection for every request.
	idleTime = 15 * time.Second
	// maxIdle is a ceiling for an integration, above what 200 targets at full share have in use.
	maxIdle = 2048
)

// NewHTTPClient makes the HTTP client that [NewCredentials] builds on; all targets of an integration share its connections. It takes proxies from the environment,
// and the SDK adds AWS_CA_BUNDLE to it.
func NewHTTPClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTime }).
		WithTransportOptions(func(t *http.Transport) {
			t.TLSHandshakeTimeout = handshakeTime
			t.IdleConnTimeout = idleTime
			t.MaxIdleConns = maxIdle
			t.MaxIdleConnsPerHost = maxIdle
			t.MaxConnsPerHost = 0 // a wait for a connection would eat the attempt's time; the quota is the limit
		})
}
