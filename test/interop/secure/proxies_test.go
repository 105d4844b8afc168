//go:build interop

package secure

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"federation-agent/test/missing"
	"federation-agent/test/process"
)

const user = "agent"

// server is a proxy that others wrote.
type server struct {
	t    *testing.T
	port int
	log  string // a file
}

// install finds a program, or skips the test; on CI it fails.
func install(t *testing.T, name, hint string) string {
	t.Helper()
	for _, path := range []string{name, "/usr/sbin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	missing.Require(t, &missing.Error{What: name, Install: "apt-get install -y " + hint})
	return ""
}

// run starts a proxy with a configuration, in which PORT, LOG and DIR are replaced.
func run(t *testing.T, program, configuration string, args func(file string) []string) *server {
	t.Helper()
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Dir(dir)} { // proxies give up their rights
		must(t, os.Chmod(path, 0o777))
	}
	s := &server{t: t, port: freePort(t), log: filepath.Join(dir, "log")}
	replaced := strings.NewReplacer("PORT", strconv.Itoa(s.port), "LOG", s.log, "DIR", dir).Replace(configuration)
	write(t, dir, "passwords", "%s:%s\n", user, strings.TrimSpace(command(t, "openssl", "passwd", "-apr1", password)))
	cmd := exec.Command(program, args(write(t, dir, "configuration", "%s", replaced))...)
	cmd.Dir = dir
	p, err := process.Start(cmd)
	must(t, err)
	t.Cleanup(func() {
		_ = p.Kill()
		if t.Failed() {
			t.Logf("%s logged:\n%s%s%s", program, &p.Stdout, &p.Stderr, s.logged())
		}
	})
	for deadline := time.Now().Add(30 * time.Second); ; {
		conn, err := net.Dial("tcp", s.address())
		if err == nil {
			_ = conn.Close()
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen: %v\n%s%s", program, err, &p.Stdout, &p.Stderr)
		}
		must(t, process.Sleep(t.Context(), 50*time.Millisecond))
	}
}

func (s *server) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

func (s *server) logged() string {
	text, _ := os.ReadFile(s.log)
	return string(text)
}

// settings lead the agent through the proxy.
func (s *server) settings(kind string, more ...string) map[string]string {
	settings := map[string]string{
		ws + "proxy_enabled": "true", ws + "proxy_type": kind, ws + "proxy_host": "127.0.0.1",
		ws + "proxy_port": strconv.Itoa(s.port),
	}
	if len(more) > 0 {
		settings[ws+"proxy_username"], settings[ws+"proxy_password"] = user, more[0]
	}
	return settings
}

// closed is an endpoint where nobody listens.
func closed(t *testing.T) map[string]string {
	return map[string]string{ws + "endpoints_0": "https://127.0.0.1:" + strconv.Itoa(freePort(t))}
}

// securedSite is a controller with TLS, and what an agent needs to reach it.
func securedSite(t *testing.T) (*site, map[string]string) {
	apim, agent := makeKeys(t, "PKCS12", "apim", "-ext", onLoopback), makeKeys(t, "PKCS12", "agent")
	return open(t, secured(apim, agent)), merged(apim.trusted(), agent.shown())
}

func TestSquidWithAPassword(t *testing.T) {
	program := install(t, "squid", "squid")
	s, tls := securedSite(t)
	squid := run(t, program, `http_port 127.0.0.1:PORT
auth_param basic program /usr/lib/squid/basic_ncsa_auth DIR/passwords
acl known proxy_auth REQUIRED
acl closed port 443
http_access deny closed
http_access allow known
http_access deny all
shutdown_lifetime 1 seconds
pid_filename none
cache_log LOG.cache
access_log stdio:LOG
coredump_dir DIR
`, func(file string) []string { return []string{"-N", "-f", file} })
	s.connects(merged(tls, squid.settings("HTTP", password)))
	if !strings.Contains(squid.logged(), "CONNECT "+s.address()) {
		t.Errorf("squid did not see the agent: %s", squid.logged())
	}
	s.fails(merged(tls, squid.settings("HTTP")), "asks for credentials", "407", "username and password")
	s.fails(merged(tls, squid.settings("HTTP", "wrong")), "asks for credentials", "407", "username and password")
	s.fails(merged(tls, squid.settings("HTTP", password), closed(t)), "the proxy "+squid.address()+" cannot reach")
	forbidden := map[string]string{ws + "endpoints_0": "https://127.0.0.1:443"}
	s.fails(merged(tls, squid.settings("HTTP", password), forbidden), "does not let the agent through", "allow CONNECT")
	s.fails(merged(tls, squid.settings("SOCKS5")), "does not speak as a proxy of the configured type")
}

func TestTinyproxy(t *testing.T) {
	program := install(t, "tinyproxy", "tinyproxy-bin")
	s, tls := securedSite(t)
	tiny := run(t, program, "Port PORT\nListen 127.0.0.1\nTimeout 600\nLogFile \"LOG\"\nLogLevel Info\nMaxClients 20\n"+
		"Allow 127.0.0.1\nBasicAuth "+user+" "+password+"\n", func(file string) []string { return []string{"-d", "-c", file} })
	system := map[string]string{ws + "proxy_enabled": "true", ws + "proxy_useSystemProxy": "true"}
	for name, value := range tiny.settings("HTTP", password) {
		if last := strings.TrimPrefix(name, ws+"proxy_"); last != "enabled" {
			system["gravitee_system_proxy_"+last] = value
		}
	}
	s.connects(merged(tls, system))
	if !strings.Contains(tiny.logged(), "CONNECT "+s.address()) {
		t.Errorf("tinyproxy did not see the agent: %s", tiny.logged())
	}
	s.fails(merged(tls, tiny.settings("HTTP", "wrong")), "the proxy "+tiny.address())
	s.fails(merged(tls, tiny.settings("HTTP", password), closed(t)), "the proxy "+tiny.address()+" cannot reach")
	nobody := &server{t: t, port: freePort(t)}
	s.fails(merged(tls, nobody.settings("HTTP")), "the proxy "+nobody.address()+" cannot be reached", "that the proxy runs")
}

func TestDante(t *testing.T) {
	program := install(t, "danted", "dante-server")
	s, tls := securedSite(t)
	const common = `logoutput: LOG
internal: 127.0.0.1 port = PORT
external: 127.0.0.1
clientmethod: none
socksmethod: METHOD
user.privileged: root
user.unprivileged: nobody
client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 log: connect error }
socks block { from: 127.0.0.0/8 to: 0.0.0.0/0 port = 443 log: connect error }
socks pass { from: 127.0.0.0/8 to: 127.0.0.0/8 log: connect error }
`
	start := func(method string) *server {
		return run(t, program, strings.ReplaceAll(common, "METHOD", method), func(file string) []string {
			return []string{"-f", file, "-N", "1", "-p", file + ".pid"}
		})
	}
	dante := start("none")
	s.connects(merged(tls, dante.settings("SOCKS5")))
	if !strings.Contains(dante.logged(), strings.ReplaceAll(s.address(), ":", ".")) {
		t.Errorf("dante did not see the agent: %s", dante.logged())
	}
	s.fails(merged(tls, dante.settings("SOCKS5"), closed(t)), "the proxy "+dante.address()+" cannot reach")
	forbidden := map[string]string{ws + "endpoints_0": "https://127.0.0.1:443"}
	s.fails(merged(tls, dante.settings("SOCKS5"), forbidden), "does not let the agent through")
	s.fails(merged(tls, dante.settings("HTTP")), "does not speak as a proxy of the configured type")
	s.fails(merged(tls, start("username").settings("SOCKS5")), "asks for credentials", "username and password")
}
