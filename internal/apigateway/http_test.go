package apigateway

import "testing"

// TestTheHTTPClientWaitsForNoAddressWithoutAnEnd: where a time is zero, net/http waits for ever.
func TestTheHTTPClientWaitsForNoAddressWithoutAnEnd(t *testing.T) {
	client := NewHTTPClient()
	dialing, transport := client.GetDialer().Timeout, client.GetTransport()
	if dialing <= 0 || transport.TLSHandshakeTimeout <= 0 || dialing+transport.TLSHandshakeTimeout >= stsTime {
		t.Errorf("dialing may take %s and the handshake %s, and the shortest attempt as a whole %s", dialing,
			transport.TLSHandshakeTimeout, stsTime)
	}
	if transport.IdleConnTimeout <= 0 {
		t.Error("an idle connection is kept for ever")
	}
}
