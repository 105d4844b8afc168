package main

import (
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
	var flags demo.Flags
	command := &cobra.Command{
		Use:   "sandbox",
		Short: "Starts stand-ins for APIM and AWS to try the agent against",
		Long: `Starts a stand-in for Gravitee APIM's integration controller and one for AWS (API Gateway, STS, and
DynamoDB for an agent's journal), and prints the settings that make an agent use them. The page of the APIM
stand-in previews, ingests and subscribes; the same can be done with HTTP below /_sandbox/. APIM's REST API is
below /management, in the environment DEFAULT: the token is a member of the integration, with the role OWNER,
and the token sandbox-administrator may do everything there.

That page and /_sandbox/ are open to everybody and show keys: keep both stand-ins on the loopback interface.

Exit code 0: ended by a signal. 1: not in order. 2: a wrong flag, or an address is in use.`,
		Example: `  federation-agent sandbox
  federation-agent sandbox --apim 127.0.0.1:0 --aws 127.0.0.1:0
  federation-agent sandbox --estate uniform --accounts 3 --regions eu-west-1,us-east-1 --apis 200
  federation-agent sandbox --apim-version 4.4`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return runSandbox(p, &flags) },
	}
	flags.Declare(command.Flags(), sandboxAPIM, sandboxAWS)
	offerStandIns(command)
	return command
}

func runSandbox(p process, flags *demo.Flags) error {
	sandbox, err := flags.Start()
	if err != nil {
		return exit(exitConfiguration, "%v", err)
	}
	sandbox.PrintSettings(p.stdout, p.invoked())
	sandbox.WarnOfStrangers(p.stderr)
	<-p.signals
	if err := sandbox.Close(); err != nil {
		return exit(exitInternal, "ending the stand-ins: %v", err)
	}
	return nil
}
