package iam

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	deployed "federation-agent/deployments/iam"
	"federation-agent/internal/region"
)

// Table is the one of DynamoDB that is the journal, and who uses it: the role, or the identity where there is none.
// Without a name it is none. An empty region or account is any.
type Table struct {
	Use
	Region, Account, Name string
}

// anyTable begins the resources of the policies of a table.
const anyTable = "arn:aws:dynamodb:*:*:table/federation-agent"

func (t Table) arn() string {
	of := region.PartitionOf(t.Region).ID
	if t.Role != "" {
		of = partition(t.Role)
	}
	return fmt.Sprintf("arn:%s:dynamodb:%s:%s:table/%s", of, cmp.Or(t.Region, "*"), cmp.Or(t.Account, "*"), t.Name)
}

// statements are those of a policy of deployments/iam, for this table.
func (t Table) statements(policy []byte) ([]Statement, error) {
	var d Document
	if err := json.Unmarshal(policy, &d); err != nil {
		return nil, fmt.Errorf("reading the policies of deployments/iam: %w", err)
	}
	for _, s := range d.Statement {
		for n, resource := range s.Resource {
			s.Resource[n] = strings.Replace(resource, anyTable, t.arn(), 1)
		}
	}
	return d.Statement, nil
}

// grants are what the table needs, and what store create needs.
func (t Table) grants(holder string) (all []Grant, err error) {
	for _, of := range []struct {
		kind   Kind
		policy []byte
		hint   string
	}{
		{UseTable, deployed.JournalTablePolicy, ""},
		{
			CreateTable, deployed.JournalTableCreatePolicy, "it is for federation-agent store create alone, which anybody may run who " +
				"has it; no agent needs it, nor does anybody where CloudFormation makes the table",
		},
	} {
		statements, err := t.statements(of.policy)
		if err != nil {
			return nil, err
		}
		var hints []string
		if of.hint != "" {
			hints = append(hints, of.hint)
		}
		if t.Region == "" {
			hints = append(hints, "set agent.store.table.region, and it names the region")
		}
		if t.Account == "" {
			hints = append(hints, "set agent.aws.accountId, and it names the account")
		}
		all = append(all, grant(of.kind, holder, hints, statements))
	}
	return all, nil
}
