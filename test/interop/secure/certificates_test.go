//go:build interop

package secure

import (
	"path/filepath"
	"testing"
)

const storePassword = "changeit"

// keys are stores of keytool: a key that is its own issuer, and a trust store for it, in one type.
type keys struct{ kind, keys, trust string }

// makeKeys makes stores for a name. Further arguments are keytool's, for the key.
func makeKeys(t *testing.T, kind, name string, more ...string) keys {
	t.Helper()
	dir := t.TempDir()
	k := keys{kind, filepath.Join(dir, "keys"), filepath.Join(dir, "trust")}
	store := []string{"-noprompt", "-storepass", storePassword, "-storetype", kind}
	made := append([]string{"-genkeypair", "-alias", name, "-keyalg", "EC", "-dname", "CN=" + name, "-keypass",
		storePassword, "-keystore", k.keys}, store...)
	command(t, "keytool", append(made, more...)...)
	certificate := filepath.Join(dir, "certificate")
	command(t, "keytool", append([]string{"-exportcert", "-alias", name, "-file", certificate, "-keystore", k.keys},
		store...)...)
	command(t, "keytool", append([]string{"-importcert", "-alias", name, "-file", certificate, "-keystore", k.trust},
		store...)...)
	return k
}

// trusted are the agent's settings that trust these, shown those that show their key.
func (k keys) trusted() map[string]string { return k.agent("truststore", k.trust) }
func (k keys) shown() map[string]string   { return k.agent("keystore", k.keys) }

func (k keys) agent(store, path string) map[string]string {
	return map[string]string{
		ws + "ssl_" + store + "_type": k.kind, ws + "ssl_" + store + "_path": path,
		ws + "ssl_" + store + "_password": storePassword,
	}
}

// secured are a controller's settings: its own key, and whose client certificate it requires.
func secured(own, client keys) map[string]string {
	return map[string]string{
		"secured": "true", "ssl.clientAuth": "REQUIRED",
		"ssl.keystore.type": own.kind, "ssl.keystore.path": own.keys, "ssl.keystore.password": storePassword,
		"ssl.truststore.type": client.kind, "ssl.truststore.path": client.trust,
		"ssl.truststore.password": storePassword,
	}
}

const onLoopback = "san=ip:127.0.0.1"

func TestTheControllerWithClientCertificates(t *testing.T) {
	for _, kind := range []string{"JKS", "PKCS12"} {
		t.Run(kind, func(t *testing.T) {
			apim, agent := makeKeys(t, kind, "apim", "-ext", onLoopback), makeKeys(t, kind, "agent")
			stranger := makeKeys(t, kind, "stranger")
			s := open(t, secured(apim, agent))
			s.connects(merged(apim.trusted(), agent.shown()))
			s.connects(merged(apim.agent("truststore", apim.keys), agent.shown())) // a key store as a trust store
			s.fails(apim.trusted(), "the server asks for a client certificate", "integration.connector.ws.ssl.keystore.type")
			s.fails(merged(apim.trusted(), stranger.shown()), "refused this agent's client certificate")
			s.fails(merged(stranger.trusted(), agent.shown()), "an authority that this machine does not trust",
				"set integration.connector.ws.ssl.truststore")
			s.connects(merged(map[string]string{ws + "ssl_trustAll": "true"}, agent.shown()))
		})
	}
}

func TestTheControllerWithAWrongCertificate(t *testing.T) {
	agent := makeKeys(t, "PKCS12", "agent")
	named := makeKeys(t, "PKCS12", "apim", "-ext", "san=dns:apim.example.com")
	s := open(t, secured(named, agent))
	s.fails(merged(named.trusted(), agent.shown()), "is for another host name", "ssl.verifyHost=false")
	s.connects(merged(named.trusted(), agent.shown(), map[string]string{ws + "ssl_verifyHost": "false"}))

	expired := makeKeys(t, "PKCS12", "apim", "-ext", onLoopback, "-startdate", "-3d", "-validity", "1")
	s = open(t, secured(expired, agent))
	s.fails(merged(expired.trusted(), agent.shown()), "has expired", "renew it")
}
