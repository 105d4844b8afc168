// Package config turns environment variables and gravitee.yml files into one [Config].
//
// A drop-in for the vendor's agent must understand the vendor's spellings, so every source is first laid
// out as one flat map of canonical keys such as integration.providers[0].configuration.roleArn, the
// environment over YAML. Only then is the struct filled. The spelling of each value is kept beside its
// key, so that a fault names the variable as the user wrote it.
//
// docs/configuration.md is generated from this package; see [WriteReference].
package config

//go:generate go run ./internal/gendoc ../docs/configuration.md

import (
	"log/slog"
	"time"

	"federation-agent/internal/secret"
)

// Config is everything that can be set. It is read once, at start-up, and never changed afterwards.
// [Load] makes one that is complete and valid.
//
// The tags are the source of the reference page: env and envPrefix make up the canonical key, key is the
// last part of it where users write it in another way than the library, size marks bytes, range and oneof
// limit the value, find says where a newcomer gets it.
type Config struct {
	Connector Connector  `envPrefix:"integration.connector.ws." title:"Connection to Gravitee APIM"`
	Providers []Provider `envPrefix:"integration.providers_" title:"Integrations with AWS API Gateway"`
	Services  Services   `envPrefix:"services."`
	Agent     Agent      `envPrefix:"agent."`
}

// Connector says how APIM's integration controller is reached. All integrations share it.
type Connector struct {
	// Endpoints are http or https URLs without query, fragment or trailing slash; at least one.
	// They are taken in turn.
	Endpoints []string `env:"endpoints" envSeparator:"\n" key:"endpoints[#]" doc:"Address of APIM's integration controller: http or https (ws and wss are taken as synonyms). One trailing slash and any query are dropped. Several are tried in turn; the list ends at its first gap. At least one is required." example:"https://apim.example.com/integration-controller" find:"the management API's host, usually with the path /integration-controller"`
	// Headers go out with the request that opens the websocket.
	Headers []Header `envPrefix:"headers_"`
	// AutoReconnect makes the agent come back even after APIM said good-bye for good. After anything else it comes back
	// anyway: a session that is lost for good helps nobody.
	AutoReconnect bool `env:"autoReconnect" envDefault:"false" doc:"Whether the agent comes back even after APIM said good-bye for good (GOOD_BYE without reconnect). After a lost connection or a refusal it always does." example:"true"`
	// KeepAlive is the vendor's switch. This agent always pings; it is read so that the vendor's files load.
	KeepAlive bool `env:"keepAlive" envDefault:"true" doc:"Read for compatibility. This agent always pings, every 5 s." example:"true"`
	// MaxFrameSize and MaxMessageSize are in bytes. Gravitee's exchange connector has the same
	// defaults on both sides; larger messages are sent in continuation frames.
	MaxFrameSize   int `env:"maxWebSocketFrameSize" envDefault:"65536" size:"" range:"1024,16777216" doc:"Largest websocket frame sent. A larger message goes out in continuation frames. Must not exceed the controller's own limit." example:"65536"`
	MaxMessageSize int `env:"maxWebSocketMessageSize" envDefault:"13107200" size:"" range:"65536,1073741824" doc:"Largest message sent or accepted. Must not exceed the controller's own limit." example:"13107200"`
}

// Header is one HTTP request header.
type Header struct {
	Name  string        `env:"name" doc:"Name of a request header sent to APIM. The list ends at its first gap." example:"Authorization"`
	Value secret.String `env:"value" doc:"Its value. For Authorization: the word bearer, a space, and the token of a service account that may create, read, update and delete integrations. Never printed." example:"bearer 00000000-0000-0000-0000-000000000000" find:"APIM console, the service account's personal access tokens"`
}

// Provider is one integration of APIM with the accounts and regions it looks at: every region with every role.
type Provider struct {
	Type string `env:"type" doc:"Kind of the integration. Required; this agent serves aws-api-gateway only." example:"aws-api-gateway"`
	// IntegrationID is what the agent introduces itself with; no two providers may share one.
	IntegrationID string `env:"integrationId" doc:"Id of the integration in APIM. Required, and different for each provider." example:"7a1d6fa5-3a1e-4c8e-9d6f-a53a1e0c8e12" find:"APIM console, Integrations, the integration's Overview page"`
	// Regions holds at least one region name, each once.
	Regions []string `env:"configuration.region" doc:"AWS region, or several with commas. Required: the environment's AWS_REGION is not taken for it." example:"eu-west-1" find:"the region selector of the AWS console"`
	// RoleARNs holds the roles to assume, each once; none means the credentials' own account.
	RoleARNs []string `env:"configuration.roleArn" doc:"IAM role to assume, or several with commas. Every region is looked at with every role." example:"arn:aws:iam::123456789012:role/gravitee-federation" find:"IAM console, Roles, the role's Summary"`
	// AccessKeyID and SecretAccessKey are set both or neither. Neither means the SDK's default chain.
	AccessKeyID     string        `env:"configuration.accessKeyId" doc:"Static access key id. Without it the default chain of the AWS SDK is used (environment, profile, web identity, container, instance)." example:"AKIAIOSFODNN7EXAMPLE" find:"IAM console, Security credentials"`
	SecretAccessKey secret.String `env:"configuration.secretAccessKey" doc:"Secret of that access key. Never printed." example:"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" find:"shown once, when the access key is made"`
	// AcceptAPIWithoutUsagePlan adds REST APIs that are in no usage plan, at one more call per API.
	AcceptAPIWithoutUsagePlan bool `env:"configuration.acceptApiWithoutUsagePlan" envDefault:"false" doc:"Whether APIs that are in no usage plan are federated too. Costs one AWS call more per API." example:"true"`
	// Stages are the only stages looked at, each once; none means all of them.
	Stages []string `env:"configuration.stage" envSeparator:"\n" key:"configuration.#_stage" doc:"Stage filter: with any entry, only the stages named are federated. Blank entries are skipped, wherever they stand." example:"prod" find:"API Gateway console, Stages"`
}

// Agent holds this agent's own settings.
type Agent struct {
	Log       Log       `envPrefix:"log." title:"Log"`
	Quota     Quota     `envPrefix:"quota." title:"Share of AWS's request quota"`
	AWS       AWS       `envPrefix:"aws." title:"AWS identity"`
	Commands  Commands  `envPrefix:"commands." title:"Commands from APIM"`
	Discovery Discovery `envPrefix:"discovery." title:"Discovery"`
	Ingest    Ingest    `envPrefix:"ingest." title:"Ingest"`
	Store     Store     `envPrefix:"store." title:"Journal"`
	Cache     Cache     `envPrefix:"cache." title:"Export cache"`
	Shutdown  Shutdown  `envPrefix:"shutdown." title:"Shutdown"`
}

// Log configures the program's log, which goes to the standard error.
type Log struct {
	Level  slog.Level `env:"level" envDefault:"info" oneof:"debug,info,warn,error" doc:"Least level that is logged." example:"debug"`
	Format string     `env:"format" envDefault:"text" oneof:"text,json" doc:"Form of a log line." example:"json"`
}

// Quota says what AWS allows and how much of it this agent may use. AWS documents 10 control-plane requests a
// second with a burst of 40 for everyone together; it cannot be raised.
type Quota struct {
	// Share is in percent of Rate and of Burst.
	Share int `env:"share" envDefault:"70" range:"1,100" doc:"Percentage of the rate and burst that the agent uses. The rest is left to the deployments of others." example:"50"`
	// Rate is in requests a second.
	Rate  float64 `env:"rate" envDefault:"10" range:"0.1,100000" doc:"Requests a second that AWS allows. Raise it only for a stand-in." example:"10"`
	Burst int     `env:"burst" envDefault:"40" range:"1,1000000" doc:"Burst of requests that AWS allows. Raise it only for a stand-in." example:"40"`
	// Scope is ScopeAccountRegion or ScopeAccount.
	Scope string `env:"scope" envDefault:"account-region" oneof:"account-region,account" doc:"What one quota belongs to. AWS documents it per account; in practice it is kept for each account and region." example:"account"`
}

// The scopes of a request quota.
const (
	ScopeAccountRegion = "account-region"
	ScopeAccount       = "account"
)

// AWS refines how the agent presents itself to AWS.
type AWS struct {
	AccountID       string `env:"accountId" doc:"The 12-digit account of the credentials. Needed only where STS cannot be reached and no role names the account." example:"123456789012" find:"the account menu of the AWS console"`
	RoleSessionName string `env:"roleSessionName" envDefault:"gravitee-federation-agent" doc:"Session name of an assumed role, as CloudTrail shows it: 2 to 64 letters, digits or _+=,.@-" example:"gravitee-federation-agent"`
	ExternalID      string `env:"externalId" doc:"External id that the roles' trust policies ask for: 2 to 1224 letters, digits or _+=,.@:/-" example:"my-organization" find:"the role's trust policy, condition sts:ExternalId"`
}

// Commands bounds what APIM may ask at a time.
type Commands struct {
	MaxOpen int `env:"maxOpen" envDefault:"256" range:"1,100000" doc:"Commands that may be open per integration. Those beyond are answered ERROR, busy, at once." example:"256"`
}

// Discovery configures listings of REST APIs and usage plans.
type Discovery struct {
	ListingMaxAge   time.Duration `env:"listingMaxAge" envDefault:"1m" range:"0s,1h" doc:"Age up to which the listing of a preview serves the ingest that follows it." example:"2m"`
	RefreshInterval time.Duration `env:"refreshInterval" envDefault:"0s" range:"0s,168h" doc:"Time between background refreshes of the export cache, made by the primary agent only. 0s: none." example:"1h"`
}

// Ingest bounds an ingest job. Sizes are in bytes.
type Ingest struct {
	BatchBytes            int           `env:"batchBytes" envDefault:"1MiB" size:"" range:"1024,1073741824" doc:"A batch goes out when it holds this much. At most the largest message." example:"512KiB"`
	BatchCount            int           `env:"batchCount" envDefault:"50" range:"1,10000" doc:"A batch goes out when it holds this many APIs." example:"20"`
	BatchDelay            time.Duration `env:"batchDelay" envDefault:"10s" range:"100ms,2m" doc:"A batch goes out when its first API has waited this long." example:"5s"`
	MemoryBytes           int           `env:"memoryBytes" envDefault:"8MiB" size:"" range:"1024,1073741824" doc:"Documents held at a time, per integration, as far as their size is known before they come (operations.md, Memory). At least one batch; a single larger document passes alone." example:"16MiB"`
	StageWorkers          int           `env:"stageWorkers" envDefault:"16" range:"1,1000" doc:"Stages exported at a time, per account and region." example:"8"`
	MaxPlanRemovalPercent int           `env:"maxPlanRemovalPercent" envDefault:"50" range:"0,100" doc:"An ingest that would take away a larger part of an account's and region's known plans is refused until a second listing shows the same." example:"20"`
}

// Store says where the journal of keys and jobs lives.
type Store struct {
	Path string `env:"path" envDefault:"data" doc:"Directory of the journal, relative to the working directory. Put it on a volume: it knows which keys are not yet confirmed." example:"/var/lib/federation-agent"`
}

// Cache says where exported documents are kept between ingests. It can be deleted at any time.
type Cache struct {
	// Path is the directory exports below the store's unless set.
	Path     string `env:"path" doc:"Directory of the export cache. Unless set: the directory exports below agent.store.path." example:"/var/cache/federation-agent"`
	MaxBytes int64  `env:"maxBytes" envDefault:"512MiB" size:"" range:"0,1099511627776" doc:"Largest size of the cache on disk; the least recently used goes first. 0: no cache." example:"1GiB"`
}

// Shutdown bounds an orderly end.
type Shutdown struct {
	Timeout time.Duration `env:"timeout" envDefault:"8s" range:"1s,5m" doc:"Time for an orderly end after SIGTERM. Kubernetes and Docker kill after 30 s and 10 s unless told otherwise." example:"8s"`
}
