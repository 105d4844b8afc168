package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"federation-agent/config"
	"federation-agent/internal/dynamodb"
	"federation-agent/internal/members"
	"federation-agent/internal/store"
	"federation-agent/internal/store/tablestore"
)

// The places of a journal, as store copy names them.
const (
	placeFile  = "file"
	placeTable = "table"
	// copyLock is how long is waited for the lock of the file's journal.
	copyLock = time.Second
	// movesWithin is within which time an agent that uses the table raises its counter.
	movesWithin = 3 * members.RaiseEvery
)

func storeCopyCommand(p process) *cobra.Command {
	command := &cobra.Command{
		Use:   "copy",
		Short: "Copies the journal from the directory to the table, or back",
		Long: `Copies all keys, and of the configured integrations the ingests that run, the plans that were sent, and the last
listings, between the file in agent.store.path and the table of agent.store.table.name. No agent may run on either
meanwhile; one that does is noticed, and nothing is copied. What is copied to must be empty, but for a copy that was
cut off, which is gone on with. The journal that is copied stays as it is: start no agent with it afterwards, as it
would act on what was true at the copy.

Exit code 0: copied, or it could be (--dry-run). 1: it was not, and why. 2: configuration fault.`,
		Example: `  federation-agent store copy --from file --to table --dry-run
  federation-agent store copy --from file --to table
  federation-agent store copy --from table --to file`,
	}
	var from, to string
	command.Flags().StringVar(&from, "from", "", "`PLACE` of the journal: file or table")
	command.Flags().StringVar(&to, "to", "", "`PLACE` that it is copied to: table or file")
	dry := command.Flags().Bool("dry-run", false, "count what would be copied, and copy nothing")
	places := func() []string { return []string{placeFile, placeTable} }
	offer(command, "from", places)
	offer(command, "to", places)
	return withTable(p, command, func(ctx context.Context, cfg config.Config, made *dynamodb.Table) error {
		if (from != placeFile || to != placeTable) && (from != placeTable || to != placeFile) {
			return exit(exitConfiguration, "--from and --to: one must be %s, and the other one %s", placeFile, placeTable)
		}
		table, err := quietTable(ctx, made, *dry)
		if err != nil {
			return err
		}
		file, closeFile, err := fileOf(cfg.Agent.Store.Path, from == placeFile, *dry)
		if err != nil {
			return err
		}
		defer closeFile() //nolint:errcheck // a second time it says nothing
		var source, target store.Journal = file, table
		if from == placeTable {
			source, target = table, file
		}
		var integrations []string
		for _, provider := range cfg.Providers {
			integrations = append(integrations, provider.IntegrationID)
		}
		copied, err := store.Copy(ctx, source, target, integrations, time.Now(), *dry)
		if err != nil {
			return err
		}
		if err = closeFile(); err != nil {
			return fmt.Errorf("writing the journal in %s: %w", cfg.Agent.Store.Path, err)
		}
		return printCopied(p, copied, from, to, *dry)
	})
}

// fileOf opens the journal of a directory, which no agent may have. Dry reads it beside everybody.
func fileOf(dir string, mustBe, dry bool) (file *store.FileStore, closeIt func() error, err error) {
	if err := store.Check(dir); err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, store.FileName)); err != nil && mustBe {
		return nil, nil, fmt.Errorf("agent.store.path: there is no journal: %w", err)
	}
	if store.Held(dir) {
		return nil, nil, fmt.Errorf("an agent uses the journal in %s: end it first", dir)
	}
	if dry {
		file, err = store.Peek(dir)
		return file, func() error { return nil }, err
	}
	file, health := store.Open(dir, store.Options{LockWait: copyLock})
	if !health.Durable {
		return nil, nil, fmt.Errorf("the journal in %s cannot be used: %s", dir, health.Messages[0])
	}
	return file, file.Close, nil
}

// quietTable is the table, which no agent may use.
func quietTable(ctx context.Context, made *dynamodb.Table, dry bool) (*tablestore.Store, error) {
	table := tablestore.New(made, uuid.NewString)
	if !dry { // it writes
		if err := table.Open(ctx); err != nil {
			return nil, notOpened(made, err)
		}
		if table.Meta().From != "" {
			return nil, fmt.Errorf("the table %s was restored from another one: see federation-agent store accept-restore first",
				made.Name())
		}
	}
	before, err := table.Members(ctx)
	if err != nil {
		return nil, notOpened(made, err)
	}
	if len(before) == 0 {
		return table, nil
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(movesWithin):
	}
	after, err := table.Members(ctx)
	for _, m := range after {
		if !slices.ContainsFunc(before, func(b members.Member) bool { return b.ID == m.ID && b.Count == m.Count }) {
			return nil, fmt.Errorf("an agent uses the table %s (%s, version %s): end it first", made.Name(), m.ID, m.Version)
		}
	}
	return table, err
}

func printCopied(p process, c store.Copied, from, to string, dry bool) error {
	did := "Copied"
	if dry {
		did = "Would copy"
	}
	fmt.Fprintf(p.stdout, "%s from the %s to the %s:\n", did, from, to)
	fmt.Fprintf(p.stdout, "  keys       %d, of %d subscriptions\n", c.Keys, c.Subscriptions)
	for _, state := range slices.Sorted(maps.Keys(c.States)) {
		fmt.Fprintf(p.stdout, "    %s  %d\n", state, c.States[state])
	}
	fmt.Fprintf(p.stdout, "  ingests    %d that run\n", c.Jobs)
	fmt.Fprintf(p.stdout, "  plans      of %d APIs; of %d is known how APIM took them, of %d that AWS lacks some\n", c.Plans, c.Taken,
		c.Claims)
	_, err := fmt.Fprintf(p.stdout, "  listings   %d, with %d APIs\n", c.Listings, c.ListedAPIs)
	if err == nil && !dry {
		_, err = fmt.Fprintf(p.stdout, "Start no agent with the %s any more: it would act on what was true just now.\n", from)
	}
	return err
}
