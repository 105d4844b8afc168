package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/sandbox/demo"
	"federation-agent/internal/store"
)

const (
	sharedTable       = "a-journal"
	sharedTableRegion = "eu-central-1"
)

// shared are the settings with which an agent, or a command, uses a table of the sandbox. There is no other agent to hand
// over to.
func shared(t *testing.T, s *demo.Sandbox, more ...string) []string {
	t.Helper()
	return settings(t, s, append([]string{
		tableName + "=" + sharedTable, tableRegion + "=" + sharedTableRegion, "gravitee_agent_shutdown_handover=0s",
	}, more...)...)
}

// ends runs a command to its end, which must come with this code and these words on either output.
func ends(t *testing.T, environ []string, code int, words string, args ...string) *child {
	t.Helper()
	c := start(t, environ, args...)
	if got := c.exit(); got != code {
		t.Fatalf("%v: exit code %d, want %d\n%s%s", args, got, code, c.Stdout.String(), c.log())
	}
	if all := c.Stdout.String() + c.log(); !strings.Contains(all, words) {
		t.Fatalf("%v does not say %q\n%s", args, words, all)
	}
	return c
}

// withKeys plays APIM's user with an agent that has these settings: an ingest, and as many subscriptions. The agent ends.
func withKeys(t *testing.T, s *demo.Sandbox, environ []string, subscriptions int) {
	t.Helper()
	agent := start(t, environ)
	await(t, s, "the agent's HELLO", func() bool { return len(s.APIM.Agents()) == 1 })
	ingested(t, s)
	for n := range subscriptions {
		subscribed(t, s, n)
	}
	leaves(t, s, agent)
}

func subscribed(t *testing.T, s *demo.Sandbox, n int) {
	t.Helper()
	apis := s.APIM.APIs()
	api := apis[n%len(apis)]
	made, err := s.APIM.Subscribe(t.Context(), api.ID, api.Plans[0].ID, fmt.Sprint("Shop ", n), "")
	if err != nil || made.Status != apimsim.SubscriptionAccepted {
		t.Fatalf("%+v, %v", made, err)
	}
}

func leaves(t *testing.T, s *demo.Sandbox, agent *child) {
	t.Helper()
	agent.signal(syscall.SIGTERM)
	if code := agent.exit(); code != exitOrderly {
		t.Fatalf("exit code %d\n%s", code, agent.log())
	}
	await(t, s, "the end of the session", func() bool { return len(s.APIM.Agents()) == 0 })
}

func TestATableIsMadeOnceAndGetsWhatItLacks(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	environ := shared(t, s)
	scope := awssim.Scope{Account: awssim.UniformAccount(0), Region: sharedTableRegion}
	for range 2 {
		dry := ends(t, environ, exitOrderly, "Would make: the table, with its index", "store", "create", "--dry-run")
		dry.prints("Would make: point-in-time recovery")
	}
	ends(t, environ, exitOrderly, "Made:       deletion protection", "store", "create")
	for _, flags := range [][]string{nil, {"--dry-run"}, nil} {
		ends(t, environ, exitOrderly, "The table a-journal is as it should be. Nothing is done.",
			append([]string{"store", "create"}, flags...)...)
	}
	if err := s.AWS.Restore(scope, sharedTable); err != nil {
		t.Fatal(err)
	}
	lacks := "deletion protection\nMade:       time to live\nMade:       point-in-time recovery\nTable:      a-journal"
	made := ends(t, environ, exitOrderly, lacks, "store", "create")
	if strings.Contains(made.Stdout.String(), "the table, with its index") {
		t.Errorf("a table that is there is made\n%s", made.Stdout.String())
	}
	ends(t, environ, exitOrderly, "Nothing is done", "store", "create")
}

func TestAStoreCommandThatIsRefusedNamesWhatToSet(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	noName, there := settings(t, s), shared(t, s)
	empty := settings(t, s, tableName+"="+sharedTable)
	nobody := shared(t, s, tableRegion+"=us-west-2")
	ends(t, there, exitOrderly, "Made:", "store", "create")
	for name, c := range map[string]struct {
		environ []string
		args    string
		code    int
		words   string
	}{
		"create without a name":   {noName, "create", exitConfiguration, tableName + ": is missing"},
		"copy without a name":     {noName, "copy --from file --to table", exitConfiguration, tableName + ": is missing"},
		"accept without a name":   {noName, "accept-restore", exitConfiguration, tableName + ": is missing"},
		"create without a region": {empty, "create", exitConfiguration, tableRegion + ": is missing"},
		"copy from nowhere":       {there, "copy --to table", exitConfiguration, "--from and --to"},
		"copy to itself":          {there, "copy --from table --to table", exitConfiguration, "--from and --to"},
		"copy of no file":         {there, "copy --from file --to table", exitInternal, "agent.store.path: there is no journal"},
		"copy to no table":        {nobody, "copy --from file --to table", exitInternal, "federation-agent store create"},
		"a trial without a table": {nobody, "copy --from file --to table --dry-run", exitInternal, "federation-agent store create"},
		"accept without a table":  {nobody, "accept-restore", exitInternal, "federation-agent store create"},
		"no such command":         {there, "make", exitConfiguration, `unknown command "make"`},
		"an argument too many":    {there, "create it", exitConfiguration, "it"},
		"unreachable": {
			shared(t, s, "gravitee_agent_store_table_endpoint=http://127.0.0.1:1"), "create", exitInternal, "127.0.0.1:1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ends(t, c.environ, c.code, c.words, append([]string{"store"}, strings.Fields(c.args)...)...)
		})
	}
}

// held is all that a directory's journal has of the sandbox's integration.
func held(t *testing.T, dir string) []any {
	t.Helper()
	j, err := store.Peek(dir)
	if err != nil {
		t.Fatal(err)
	}
	records, err := store.Records(t.Context(), j, store.Filter{}, false)
	if err != nil {
		t.Fatal(err)
	}
	sent, err := j.Sent(t.Context(), demo.DefaultIntegrationID)
	if err != nil {
		t.Fatal(err)
	}
	listings, err := j.Listings(t.Context(), demo.DefaultIntegrationID)
	if err != nil || len(records) == 0 || len(sent.Plans) == 0 || len(listings) == 0 {
		t.Fatalf("%v: %d keys, plans of %d APIs, %d listings", err, len(records), len(sent.Plans), len(listings))
	}
	return []any{records, sent, listings}
}

func TestAJournalIsCopiedToATableAndBackWhileNoAgentHasIt(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	first, back := t.TempDir(), t.TempDir()
	inFile := "gravitee_agent_store_path=" + first
	withKeys(t, s, settings(t, s, inFile), 3)
	there := shared(t, s, inFile)
	ends(t, there, exitOrderly, "Made:", "store", "create")

	toTable := []string{"store", "copy", "--from", "file", "--to", "table"}
	toFile := []string{"store", "copy", "--from", "table", "--to", "file"}
	empty := shared(t, s)
	agent := start(t, settings(t, s, inFile))
	connected(t, s)
	ends(t, there, exitInternal, "an agent uses the journal in "+first, toTable...)
	leaves(t, s, agent)
	for range 2 {
		ends(t, there, exitOrderly, "Would copy from the file to the table:\n  keys       3, of 3 subscriptions\n    delivered  3\n",
			append(toTable, "--dry-run")...)
		ends(t, empty, exitOrderly, "  keys       0, of 0", append(toFile, "--dry-run")...) // nothing was
	}
	copied := ends(t, there, exitOrderly, "Copied from the file to the table:", toTable...)
	copied.prints("plans      of 12 APIs")
	copied.prints("Start no agent with the file any more")
	ends(t, there, exitOrderly, "keys       3, of 3", toTable...) // as after one that was cut off
	ends(t, shared(t, s, "gravitee_agent_store_path="+back), exitOrderly, "Copied from the table to the file:", toFile...)
	if diff := cmp.Diff(held(t, first), held(t, back)); diff != "" {
		t.Errorf("there and back:\n%s", diff)
	}

	// An agent goes on with the table. What it has done since is in no file.
	agent = start(t, there)
	connected(t, s)
	subscribed(t, s, 3)
	ends(t, there, exitInternal, "an agent uses the table a-journal", toTable...)
	leaves(t, s, agent)
	ends(t, there, exitInternal, "the journal to copy to is not empty: it has keys of subscription", toTable...)
	ends(t, there, exitInternal, "the journal to copy to is not empty: it has keys of subscription", append(toTable, "--dry-run")...)
	ends(t, empty, exitOrderly, "keys       4, of 4", toFile...)
}

func TestARestoredTableIsAcceptedByAnOperator(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	environ := shared(t, s)
	ends(t, environ, exitOrderly, "Made:", "store", "create")
	withKeys(t, s, environ, 1)
	for range 2 {
		ends(t, environ, exitOrderly, "The table a-journal is not a restored one, or was accepted.", "store", "accept-restore")
	}
	scope := awssim.Scope{Account: awssim.UniformAccount(0), Region: sharedTableRegion}
	if err := s.AWS.Restore(scope, sharedTable); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c := ends(t, environ, exitInternal, "was restored or copied from another one", "store", "accept-restore")
		c.prints("Keys that it does not settle: 0")
		c.says("Not accepted.", "--yes")
	}
	ends(t, environ, exitInternal, "federation-agent store accept-restore first",
		"store", "copy", "--from", "table", "--to", "file")
	ends(t, environ, exitOrderly, "Accepted.", "store", "accept-restore", "--yes")
	ends(t, environ, exitOrderly, "is not a restored one, or was accepted", "store", "accept-restore", "--yes")
}
