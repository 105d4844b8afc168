package kubernetes

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"path/filepath"
	"strings"
)

// access is how the API server is reached at this moment.
type access struct {
	server, serverName string
	cas                *x509.CertPool // nil: the system's
	token              string
	certificates       []tls.Certificate
	namespace          string
}

func (c *Client) access() (access, error) {
	if c.options.KubeConfigFile != "" {
		return c.fromFile(c.options.KubeConfigFile)
	}
	return c.inCluster()
}

const (
	// mount is where Kubernetes mounts the account of a pod.
	mount = "/var/run/secrets/kubernetes.io/serviceaccount"
	// hostVariable and portVariable are set in every container of a pod.
	hostVariable = "KUBERNETES_SERVICE_HOST"
	portVariable = "KUBERNETES_SERVICE_PORT_HTTPS"
)

// inCluster reads what Kubernetes gives a pod.
func (c *Client) inCluster() (a access, err error) {
	host, port := c.options.Getenv(hostVariable), c.options.Getenv(portVariable)
	if host == "" || port == "" {
		return a, fmt.Errorf("%s and %s are not set, so this is no pod of Kubernetes; set secrets.kubernetes.kubeConfigFile",
			hostVariable, portVariable)
	}
	a.server = "https://" + net.JoinHostPort(host, port)
	content := map[string][]byte{}
	for _, name := range []string{"token", "ca.crt", "namespace"} {
		if content[name], err = c.options.Read(filepath.Join(c.options.Mount, name)); err != nil {
			return a, fmt.Errorf("the pod's service account cannot be read: %w; "+
				"check that automountServiceAccountToken is not false", err)
		}
	}
	a.token = strings.TrimSpace(string(content["token"]))
	a.namespace = strings.TrimSpace(string(content["namespace"]))
	a.cas, err = pool(content["ca.crt"], filepath.Join(c.options.Mount, "ca.crt"))
	return a, err
}

func pool(pem []byte, what string) (*x509.CertPool, error) {
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", what)
	}
	return p, nil
}
