package apigateway

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
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
// It takes proxies from the environment, and the SDK adds AWS_CA_BUNDLE to it.
func NewHTTPClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTime }).
		WithTransportOptions(func(t *http.Transport) {
			t.Proxy = proxyOf
			t.TLSHandshakeTimeout = handshakeTime
			t.IdleConnTimeout = idleTime
			t.MaxIdleConns = maxIdle
			t.MaxIdleConnsPerHost = maxIdle
			t.MaxConnsPerHost = 0 // the quota is the limit; a wait for a connection would use up the attempt's time
		})
}

// ownServices are the addresses at which a machine or a container asks for its own credentials: the metadata service
// of EC2, those of ECS and EKS. No proxy leads there, and none should see what they answer.
var ownServices = []netip.Prefix{netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("fd00:ec2::/32")}

// proxyOf follows HTTPS_PROXY, HTTP_PROXY and NO_PROXY, but for this machine's own services.
func proxyOf(r *http.Request) (*url.URL, error) {
	address, err := netip.ParseAddr(r.URL.Hostname())
	isOwn := func(p netip.Prefix) bool { return err == nil && p.Contains(address.Unmap()) }
	if slices.ContainsFunc(ownServices, isOwn) {
		return nil, nil //nolint:nilnil // net/http's way to say no proxy
	}
	return http.ProxyFromEnvironment(r)
}

// direct is a client with the same transport that follows no redirect.
func direct(c *awshttp.BuildableClient) *http.Client {
	return &http.Client{
		Transport:     c.GetTransport(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
