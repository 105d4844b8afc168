package apigateway

import (
	"net/http"
	"os"
	"os/exec"
	"testing"
)

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

// asMetadataTest is set in the process of its own that TestNoProxyLeadsToAMachinesOwnServices needs, because net/http
// reads the variables once.
const asMetadataTest = "FEDERATION_AGENT_TEST_METADATA"

func TestNoProxyLeadsToAMachinesOwnServices(t *testing.T) {
	if os.Getenv(asMetadataTest) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestNoProxyLeadsToAMachinesOwnServices$")
		cmd.Env = append(os.Environ(), asMetadataTest+"=1", "HTTP_PROXY=http://proxy.test:1", "HTTPS_PROXY=http://proxy.test:2")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	transport := NewHTTPClient().GetTransport()
	for address, want := range map[string]string{
		"https://apigateway.eu-west-1.amazonaws.com/": "http://proxy.test:2",
		"http://stand-in.test/":                       "http://proxy.test:1",
		"http://169.254.169.254/latest/api/token":     "",
		"http://169.254.170.2/v2/credentials":         "",
		"http://[fd00:ec2::23]/v1/credentials":        "",
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if through, err := transport.Proxy(request); err != nil {
			t.Error(err)
		} else if through != nil {
			got = through.String()
		}
		if got != want {
			t.Errorf("%s goes through %q, want %q", address, got, want)
		}
	}
}
