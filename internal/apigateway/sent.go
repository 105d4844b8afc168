package apigateway

import (
	"crypto/tls"
	"errors"
	"net"
)

// neverLeft reports whether a transport error proves that no byte of the request was sent, because there was no
// connection. Any other error counts as sent.
func neverLeft(err error) bool {
	operation, ok := errors.AsType[*net.OpError](err)
	return ok && operation.Op == "dial" ||
		errors.As(err, new(*net.DNSError)) || errors.As(err, new(*tls.CertificateVerificationError))
}
