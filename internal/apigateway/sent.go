package apigateway

import (
	"crypto/tls"
	"errors"
	"net"
)

// neverLeft reports whether a transport error proves that no byte of the request was sent: no connection was made. Any
// other error counts as sent.
func neverLeft(err error) bool {
	var dial *net.OpError
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	return errors.As(err, &dial) && dial.Op == "dial" || errors.As(err, &dns) || errors.As(err, &certificate)
}
