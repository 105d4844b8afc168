package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"federation-agent/config"
	"federation-agent/internal/node"
	"federation-agent/internal/trust"
)

// askWithin bounds how long a running agent may take to answer: less than the 30 s after which Docker by default ends a
// health check.
const askWithin = 5 * time.Second

// maxAnswer, in bytes, bounds what is read of an answer. A status page with ten thousand listed keys has some 5 MB.
const maxAnswer = 64 << 20

// The variables that stand in for flags, so that somebody who looks after one agent sets them once. The password has no
// flag: other users of a machine see the command lines that run on it.
const (
	urlVariable      = "FEDERATION_AGENT_URL"
	userVariable     = "FEDERATION_AGENT_USER"
	passwordVariable = "FEDERATION_AGENT_PASSWORD"
)

// whichAgent is the help of all commands that ask a running agent.
const whichAgent = `
By default it asks the agent that runs on this machine (or in the same container) and has the same configuration.
With --url it asks any agent and reads no configuration. The password is in a file (--password-file) or in the
variable ` + passwordVariable + `; ` + urlVariable + ` and ` + userVariable + ` stand in for the flags.`

// peer is the running agent that a command asks.
type peer struct {
	base           string // of all URLs, without the path
	http           *http.Client
	user, password string
	// token proves that the command is beside the agent, where the node API knows no users.
	token string
	// isOurs: it was found by this configuration, not by --url.
	isOurs bool
}

// answer is what a running agent answered.
type answer struct {
	code         int
	status, text string
	header       http.Header
}

// asking makes a subcommand that asks a running agent. Its context ends with the first signal.
func asking(
	p process, command *cobra.Command, do func(ctx context.Context, agent *peer, args []string) error,
) *cobra.Command {
	find := finding(p, command)
	command.RunE = func(_ *cobra.Command, args []string) error {
		ctx, done := untilInterrupted(p)
		defer done()
		agent, err := find()
		if err != nil {
			return err
		}
		return do(ctx, agent, args)
	}
	return command
}

// finding gives a subcommand the flags that say which agent it asks, and how that agent is found.
func finding(p process, command *cobra.Command) func() (*peer, error) {
	args := command.Args
	files := fromFiles(command)
	if args != nil {
		command.Args = args
	}
	flags := command.Flags()
	at := flags.String("url", "", "ask the agent with this node API, such as https://agent.example.com:18084")
	user := flags.String("user", "", "`NAME` of a user of that node API")
	passwordFile := flags.String("password-file", "", "`FILE` with the user's password")
	caFile := flags.String("ca-file", "", "PEM `FILE` of the certificates to trust for https, not the system's")
	offerFiles(command, "password-file")
	offerFiles(command, "ca-file", "pem", "crt", "cer")
	return func() (*peer, error) {
		if address := cmp.Or(*at, p.getenv(urlVariable)); address != "" {
			if flags.Changed(configFlag) {
				return nil, exit(exitConfiguration, "--%s is for the agent on this machine; with --url or %s no "+
					"configuration is read", configFlag, urlVariable)
			}
			return peerAt(p, address, cmp.Or(*user, p.getenv(userVariable)), *passwordFile, *caFile)
		}
		for _, flag := range []string{"user", "password-file", "ca-file"} {
			if flags.Changed(flag) {
				return nil, exit(exitConfiguration, "--%s is for --url; without it the configuration says all", flag)
			}
		}
		// Secrets that only a session or AWS needs are not read: a health check every few seconds must not depend on them.
		cfg, _, err := load(config.Sources{
			Environ: p.environ, Files: *files, OpenSecrets: p.openSecrets, Needed: "services.",
		})
		if err != nil {
			return nil, err
		}
		agent, err := peerOf(cfg.Services.HTTP)
		if err == nil && cfg.Services.HTTP.Authentication.Type == config.AuthenticationNone {
			agent.token = readToken(cfg)
		}
		return agent, err
	}
}

// peerAt is the agent at a URL.
func peerAt(p process, address, user, passwordFile, caFile string) (*peer, error) {
	at, err := url.Parse(strings.TrimSpace(address))
	switch {
	case err != nil || at.Host == "" || !slices.Contains([]string{"http", "https"}, at.Scheme):
		return nil, exit(exitConfiguration, "--url, %s: %s is no URL of a node API, such as http://127.0.0.1:18084",
			urlVariable, withoutPassword(at, address))
	case at.User != nil:
		return nil, exit(exitConfiguration, "--url, %s: a password in a URL is seen by other users of this machine; give "+
			"--user and --password-file, or %s", urlVariable, passwordVariable)
	}
	path, _, _ := strings.Cut(at.Path, "/_node") // the address line of a browser that shows the page
	a := &peer{base: at.Scheme + "://" + at.Host + strings.TrimSuffix(path, "/"), user: user}
	a.password = p.getenv(passwordVariable)
	if passwordFile != "" {
		content, err := os.ReadFile(passwordFile)
		if err != nil {
			return nil, exit(exitConfiguration, "--password-file: %v", err)
		}
		a.password = strings.TrimRight(string(content), "\r\n")
	}
	switch {
	case user == "" && a.password != "":
		return nil, exit(exitConfiguration, "whose password is it? Give --user, or %s", userVariable)
	case user != "" && a.password == "":
		return nil, exit(exitConfiguration, "the password of %s is missing: give --password-file, or %s", user,
			passwordVariable)
	case user != "" && at.Scheme == "http" && !isThisMachine(at.Hostname()):
		fmt.Fprintf(p.stderr, "warning: the password goes to %s unencrypted; use https\n", at.Host)
	}
	transport := &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment}
	if caFile != "" {
		if at.Scheme != "https" {
			return nil, exit(exitConfiguration, "--ca-file is for https, and --url says %s", at.Scheme)
		}
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, exit(exitConfiguration, "--ca-file: %v", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, exit(exitConfiguration, "--ca-file: %s contains no PEM certificate", caFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	a.http = &http.Client{Transport: transport, CheckRedirect: notElsewhere}
	return a, nil
}

// withoutPassword is what an error may repeat of a URL.
func withoutPassword(at *url.URL, address string) string {
	if at == nil || strings.Contains(address, "@") {
		return "what is given"
	}
	return address
}

// notElsewhere shows a redirect as the answer: a password goes only where it was meant to go.
func notElsewhere(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func isThisMachine(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// peerOf is the agent on this machine that has this configuration.
func peerOf(cfg config.NodeHTTP) (*peer, error) {
	switch {
	case !cfg.Enabled:
		return nil, exit(exitConfiguration, "the node API is switched off by %s", nodeEnabled)
	case cfg.Port == 0:
		return nil, exit(exitConfiguration, "only the agent's log names the node API's port; set %s to ask there", nodePort)
	}
	transport, scheme := &http.Transport{DisableKeepAlives: true}, "http" // this machine is reached without a proxy
	if cfg.Secured {
		self, err := trust.NewServer(cfg.ServerTLS(slog.New(slog.DiscardHandler)))
		if err != nil {
			return nil, notTrusted(err)
		}
		transport.TLSClientConfig, scheme = self.Self(), "https"
	}
	a := &peer{
		base: scheme + "://" + node.Address(cfg.Host, cfg.Port), isOurs: true,
		http: &http.Client{Transport: transport, CheckRedirect: notElsewhere},
	}
	if users := userNames(cfg.Authentication); cfg.Authentication.Type == config.AuthenticationBasic && len(users) > 0 {
		a.user, a.password = users[0], cfg.Authentication.Users[users[0]].Reveal()
	}
	return a, nil
}

// get asks for a path, with its query.
func (a *peer) get(ctx context.Context, path string) (answer, error) {
	return a.ask(ctx, http.MethodGet, path, nil)
}

// served asks for a path, and gives what the agent serves there. A refusal is an error.
func (a *peer) served(ctx context.Context, path string) (answer, error) {
	said, err := a.get(ctx, path)
	if err == nil {
		err = said.refusal()
	}
	return said, err
}

// getJSON asks for a path, and reads the answer.
func (a *peer) getJSON(ctx context.Context, path string, into any) error {
	said, err := a.served(ctx, path)
	if err != nil {
		return err
	}
	return said.read(into)
}

// read reads an answer that is JSON.
func (a answer) read(into any) error {
	if err := json.Unmarshal([]byte(a.text), into); err != nil {
		return exit(exitInternal, "the agent's answer cannot be read: %v", err)
	}
	return nil
}

// refusal ends a command that the agent does not serve; nil if it does. What the agent cannot make sense of is what a
// flag or an argument says.
func (a answer) refusal() error {
	switch a.code {
	case http.StatusOK:
		return nil
	case http.StatusBadRequest:
		return exit(exitConfiguration, "the agent refuses it: %s", a.why())
	}
	return exit(exitInternal, "the agent refuses it: %s", a.why())
}

// why is what the agent says of something that it refuses.
func (a answer) why() string {
	var said struct{ Error string }
	if json.Unmarshal([]byte(a.text), &said) == nil && said.Error != "" {
		return said.Error
	}
	return strings.TrimSuffix(a.status+": "+strings.TrimSpace(a.text), ": ")
}

// post sends an order, as JSON.
func (a *peer) post(ctx context.Context, path string, order any) (answer, error) {
	body, err := json.Marshal(order)
	if err != nil {
		return answer{}, exit(exitInternal, "%v", err)
	}
	return a.ask(ctx, http.MethodPost, path, body)
}

// ask gives what the agent answers, whatever that is. Its error ends the command: nobody answers, or refuses the user.
func (a *peer) ask(ctx context.Context, method, path string, body []byte) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	response, err := a.send(ctx, method, path, body)
	switch {
	case err != nil && a.isOurs:
		return answer{}, exit(exitInternal, "no agent answers here: %v", err)
	case err != nil:
		return answer{}, exit(exitInternal, "no agent answers at %s: %v", a.base, err)
	}
	text, err := readAtMost(response.Body, maxAnswer)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return answer{}, exit(exitInternal, "reading the agent's answer: %v", err)
	}
	if response.StatusCode == http.StatusUnauthorized {
		if a.isOurs {
			return answer{}, exit(exitInternal, "the agent accepts no user of this configuration; see %sNAME", nodeUsers)
		}
		return answer{}, exit(exitInternal, "the agent wants another user or password: give --user and --password-file")
	}
	return answer{response.StatusCode, response.Status, string(text), response.Header}, nil
}

// readAtMost reads an answer of so many bytes at most. The beginning of a longer one would be taken for the whole.
func readAtMost(from io.Reader, most int) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(from, int64(most)+1))
	if err == nil && len(text) > most {
		err = fmt.Errorf("it is longer than the %d MiB that are read", most>>20)
	}
	return text, err
}

// send sends one request. The caller closes the answer.
func (a *peer) send(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	switch {
	case a.user != "":
		request.SetBasicAuth(a.user, a.password)
	case a.token != "":
		request.Header.Set("Authorization", "Bearer "+a.token)
	}
	return a.http.Do(request)
}
