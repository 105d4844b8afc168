package exchange

import "strings"

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
	// CloseTooLarge says that a message or a frame is larger than the receiver takes.
	CloseTooLarge = 1009
	// CloseInternalError answers a REPLY without content.
	CloseInternalError = 1011
	// CloseTryAgainLater ends a session after a GOOD_BYE with reconnect.
	CloseTryAgainLater = 1013
)

// URL returns the websocket URL of an endpoint, which is an http or https URL without query and fragment. The
// configuration brings every endpoint into this form, and refuses the others. One slash at the end is removed.
func URL(endpoint string) string {
	return "ws" + strings.TrimPrefix(strings.TrimSuffix(endpoint, "/"), "http") + Path // https becomes wss
}
