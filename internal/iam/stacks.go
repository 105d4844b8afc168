package iam

import (
	"slices"
	"strings"

	"federation-agent/internal/region"
)

// Stack is a template of deployments/cloudformation with what this configuration fills in.
type Stack struct {
	Template string `json:"template"`
	Makes    string `json:"makes"`
	// Parameters are NAME=VALUE. A value in capitals is to be chosen.
	Parameters []string `json:"parameters"`
}

// Stacks are the templates that make the roles. Chain is the identity that is a role of the agent's own; others are
// users, for whom there is no template.
func (n Needs) Stacks(chain string) (stacks []Stack) {
	var own, ids []string
	roles := map[string][]string{} // by their external ids
	isChain := false
	for _, u := range n.Uses {
		isChain = isChain || u.Identity == chain
		if u.Role == "" {
			continue
		}
		ids, roles[u.ExternalID] = with(ids, u.ExternalID), with(roles[u.ExternalID], u.Role)
		if u.Identity == chain {
			own = with(own, u.Role)
		}
	}
	if len(own) > 0 && n.Events.Role != "" { // else it reads its own account, and may assume roles by a policy beside that
		own = with(own, n.Events.Role)
	}
	if isChain {
		s := Stack{
			Template: "GraviteeFederationAgentRole.yml", Makes: "the agent's own role, with its permissions or assume-role",
			Parameters: []string{"AgentRunsOn=EC2_ECS_IRSA_OR_POD-IDENTITY"},
		}
		if len(own) > 0 {
			s.Parameters = append(s.Parameters, "RoleArns="+strings.Join(own, ","))
		}
		stacks = append(stacks, s)
	}
	for _, id := range ids {
		s := Stack{
			Template: "GraviteeFederationRoles.yml", Parameters: n.trusted(id),
			Makes: "in each account the role GFTR-ACCOUNT-REGION, with its permissions and its trust",
		}
		if len(ids) > 1 { // a stack set has one external id for all
			s.Makes += ", for " + strings.Join(roles[id], ", ")
		}
		stacks = append(stacks, s)
	}
	if granted := n.optional(); len(granted) > 0 && len(stacks) > 0 {
		stacks = append(stacks, Stack{
			Template: "GraviteeFederationOptionalGrants.yml", Makes: "what optional settings need, in a role that exists",
			Parameters: append([]string{"RoleName=NAME_OF_THE_ROLE_THAT_READS"}, granted...),
		})
	}
	if n.Events.Name != "" {
		s := Stack{
			Template: "GraviteeFederationEvents.yml", Makes: "the queue of agent.events.queueUrl, what fills it, and the right to read it",
			Parameters: []string{"RoleName=NAME_OF_THE_ROLE_THAT_READS"},
		}
		if _, name, is := strings.Cut(n.Events.Role, ":role/"); is {
			s.Parameters[0] = "RoleName=" + name[strings.LastIndex(name, "/")+1:]
		}
		stacks = append(stacks, s)
	}
	if n.Table.Name != "" {
		s := Stack{
			Template: "GraviteeFederationJournal.yml", Makes: "the table of agent.store.table.name, and the right to use it",
			Parameters: []string{"TableName=" + n.Table.Name, "RoleName=NAME_OF_THE_ROLE_THAT_USES_IT"},
		}
		if _, name, is := strings.Cut(n.Table.Role, ":role/"); is {
			s.Parameters[1] = "RoleName=" + name[strings.LastIndex(name, "/")+1:]
		}
		stacks = append(stacks, s)
	}
	return stacks
}

// optional are the parameters of the optional grants that the configuration can use. That of a queue has a template of
// its own.
func (n Needs) optional() (parameters []string) {
	if n.Domains {
		parameters = append(parameters, "CustomDomains=true")
	}
	if n.Lookup {
		parameters = append(parameters, "KeyLookup=true")
	}
	everywhere := func(u Use) bool { return u.All && region.PartitionOf(u.Regions[0]).ID == "aws" }
	if slices.ContainsFunc(n.Uses, everywhere) {
		parameters = append(parameters, "ListRegions=true")
	}
	return parameters
}

func (n Needs) trusted(externalID string) []string {
	account, agent := "ManagementAccountId=ACCOUNT_OF_THE_AGENT", "AgentRoleName=NAME_OF_THE_AGENTS_ROLE"
	if len(n.Principals) > 0 {
		parts := strings.SplitN(n.Principals[0], ":", 6) //nolint:mnd // the parts of an ARN
		account = "ManagementAccountId=" + parts[4]
		name, isRole := strings.CutPrefix(parts[5], "role/")
		if agent = "AgentRoleName=" + name; !isRole {
			agent = "TrustWholeAccount=true"
		}
	}
	id := "ExternalId=" + externalID
	if externalID == "" {
		id = "ExternalId=TEXT_OF_YOUR_OWN_ALSO_IN_AGENT.AWS.EXTERNALID"
	}
	return []string{account, agent, id}
}
