package kubernetes

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// kubeConfig is what is read of a kubeconfig file.
type kubeConfig struct {
	CurrentContext string  `yaml:"current-context"`
	Clusters       []named `yaml:"clusters"`
	Users          []named `yaml:"users"`
	Contexts       []named `yaml:"contexts"`
}

// named is one element of a list. Only one of the three is there.
type named struct {
	Name    string `yaml:"name"`
	Cluster attrs  `yaml:"cluster"`
	User    attrs  `yaml:"user"`
	Context attrs  `yaml:"context"`
}

type attrs map[string]any

func (a attrs) text(name string) string {
	text, _ := a[name].(string)
	return strings.TrimSpace(text)
}

func (a attrs) has(name string) bool {
	value, set := a[name]
	return set && value != nil && value != any(false)
}

// unserved are the settings that would change whom is trusted, or who asks, in a way that is not served.
var unserved = []string{
	"insecure-skip-tls-verify", "proxy-url", "exec", "auth-provider", "username", "password", "as", "as-uid", "as-groups",
	"as-user-extra",
}

// reader reads a file.
type reader func(name string) ([]byte, error)

// fromFile reads the current context of a kubeconfig file.
func (c *Client) fromFile(name string) (access, error) {
	content, err := c.options.Read(name)
	if err != nil {
		return access{}, fmt.Errorf("the kubeconfig file cannot be read: %w", err)
	}
	a, err := fromConfig(content, func(file string) ([]byte, error) {
		if !filepath.IsAbs(file) {
			file = filepath.Join(filepath.Dir(name), file)
		}
		return c.options.Read(file)
	})
	if err != nil {
		return access{}, fmt.Errorf("the kubeconfig file %s: %w", name, err)
	}
	return a, nil
}

// fromConfig reads what a kubeconfig file says, with the files that it names.
func fromConfig(content []byte, read reader) (a access, err error) {
	var config kubeConfig
	if yaml.Unmarshal(content, &config) != nil { // its error would quote the file
		return a, errors.New("is not YAML, or no kubeconfig")
	}
	of := func(list []named, name string) int {
		return slices.IndexFunc(list, func(n named) bool { return n.Name == name })
	}
	at := of(config.Contexts, config.CurrentContext)
	if at < 0 {
		return a, fmt.Errorf("there is no context %q, which current-context names", config.CurrentContext)
	}
	context := config.Contexts[at].Context
	atCluster, atUser := of(config.Clusters, context.text("cluster")), of(config.Users, context.text("user"))
	if atCluster < 0 || atUser < 0 {
		return a, errors.New("the current context names a cluster or a user that is not there")
	}
	cluster, user := config.Clusters[atCluster].Cluster, config.Users[atUser].User
	for _, name := range unserved {
		if cluster.has(name) || user.has(name) {
			return a, fmt.Errorf("%s is not served; use a token or a client certificate, and the cluster's CA", name)
		}
	}
	a.server = strings.TrimSuffix(cluster.text("server"), "/")
	if u, err := url.Parse(a.server); err != nil || u.Scheme != "https" || u.Host == "" {
		return a, errors.New("server must be an https:// URL")
	}
	a.serverName, a.namespace = cluster.text("tls-server-name"), context.text("namespace")
	if err := a.trust(cluster, read); err != nil {
		return a, err
	}
	return a, a.signIn(user, read)
}

func (a *access) trust(cluster attrs, read reader) error {
	ca, err := cluster.material("certificate-authority", read)
	if err == nil && ca != nil {
		a.cas, err = pool(ca, "certificate-authority")
	}
	return err
}

// signIn takes a token, a client certificate, or both.
func (a *access) signIn(user attrs, read reader) error {
	a.token = user.text("token")
	if file := user.text("tokenFile"); file != "" { // client-go prefers it, too
		token, err := read(file)
		if err != nil {
			return fmt.Errorf("tokenFile: %w", err)
		}
		a.token = strings.TrimSpace(string(token))
	}
	certificate, err := user.material("client-certificate", read)
	if err != nil {
		return err
	}
	key, err := user.material("client-key", read)
	if err != nil {
		return err
	}
	if certificate == nil && key == nil {
		return nil
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return errors.New("client-certificate and client-key are no pair in PEM")
	}
	a.certificates = []tls.Certificate{pair}
	return nil
}

// material is what stands under NAME-data in base64, or else in the file that NAME names. It is nil where neither is
// set.
func (a attrs) material(name string, read reader) ([]byte, error) {
	const data = "-data"
	if text := a.text(name + data); text != "" {
		content, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, errors.New(name + data + " is not base64")
		}
		return content, nil
	}
	file := a.text(name)
	if file == "" {
		return nil, nil
	}
	content, err := read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return content, nil
}
