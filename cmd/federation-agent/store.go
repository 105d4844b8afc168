package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"federation-agent/config"
	"federation-agent/internal/dynamodb"
	"federation-agent/internal/keys"
	"federation-agent/internal/store"
	"federation-agent/internal/store/tablestore"
)

// createWithin bounds how long is waited for a new table. DynamoDB makes one in some 10 seconds.
const createWithin = 3 * time.Minute

func storeCommand(p process) *cobra.Command {
	command := &cobra.Command{
		Use:   "store",
		Short: "Makes, fills and releases the table of DynamoDB that several agents share as their journal",
		Long: `Works on the journal itself, of which agent.store says where it is: a directory, or the table of
agent.store.table.name. No agent that runs is asked.

Without a subcommand it prints this help. Exit code 0: printed. 2: there is no such subcommand.`,
		Example: `  federation-agent store create --dry-run
  federation-agent store copy --from file --to table --dry-run
  federation-agent store accept-restore`,
	}
	command.AddCommand(storeCreateCommand(p), storeCopyCommand(p), storeAcceptCommand(p))
	return command
}

// withTable makes a subcommand that works on the table of the configuration, until it is interrupted.
func withTable(p process, command *cobra.Command, do func(context.Context, config.Config, *dynamodb.Table) error) *cobra.Command {
	return configured(p, command, func(cfg config.Config, warnings []string) error {
		for _, w := range warnings {
			fmt.Fprintf(p.stderr, "warning: %s\n", w)
		}
		if !cfg.Agent.Store.Table.IsOn() {
			return exit(exitConfiguration, "fault: %s: is missing: the journal is a file, and there is no table", tableName)
		}
		ctx, done := untilInterrupted(p)
		defer done()
		made, err := openTable(ctx, cfg, nil, nil)
		if err != nil {
			return exit(exitConfiguration, "fault: %v", err)
		}
		if err = do(ctx, cfg, made); err != nil && ctx.Err() != nil {
			return exit(exitInternal, "interrupted")
		}
		return err
	})
}

func storeCreateCommand(p process) *cobra.Command {
	command := &cobra.Command{
		Use:   "create",
		Short: "Makes the table of agent.store.table.name, or turns on what it lacks",
		Long: `Makes the table: paid on demand, encrypted, with its index, deletion protection, point-in-time recovery, and a
time to live for what may go. A table that is there gets what it lacks of the last three, as one that was
restored; nothing else of it is changed. It needs more rights than the agent: federation-agent policy prints them.

Exit code 0: the table is as it should be. 1: it is not, and why. 2: configuration fault.`,
		Example: `  federation-agent store create --dry-run
  federation-agent store create`,
	}
	dry := command.Flags().Bool("dry-run", false, "say what would be done, and do nothing")
	return withTable(p, command, func(ctx context.Context, _ config.Config, made *dynamodb.Table) error {
		lacks, err := made.Lacks(ctx)
		if err != nil {
			return err
		}
		if len(lacks) == 0 {
			_, err = fmt.Fprintf(p.stdout, "The table %s is as it should be. Nothing is done.\n", made.Name())
			return err
		}
		verb := "Made:"
		if *dry {
			verb = "Would make:"
		} else {
			ctx, cancel := context.WithTimeout(ctx, createWithin)
			defer cancel()
			if err := made.Create(ctx); err != nil {
				return err
			}
		}
		for _, lack := range lacks {
			fmt.Fprintf(p.stdout, "%-12s%s\n", verb, lack)
		}
		_, err = fmt.Fprintf(p.stdout, "Table:      %s\n", made.Name())
		return err
	})
}

func storeAcceptCommand(p process) *cobra.Command {
	command := &cobra.Command{
		Use:   "accept-restore",
		Short: "Shows what is unsettled in a restored table, and accepts it with --yes",
		Long: `A table that was restored from a backup, or copied, has old records. The agent deletes no key on what they say,
and lists what was not settled then. This command shows these keys. See in APIM whether each subscription is
accepted, and acknowledge or delete its key (federation-agent keys ack, keys delete); with agent.apim.url, the agent
asks APIM itself. With --yes, health calls the table restored no longer. What is unsettled then stays listed.

Exit code 0: the table is not restored, or is accepted. 1: it is not accepted yet, or it failed.
2: configuration fault.`,
		Example: `  federation-agent store accept-restore
  federation-agent store accept-restore --yes`,
	}
	yes := command.Flags().Bool("yes", false, "accept the table as it is")
	return withTable(p, command, func(ctx context.Context, _ config.Config, made *dynamodb.Table) error {
		journal := tablestore.New(made, uuid.NewString)
		if err := journal.Open(ctx); err != nil {
			return notOpened(made, err)
		}
		was := journal.Meta()
		if was.From == "" {
			_, err := fmt.Fprintf(p.stdout, "The table %s is not a restored one, or was accepted.\n", made.Name())
			return err
		}
		unsettled, err := unsettledOf(ctx, journal)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "The table %s was restored or copied from another one (TableId %s); that was noticed at %s.\n",
			made.Name(), was.From, was.Noticed.Format(time.RFC3339))
		fmt.Fprintf(p.stdout, "Keys that it does not settle: %d\n", len(unsettled))
		for _, r := range unsettled {
			fmt.Fprintf(p.stdout, "  %s  %s  key %s, %q, %s:%s, subscription %s, integration %s: %s\n", r.ID, r.State, orDash(r.KeyID),
				r.KeyName, r.Account, r.Region, r.SubscriptionID, r.Integration, r.Reason)
		}
		if !*yes {
			return exit(exitInternal, "Not accepted. Settle these keys first, or accept the table as it is by --yes: they stay "+
				"listed, and none is deleted on what the table says.")
		}
		if err := journal.AcceptRestore(ctx); err != nil {
			return err
		}
		_, err = fmt.Fprintln(p.stdout, "Accepted.")
		return err
	})
}

// unsettledOf are the keys of a restored table that nobody has settled or looked at since.
func unsettledOf(ctx context.Context, journal store.KeyJournal) (unsettled []keys.Record, err error) {
	all, err := store.Records(ctx, journal, store.Filter{}, false)
	for _, r := range all {
		if r.Restored && r.NeedsSomebody() {
			unsettled = append(unsettled, r)
		}
	}
	return unsettled, err
}

// notOpened ends a command whose table cannot be the journal.
func notOpened(made *dynamodb.Table, err error) error {
	switch {
	case isMissing(err):
		return exit(exitInternal, "%s", noTable(made))
	case errors.Is(err, store.ErrNewer):
		return exit(exitInternal, "%v; use the version of the agent that wrote it", err)
	}
	return err
}

func orDash(s string) string {
	if strings.TrimSpace(s) == "" {
		return "-"
	}
	return s
}
