package config

import (
	"cmp"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Table is the table of DynamoDB that several agents share as their journal (operations.md, Several replicas). It is off
// without a name.
type Table struct {
	// Name of the table. With it the journal is in DynamoDB: several agents share it, and none needs a volume. The
	// CloudFormation of deployments/ or the command store create makes the table; policy prints the grant. Where to find
	// it: DynamoDB console, Tables.
	Name string `env:"name" example:"federation-agent"`
	// Region of the table. Without it that of the AWS SDK: AWS_REGION, or the profile's.
	Region string `env:"region" example:"eu-west-1"`
	// Role that is assumed to read and write the table, such as one of the table's account. Without it the agent's own
	// identity does.
	RoleARN string `env:"roleArn" guard:"account" example:"arn:aws:iam::123456789012:role/federation-journal"`
	// External id that this role's trust policy asks for. Without it, agent.aws.externalId is sent.
	ExternalID string `env:"externalId" guard:"account" example:"my-organization"`
	// Address that is asked instead of AWS's own, such as that of a VPC endpoint or of a stand-in. The SDK's own
	// AWS_ENDPOINT_URL_DYNAMODB works, too.
	Endpoint string `env:"endpoint" example:"https://vpce-1a2b3c4d-5e6f.dynamodb.eu-west-1.vpce.amazonaws.com"`
}

// IsOn reports whether the journal is a table.
func (t Table) IsOn() bool { return t.Name != "" }

const (
	tablePrefix      = "agent.store.table."
	keyTableName     = tablePrefix + "name"
	keyTableRegion   = tablePrefix + "region"
	keyTableRole     = tablePrefix + "roleArn"
	keyTableID       = tablePrefix + "externalId"
	keyTableEndpoint = tablePrefix + "endpoint"
	keyRequired      = "agent.store.required"
	keyHandover      = "agent.shutdown.handover"

	// tableHandover is long enough for APIM's next HEALTH_CHECK, which it sends every 30 s, and for another replica that
	// is just starting.
	tableHandover = 40 * time.Second
)

// tableName is documented by AWS (CreateTable), with 3 to 255 characters.
var tableName = regexp.MustCompile(`^[\w.-]+$`)

const minTableName, maxTableName = 3, 255

// settleStore fills in what follows from where the journal is.
func (l *loader) settleStore(a *Agent) {
	isOn := a.Store.Table.IsOn()
	if _, set := l.settings[keyRequired]; !set {
		a.Store.Required = isOn
	}
	if _, set := l.settings[keyHandover]; !set && isOn {
		a.Shutdown.Handover = tableHandover
	}
	if a.Store.Table.RoleARN != "" {
		a.Store.Table.ExternalID = cmp.Or(a.Store.Table.ExternalID, a.AWS.ExternalID)
		l.tell(keyTableID, a.Store.Table.ExternalID, OriginDefault)
	}
	l.tell(keyRequired, strconv.FormatBool(a.Store.Required), OriginDefault)
	l.tell(keyHandover, a.Shutdown.Handover.String(), OriginDefault)
}

func (l *loader) checkTable(t Table, required bool) {
	if t.IsOn() && !required {
		l.fault(keyRequired, "must be true, or not set, where the journal is a table: what one agent keeps in its memory the "+
			"others do not know, and two would make a key for one subscription")
	}
	if !t.IsOn() {
		// Not a warning: with a file of its own, each of several agents would make keys that the others do not know.
		for _, key := range sortedKeys(l.settings) {
			if strings.HasPrefix(key, tablePrefix) {
				l.fault(keyTableName, "is missing: %s needs it; without it the journal would be a file", l.named(key))
				return
			}
		}
		return
	}
	switch {
	case strings.HasPrefix(t.Name, "arn:"):
		l.fault(keyTableName, "this is an ARN: write the table's name alone, and its region in %s",
			variableName(keyTableRegion))
	case !tableName.MatchString(t.Name) || len(t.Name) < minTableName || len(t.Name) > maxTableName:
		l.fault(keyTableName, "%s is not the name of a table: 3 to 255 letters, digits, _, - and .", show(t.Name))
	}
	partition, _ := partitionOf(t.Region)
	if t.Region != "" && partition == "" {
		l.fault(keyTableRegion, "%s is not an AWS region%s", show(t.Region), likeRegion(t.Region))
	}
	switch of, is := partitionOfRole(t.RoleARN); {
	case t.RoleARN != "" && !is:
		l.fault(keyTableRole, "%s is not the ARN of an IAM role", show(t.RoleARN))
	case is && partition != "" && of != partition:
		l.fault(keyTableRole, "%s is in another partition than the table; no role works across partitions", show(t.RoleARN))
	case t.RoleARN == "" && t.ExternalID != "":
		l.fault(keyTableID, "is set, but %s is not, and only a role asks for one", variableName(keyTableRole))
	}
	l.checkExternalID(keyTableID, t.ExternalID)
	if t.Endpoint != "" && !isBaseURL(t.Endpoint) {
		l.fault(keyTableEndpoint, "is not an address such as https://HOST or http://HOST:PORT, without a user, a path or a query")
	}
}

// isBaseURL reports whether a text is http or https, a host and perhaps a port, and nothing more.
func isBaseURL(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil &&
		u.RawQuery == "" && u.Fragment == "" && strings.Trim(u.Path, "/") == ""
}
