// Package iam is the IAM policies that users of the agent grant it, for the programs that hold to them.
package iam

import _ "embed"

// MinimumPolicy is all that the agent needs of API Gateway, in every region of the partition aws. It is the policy that
// the vendor documents.
//
//go:embed minimum-policy.json
var MinimumPolicy []byte

// CustomDomainsPolicy is what agent.discovery.customDomains needs beside it. The ARNs of private domain names, and those
// of routing rules, have the account.
//
//go:embed custom-domains-policy.json
var CustomDomainsPolicy []byte

// KeyLookupPolicy is what agent.keys.lookup needs beside it.
//
//go:embed key-lookup-policy.json
var KeyLookupPolicy []byte

// ListRegionsPolicy tells which regions are enabled for the account itself, where the regions are all. Other accounts
// of its organization have a longer ARN.
//
//go:embed list-regions-policy.json
var ListRegionsPolicy []byte

// JournalTablePolicy is what the table of agent.store.table.name needs, of any account and region.
//
//go:embed journal-table-policy.json
var JournalTablePolicy []byte

// JournalTableCreatePolicy is what the command store create needs, and no agent.
//
//go:embed journal-table-create-policy.json
var JournalTableCreatePolicy []byte
