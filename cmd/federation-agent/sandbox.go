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

// Where a sandbox listens unless told otherwise: fixed, so that an agent's settings stay good from one run
// to the next. 4566 is where other stand-ins for AWS listen, too.
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
prints the settings that lead an agent to them. The page of the APIM stand-in previews, ingests and
subscribes; the same can be done with HTTP below /_sandbox/.

That page and /_sandbox/ let everybody in and show keys: keep both stand-ins on the loopback interface.`,
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
	for _, address := range []string{flags.apim, flags.aws} {
		if host, _, err := net.SplitHostPort(address); err == nil && !isLoopback(host) {
			fmt.Fprintf(p.stderr, "warning: %s can be reached from other machines; whoever reaches it can use the stand-ins and see their keys\n", address)
		}
	}
	<-p.signals
	return closeSandbox(sandbox)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func startSandbox(flags *sandboxFlags) (*demo.Sandbox, error) {
	options, err := flags.options()
	if err != nil {
		return nil, err
	}
	sandbox, err := demo.Start(options)
	if err != nil {
		return nil, &exitError{code: exitConfiguration, text: "cannot start the stand-ins: " + err.Error()}
	}
	return sandbox, nil
}

func closeSandbox(s *demo.Sandbox) error {
	if err := s.Close(); err != nil {
		return &exitError{code: exitInternal, text: "ending the stand-ins: " + err.Error()}
	}
	return nil
}

// printSettings prints what to paste into a shell.
func printSettings(p process, s *demo.Sandbox) {
	fmt.Fprintf(p.stdout, "# APIM: %s/  AWS: %s  (Ctrl-C ends both)\n", s.APIMURL(), s.AWSURL())
	fmt.Fprintf(p.stdout, "# Paste this into another shell, then: %s run\n", p.invoked())
	// The journal of one sandbox tells of keys and jobs that the next has never had.
	journal := demo.Setting{Name: "gravitee_agent_store_path", Value: filepath.Join(os.TempDir(), "federation-agent-sandbox-"+uuid.NewString()[:8])}
	open := demo.Setting{Name: nodeAuthentication, Value: "none"}
	for _, setting := range append(s.Settings(), journal, open) {
		fmt.Fprintf(p.stdout, "export %s=%s\n", setting.Name, quote(setting.Value))
	}
	if roles := s.Roles(); roles.Value != "" {
		fmt.Fprintln(p.stdout, "# With this one, too, the agent sees all accounts:")
		fmt.Fprintf(p.stdout, "# export %s=%s\n", roles.Name, quote(roles.Value))
	}
	fmt.Fprintf(p.stdout, "# The agent's own page, once it runs: http://localhost:%d/_node/federation\n", nodeDefaultPort)
	fmt.Fprintf(p.stdout, "# Afterwards, so that nothing else in that shell takes the stand-in for AWS: unset %s\n", demo.AWSEndpointVariable)
}

// quote makes one word of a text for a POSIX shell.
func quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
