package exchange

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

const (
	// ProtocolHeader is the header of the upgrade request that names the protocol version. Without it, or with a value
	// that a controller does not know, the controller speaks the legacy protocol.
	ProtocolHeader = "X-Gravitee-Exchange-Protocol"
	// ProtocolV1 is the only value of [ProtocolHeader] that this package supports.
	ProtocolV1 = "v1"
	// Path is what every connector appends to the configured endpoint.
	Path = "/exchange/controller"
	// Provider is the integration's provider in the HELLO of an agent for AWS API Gateway.
	Provider = "aws-api-gateway"

	// DefaultMaxFrameSize is the largest payload of a websocket frame in bytes, for both sides, unless both are configured
	// otherwise. A controller closes the connection on a larger frame.
	DefaultMaxFrameSize = 65536
	// DefaultMaxMessageSize is the same for a whole message.
	DefaultMaxMessageSize = 13107200
)

// Close codes of the protocol's own rules. The close codes for faults of the websocket itself are in wsconn.
const (
	// CloseNormal ends a session after a GOOD_BYE without reconnect. Only after it may a connector stay disconnected.
	CloseNormal = 1000
	// CloseProtocolError answers a frame that is neither COMMAND nor REPLY, and a COMMAND without content.
	CloseProtocolError = 1002
	// CloseUnsupportedData answers a text message.
	CloseUnsupportedData = 1003
	// CloseInternalError answers a REPLY without content.
	CloseInternalError = 1011
	// CloseTryAgainLater ends a session after a GOOD_BYE with reconnect.
	CloseTryAgainLater = 1013
)

const acceptedEndpoint = "; accepted: https://HOST/integration-controller"

// URL returns the websocket URL of the configured endpoint. http becomes ws, and https becomes wss. ws and wss are
// accepted too, though Gravitee's own connector refuses them. One slash at the end is removed, [Path] is appended, and
// query and fragment are dropped. URL fails on another scheme, a missing host, or credentials in the endpoint. Its
// error never shows the credentials.
func URL(endpoint string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(endpoint)) // lower-cases the scheme
	if err != nil {
		// The parser's own text quotes its input, which may hold a password.
		return "", errors.New("endpoint is not a URL" + acceptedEndpoint)
	}
	scheme, known := map[string]string{"http": "ws", "ws": "ws", "https": "wss", "wss": "wss"}[u.Scheme]
	switch {
	case u.Scheme == "":
		return "", errors.New("endpoint has no scheme" + acceptedEndpoint)
	case !known:
		return "", fmt.Errorf("endpoint has the scheme %q, which is not http or https%s", u.Scheme, acceptedEndpoint)
	case u.Hostname() == "":
		return "", errors.New("endpoint has no host" + acceptedEndpoint)
	case u.User != nil:
		return "", errors.New("endpoint has a user name or password, which a websocket URL may not have; use a header")
	}
	joined := url.URL{
		Scheme: scheme, Host: u.Host,
		Path:    strings.TrimSuffix(u.Path, "/") + Path,
		RawPath: strings.TrimSuffix(u.EscapedPath(), "/") + Path,
	}
	return joined.String(), nil
}
