package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// resetLevel has the configured level back.
const resetLevel = "reset"

func logLevelCommand(p process) *cobra.Command {
	command := &cobra.Command{
		Use:   "log-level [debug|info|warn|error|reset]",
		Short: "Shows or changes the level of a running agent's log",
		Long: `Shows the level of a running agent's log, or changes it for a time, without a restart. After that time the
configured level (agent.log.level) is back; reset has it back at once.
` + whichAgent + `

It needs a user of the node API. Where that has none (services.core.http.authentication.type=none), the command must
run on the agent's own machine, or in its container, with the agent's configuration.

Exit code 0: shown or changed. 1: no answer, or refused. 2: configuration fault, a wrong flag, or the node API is
switched off.`,
		Example: `  federation-agent log-level
  federation-agent log-level debug            # for ten minutes
  federation-agent log-level debug --for 1h
  federation-agent log-level warn --for 0     # until the agent ends
  federation-agent log-level reset`,
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
		ValidArgs: []cobra.Completion{"debug", "info", "warn", "error", resetLevel},
	}
	lasts := command.Flags().Duration("for", 10*time.Minute, "how long the level is to be another; 0 until the agent ends")
	asJSON := command.Flags().Bool("json", false, "print JSON")
	return asking(p, command, func(ctx context.Context, agent *peer, args []string) error {
		if command.Flags().Changed("for") && (len(args) == 0 || args[0] == resetLevel) {
			return exit(exitConfiguration, "--for says how long another level lasts: name the level, such as log-level debug "+
				"--for 1h")
		}
		said, err := askForLevel(ctx, agent, args, *lasts)
		if err == nil {
			err = said.refusal()
		}
		var levels map[string]string
		if err == nil {
			err = said.read(&levels)
		}
		if err != nil {
			return err
		}
		shown := struct {
			Level string `json:"level"`
			Until string `json:"until,omitempty"`
		}{strings.ToLower(levels["ROOT"]), said.header.Get("Log-Level-Until")}
		if *asJSON {
			return printJSON(p, shown)
		}
		if shown.Until != "" {
			shown.Level += ", until " + shown.Until
		}
		_, err = fmt.Fprintln(p.stdout, shown.Level)
		return err
	})
}

func askForLevel(ctx context.Context, agent *peer, args []string, lasts time.Duration) (answer, error) {
	const path = "/_node/logging"
	if len(args) == 0 {
		return agent.get(ctx, path)
	}
	level := strings.ToUpper(args[0])
	if args[0] == resetLevel {
		level = ""
	}
	body, err := json.Marshal(map[string]string{"ROOT": level})
	if err != nil {
		return answer{}, err
	}
	return agent.ask(ctx, http.MethodPost, path+"?for="+url.QueryEscape(lasts.String()), body)
}
