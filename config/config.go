// Package config turns environment variables and gravitee.yml files into one [Config].
//
// This agent replaces the vendor's, so it must understand the vendor's spellings. Every source is first laid out as one
// flat map of canonical keys such as integration.providers[0].configuration.roleArn; the environment overrides YAML.
// Only then is the struct filled. The spelling of each value is kept beside its key, so that a fault names the variable
// as the user wrote it.
//
// docs/configuration.md is generated from this package: from the tags and the comments of the fields, and from the
// tables of keys that are not served.
package config

//go:generate go test -run PageIsGenerated$ . -update

import (
	"log/slog"
	"time"

	"federation-agent/internal/secret"
)

// Config is everything that can be set. It is read once, at start-up, and does not change afterwards.
// [Load] makes one that is complete and valid.
//
// A key is written in the tags alone: envPrefix of the enclosing fields and env of the field itself, one after the
// other, with # for the index of a list. envDefault and example are values as a user writes them, size marks a number
// of bytes, range and oneof limit the value, title begins a section of the reference page, guard names one of the
// guards for all texts below. The comment above a field is what that page says about it; what only code has to know is
// in the comment of its type.
type Config struct {
	Connector Connector  `envPrefix:"integration.connector.ws." guard:"trust" title:"Connection to Gravitee APIM"`
	System    System     `envPrefix:"system." guard:"trust" title:"Proxy to Gravitee APIM"`
	Providers []Provider `envPrefix:"integration.providers[#]." guard:"account" title:"Integrations with AWS API Gateway"`
	Cloud     Cloud      `envPrefix:"cloud." guard:"trust" title:"Gravitee Cloud"`
	Secrets   Secrets    `envPrefix:"secrets." title:"Secret stores"`
	Services  Services   `envPrefix:"services."`
	Agent     Agent      `envPrefix:"agent."`
	// Notes say where settings came from that nobody named, one a line.
	Notes []string `env:"-"`
}

// Connector says how APIM's integration controller is reached. All integrations share it. Endpoints are http or https
// URLs without query, fragment or trailing slash; there is at least one. MaxFrameSize and MaxMessageSize are in bytes;
// Gravitee's exchange connector has the same defaults on both sides.
type Connector struct {
	// Address of APIM's integration controller: http or https (ws and wss mean the same). One trailing slash and any
	// query are dropped. Several are tried in turn; the list ends at its first gap. At least one is required. Where to
	// find it: the management API's host, usually with the path /integration-controller.
	Endpoints []string `env:"endpoints[#]" envSeparator:"\n" example:"https://apim.example.com/integration-controller"`
	Headers   []Header `envPrefix:"headers[#]."`
	// Whether the agent connects again even after APIM ended the session for good (GOOD_BYE without reconnect). After a
	// lost connection or a refusal it always does.
	AutoReconnect bool `env:"autoReconnect" envDefault:"false" example:"true"`
	// Read for compatibility. This agent always pings, every 5 s.
	KeepAlive bool `env:"keepAlive" envDefault:"true" example:"true"`
	// Largest websocket frame sent. A larger message is sent in continuation frames. Must not exceed the controller's
	// own limit.
	MaxFrameSize int `env:"maxWebSocketFrameSize" envDefault:"65536" size:"" range:"1KiB,16MiB" example:"64KiB"`
	// Largest message sent or accepted. Must not exceed the controller's own limit.
	MaxMessageSize int          `env:"maxWebSocketMessageSize" envDefault:"13107200" size:"" range:"64KiB,1GiB" example:"12800KiB"`
	SSL            SSL          `envPrefix:"ssl." title:"TLS to Gravitee APIM"`
	Proxy          SessionProxy `envPrefix:"proxy." title:"Proxy to Gravitee APIM"`
}

// Header is one header of the HTTP request that opens the websocket.
type Header struct {
	// Name of a request header sent to APIM. The list ends at its first gap.
	Name string `env:"name" example:"Authorization"`
	// Its value. For Authorization: the word bearer, a space, and the token of a service account that may create, read,
	// update and delete integrations. Never printed. Where to find it: APIM console, the service account's personal
	// access tokens.
	Value secret.String `env:"value" example:"bearer 00000000-0000-0000-0000-000000000000"`
}

// Provider is one integration of APIM with the accounts and regions that it covers: see [Config.Accesses]. No two
// providers share an IntegrationID. Regions, RoleARNs and Stages repeat no value.
type Provider struct {
	// Kind of the integration. Required; this agent serves aws-api-gateway only.
	Type string `env:"type" example:"aws-api-gateway"`
	// Id of the integration in APIM. Required, and different for each provider. Where to find it: APIM console,
	// Integrations, the integration's Overview page.
	IntegrationID string `env:"integrationId" example:"7a1d6fa5-3a1e-4c8e-9d6f-a53a1e0c8e12"`
	// AWS region, or several with commas, or all: every region of the partition, without those that are off for an account.
	// Required: the environment's AWS_REGION does not replace it. Where to find it: the region selector of the AWS
	// console.
	Regions []string `env:"configuration.region" example:"eu-west-1"`
	// IAM role to assume, or several with commas. Every region is read with every role. Without one, and without accounts,
	// the agent serves the account of its credentials. Where to find it: IAM console, Roles, the role's Summary.
	RoleARNs []string `env:"configuration.roleArn" example:"arn:aws:iam::123456789012:role/gravitee-federation"`
	// Accounts come behind the roles of RoleARNs.
	Accounts []Account `envPrefix:"configuration.accounts[#]."`
	// Static access key id. Without it the default chain of the AWS SDK is used (environment, profile, web identity,
	// container, instance). Where to find it: IAM console, Security credentials.
	AccessKeyID secret.String `env:"configuration.accessKeyId" example:"AKIAIOSFODNN7EXAMPLE"`
	// Secret of that access key. Never printed. Where to find it: AWS shows it once, when the access key is made.
	SecretAccessKey secret.String `env:"configuration.secretAccessKey" example:"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"`
	// Session token of temporary keys, whose access key id begins with ASIA. They end within hours: let it be a reference
	// or a file that is renewed, or use a role. Never printed.
	SessionToken secret.String `env:"configuration.sessionToken" example:"IQoJb3JpZ2luX2VjEXAMPLE"`
	// Whether APIs that are in no usage plan are federated too. Costs one AWS call more per API.
	AcceptAPIWithoutUsagePlan bool `env:"configuration.acceptApiWithoutUsagePlan" envDefault:"false" example:"true"`
	// Stage filter: with any entry, only the stages named are federated. Blank entries are skipped, at any index. Where
	// to find it: API Gateway console, Stages.
	Stages []string `env:"configuration.#_stage" envSeparator:"\n" guard:"stage" example:"prod"`
	Filter Filter   `envPrefix:"configuration.filter." guard:"filter"`
}

// Filter says more of what is federated. Each list is one value with commas, or a list whose elements may have commas.
// No list repeats a value, and no entry is in the excluding list beside its own.
type Filter struct {
	// Names of REST APIs, exact or with * (any characters) and ? (one): with any entry, only those that match one are
	// federated. Several with commas, or one each with an index, as a name with a comma needs it. Upper and lower case
	// count. This and all below hold together with the stage filter: an API must pass all of them.
	IncludeAPIs []string `env:"includeApis[#]" envSeparator:"\n" example:"orders-*"`
	// Names of REST APIs, in the same form, that are not federated, whatever includes them. What APIM has of them stays.
	ExcludeAPIs []string `env:"excludeApis[#]" envSeparator:"\n" example:"*-internal"`
	// Tags of REST APIs, as KEY or KEY=VALUE, with * and ? in both: with any entry, only REST APIs that have one of them
	// are federated. The first = ends the key.
	IncludeAPITags []string `env:"includeApiTags[#]" envSeparator:"\n" example:"visibility=public"`
	// Tags of REST APIs that are not federated.
	ExcludeAPITags []string `env:"excludeApiTags[#]" envSeparator:"\n" example:"federate=no"`
	// Names of stages, with * and ?: with any entry, only stages that match one are federated.
	IncludeStages []string `env:"includeStages[#]" envSeparator:"\n" example:"prod*"`
	// Names of stages that are not federated.
	ExcludeStages []string `env:"excludeStages[#]" envSeparator:"\n" example:"test-*"`
	// Tags of stages: with any entry, only stages that have one of them are federated. This and the next cost one AWS call
	// per REST API for a preview, and none more for an ingest of everything.
	IncludeStageTags []string `env:"includeStageTags[#]" envSeparator:"\n" example:"visibility=public"`
	// Tags of stages that are not federated.
	ExcludeStageTags []string `env:"excludeStageTags[#]" envSeparator:"\n" example:"federate=no"`
}

// Agent holds this agent's own settings.
type Agent struct {
	Node      Node      `envPrefix:"node." guard:"trust" title:"Node API: health, metrics, status page"`
	Cloud     CloudGate `envPrefix:"cloud." guard:"trust" title:"Gate of Gravitee Cloud"`
	APIM      APIM      `envPrefix:"apim." guard:"trust" title:"APIM's REST API"`
	Events    Events    `envPrefix:"events." title:"Events of AWS"`
	Log       Log       `envPrefix:"log." title:"Log"`
	Quota     Quota     `envPrefix:"quota." title:"Share of AWS's request quota"`
	AWS       AWS       `envPrefix:"aws." guard:"account" title:"AWS identity"`
	Commands  Commands  `envPrefix:"commands." title:"Commands from APIM"`
	Discovery Discovery `envPrefix:"discovery." title:"Discovery"`
	Ingest    Ingest    `envPrefix:"ingest." title:"Ingest"`
	Keys      Keys      `envPrefix:"keys." title:"API keys"`
	Store     Store     `envPrefix:"store." title:"Journal"`
	Cache     Cache     `envPrefix:"cache." title:"Export cache"`
	Shutdown  Shutdown  `envPrefix:"shutdown." title:"Shutdown"`
}

// Node says more than gravitee-node's settings do about who may ask the node API.
type Node struct {
	// Public names under which callers ask the node API, with commas and without ports. Addresses, names without a dot,
	// services.core.http.host and names below .localhost, .local, .internal and .svc need no entry. Under any other name
	// only a bare health is answered, because a web page could have made the name lead here.
	HostNames []string `env:"hostNames" example:"agent.example.com"`
}

// Log configures the program's log, which goes to the standard error.
type Log struct {
	// Least level that is logged. Without it, the vendor's GRAVITEE_LOG_LEVEL counts, then a logback.xml beside the YAML
	// files, or where the vendor's image has its own: the most talkative of its loggers below io.gravitee and
	// com.graviteesource, else its root. A line at the start names what decided.
	Level slog.Level `env:"level" envDefault:"info" oneof:"debug,info,warn,error" example:"debug"`
	// Form of a log line. Without it, that of the console appender of such a logback.xml counts.
	Format string `env:"format" envDefault:"text" oneof:"text,json" example:"json"`
}

// The forms of the log.
const (
	formatText = "text"
	formatJSON = "json"
)

// Quota says what AWS allows and how much of it this agent may use. AWS documents 10 control-plane requests a
// second with a burst of 40 for everyone together; it cannot be raised.
type Quota struct {
	// Percentage of the rate and burst that the agent uses. The rest is left to other users of the account. Or auto: nearly
	// all while nobody else is noticed, but for the first 15 s of work, and 70 for half an hour after each sign of others.
	Share Share `env:"share" envDefault:"70" range:"1,100" example:"50"`
	// Requests a second that AWS allows. Raise it only for a stand-in.
	Rate float64 `env:"rate" envDefault:"10" range:"0.1,100000" example:"10"`
	// Burst of requests that AWS allows. Raise it only for a stand-in.
	Burst int `env:"burst" envDefault:"40" range:"1,1000000" example:"40"`
	// What one quota belongs to. AWS documents it per account; in practice it is kept for each account and region.
	Scope string `env:"scope" envDefault:"account-region" oneof:"account-region,account" example:"account"`
}

// The scopes of a request quota.
const (
	ScopeAccountRegion = "account-region"
	ScopeAccount       = "account"
)

// AWS refines how the agent presents itself to AWS.
type AWS struct {
	// The 12-digit account of the credentials. Needed only where STS cannot be reached and no role names the account.
	// Where to find it: the account menu of the AWS console.
	AccountID string `env:"accountId" example:"123456789012"`
	// Session name of an assumed role, as CloudTrail shows it: 2 to 64 letters, digits or _+=,.@-
	RoleSessionName string `env:"roleSessionName" envDefault:"gravitee-federation-agent" example:"my-federation-agent"`
	// External id that the roles' trust policies ask for: 2 to 1224 letters, digits or _+=,.@:/-
	// Where to find it: the role's trust policy, condition sts:ExternalId.
	ExternalID string `env:"externalId" example:"my-organization"`
}

// Commands bounds what APIM may ask at a time.
type Commands struct {
	// Commands that may be open per integration. More are answered ERROR, busy, at once.
	MaxOpen int `env:"maxOpen" envDefault:"256" range:"1,100000" example:"256"`
}

// Discovery configures listings of REST APIs and usage plans.
type Discovery struct {
	// Age up to which the listing of a preview is used by the ingest that follows it. A preview itself lists again; only
	// the stages outside usage plans, which cost a call per REST API, are used up to this age.
	ListingMaxAge time.Duration `env:"listingMaxAge" envDefault:"1m" range:"0s,1h" example:"2m"`
	// Time between background refreshes of the export cache, made by the primary agent only. 0s: none.
	RefreshInterval time.Duration `env:"refreshInterval" envDefault:"0s" range:"0s,168h" example:"1h"`
	// Show the base URLs by which callers reach APIs under custom domain names: first in the document's servers, in
	// metadata and in the description. Needs an optional grant beyond the minimum policy: policy prints it. Costs one call
	// for each 500 domain names of an account and region, one for each of them, and one more for each that has routing rules.
	CustomDomains bool `env:"customDomains" envDefault:"false" example:"true"`
	// Age up to which custom domain names are used by further ingests without asking AWS again. What was mapped or unmapped
	// in AWS meanwhile does not show.
	CustomDomainsMaxAge time.Duration `env:"customDomainsMaxAge" envDefault:"1h" range:"0s,168h" example:"6h"`
	// Whether one export serves all stages of a REST API with the same deployment, once two such stages of the account had the
	// same document (performance.md, Shared exports). false: each stage is exported.
	ShareExports bool `env:"shareExports" envDefault:"true" example:"false"`
}

// Ingest bounds an ingest job. Sizes are in bytes.
type Ingest struct {
	// A batch is sent when it holds this much. At most the largest message.
	BatchBytes int `env:"batchBytes" envDefault:"1MiB" size:"" range:"1KiB,1GiB" example:"512KiB"`
	// A batch is sent when it holds this many APIs.
	BatchCount int `env:"batchCount" envDefault:"50" range:"1,10000" example:"20"`
	// A batch is sent when its first API has waited this long.
	BatchDelay time.Duration `env:"batchDelay" envDefault:"10s" range:"100ms,2m" example:"5s"`
	// Documents in memory at a time, per integration (operations.md, Memory). At least one batch; a single larger document
	// is processed alone. The default is enough for a few accounts and regions at full speed.
	MemoryBytes int `env:"memoryBytes" envDefault:"8MiB" size:"" range:"1KiB,1GiB" example:"16MiB"`
	// Stages exported at a time, per account and region.
	StageWorkers int `env:"stageWorkers" envDefault:"16" range:"1,1000" example:"8"`
	// Plans that AWS does not list any more are deleted in APIM, with their subscriptions, by the next ingest after log
	// and status have named them. Without it a second listing, five minutes later, must show the same first.
	AcceptPlanRemovals bool `env:"acceptPlanRemovals" envDefault:"false" example:"true"`
	// When the primary agent has APIM ingest what is new or changed in AWS, or missing in APIM, and nothing else
	// (operations.md, Schedule). Needs agent.apim. In the form of cron: minute, hour, day, month and weekday, or @hourly,
	// @daily, @weekly, @monthly, @yearly. In UTC, unless CRON_TZ=Europe/Paris or so comes before. At most every 5 minutes.
	// Without it only people start ingests.
	Schedule string `env:"schedule" example:"0 * * * *"`
	// Each scheduled ingest begins later by a random part of this, so that agents do not all ask at once, but at least
	// five minutes before the next time.
	ScheduleJitter time.Duration `env:"scheduleJitter" envDefault:"5m" range:"0s,1h" example:"1m"`
	// What becomes of an API in APIM whose REST API or stage is deleted in AWS (operations.md, Gone). report: it is named.
	// unpublish: it is hidden, which a person can undo. delete: it is deleted for good. The schedule does it, one by one,
	// once two scheduled rounds have seen it. So unpublish and delete need agent.ingest.schedule.
	Gone string `env:"gone" envDefault:"report" oneof:"report,unpublish,delete" example:"unpublish"`
	// If more APIs than this are gone at a time, none is unpublished or deleted, and the log asks for somebody.
	GoneAtMost int `env:"goneAtMost" envDefault:"10" range:"1,1000" example:"20"`
	// Whether also APIs with pending, accepted or paused subscriptions are unpublished or deleted. Deleting ends them.
	GoneWithSubscriptions bool `env:"goneWithSubscriptions" envDefault:"false" example:"true"`
}

// Keys says what the agent may do about keys of which it does not know enough.
type Keys struct {
	// Look for lost creates and unconfirmed keys in AWS by their names: a lost create that AWS has made is deleted, and
	// what AWS does not list for more than an hour is no longer listed here either. Needs apigateway:GET on /apikeys, which
	// the minimum policy lacks: policy prints it. Costs one call for each look.
	Lookup bool `env:"lookup" envDefault:"false" example:"true"`
}

// Store says where the journal of keys and jobs lives.
type Store struct {
	// Directory of the journal, relative to the working directory. Put it on a volume, 1 GiB with the export cache, 16
	// MiB without: it records which keys are not yet confirmed. With agent.store.table.name nothing of the journal is in it.
	Path  string `env:"path" envDefault:"data" example:"/var/lib/federation-agent"`
	Table Table  `envPrefix:"table." guard:"journal"`
	// Whether subscriptions are refused while the journal cannot be written. Without it: false with a directory, true with
	// a table. With false, keys are made all the same, and a crash meanwhile may leave one that nobody knows. With a table
	// it can only be true: what one agent keeps in its memory the others do not know. Ends of subscriptions go on always.
	Required bool `env:"required" example:"true"`
}

// Cache says where exported documents are kept between ingests. It can be deleted at any time.
type Cache struct {
	// Directory of the export cache. Without it: the directory exports below agent.store.path, or memory where the
	// journal is a table.
	Path string `env:"path" example:"/var/cache/federation-agent"`
	// Largest size of the cache on disk; the least recently used documents are deleted first. On the journal's volume
	// the cache takes at most half of what is free, and is deleted if the journal finds no room. 0: no cache.
	MaxBytes int64 `env:"maxBytes" envDefault:"512MiB" size:"" range:"0,1024GiB" example:"1GiB"`
}

// Shutdown bounds an orderly end.
type Shutdown struct {
	// Time for an orderly end after SIGTERM. By default Kubernetes kills after 30 s and Docker after 10 s.
	Timeout time.Duration `env:"timeout" envDefault:"8s" range:"1s,5m" example:"8s"`
	// Time before that, in which the agent waits for another replica that is ready, and for the HEALTH_CHECK by whose
	// answer APIM turns to that one. Without it: 0s with a directory, 40s with a table. The grace period of the platform
	// must be longer than both together.
	Handover time.Duration `env:"handover" range:"0s,5m" example:"40s"`
}
