package federation_test

import (
	"fmt"
	"testing"

	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
)

func named(target federation.Target, api string, stages ...string) []federation.NamedEntry {
	var entries []federation.NamedEntry
	for _, s := range stages {
		entry := federation.Entry{API: &gateway.RestAPI{ID: api}, Stage: s}
		entries = append(entries, federation.NamedEntry{Target: target, Entry: entry})
	}
	return entries
}

func TestChooseTakesABareIDWhereItIsTheOnlyOne(t *testing.T) {
	target := federation.Target{Account: "1", Region: "a"}
	apis := append(named(target, "one", "prod"), named(target, "two", "prod", "dev")...)
	chosen, missing := federation.Choose(apis, []string{"one", "1:a:one:prod", "two", "1:a:two:dev", "1:a:two:gone"})
	if len(chosen) != 2 || fmt.Sprint(missing) != "[two 1:a:two:gone]" {
		t.Errorf("chosen %v, missing %v", chosen, missing)
	}
}
