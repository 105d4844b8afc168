package exchange

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

const (
	// ProtocolHeader is the upgrade request's header that names the protocol version. Without it, or with a value that it does
	// not know, a controller speaks the legacy protocol.
	ProtocolHeader = "X-Gravitee-Exchange-Protocol"
	// ProtocolV1 is the only value of [ProtocolHeader] that this package speaks.
	ProtocolV1 = "v1"
	// Path is what every connector appends to the configured endpoint.
	Path = "/exchange/controller"
	// Provider is the integration's provider that an agent for AWS API Gateway says HELLO with.
	Provider = "aws-api-gateway"

	// DefaultMaxFrameSize is how many bytes of payload a websocket frame may have, on both sides, unless both are configured
	// otherwise. A controller closes the connection on a larger frame.
	DefaultMaxFrameSize = 65536
	// DefaultMaxMessageSize is the same for a whole message.
	DefaultMaxMessageSize = 13107200
)

// Close codes of the protocol's own rules; those of a websocket's own faults are wsconn's.
const (
	// CloseNormal ends a session after a GOOD_BYE without reconnect; only after it a connector may stay away.
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

// URL gives the websocket URL of the configured endpoint: http becomes ws and https wss (ws and wss are taken as synonyms, a
// kindness: Gravitee's own connector refuses them), one trailing slash is trimmed, [Path] is appended, query and fragment are
// dropped. It fails on another scheme, a missing host, or credentials in the URL; its error never shows those.
func URL(endpoint string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(endpoint))
	if err != nil {
		// The parser's own text quotes its input, which may hold a password.
		return "", errors.New("endpoint is not a URL; accepted: https://HOST/integration-controller")
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "ws":
		u.Scheme = "ws"
	case "https", "wss":
		u.Scheme = "wss"
	case "":
		return "", errors.New("endpoint has no scheme; accepted: https://HOST/integration-controller")
	default:
		return "", fmt.Errorf("endpoint has the scheme %q; accepted: http or https, as in https://HOST/integration-controller", u.Scheme)
	}
	if u.Hostname() == "" {
		return "", errors.New("endpoint has no host; accepted: https://HOST/integration-controller")
	}
	if u.User != nil {
		return "", errors.New("endpoint holds a user name or password, which a websocket URL may not; put them into a header")
	}
	joined := url.URL{Scheme: u.Scheme, Host: u.Host}
	joined.Path = strings.TrimSuffix(u.Path, "/") + Path
	if u.RawPath != "" {
		joined.RawPath = strings.TrimSuffix(u.RawPath, "/") + Path
	}
	return joined.String(), nil
}
