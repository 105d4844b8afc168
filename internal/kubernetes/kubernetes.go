// Package kubernetes reads secrets and config maps over Kubernetes' REST API. It needs get on them, and nothing else.
package kubernetes

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"time"

	"federation-agent/internal/secret"
	"federation-agent/internal/words"
)

// Options say which cluster is asked, and as whom.
type Options struct {
	// KubeConfigFile names the cluster. Without one it is the cluster that this process runs in.
	KubeConfigFile string
	// Namespace is that of references without one. Empty means the context's or the pod's own.
	Namespace string
	// Timeout bounds one read.
	Timeout time.Duration
	// Getenv reads the environment, as os.Getenv does, and Read a file.
	Getenv func(name string) string
	Read   func(name string) ([]byte, error)
	// Mount is where the pod's account is mounted; empty for the usual place.
	Mount string
}

// Client reads from one cluster. It keeps nothing: the token, the CA and the kubeconfig file are read at each call,
// because they are renewed while the agent runs, and calls are rare.
type Client struct{ options Options }

// New makes a client. It calls nobody yet.
func New(o Options) *Client {
	if o.Mount == "" {
		o.Mount = mount
	}
	return &Client{options: o}
}

// maxAnswer, in bytes, is more than an object of the largest size, 1 MiB, has in base64.
const maxAnswer = 4 << 20

const maxObjectName = 253

// objectName is what Kubernetes takes as the name of an object or a namespace (RFC 1123), of maxObjectName characters at
// most. A length in the pattern would cost memory for each of them, as long as the process lives.
var objectName = regexp.MustCompile(`^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$`)

// Read gives the values of a secret or a config map by key.
func (c *Client) Read(ctx context.Context, r secret.Reference) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	a, err := c.access()
	if err != nil {
		return nil, err
	}
	for _, name := range []string{r.Namespace, c.options.Namespace, a.namespace} {
		if r.Namespace == "" {
			r.Namespace = name
		}
	}
	switch {
	case r.Namespace == "":
		return nil, errors.New("no namespace is known; set secrets.kubernetes.namespace, or ?namespace= in the reference")
	case !objectName.MatchString(r.Namespace) || len(r.Namespace) > maxObjectName:
		return nil, fmt.Errorf("%q is not the name of a namespace", r.Namespace)
	case !objectName.MatchString(r.Path) || len(r.Path) > maxObjectName:
		return nil, fmt.Errorf("%q is not the name of an object in Kubernetes; write kubernetes/NAME:KEY", r.Path)
	}
	body, err := a.get(ctx, r)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("the API server of Kubernetes %s did not answer within %s", a.server, c.options.Timeout)
	}
	if err != nil {
		return nil, err
	}
	return texts(r.Kind, body)
}

func (a access) get(ctx context.Context, r secret.Reference) ([]byte, error) {
	url := fmt.Sprintf("%s/api/v1/namespaces/%s/%s/%s", a.server, r.Namespace, r.Kind, r.Path)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, errors.New("the address of the API server of Kubernetes is not a URL")
	}
	if a.token != "" {
		request.Header.Set("Authorization", "Bearer "+a.token)
	}
	client := http.Client{
		// Without a proxy: a cluster's own API is not behind the one that HTTPS_PROXY names for AWS.
		Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig: &tls.Config{
				MinVersion: tls.VersionTLS12, RootCAs: a.cas, Certificates: a.certificates, ServerName: a.serverName,
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking the API server of Kubernetes: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, fmt.Errorf("reading the answer of the API server of Kubernetes: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, refusal(response.StatusCode, r, body)
	}
	return body, nil
}

// refusal says what to do about an answer that is no object.
func refusal(status int, r secret.Reference, body []byte) error {
	var said struct{ Message string }
	_ = json.Unmarshal(body, &said) // a proxy's page is none
	text := ""
	if said.Message != "" {
		text = fmt.Sprintf(": %q", words.Short(said.Message))
	}
	switch status {
	case http.StatusUnauthorized:
		return errors.New("the API server of Kubernetes does not accept the token (401); " +
			"check that the service account exists" + text)
	case http.StatusForbidden:
		return fmt.Errorf("the API server of Kubernetes does not allow it (403); give the service account a Role with "+
			"the verb get on %s in the namespace %s%s", r.Kind, r.Namespace, text)
	case http.StatusNotFound:
		return fmt.Errorf("there is no %s %q in the namespace %q (404)", singular[r.Kind], r.Path, r.Namespace)
	default:
		return fmt.Errorf("the API server of Kubernetes answered %d%s", status, text)
	}
}

var singular = map[string]string{secret.KindSecret: "secret", secret.KindConfigMap: "config map"}

// texts decodes an object. Its errors do not quote it.
func texts(kind string, body []byte) (map[string]string, error) {
	found := map[string]string{}
	var err error
	if kind == secret.KindConfigMap {
		var object struct{ Data map[string]string }
		err = json.Unmarshal(body, &object)
		found = object.Data
	} else {
		var object struct{ Data map[string][]byte } // in JSON: base64
		err = json.Unmarshal(body, &object)
		for key, value := range object.Data {
			found[key] = string(value)
		}
	}
	if err != nil {
		return nil, errors.New("what the API server of Kubernetes answered is no " + singular[kind])
	}
	return found, nil
}
