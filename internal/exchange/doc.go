// Package exchange is the wire between a federation agent and the integration controller of Gravitee APIM: protocol
// version v1 of Gravitee's exchange, with the commands of APIM 4.5 and later and those of 4.4.
//
// It is a pure codec: bytes in, values out, and back. It holds no socket (that is [federation-agent/internal/exchange/wsconn])
// and knows no actor. Nothing that a peer sends makes it panic; what cannot be read is a [FrameError], which tells the close code
// that the protocol asks for, or silence.
//
// Facts are read from the sources of gravitee-exchange 3.0.0 and gravitee-integration-api 6.0.1 unless a comment says otherwise.
package exchange
