package config_test

import (
	"strings"
	"testing"
	"time"
)

const (
	tableName     = "gravitee_agent_store_table_name"
	tableRegion   = "gravitee_agent_store_table_region"
	tableRole     = "gravitee_agent_store_table_roleArn"
	tableID       = "gravitee_agent_store_table_externalId"
	tableEndpoint = "gravitee_agent_store_table_endpoint"
	storeRequired = "gravitee_agent_store_required"
	handover      = "gravitee_agent_shutdown_handover"
)

func TestATableIsTheJournalOfSeveral(t *testing.T) {
	cfg, warnings := mustLoad(t, sources(seed(tableName+"=fed.agent-1_x", tableRegion+"=eu-west-1",
		tableRole+"=arn:aws:iam::123456789012:role/journal", tableEndpoint+"=http://moto:5000/",
		"gravitee_agent_aws_externalId=ours")...))
	wantWarnings(t, warnings)
	a := cfg.Agent
	if got := a.Store.Table; !got.IsOn() || got.Name != "fed.agent-1_x" || got.ExternalID != "ours" {
		t.Errorf("%+v", got)
	}
	if !a.Store.Required || a.Shutdown.Handover != 40*time.Second || a.Cache.Path != "" {
		t.Errorf("required %v, handover %v, cache in %q", a.Store.Required, a.Shutdown.Handover, a.Cache.Path)
	}
	cfg, _ = mustLoad(t, sources(seed(tableName+"=abc", storeRequired+"=true", handover+"=0s", tableID+"=theirs",
		tableRole+"=arn:aws:iam::123456789012:role/journal", "gravitee_agent_cache_path=/c")...))
	a = cfg.Agent
	if !a.Store.Required || a.Shutdown.Handover != 0 || a.Store.Table.ExternalID != "theirs" || a.Cache.Path != "/c" {
		t.Errorf("%+v %+v %+v", a.Store, a.Shutdown, a.Cache)
	}
	cfg, _ = mustLoad(t, sources(seed()...))
	if a = cfg.Agent; a.Store.Table.IsOn() || a.Store.Required || a.Shutdown.Handover != 0 {
		t.Errorf("the file: %+v %+v", a.Store, a.Shutdown)
	}
	cfg, _ = mustLoad(t, sources(seed(storeRequired+"=true")...))
	if !cfg.Agent.Store.Required {
		t.Error("a file that is required is not")
	}
}

func TestATableThatCannotBeIsAFault(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/journal"
	for assignments, want := range map[string]string{
		tableName + "=ab":                          tableName + `: "ab" is not the name of a table: 3 to 255 letters`,
		tableName + "=" + strings.Repeat("a", 256): tableName + ": ",
		tableName + "=a b c":                       "is not the name of a table",
		tableName + "=arn:aws:dynamodb:eu-west-1:123456789012:table/x":              "write the table's name alone",
		tableName + "=abc " + tableRegion + "=eu-wst-1":                             `did you mean eu-west-1?`,
		tableName + "=abc " + tableRole + "=journal":                                tableRole + `: "journal" is not the ARN`,
		tableName + "=abc " + tableRole + "=" + role + " " + tableID + "=x":         tableID + ": must be 2 to 1224",
		tableName + "=abc " + tableID + "=ours":                                     tableRole + " is not, and only a role",
		tableName + "=abc " + tableEndpoint + "=moto:5000":                          tableEndpoint + ": is not an address",
		tableName + "=abc " + tableEndpoint + "=https://u:p@h":                      tableEndpoint + ": is not an address",
		tableName + "=abc " + tableEndpoint + "=https://h/x":                        tableEndpoint + ": is not an address",
		tableName + "=abc " + tableRegion + "=cn-north-1 " + tableRole + "=" + role: "in another partition than the table",
		tableName + "=abc " + storeRequired + "=false":                              storeRequired + ": must be true, or not set, where the journal is a table",
		tableRegion + "=eu-west-1":                                                  tableName + ": is missing: " + tableRegion + " needs it",
		"gravitee_agent_store_tabel_name=abc":                                       "did you mean " + tableName,
		"gravitee_agent_store_table_zzz=abc":                                        "below agent.store.table, nothing is ignored",
		tableName + `="abc"`:                                                        "contains a quote",
	} {
		fields := []string{assignments}
		if strings.Count(assignments, "=") > 1 {
			fields = strings.Fields(assignments)
		}
		wantFaults(t, faultsOf(t, sources(seed(fields...)...)), want)
	}
}
