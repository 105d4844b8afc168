package kubernetes_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"federation-agent/internal/kubernetes"
	"federation-agent/internal/secret"
)

const (
	firstToken  = "the-first-token-of-the-pod"
	secondToken = "the-second-token-of-the-pod"
	hidden      = "hunter2"
)

// cluster is an API server, and the account that it gives a pod.
type cluster struct {
	t      *testing.T
	server *httptest.Server
	// token is the one that is valid; certificate is the name of the client certificate that came last.
	token, certificate string
	mount              string
	release            chan struct{}
}

func start(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, token: firstToken, mount: t.TempDir(), release: make(chan struct{})}
	c.server = httptest.NewUnstartedServer(http.HandlerFunc(c.serve))
	c.server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are to fail
	c.server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	c.server.StartTLS()
	t.Cleanup(c.server.Close)
	c.write("token", firstToken+"\n")
	c.write("namespace", "pods-own")
	c.write("ca.crt", string(c.ca()))
	return c
}

func (c *cluster) ca() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.server.Certificate().Raw})
}

func (c *cluster) write(name, content string) string {
	c.t.Helper()
	path := filepath.Join(c.mount, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

func (c *cluster) serve(w http.ResponseWriter, r *http.Request) {
	refuse := func(code int, message string) {
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"kind":"Status","message":%q}`, message)
	}
	if len(r.TLS.PeerCertificates) > 0 {
		c.certificate = r.TLS.PeerCertificates[0].Subject.CommonName
	} else if r.Header.Get("Authorization") != "Bearer "+c.token {
		refuse(http.StatusUnauthorized, "Unauthorized")
		return
	}
	switch path := strings.TrimPrefix(r.URL.Path, "/api/v1/namespaces/"); path {
	case "pods-own/secrets/apim", "ours/secrets/apim":
		fmt.Fprintf(w, `{"kind":"Secret","data":{"token":%q,"namespace":%q}}`,
			base64.StdEncoding.EncodeToString([]byte(hidden)), base64.StdEncoding.EncodeToString([]byte(path)))
	case "ours/configmaps/apim":
		fmt.Fprint(w, `{"kind":"ConfigMap","data":{"region":"eu-west-1"},"binaryData":{"x":"AA=="}}`)
	case "ours/secrets/forbidden":
		refuse(http.StatusForbidden, `User "system:serviceaccount:pods-own:agent" cannot get resource "secrets"`)
	case "ours/secrets/broken":
		fmt.Fprintf(w, `{"data":{"token":%q}}`, hidden+"!")
	case "ours/secrets/busy":
		refuse(http.StatusServiceUnavailable, strings.Repeat("x", 1000))
	case "ours/secrets/moved":
		http.Redirect(w, r, "/api/v1/namespaces/ours/secrets/apim", http.StatusTemporaryRedirect)
	case "ours/secrets/silent":
		<-c.release
	default:
		refuse(http.StatusNotFound, "not found")
	}
}

func (c *cluster) options() kubernetes.Options {
	host, port, err := net.SplitHostPort(c.server.Listener.Addr().String())
	if err != nil {
		c.t.Fatal(err)
	}
	environ := map[string]string{"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT_HTTPS": port}
	return kubernetes.Options{
		Timeout: time.Minute, Mount: c.mount, Read: os.ReadFile, Getenv: func(name string) string { return environ[name] },
	}
}

// read gives one value, or the error's text.
func read(t *testing.T, o kubernetes.Options, text string) string {
	t.Helper()
	r, err := secret.ParseReference(text)
	if err != nil {
		t.Fatal(err)
	}
	texts, err := kubernetes.New(o).Read(t.Context(), r)
	if err == nil {
		var found string
		if found, err = r.Find(texts); err == nil {
			return found
		}
	}
	for _, unseen := range []string{hidden, firstToken, secondToken, base64.StdEncoding.EncodeToString([]byte(hidden))} {
		if strings.Contains(err.Error(), unseen) {
			t.Errorf("%s: shows a secret: %v", text, err)
		}
	}
	return "error: " + err.Error()
}

func want(t *testing.T, what, got, fragment string) {
	t.Helper()
	if !strings.Contains(got, fragment) {
		t.Errorf("%s: %s\nwithout %s", what, got, fragment)
	}
}

func TestValuesAreReadWithThePodsAccount(t *testing.T) {
	c := start(t)
	o := c.options()
	want(t, "a secret", read(t, o, "secret://kubernetes/apim:token"), hidden)
	want(t, "the pod's namespace", read(t, o, "secret://kubernetes/apim:namespace"), "pods-own/secrets/apim")
	want(t, "the older form", read(t, o, "kubernetes://ours/secrets/apim/namespace"), "ours/secrets/apim")
	want(t, "a config map", read(t, o, "kubernetes://ours/configmaps/apim/region"), "eu-west-1")
	o.Namespace = "ours"
	want(t, "the configured namespace", read(t, o, "secret://kubernetes/apim:namespace"), "ours/")
	want(t, "the reference's", read(t, o, "secret://kubernetes/apim:namespace?namespace=pods-own"), "pods-own/")
}

func TestATokenThatIsRotatedIsReadAgain(t *testing.T) {
	c := start(t)
	client, r := kubernetes.New(c.options()), secret.Reference{Provider: secret.Kubernetes, Kind: "secrets", Path: "apim"}
	for _, token := range []string{firstToken, secondToken} {
		c.token = token
		c.write("token", token)
		if _, err := client.Read(t.Context(), r); err != nil {
			t.Error(err)
		}
	}
}

func TestARefusalSaysWhatToDo(t *testing.T) {
	c := start(t)
	o := c.options()
	o.Namespace = "ours"
	for reference, text := range map[string]string{
		"secret://kubernetes/none:x":                   `there is no secret "none" in the namespace "ours" (404)`,
		"kubernetes://ours/configmaps/none/x":          `there is no config map "none" in the namespace "ours" (404)`,
		"secret://kubernetes/apim:other":               `has no key "other" (it has namespace, token)`,
		"secret://kubernetes/apim":                     "name one with a colon",
		"secret://kubernetes/broken:token":             "is no secret",
		"secret://kubernetes/busy:token":               "answered 503",
		"secret://kubernetes/moved:token":              "answered 307",
		"secret://kubernetes/a/b:token":                `"a/b" is not the name of an object in Kubernetes`,
		"secret://kubernetes/apim:token?namespace=a/b": `"a/b" is not the name of a namespace`,
		"secret://kubernetes/..:token":                 `".." is not the name of an object`,
		"secret://kubernetes/forbidden:x": "(403); give the service account a Role with the verb get on secrets in the " +
			"namespace ours: \"User \\\"system:serviceaccount:pods-own:agent\\\" cannot get",
	} {
		want(t, reference, read(t, o, reference), text)
	}
	c.token = secondToken
	want(t, "a wrong token", read(t, o, "secret://kubernetes/apim:token"), "does not accept the token (401)")
	c.write("ca.crt", string(newCA(t)))
	want(t, "another CA", read(t, o, "secret://kubernetes/apim:token"), "certificate signed by unknown authority")
	c.write("ca.crt", "no certificate")
	want(t, "no CA", read(t, o, "secret://kubernetes/apim:token"), "holds no certificate in PEM")
}

func TestAServerThatIsSilentIsGivenUp(t *testing.T) {
	c := start(t)
	defer close(c.release)
	o := c.options()
	o.Namespace, o.Timeout = "ours", 100*time.Millisecond
	want(t, "silence", read(t, o, "secret://kubernetes/silent:token"), "did not answer within 100ms")
}

func TestOutsideOfAPodAKubeconfigFileIsAskedFor(t *testing.T) {
	o := kubernetes.Options{
		Timeout: time.Second, Mount: t.TempDir(), Read: os.ReadFile, Getenv: func(string) string { return "" },
	}
	want(t, "no pod", read(t, o, "secret://kubernetes/apim:token"), "set secrets.kubernetes.kubeConfigFile")
	o.Getenv = func(string) string { return "1" }
	want(t, "no account", read(t, o, "secret://kubernetes/apim:token"), "that automountServiceAccountToken is not false")
	o.KubeConfigFile = filepath.Join(t.TempDir(), "none")
	want(t, "no file", read(t, o, "secret://kubernetes/apim:token"), "the kubeconfig file cannot be read")
}

// kubeConfig is a file with one context.
func kubeConfig(server, cluster, user, context string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: here
preferences: {}
contexts:
- {name: other, context: {cluster: none, user: none}}
- {name: here, context: {cluster: c, user: u%s}}
clusters:
- {name: c, cluster: {server: %q, %s}}
users:
- {name: u, user: {%s}}
`, context, server, cluster, user)
}

func TestAKubeconfigFileIsReadInItsPlainForms(t *testing.T) {
	c := start(t)
	ca := "certificate-authority: ca.crt"
	data := "certificate-authority-data: " + base64.StdEncoding.EncodeToString(c.ca())
	certificate, key := newClient(t, "the-agent")
	c.write("client.crt", string(certificate))
	c.write("client.key", string(key))
	url, encode := c.server.URL, base64.StdEncoding.EncodeToString
	in := func(cluster, user string) string { return kubeConfig(url, cluster, user, ", namespace: ours") }
	of := func(user string) string { return kubeConfig(url, ca, user, "") }
	pair := fmt.Sprintf("client-certificate-data: %s, client-key-data: %s", encode(certificate), encode(key))
	const token, ours = "token: " + firstToken, "ours/secrets/apim"
	for name, k := range map[string]struct{ content, want string }{
		"a token":               {in(ca, token), ours},
		"a token file":          {kubeConfig(url+"/", data, "token: x, tokenFile: token", ", namespace: ours"), ours},
		"a certificate":         {in(ca, "client-certificate: client.crt, client-key: client.key"), ours},
		"certificate data":      {in(ca, pair), ours},
		"another server name":   {in(ca+", tls-server-name: example.com", token), ours},
		"a wrong server name":   {in(ca+", tls-server-name: wrong.test", token), "wrong.test"},
		"no namespace":          {of(token), "no namespace is known"},
		"the system's CAs":      {in("extensions: []", token), "certificate signed by unknown"},
		"exec":                  {of("exec: {command: aws}"), "exec is not served"},
		"auth-provider":         {of("auth-provider: {name: gcp}"), "auth-provider is not served"},
		"a password":            {of("username: x, password: " + hidden), "username is not served"},
		"impersonation":         {of("token: x, as: root"), "as is not served"},
		"no check":              {in(ca+", insecure-skip-tls-verify: true", token), "insecure-skip-tls-verify is not served"},
		"an explicit check":     {in(ca+", insecure-skip-tls-verify: false", token), ours},
		"a proxy":               {in(ca+", proxy-url: http://p", token), "proxy-url is not served"},
		"clear text":            {kubeConfig("http://x", ca, token, ""), "server must be an https:// URL"},
		"no user":               {strings.Replace(of(token), "name: u,", "name: v,", 1), "a user that is not there"},
		"no context":            {strings.Replace(of(token), "name: here", "name: v", 1), `no context "here"`},
		"no YAML":               {"{" + hidden, "is not YAML"},
		"no base64":             {in("certificate-authority-data: '!'", token), "is not base64"},
		"a missing CA":          {in("certificate-authority: none", token), "certificate-authority: open"},
		"a missing token file":  {of("tokenFile: none"), "tokenFile: open"},
		"half of a pair":        {of("client-certificate: client.crt"), "are no pair"},
		"a missing certificate": {of("client-certificate: none"), "client-certificate: open"},
		"a missing key":         {of("client-key: none"), "client-key: open"},
	} {
		o := c.options()
		o.KubeConfigFile = c.write("config", k.content)
		c.certificate = ""
		want(t, name, read(t, o, "secret://kubernetes/apim:namespace"), k.want)
		byCertificate := k.want == ours && strings.Contains(name, "certificate")
		if byCertificate != (c.certificate != "") {
			t.Errorf("%s: the client certificate was %q", name, c.certificate)
		}
	}
}

func newCA(t *testing.T) []byte {
	t.Helper()
	certificate, _ := newClient(t, "another CA")
	return certificate
}

// newClient makes a certificate and its key in PEM.
func newClient(t *testing.T, name string) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	template.Subject.CommonName = name
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}
