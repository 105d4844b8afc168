package apigateway

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"

	"federation-agent/internal/gateway"
	"federation-agent/internal/secret"
)

// CredentialsOptions say how one integration signs in to AWS.
type CredentialsOptions struct {
	// AccessKeyID and SecretAccessKey are keys of the settings; temporary ones have a SessionToken, too. Without them the
	// SDK's default chain is used (environment, profiles, IRSA, ECS, EKS Pod Identity, EC2 instance roles).
	AccessKeyID, SecretAccessKey, SessionToken secret.String
	// External is sent with each AssumeRole, by the role's ARN. RoleSessionName is the name of the agent's sessions in
	// CloudTrail.
	External        map[string]ExternalID
	RoleSessionName string
	// Regions are the regions of the integration, at least one. STS is called in the first of them that answers.
	Regions []string
	// HTTPClient carries all calls. Nil means a client of [NewHTTPClient]. A client that is not an
	// *awshttp.BuildableClient, as in a simulation, is used as it is: AWS_CA_BUNDLE has no effect on it, and the default
	// chain does not use it for its own calls.
	HTTPClient aws.HTTPClient
	// Log takes the SDK's own warnings. Nil leaves them to the SDK, which writes them to the standard error.
	Log *slog.Logger
	// Called, unless nil, hears of each attempt to call STS when it has ended, those of the SDK's own chain too. It is
	// called by any goroutine.
	Called func(region string, operation gateway.Operation, outcome gateway.Outcome)
}

// ExternalID is what a role's trust policy may ask for. An empty ID is not sent. Setting names where it is set, and
// RoleSetting where the role is, for people.
type ExternalID struct{ ID, Setting, RoleSetting string }

// appID names the agent in the user agent header, unless AWS_SDK_UA_APP_ID gives another name.
const appID = "federation-agent"

const (
	// sessionTime is the duration that AssumeRole asks for. A role that is assumed from another role's session gets one
	// hour at most.
	sessionTime = time.Hour
	// renewBefore is how long before their expiry credentials are renewed. So none expires during a call, or while STS
	// does not answer for a moment.
	renewBefore = 5 * time.Minute
)

// Credentials gives each target of one integration its configuration. A role's credentials are fetched once and shared
// by all regions. It is safe for concurrent use.
type Credentials struct {
	base    aws.Config
	options CredentialsOptions

	mu    sync.Mutex
	roles map[string]aws.CredentialsProvider
}

// NewCredentials reads the SDK's own configuration (AWS_ENDPOINT_URL, AWS_CA_BUNDLE, AWS_PROFILE …). It does not call
// AWS yet.
func NewCredentials(ctx context.Context, o CredentialsOptions) (*Credentials, error) {
	if len(o.Regions) == 0 {
		return nil, errors.New("loading the AWS configuration: no region is given")
	}
	if o.HTTPClient == nil {
		o.HTTPClient = NewHTTPClient()
	}
	buildable, ok := o.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		buildable = NewHTTPClient() // with any other kind the SDK cannot even load AWS_CA_BUNDLE
	}
	load := []func(*config.LoadOptions) error{
		config.WithRegion(o.Regions[0]), config.WithHTTPClient(buildable),
		config.WithAPIOptions([]func(*middleware.Stack) error{guard, toldSTS(o.Called)}),
		config.WithEndpointCredentialOptions(func(e *endpointcreds.Options) { e.HTTPClient = direct(buildable) }),
	}
	if o.Log != nil {
		load = append(load, config.WithLogger(sdkLog(o.Log)))
	}
	if !o.AccessKeyID.IsZero() {
		load = append(load, config.WithCredentialsProvider(aws.NewCredentialsCache(o.keys())))
	}
	base, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, notLoaded(err)
	}
	if cache, is := base.Credentials.(*aws.CredentialsCache); is {
		base.Credentials = source{CredentialsCache: cache, isLive: o.keys().areLive()}
	}
	if loaded, isBuildable := base.HTTPClient.(*awshttp.BuildableClient); ok && isBuildable {
		// A buildable client follows redirects, and each service client that changes its options gets a copy with
		// connections of its own.
		base.HTTPClient = direct(loaded)
	} else {
		base.HTTPClient = o.HTTPClient
	}
	if base.AppID == "" {
		base.AppID = appID
	}
	return &Credentials{base: base, options: o, roles: map[string]aws.CredentialsProvider{}}, nil
}

// OwnRegion is the region that the SDK finds by itself (AWS_REGION, or that of the profile); empty if it finds none.
func OwnRegion(ctx context.Context) (string, error) {
	own, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return "", notLoaded(err)
	}
	return own.Region, nil
}

// Config is the SDK configuration of one target. roleARN is the role to assume, empty for none.
func (c *Credentials) Config(region, roleARN string) aws.Config {
	cfg := c.base.Copy()
	cfg.Region = region
	if roleARN != "" {
		cfg.Credentials = c.role(roleARN)
	}
	return cfg
}

func (c *Credentials) role(roleARN string) aws.CredentialsProvider {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p, ok := c.roles[roleARN]; ok {
		return p
	}
	external := c.options.External[roleARN]
	assume := stscreds.NewAssumeRoleProvider(c.sts(c.base), roleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = c.options.RoleSessionName
		o.Duration = sessionTime
		if external.ID != "" {
			o.ExternalID = aws.String(external.ID)
		}
	})
	p := aws.NewCredentialsCache(assumed{assume, external}, func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = renewBefore })
	c.roles[roleARN] = p
	return p
}

// assumed are the credentials of a role. Their errors know which settings name it and its external id.
type assumed struct {
	*stscreds.AssumeRoleProvider
	external ExternalID
}

// Retrieve implements aws.CredentialsProvider.
func (a assumed) Retrieve(ctx context.Context) (aws.Credentials, error) {
	got, err := a.AssumeRoleProvider.Retrieve(ctx)
	if err != nil && a.external.Setting != "" {
		err = &notAssumed{a.external.Setting, cmp.Or(a.external.RoleSetting, anyRole), err}
	}
	return got, err
}

// notAssumed is why a role could not be assumed.
type notAssumed struct {
	setting, roleSetting string // where its external id is set, and where the role is
	err                  error
}

func (e *notAssumed) Error() string { return e.err.Error() }
func (e *notAssumed) Unwrap() error { return e.err }

// SignIn assumes a role, unless its credentials are there already.
func (c *Credentials) SignIn(ctx context.Context, roleARN string) error {
	if _, err := c.role(roleARN).Retrieve(ctx); err != nil {
		return failed("AssumeRole", "assuming the role "+roleARN, err)
	}
	return nil
}

// AccountID asks STS for the account of a target's credentials (GetCallerIdentity, which needs no permission). Where
// the role's ARN names the account, [AccountOfRole] needs no call.
func (c *Credentials) AccountID(ctx context.Context, region, roleARN string) (string, error) {
	out, err := c.sts(c.Config(region, roleARN)).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err == nil && aws.ToString(out.Account) == "" {
		err = errNoAccount
	}
	if err != nil {
		return "", failed("GetCallerIdentity", "asking AWS STS for the account id for "+region, err)
	}
	return *out.Account, nil
}

var errNoAccount = errors.New("AWS STS answered without an account id")

// AccountOfRole is the account that a role's ARN names, empty for what is no ARN of a role.
func AccountOfRole(roleARN string) string {
	a, err := arn.Parse(roleARN)
	if err != nil || a.Service != "iam" || !isAccount(a.AccountID) {
		return ""
	}
	return a.AccountID
}

// isAccount reports whether a text is an AWS account id: twelve digits.
func isAccount(s string) bool { return len(s) == 12 && strings.Trim(s, "0123456789") == "" }
