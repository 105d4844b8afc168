// Package exchange is the protocol between a federation agent and the integration controller of Gravitee APIM: version
// v1 of Gravitee's exchange, with the commands of APIM 4.5 and later and those of APIM 4.4.
//
// It only encodes and decodes. It has no socket (that is [federation-agent/internal/exchange/wsconn]) and knows no
// actor. Nothing that a peer sends makes it panic. A message that cannot be read becomes a [FrameError], which holds
// the close code that the protocol asks for, or says that the message is to be ignored.
//
// Facts are read from the sources of gravitee-exchange 3.0.0 and gravitee-integration-api 6.0.1, unless a comment says
// otherwise.
package exchange
