// Package iam says what a configuration needs of AWS's identity and access management: policies, trust policies, and
// the CloudFormation that makes them.
package iam

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	deployed "federation-agent/deployments/iam"
	"federation-agent/internal/region"
)

// Needs are the parts of a configuration that IAM is asked for.
type Needs struct {
	Uses    []Use
	Secrets Secrets
	// Principals are the ARNs of those who take on the roles. Without one, a trust policy has a gap to fill in.
	Principals []string
	// Events is the queue of the optional grant of agent.events.
	Events Queue
	// Table is the journal, where that is a table.
	Table Table
	// Lookup adds the optional grant of agent.keys.lookup, Domains that of agent.discovery.customDomains.
	Lookup, Domains bool
}

// Use is what one integration reads: some regions with a role, or with the identity itself where there is none.
type Use struct {
	// Identity is any name of who signs the calls.
	Identity string
	// Role is its ARN, ExternalID what is sent with it, and ExternalIDFrom the setting that says that.
	Role, ExternalID, ExternalIDFrom string
	Regions                          []string
	// All says that Regions are all of their partition. It adds the optional grant that tells which of them are enabled.
	All bool
}

// Secrets are those of Secrets Manager that settings refer to, by name or by ARN. An empty account is any.
type Secrets struct {
	Identity, Region, Account string
	Names                     []string
}

// Queue is one of SQS, in the partition of its region, and who reads it: the role, or the identity where there is none.
// Without a name it is none.
type Queue struct {
	Use
	Region, Account, Name string
}

// Kind is what a document is for IAM.
type Kind string

// The kinds of documents.
const (
	Permissions Kind = "permissions"
	AssumeRole  Kind = "assume-role"
	Trust       Kind = "trust"
	ReadSecrets Kind = "secrets"
	ReadEvents  Kind = "events"
	UseTable    Kind = "table"
	CreateTable Kind = "create-table"
)

// Kinds are all of them.
func Kinds() []Kind {
	return []Kind{Permissions, AssumeRole, Trust, ReadSecrets, ReadEvents, UseTable, CreateTable}
}

// Grant is one document and who needs it.
type Grant struct {
	Kind Kind `json:"kind"`
	// For is an identity, or the ARN of a role.
	For     string   `json:"for"`
	Reasons []Reason `json:"reasons"`
	Hints   []string `json:"hints,omitempty"`
	// Optional says what else could be granted, or is granted and need not be, and what for.
	Optional []string  `json:"optional,omitempty"`
	Document *Document `json:"document"`
}

// Reason says of one action what it is for, and what happens without it.
type Reason struct {
	Action  string `json:"action"`
	Purpose string `json:"purpose"`
	Without string `json:"without"`
}

// Document is one of IAM's.
type Document struct {
	Version   string
	Statement []Statement
}

// Statement is one of a document.
type Statement struct {
	Sid       string `json:",omitempty"`
	Effect    string
	Principal map[string][]string `json:",omitempty"`
	Action    []string
	Resource  []string                     `json:",omitempty"`
	Condition map[string]map[string]string `json:",omitempty"`
}

const (
	version = "2012-10-17"
	allow   = "Allow"
	assume  = "sts:AssumeRole"
	read    = "secretsmanager:GetSecretValue"
	enabled = "account:ListRegions"
	receive = "sqs:ReceiveMessage"
	remove  = "sqs:DeleteMessage"
)

// reasons are the actions of all documents.
var reasons = []Reason{
	{
		"apigateway:GET", "lists REST APIs, stages and usage plans, and exports their documents",
		"previews and ingests fail, and nothing is federated",
	},
	{
		"apigateway:ListRoutingRules", "reads where the routing rules of custom domain names lead to",
		"base URLs that routing rules make are not shown",
	},
	{
		"apigateway:POST", "makes an API key for each subscription, and puts it into its usage plan",
		"subscriptions fail; previews and ingests go on",
	},
	{
		"apigateway:DELETE", "deletes the keys of closed subscriptions, and those that no subscription got",
		"keys of closed subscriptions stay valid in AWS; the agent lists them and tries again",
	},
	{
		assume, "takes on a role, in whose account the agent then reads and makes keys",
		"nothing of the role's account is federated, and its subscriptions fail",
	},
	{
		enabled, "tells which regions are enabled for the account, once at the start and once a day",
		"each region is tried by one call at the start, and one that is off once a day: nothing is missing",
	},
	{
		read, "reads the secrets that settings refer to, at the start and after a rotation",
		"the agent does not start; if it runs already, it does not see rotated values",
	},
	{
		receive, "receives the events that name what has changed in AWS",
		"the agent hears of no change: the schedule and people start ingests, and all else goes on",
	},
	{
		remove, "deletes each event once it was handed over",
		"each event comes again and again, until the queue gives it up",
	},
	{
		"dynamodb:GetItem", "reads the journal of a subscription, or of an integration's ingests",
		"no subscription is served, and no ingest runs",
	},
	{
		"dynamodb:Query", "reads what is left to do, and which other agents there are",
		"interrupted keys stay as they are, and nobody goes on with what an agent that is gone has begun",
	},
	{
		"dynamodb:UpdateItem", "writes the journal, always on a condition", "no subscription is served, and no ingest runs",
	},
	{
		"dynamodb:DeleteItem", "forgets keys that are deleted, and the agent itself at its end",
		"deleted keys are deleted again and again, and others wait for an agent that has ended",
	},
	{
		"dynamodb:DescribeTable", "tells a restored table from the one that the journal was written to",
		"the agent does not use the table",
	},
	{
		"dynamodb:DescribeTimeToLive", "tells doctor whether the time to live is on", "doctor cannot say that; all else goes on",
	},
	{
		"dynamodb:DescribeContinuousBackups", "tells doctor whether the point-in-time recovery is on",
		"doctor cannot say that; all else goes on",
	},
	{"dynamodb:CreateTable", "makes the table", "somebody else must make it"},
	{"dynamodb:UpdateTable", "turns on the deletion protection of a restored table", "somebody can delete the table"},
	{"dynamodb:UpdateTimeToLive", "turns on the time to live", "what agents that ended left stays in the table"},
	{"dynamodb:UpdateContinuousBackups", "turns on the point-in-time recovery", "the table cannot be restored"},
}

// Grants are the documents: first those of each identity, then those of each role.
func (n Needs) Grants() (grants []Grant, err error) {
	var identities, roles []string
	regions, assumed, all := map[string][]string{}, map[string][]string{}, map[string]bool{}
	for _, u := range n.uses() {
		identities = with(identities, u.Identity)
		holder := cmp.Or(u.Role, u.Identity)
		regions[holder] = with(regions[holder], u.Regions...)
		all[holder] = all[holder] || u.All
		if u.Role != "" {
			assumed[u.Identity] = with(assumed[u.Identity], u.Role)
			roles = with(roles, u.Role)
		}
	}
	secrets := n.Secrets.resources()
	if len(secrets) > 0 {
		identities = with(identities, n.Secrets.Identity)
	}
	add := func(kind Kind, holder string, hints []string, statements ...Statement) {
		grants = append(grants, grant(kind, holder, hints, statements))
	}
	for _, holder := range slices.Concat(identities, roles) {
		if here := regions[holder]; len(here) > 0 {
			statements, parsed := n.permissions(here, all[holder])
			err = errors.Join(err, parsed)
			add(Permissions, holder, nil, statements...)
			grants[len(grants)-1].Optional = []string{n.aboutLookup(), n.aboutDomains()}
			if n.Events.Name == "" {
				grants[len(grants)-1].Optional = append(grants[len(grants)-1].Optional, aboutNoEvents)
			}
			if all[holder] {
				grants[len(grants)-1].Optional = append(grants[len(grants)-1].Optional, aboutRegions)
			}
		}
		if others := assumed[holder]; len(others) > 0 {
			add(AssumeRole, holder, nil, Statement{
				Sid: "AllowAssumeCrossAccountRoles", Effect: allow, Action: []string{assume}, Resource: literal(others),
			})
		}
		if len(secrets) > 0 && holder == n.Secrets.Identity {
			add(ReadSecrets, holder, n.Secrets.hints(), Statement{
				Sid: "ReadReferredSecrets", Effect: allow, Action: []string{read}, Resource: secrets,
			})
		}
		if n.Events.Name != "" && holder == cmp.Or(n.Events.Role, n.Events.Identity) {
			add(ReadEvents, holder, n.Events.hints(), Statement{
				Sid: "ReadEvents", Effect: allow, Action: []string{receive, remove}, Resource: []string{n.Events.arn()},
			})
			grants[len(grants)-1].Optional = []string{aboutEvents}
		}
		if n.Table.Name != "" && holder == cmp.Or(n.Table.Role, n.Table.Identity) {
			of, parsed := n.Table.grants(holder)
			grants, err = append(grants, of...), errors.Join(err, parsed)
		}
		if slices.Contains(roles, holder) {
			statement, hints := n.trust(holder)
			add(Trust, holder, hints, statement)
		}
	}
	return grants, err
}

// uses are those of integrations, and those of the queue and the table, which read no region.
func (n Needs) uses() []Use {
	all := slices.Clone(n.Uses)
	if n.Events.Name != "" {
		all = append(all, n.Events.Use)
	}
	if n.Table.Name != "" {
		all = append(all, n.Table.Use)
	}
	return all
}

// with adds what is not there yet.
func with(list []string, more ...string) []string {
	for _, text := range more {
		if !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return list
}

func grant(kind Kind, holder string, hints []string, statements []Statement) Grant {
	g := Grant{Kind: kind, For: holder, Hints: hints, Document: &Document{Version: version, Statement: statements}}
	for _, r := range reasons {
		if slices.ContainsFunc(statements, func(s Statement) bool { return slices.Contains(s.Action, r.Action) }) {
			g.Reasons = append(g.Reasons, r)
		}
	}
	if kind != Trust {
		g.Hints = append(g.Hints, size(g.Document)...)
	}
	return g
}

// everyRegion begins the resources of the minimum policy.
const everyRegion = "arn:aws:apigateway:*:"

// aboutLookup says what the optional grant is for.
func (n Needs) aboutLookup() string {
	const grant = "apigateway:GET on /apikeys"
	if n.Lookup {
		return grant + " is for agent.keys.lookup, and optional: without it, lost creates stay listed until somebody " +
			"acknowledges them. Whoever has it can read the values of all API keys; the agent asks for none"
	}
	return "with agent.keys.lookup=true, " + grant + " would be in it, too: then the agent finds lost creates by their names " +
		"and deletes them, and lists unconfirmed keys no longer that somebody has deleted"
}

// aboutDomains says the same of custom domain names.
func (n Needs) aboutDomains() string {
	const grant = "apigateway:GET and apigateway:ListRoutingRules on /domainnames"
	if n.Domains {
		return grant + " are for agent.discovery.customDomains, and optional: without them, APIs go out without the base URLs " +
			"that callers use, and all else goes on"
	}
	return "with agent.discovery.customDomains=true, " + grant + " would be in it, too: then documents, metadata and " +
		"descriptions say by which custom domain names the APIs are called"
}

// aboutRegions says the same of the regions `all`.
const aboutRegions = enabled + " is for the regions all, and optional: without it, each region is tried once"

// aboutEvents and aboutNoEvents say the same of a queue of events.
const (
	aboutEvents = receive + " and " + remove + " are for agent.events.queueUrl, and optional: without them, what has changed in " +
		"AWS waits for the schedule, or for somebody"
	aboutNoEvents = "with agent.events.queueUrl, " + receive + " and " + remove + " on that queue would be granted, too: then " +
		"APIM has what changes in AWS about a minute later"
)

// permissions are the minimum policy's for a few regions, or for every region of their partition, and what is optional.
func (n Needs) permissions(regions []string, all bool) ([]Statement, error) {
	partition := region.PartitionOf(regions[0]).ID
	granted := [][]byte{deployed.MinimumPolicy}
	if n.Lookup {
		granted = append(granted, deployed.KeyLookupPolicy)
	}
	if n.Domains {
		granted = append(granted, deployed.CustomDomainsPolicy)
	}
	if all && partition == "aws" {
		granted = append(granted, deployed.ListRegionsPolicy)
	}
	var statements []Statement
	for _, text := range granted {
		var d Document
		if err := json.Unmarshal(text, &d); err != nil {
			return nil, fmt.Errorf("reading the policies of deployments/iam: %w", err)
		}
		statements = append(statements, d.Statement...)
	}
	if all { // as the minimum policy has it
		regions = []string{"*"}
	}
	for i, s := range statements {
		var narrowed []string
		for _, name := range regions {
			of := partition
			if !all {
				of = region.PartitionOf(name).ID
			}
			here := fmt.Sprintf("arn:%s:apigateway:%s:", of, name)
			for _, resource := range s.Resource {
				narrowed = append(narrowed, strings.Replace(resource, everyRegion, here, 1))
			}
		}
		statements[i].Resource = narrowed
	}
	return statements, nil
}

// IAM's limits, in characters without white space: of all inline policies of a user, of a managed policy, and of all
// inline policies of a role.
const (
	mostOfUser    = 2048
	mostOfManaged = 6144
	mostOfRole    = 10240
)

// size says where a document has no room.
func size(d *Document) []string {
	text, err := json.Marshal(d)
	switch n := len(text); {
	case err != nil, n <= mostOfUser:
		return nil
	case n <= mostOfManaged:
		return []string{fmt.Sprintf("with %d characters it is too long for an inline policy of a user (%d); "+
			"for one, use create-policy and attach-user-policy", n, mostOfUser)}
	case n <= mostOfRole:
		return []string{fmt.Sprintf("with %d characters it fits only a role's inline policies (%d)", n, mostOfRole)}
	default:
		return []string{fmt.Sprintf("with %d characters it is too long for IAM (%d); "+
			"write * in place of the regions, as deployments/iam/minimum-policy.json does", n, mostOfRole)}
	}
}

// gap is who takes on a role as long as nobody is named. IAM refuses it.
const gap = "arn:%s:iam::ACCOUNT:role/AGENT"

func (n Needs) trust(role string) (s Statement, hints []string) {
	principals := n.Principals
	if len(principals) == 0 {
		principals = []string{fmt.Sprintf(gap, partition(role))}
		hints = append(hints, "put the agent's identity in the place of "+principals[0]+", or name it by --principal")
	}
	s = Statement{Effect: allow, Principal: map[string][]string{"AWS": principals}, Action: []string{assume}}
	all := n.uses()
	of := all[slices.IndexFunc(all, func(u Use) bool { return u.Role == role })]
	if of.ExternalID == "" {
		return s, append(hints, "it asks for no external id; set "+of.ExternalIDFrom+" to a text of your own, and it does")
	}
	s.Condition = map[string]map[string]string{"StringEquals": {"sts:ExternalId": of.ExternalID}}
	return s, hints
}

func partition(arn string) string {
	parts := strings.SplitN(arn, ":", 3) //nolint:mnd // arn, partition, rest
	return parts[1]
}

// principalARN is a role, a user, or a whole account.
var principalARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:(root|(role|user)/[\w+=,.@/-]+)$`)

// CheckPrincipals refuses who cannot be trusted by the roles.
func (n Needs) CheckPrincipals() error {
	for _, arn := range n.Principals {
		if !principalARN.MatchString(arn) {
			return fmt.Errorf("%q is not the ARN of a role or a user, such as arn:aws:iam::123456789012:role/AGENT; of a "+
				"session, name the role: aws iam get-role --role-name NAME --query Role.Arn", arn)
		}
		for _, u := range n.uses() {
			if u.Role != "" && partition(u.Role) != partition(arn) {
				return fmt.Errorf("%q is in another partition than the role %s; no role works across partitions", arn, u.Role)
			}
		}
	}
	return nil
}

// literal lets names stand for themselves alone: IAM takes * and ? for others, and $ for the begin of a variable.
func literal(names []string) (escaped []string) {
	for _, name := range names {
		escaped = append(escaped, strings.NewReplacer("*", "${*}", "?", "${?}", "$", "${$}").Replace(name))
	}
	return escaped
}

// suffixed is an ARN with the six characters that Secrets Manager puts behind each name.
var suffixed = regexp.MustCompile(`^arn:.*-[0-9A-Za-z]{6}$`)

func (s Secrets) resources() (arns []string) {
	account := s.Account
	if account == "" {
		account = "*"
	}
	for _, name := range literal(s.Names) {
		if !strings.HasPrefix(name, "arn:") {
			name = fmt.Sprintf("arn:%s:secretsmanager:%s:%s:secret:%s",
				region.PartitionOf(s.Region).ID, s.Region, account, name)
		}
		if !suffixed.MatchString(name) {
			name += "-??????"
		}
		arns = with(arns, name)
	}
	return arns
}

func (s Secrets) hints() []string {
	hints := []string{"a secret under a KMS key of your own needs kms:Decrypt on that key, too"}
	if s.Account == "" {
		hints = append(hints, "set agent.aws.accountId, and it names the account")
	}
	return hints
}

func (q Queue) arn() string {
	return fmt.Sprintf("arn:%s:sqs:%s:%s:%s", region.PartitionOf(q.Region).ID, q.Region, q.Account, q.Name)
}

func (q Queue) hints() []string {
	hints := []string{"a queue under a KMS key of your own needs kms:Decrypt on that key, too"}
	if q.Role == "" {
		hints = append(hints, "if this identity is not of account "+q.Account+", the queue's own policy must allow it, too; or "+
			"name a role of that account by agent.events.roleArn")
	} else if account := strings.Split(q.Role, ":")[4]; account != q.Account {
		hints = append(hints, "the role is of account "+account+", and the queue of "+q.Account+": its own policy must allow the "+
			"role, too")
	}
	return hints
}
