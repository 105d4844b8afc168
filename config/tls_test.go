package config_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"federation-agent/config"
)

var (
	// noProxy and noNodeSSL are what is not set.
	noProxy   = config.ProxyServer{Type: "http", Port: 3128}
	noNodeSSL = config.NodeSSL{
		ClientAuth: "none", KeyStore: config.KeyStore{Type: "none"}, TrustStore: config.TrustStore{Type: "none"},
	}
)

const nodeSSL = nodeHTTP + "ssl_"

// made are the stores of package trust, which keytool and openssl made.
func made(name string) string { return filepath.Join("..", "internal", "trust", "testdata", name) }

func withStores(environ ...string) config.Sources {
	return config.Sources{Environ: seed(environ...), ReadFile: os.ReadFile}
}

func contentOf(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(made(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestStoresOfTheVendorsKeysAreOpened(t *testing.T) {
	inBase64 := base64.StdEncoding.EncodeToString([]byte(contentOf(t, "trust.p12")))
	for name, environ := range map[string][]string{
		"PEM":         {ws + "ssl_truststore_type=pem", ws + "ssl_truststore_path=" + made("ca.pem")},
		"PEM as text": {ws + "ssl_truststore_type=PEM", ws + "ssl_truststore_content=" + contentOf(t, "ca.pem")},
		"PKCS12": {
			ws + "ssl_truststore_type=PKCS12", ws + "ssl_truststore_path=" + made("trust.p12"),
			ws + "ssl_truststore_password=changeit", ws + "ssl_truststore_alias=other",
		},
		"base64": {
			ws + "ssl_truststore_type=PKCS12", ws + "ssl_truststore_content=" + inBase64,
			ws + "ssl_truststore_password=changeit",
		},
		"JKS": {
			ws + "ssl_truststore_type=JKS", ws + "ssl_truststore_path=" + made("trust.jks"),
			ws + "ssl_truststore_content=no base64", ws + "ssl_truststore_password=changeit",
			ws + "ssl_keystore_type=jks", ws + "ssl_keystore_path=" + made("keys.jks"), ws + "ssl_keystore_password=changeit",
		},
		"node API": {
			nodeHTTP + "secured=true", nodeHTTP + "alpn=true", nodeHTTP + "idleTimeout=30",
			nodeSSL + "tlsProtocols=TLSv1.2, tlsv1.3", nodeSSL + "tlsCiphers=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
			nodeSSL + "keystore_type=PKCS12", nodeSSL + "keystore_path=" + made("rsa.p12"),
			nodeSSL + "keystore_password=changeit", nodeSSL + "clientAuth=true",
			nodeSSL + "truststore_type=PEM", nodeSSL + "truststore_path=" + made("ca.pem"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, warnings, err := config.Load(withStores(environ...))
			if err != nil || len(warnings) > 0 {
				t.Fatalf("%v %q", err, warnings)
			}
			if name != "node API" && cfg.Connector.ClientTLS(nil).Trust == nil {
				t.Error("nothing is trusted")
			}
			if o := cfg.Services.HTTP.ServerTLS(nil); name == "node API" &&
				(o.Trust == nil || o.Keys == nil || len(o.Protocols) != 2 || len(o.Ciphers) != 1 || !o.HTTP2) {
				t.Errorf("%+v", o)
			}
		})
	}
}

func TestAPEMTextInAYAMLFileIsRead(t *testing.T) {
	yaml := "integration:\n  connector:\n    ws:\n      ssl:\n        truststore:\n          type: PEM\n          content: |\n"
	for line := range strings.Lines(contentOf(t, "ca.pem")) {
		yaml += "            " + line
	}
	cfg, warnings := mustLoad(t, fromYAML(seed(), yaml))
	wantWarnings(t, warnings)
	if got := cfg.Connector.ClientTLS(nil).Trust.Content.Reveal(); got != strings.TrimSpace(contentOf(t, "ca.pem")) {
		t.Errorf("%q", got)
	}
}

func TestAFaultyStoreIsNamedByItsVariable(t *testing.T) {
	trustStore, keyStore := ws+"ssl_truststore_", ws+"ssl_keystore_"
	secured := nodeHTTP + "secured=true"
	nodeKeys := []string{
		secured, nodeSSL + "keystore_type=PKCS12", nodeSSL + "keystore_path=" + made("rsa.p12"),
		nodeSSL + "keystore_password=changeit",
	}
	for want, environ := range map[string][]string{
		trustStore + "path: is missing":             {trustStore + "type=PEM"},
		trustStore + "path: the file /nothing":      {trustStore + "type=PEM", trustStore + "path=/nothing"},
		trustStore + "content: is not base64":       {trustStore + "type=JKS", trustStore + "content=-----"},
		trustStore + "type: is PKCS12, but":         {trustStore + "type=PKCS12", trustStore + "path=" + made("ca.pem")},
		keyStore + "password: the password does":    {keyStore + "type=JKS", keyStore + "path=" + made("keys.jks"), keyStore + "password=hidden-from-all"},
		keyStore + "password: is missing":           {keyStore + "type=JKS", keyStore + "path=" + made("keys.jks")},
		trustStore + "alias: the store has no":      {trustStore + "type=JKS", trustStore + "path=" + made("trust.jks"), trustStore + "password=changeit", trustStore + "alias=x"},
		nodeSSL + "keystore_type: is missing":       {secured},
		nodeSSL + "truststore_type: is missing":     append([]string{nodeSSL + "clientAuth=required"}, nodeKeys...),
		nodeSSL + "tlsProtocols: \"TLSv1.1\" is":    append([]string{nodeSSL + "tlsProtocols=TLSv1.1,TLSv1.2"}, nodeKeys...),
		nodeSSL + "tlsCiphers: \"TLS_RSA_":          append([]string{nodeSSL + "tlsCiphers=TLS_RSA_WITH_RC4_128_SHA"}, nodeKeys...),
		nodeSSL + "keystore_password: the password": {secured, nodeSSL + "keystore_type=PKCS12", nodeSSL + "keystore_path=" + made("rsa.p12"), nodeSSL + "keystore_password=hidden-from-all"},
		nodeSSL + "keystore_zz: is not a setting":   {nodeSSL + "keystore_zz=x"},
	} {
		faults := faultsOf(t, withStores(environ...))
		wantFaults(t, faults, want)
		if strings.Contains(faults.Error(), "hidden-from-all") {
			t.Errorf("shows a password: %v", faults)
		}
	}
}

func TestTrustingTooMuchIsAWarningAtEachStart(t *testing.T) {
	_, warnings := mustLoad(t, sources(seed(ws+"ssl_trustAll=true", ws+"ssl_verifyHost=false")...))
	wantWarnings(t, warnings, ws+"ssl_trustAll: any certificate of APIM is accepted", ws+"ssl_verifyHost: the host name")
	_, warnings = mustLoad(t, sources(seed(ws+"ssl_trustAll=true", ws+"endpoints_0=http://localhost:8072")...))
	wantWarnings(t, warnings, ws+"ssl_trustAll: has no effect, because no endpoint is https")
}

func TestStoresThatHaveNoEffectAreNamed(t *testing.T) {
	_, warnings, err := config.Load(withStores(nodeSSL + "keystore_type=JKS"))
	if err != nil {
		t.Fatal(err)
	}
	wantWarnings(t, warnings, nodeSSL+"keystore_type: has no effect, because services.core.http.secured is not true")
	_, warnings, err = config.Load(withStores(nodeHTTP+"secured=true", nodeSSL+"truststore_type=PEM",
		nodeSSL+"keystore_type=PKCS12", nodeSSL+"keystore_path="+made("rsa.p12"), nodeSSL+"keystore_password=changeit"))
	if err != nil {
		t.Fatal(err)
	}
	wantWarnings(t, warnings, nodeSSL+"truststore_type: has no effect, because services.core.http.ssl.clientAuth is none")
}

func TestTheProxyOfTheSession(t *testing.T) {
	cfg, warnings := mustLoad(t, sources(seed(ws+"proxy_enabled=true", ws+"proxy_type=Socks5", ws+"proxy_host=proxy",
		ws+"proxy_port=1080", ws+"proxy_username=me", ws+"proxy_password=hidden", "HTTPS_PROXY=http://other:1")...))
	wantWarnings(t, warnings)
	server := cfg.SessionProxy()
	if server == nil || !server.SOCKS5 || server.Address() != "proxy:1080" || server.Username != "me" ||
		server.Password.Reveal() != "hidden" {
		t.Errorf("%+v", server)
	}
	cfg, warnings = mustLoad(t, sources(seed(ws+"proxy_enabled=true", ws+"proxy_useSystemProxy=true",
		ws+"proxy_host=proxy", "gravitee_system_proxy_host=system")...))
	wantWarnings(t, warnings)
	if server := cfg.SessionProxy(); server == nil || server.SOCKS5 || server.Address() != "system:3128" {
		t.Errorf("%+v", server)
	}
	cfg, _ = mustLoad(t, sources(seed()...))
	if cfg.SessionProxy() != nil {
		t.Error("a proxy that nobody enabled")
	}
}

func TestAFaultyProxyIsNamedByItsVariable(t *testing.T) {
	on := ws + "proxy_enabled=true"
	for want, environ := range map[string][]string{
		ws + "proxy_host: is missing":                {on},
		"gravitee_system_proxy_host: is missing":     {on, ws + "proxy_useSystemProxy=true", ws + "proxy_host=proxy"},
		ws + "proxy_host: \"http://proxy\" must":     {on, ws + "proxy_host=http://proxy"},
		ws + "proxy_type: SOCKS4 is not served":      {on, ws + "proxy_host=proxy", ws + "proxy_type=SOCKS4"},
		ws + "proxy_port: \"0\" is not between":      {on, ws + "proxy_host=proxy", ws + "proxy_port=0"},
		ws + "proxy_username: is missing, though":    {on, ws + "proxy_host=proxy", ws + "proxy_password=pw"},
		ws + "proxy_typ: is not a setting of this":   {ws + "proxy_typ=HTTP"},
		"gravitee_system_proxy_hosts: is not a sett": {"gravitee_system_proxy_hosts=proxy"},
	} {
		wantFaults(t, faultsOf(t, sources(seed(environ...)...)), want)
	}
}
