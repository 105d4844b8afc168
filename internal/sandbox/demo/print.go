package demo

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
)

// NodePort is the node API's port unless an agent is told otherwise.
const NodePort = 18084

// PrintSettings prints what to paste into a shell, so that the program that is called like this uses the stand-ins.
func (s *Sandbox) PrintSettings(out io.Writer, program string) {
	fmt.Fprintf(out, "# APIM: %s/  AWS: %s  (Ctrl-C ends both)\n# Paste this into another shell, then: %s run\n",
		s.APIMURL(), s.AWSURL(), program)
	// A new journal for each sandbox: it has other keys and jobs than the last one.
	journal := filepath.Join(os.TempDir(), "federation-agent-sandbox-"+uuid.NewString()[:8])
	for _, setting := range append(s.Settings(),
		Setting{storePath, journal},
		Setting{"gravitee_services_core_http_authentication_type", "none"}) {
		fmt.Fprintf(out, "export %s=%s\n", setting.Name, quote(setting.Value))
	}
	if roles := s.Roles(); roles.Value != "" {
		fmt.Fprintf(out, "# With this one, too, the agent sees all accounts:\n# export %s=%s\n",
			roles.Name, quote(roles.Value))
	}
	fmt.Fprintf(out, "# With these, several agents share a table as their journal; first: %s store create\n# export %s %s\n",
		program, "gravitee_agent_store_table_name=federation-agent",
		"gravitee_agent_store_table_region="+regions(s.options.Estate)[0])
	fmt.Fprintf(out, "# With these, the agent may ask APIM's REST API, too:\n# export %s=%s %s=%s %s=DEFAULT\n",
		"gravitee_agent_apim_url", quote(s.APIMURL()+"/management"),
		"gravitee_agent_apim_token", quote(s.options.Token), "gravitee_agent_apim_environmentId")
	fmt.Fprintf(out, "# The agent's page, once it runs: http://localhost:%d/\n", NodePort)
	fmt.Fprintf(out, "# Afterwards, so that no other program in that shell takes the stand-in for AWS: unset %s\n",
		AWSEndpointVariable)
}

// quote makes a text one word for a POSIX shell.
func quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// WarnOfStrangers prints which addresses of the stand-ins are open to other machines.
func (s *Sandbox) WarnOfStrangers(out io.Writer) {
	for _, address := range []string{s.options.APIMAddress, s.options.AWSAddress} {
		host, _, _ := net.SplitHostPort(address) // a stand-in listens there, so that it has a host
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			fmt.Fprintf(out, "warning: other machines can reach %s; "+
				"everybody there can use the stand-ins and see their keys\n", address)
		}
	}
}
