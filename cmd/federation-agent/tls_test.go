package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"federation-agent/config"
	"federation-agent/internal/logbook"
	"federation-agent/internal/secret"
	"federation-agent/internal/trust"
	"federation-agent/test/loopback"
)

const (
	storePassword = "changeit"
	proxyPassword = "a-proxy-password-that-must-never-be-shown"
	sslVariables  = "gravitee_integration_connector_ws_ssl_"
	proxyVars     = "gravitee_integration_connector_ws_proxy_"
	nodeSSL       = "gravitee_services_core_http_ssl_"
	nodeSecured   = "gravitee_services_core_http_secured=true"
	endpoint0     = "gravitee_integration_connector_ws_endpoints_0"
)

// made is a store of package trust.
func made(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "internal", "trust", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func ofStore(prefix, kind, path string) []string {
	return []string{prefix + "type=" + kind, prefix + "path=" + path, prefix + "password=" + storePassword}
}

// join carries bytes both ways until one side ends.
func join(a, b net.Conn) {
	var once sync.WaitGroup
	for _, pair := range [][2]net.Conn{{a, b}, {b, a}} {
		once.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			_, _ = a.Close(), b.Close()
		})
	}
	once.Wait()
}

// terminate is a load balancer that asks for a client certificate: TLS before what listens at an address.
func terminate(t *testing.T, address string) string {
	t.Helper()
	server, err := trust.NewServer(trust.Options{
		Keys: &trust.Source{
			Type: trust.PKCS12, Path: made(t, "openssl.p12"), Password: secret.New(storePassword),
		},
		Trust: &trust.Source{Type: trust.PEM, Path: made(t, "ca.pem")}, ClientAuth: tls.RequireAnyClientCert,
		Read: os.ReadFile, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return loopback.Listen(t, func(conn net.Conn) {
		secured := tls.Server(conn, server.Config())
		behind, err := net.Dial("tcp", address)
		if err == nil && secured.HandshakeContext(t.Context()) == nil {
			join(secured, behind)
		}
		_ = conn.Close()
	})
}

// tunnel is a proxy that only knows one way, whatever name it is asked for.
func tunnel(t *testing.T, address string) string {
	t.Helper()
	return loopback.Listen(t, func(conn net.Conn) {
		request, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			_ = conn.Close()
			return
		}
		request.Header.Set("Authorization", request.Header.Get("Proxy-Authorization"))
		if _, word, _ := request.BasicAuth(); word != proxyPassword || request.Host != "second:443" {
			_, _ = io.WriteString(conn, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
			_ = conn.Close()
			return
		}
		behind, err := net.Dial("tcp", address)
		if err != nil {
			_ = conn.Close()
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		join(conn, behind)
	})
}

func TestAPIMIsReachedThroughAProxyWithAClientCertificate(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	var apim *url.URL
	for _, setting := range s.Settings() {
		if setting.Name == endpoint0 {
			apim, _ = url.Parse(setting.Value)
		}
	}
	through := tunnel(t, terminate(t, apim.Host))
	host, port, _ := net.SplitHostPort(through)
	environ := settings(t, s, endpoint0+"=https://second"+apim.Path,
		proxyVars+"enabled=true", proxyVars+"host="+host, proxyVars+"port="+port, proxyVars+"username=me",
		"HTTPS_PROXY=http://user:"+proxyPassword+"@proxy.example:3128", "NO_PROXY=.eu-west-1.amazonaws.com")
	environ = append(environ, ofStore(sslVariables+"truststore_", "PKCS12", made(t, "trust.p12"))...)

	stranger := start(t, append(environ, proxyVars+"password=wrong"))
	stranger.says("cannot connect to APIM", "asks for credentials", "407", "username and password of integration.conn")
	environ = append(environ, proxyVars+"password="+proxyPassword)
	bare := start(t, environ)
	bare.says("cannot connect to APIM", "set integration.connector.ws.ssl.keystore.type, .path and .password")
	other := append(ofStore(sslVariables+"keystore_", "JKS", made(t, "keys.jks")), sslVariables+"keystore_alias=first")
	start(t, append(environ, other...)).says("cannot connect to APIM", "refused this agent's client certificate")

	agent := start(t, append(environ, ofStore(sslVariables+"keystore_", "JKS", made(t, "keys.jks"))...))
	connected(t, s)
	agent.says("APIM is reached through the proxy " + through + " (HTTP)")
	agent.says("AWS is reached ")
	agent.signal(syscall.SIGTERM)
	if code := agent.exit(); code != exitOrderly {
		t.Errorf("exit code %d\n%s", code, agent.log())
	}
	for _, c := range []*child{stranger, bare, agent} {
		if strings.Contains(c.log(), proxyPassword) || strings.Contains(c.log(), storePassword) {
			t.Errorf("a password is shown\n%s", c.log())
		}
	}
}

func TestTheWaysToAPIMAndAWSAreSaid(t *testing.T) {
	t.Parallel()
	environ := []string{
		endpoint0 + "=https://apim.example.com", "gravitee_integration_providers_0_type=aws-api-gateway",
		"gravitee_integration_providers_0_integrationId=x",
		"gravitee_integration_providers_0_configuration_region=eu-west-1,us-east-1",
		"HTTPS_PROXY=http://user:" + proxyPassword + "@proxy.example:3128",
	}
	for want, more := range map[string]string{
		"reached through the proxy http://proxy.example:3128":                                      "X=",
		"reached us-east-1 through the proxy http://proxy.example:3128; eu-west-1 without a proxy": "NO_PROXY=.eu-west-1.amazonaws.com",
		"reached without a proxy": "AWS_ENDPOINT_URL=http://127.0.0.1:8000",
	} {
		c := start(t, append(environ, more), "validate")
		c.exit()
		if out := c.Stdout.String(); !strings.Contains(strings.Join(strings.Fields(out), " "), "AWS "+want) ||
			strings.Contains(out+c.log(), proxyPassword) {
			t.Errorf("%s%s", out, c.log())
		}
	}
}

func TestTheNodeAPIOverTLSAnswersItsOwnHealthCommand(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	environ := settings(t, s, withNode(nodeSecured, nodeSSL+"clientAuth=required",
		nodeSSL+"truststore_type=PEM", nodeSSL+"truststore_path="+made(t, "ca.pem"))...)
	environ = append(environ, ofStore(nodeSSL+"keystore_", "PKCS12", made(t, "rsa.p12"))...)
	agent := start(t, environ)
	agent.says("the node API is served: over TLS, open to the users admin")
	_, port, _ := strings.Cut(nodeURL(agent), "127.0.0.1:")
	environ = append(environ, nodePort+"="+port)
	connected(t, s)
	for command, said := range map[string]string{"health": "{", "status": "Integration "} {
		asking := start(t, environ, command)
		if code := asking.exit(); code != exitOrderly || !strings.Contains(asking.Stdout.String(), said) {
			t.Errorf("%s: exit code %d\n%s%s", command, code, asking.Stdout.String(), asking.log())
		}
	}
	strange := config.NodeHTTP{Enabled: true, Host: "localhost", Secured: true, SSL: config.NodeSSL{
		KeyStore: config.KeyStore{Type: "pkcs12", Path: made(t, "openssl.p12"), Password: secret.New(storePassword)},
	}}
	var err error
	if strange.Port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	err = healthOf(t, strange, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "another certificate than this agent's key store") {
		t.Errorf("another key was let in: %v", err)
	}
}

func TestAStoreThatBreaksBetweenValidationAndStartStopsTheStart(t *testing.T) {
	cfg := config.Config{Connector: config.Connector{SSL: config.SSL{
		TrustStore: config.TrustStore{Type: "pem", Path: filepath.Join(t.TempDir(), "gone.pem")},
	}}}
	cfg.Agent.Store.Path = t.TempDir()
	var log bytes.Buffer
	_, err := startAgent(cfg, config.Sources{}, logbook.New(&log, false, slog.LevelInfo))
	if err == nil || !strings.Contains(err.Error(), "ssl.truststore.path: the file") {
		t.Errorf("%v", err)
	}
}
