package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"federation-agent/internal/sandbox/demo"
)

// The default addresses of a sandbox. They are fixed, so that an agent's settings stay valid from one run to the next.
// Other stand-ins for AWS listen on 4566, too.
const (
	sandboxAPIM = "127.0.0.1:8072"
	sandboxAWS  = "127.0.0.1:4566"
)

func sandboxCommand(p process) *cobra.Command {
	var flags sandboxFlags
	command := &cobra.Command{
		Use:   "sandbox",
		Short: "Starts stand-ins for APIM and AWS to try the agent against",
		Long: `Starts a stand-in for Gravitee APIM's integration controller and one for AWS API Gateway and STS, and
prints the settings that make an agent use them. The page of the APIM stand-in previews, ingests and
subscribes; the same can be done with HTTP below /_sandbox/.

That page and /_sandbox/ are open to everybody and show keys: keep both stand-ins on the loopback interface.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return runSandbox(p, &flags) },
	}
	flags.add(command, sandboxAPIM, sandboxAWS)
	return command
}

func runSandbox(p process, flags *sandboxFlags) error {
	sandbox, err := startSandbox(flags)
	if err != nil {
		return err
	}
	printSettings(p, sandbox)
	for _, address := range []string{flags.APIMAddress, flags.AWSAddress} {
		host, _, _ := net.SplitHostPort(address) // a stand-in listens there, so that it has a host
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			fmt.Fprintf(p.stderr, "warning: other machines can reach %s; "+
				"everybody there can use the stand-ins and see their keys\n", address)
		}
	}
	<-p.signals
	if err := sandbox.Close(); err != nil {
		return exit(exitInternal, "ending the stand-ins: %v", err)
	}
	return nil
}

func startSandbox(flags *sandboxFlags) (*demo.Sandbox, error) {
	if err := flags.complete(); err != nil {
		return nil, err
	}
	sandbox, err := demo.Start(flags.Options)
	if err != nil {
		return nil, exit(exitConfiguration, "cannot start the stand-ins: %v", err)
	}
	return sandbox, nil
}

// printSettings prints what to paste into a shell.
func printSettings(p process, s *demo.Sandbox) {
	fmt.Fprintf(p.stdout, "# APIM: %s/  AWS: %s  (Ctrl-C ends both)\n# Paste this into another shell, then: %s run\n",
		s.APIMURL(), s.AWSURL(), p.invoked())
	// A new journal for each sandbox: it has other keys and jobs than the last one.
	journal := filepath.Join(os.TempDir(), "federation-agent-sandbox-"+uuid.NewString()[:8])
	for _, setting := range append(s.Settings(),
		demo.Setting{Name: "gravitee_agent_store_path", Value: journal},
		demo.Setting{Name: nodeAuthentication, Value: "none"}) {
		fmt.Fprintf(p.stdout, "export %s=%s\n", setting.Name, quote(setting.Value))
	}
	if roles := s.Roles(); roles.Value != "" {
		fmt.Fprintf(p.stdout, "# With this one, too, the agent sees all accounts:\n# export %s=%s\n",
			roles.Name, quote(roles.Value))
	}
	fmt.Fprintf(p.stdout, "# The agent's page, once it runs: http://localhost:%d/_node/federation\n", nodeDefaultPort)
	fmt.Fprintf(p.stdout, "# Afterwards, so that no other program in that shell takes the stand-in for AWS: unset %s\n",
		demo.AWSEndpointVariable)
}

// quote makes a text one word for a POSIX shell.
func quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
