package gateway_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/gateway"
)

func TestWhatAWSDoesNotTellOfADomainNameNowIsWhatItToldEarlier(t *testing.T) {
	mappings, rules := []gateway.Mapping{{Key: "k"}}, []gateway.RoutingRule{{ID: "r"}}
	now := gateway.Domain{Name: "d", Status: "PENDING", Gap: "refused"}
	for name, c := range map[string]struct {
		now, earlier, want gateway.Domain
	}{
		"rules are refused, mappings are told": {
			gateway.Domain{Mappings: mappings, RulesUnknown: true}, gateway.Domain{Rules: rules}, gateway.Domain{Mappings: mappings, Rules: rules}},
		"mappings are refused": {
			gateway.Domain{MappingsUnknown: true}, gateway.Domain{Mappings: mappings, Rules: rules}, gateway.Domain{Mappings: mappings}},
		"both were refused before": {
			gateway.Domain{MappingsUnknown: true, RulesUnknown: true}, gateway.Domain{MappingsUnknown: true, RulesUnknown: true},
			gateway.Domain{MappingsUnknown: true, RulesUnknown: true}},
		"there were no rules": {
			gateway.Domain{RulesUnknown: true}, gateway.Domain{}, gateway.Domain{}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, d := range []*gateway.Domain{&c.now, &c.want} {
				d.Name, d.Status, d.Gap = now.Name, now.Status, now.Gap
			}
			if diff := cmp.Diff(&c.want, c.now.Completed(&c.earlier)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
