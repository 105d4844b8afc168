package apigateway

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	sdk2 "github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	types2 "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"

	"federation-agent/internal/gateway"
)

// Domains reads the custom domain names of the client's target, and what leads from each of them to REST APIs.
//
//	domain name                 | mappings             | because
//	----------------------------|----------------------|-----------------------------------------------------
//	REGIONAL, TLS 1.2 or newer  | GetApiMappings       | the first API refuses paths of several parts
//	REGIONAL, TLS 1.0           | GetBasePathMappings  | the second API refuses them
//	EDGE                        | GetBasePathMappings  | the second API knows nothing of them
//	PRIVATE                     | GetBasePathMappings  | the second API does not take their id
//	any, routing rules only     | none                 | they carry no traffic
//
// Private domain names that other accounts share with this one may be listed, too (AWS does not say whether they are
// without a resourceOwner). They lead to APIs of their own account only, and are left out.
//
// Where the second API refuses GetApiMappings as invalid (some regions do not have it), the first one is asked. A
// domain name whose mode has routing rules costs one more call, ListRoutingRules.
//
// What AWS refuses for lack of a permission, or as invalid, is noted as a gap and not asked for again. Any other
// failure ends the run, and the next [Domains.Run] continues where it stopped. Only one goroutine at a time may use it.
type Domains struct {
	client Client
	names  *PagedList[*gateway.Domain]

	next     int // of the names
	found    []*gateway.Domain
	mappings *PagedList[gateway.Mapping] // of the next
	rules    *PagedList[gateway.RoutingRule]
	// answered: the second API has listed something. missing: it refused before it ever did.
	answered, missing bool

	refused map[kind]error
	denied  error
	calls   int
}

// kind is what one grant allows: private domain names have ARNs of another form.
type kind struct {
	operation gateway.Operation
	private   bool
}

const (
	// private is the endpoint type of domain names that answer only in VPCs.
	private  = string(types.EndpointTypePrivate)
	regional = string(types.EndpointTypeRegional)
)

// NewDomains begins with the first page. The account is the client's.
func NewDomains(c Client, account string) *Domains {
	d := &Domains{client: c, refused: map[kind]error{}}
	d.names = &PagedList[*gateway.Domain]{
		operation: gateway.GetDomainNames,
		doing:     "listing custom domain names",
		id:        func(n *gateway.Domain) string { return n.Name + "+" + n.ID },
		page: func(ctx context.Context, position *string) ([]*gateway.Domain, *string, error) {
			d.calls++
			out, err := c.GetDomainNames(ctx, &sdk.GetDomainNamesInput{Limit: aws.Int32(pageSize), Position: position})
			if err != nil {
				return nil, nil, err
			}
			names := make([]*gateway.Domain, 0, len(out.Items))
			for _, item := range out.Items {
				if isOwn(item, account) {
					names = append(names, domainOf(item))
				}
			}
			return names, out.Position, nil
		},
	}
	return d
}

// Run reads until everything is there. Its error is an [*Error].
func (d *Domains) Run(ctx context.Context) error {
	if err := d.names.Run(ctx); err != nil {
		if !lasts(err) {
			return err
		}
		d.denied = err
		return nil
	}
	names, _ := d.names.All()
	for d.next < len(names) {
		domain := names[d.next]
		isGone, err := d.read(ctx, domain)
		if err != nil {
			return err
		}
		d.next, d.mappings, d.rules = d.next+1, nil, nil
		if !isGone {
			d.found = append(d.found, domain)
		}
	}
	return nil
}

// lasts says that a call would be refused again.
func lasts(err error) bool {
	class := Classify(err)
	return class == gateway.AccessDenied || class == gateway.Invalid || class == gateway.NotFound
}

// Found are the domain names that AWS lists, after a [Domains.Run] without error. Denied is the refusal if AWS lists
// none of them; what it refuses of one is its [gateway.Domain.Gap].
func (d *Domains) Found() (domains []*gateway.Domain, denied error) { return d.found, d.denied }

// Calls is how many calls were made, without those that were tried again.
func (d *Domains) Calls() int { return d.calls }

// read completes a domain name. It is gone if it was deleted since it was listed.
func (d *Domains) read(ctx context.Context, domain *gateway.Domain) (isGone bool, err error) {
	if domain.Routing != gateway.RulesOnly {
		if isGone, err = d.readMappings(ctx, domain); isGone || err != nil {
			return isGone, err
		}
	}
	if domain.Routing == gateway.MappingsOnly {
		return false, nil
	}
	if d.rules == nil {
		d.rules = d.rulesOf(domain)
	}
	isGone, err = d.ask(ctx, domain, gateway.ListRoutingRules, d.rules.Run)
	domain.Rules, _ = d.rules.All()
	return isGone, err
}

func (d *Domains) readMappings(ctx context.Context, domain *gateway.Domain) (isGone bool, err error) {
	if d.mappings == nil {
		d.mappings = d.firstMappings(domain)
		if domain.Endpoint == regional && domain.TLSPolicy != string(types.SecurityPolicyTls10) && !d.missing {
			d.mappings = d.secondMappings(domain)
		}
	}
	if d.mappings.operation == gateway.GetAPIMappings {
		isGone, err = d.ask(ctx, domain, gateway.GetAPIMappings, func(ctx context.Context) error {
			err := d.mappings.Run(ctx)
			if Classify(err) == gateway.Invalid {
				d.missing = !d.answered
				d.mappings = d.firstMappings(domain)
				return nil
			}
			d.answered = d.answered || err == nil
			return err
		})
	}
	if d.mappings.operation == gateway.GetBasePathMappings {
		isGone, err = d.ask(ctx, domain, gateway.GetBasePathMappings, d.mappings.Run)
	}
	domain.Mappings, _ = d.mappings.All()
	return isGone, err
}

// ask makes one kind of call for a domain name, unless AWS has refused it already.
func (d *Domains) ask(
	ctx context.Context, domain *gateway.Domain, operation gateway.Operation, run func(context.Context) error,
) (isGone bool, err error) {
	of := kind{operation, domain.Endpoint == private}
	refused := d.refused[of]
	if refused == nil {
		switch err := run(ctx); Classify(err) {
		case gateway.OK:
			return false, nil
		case gateway.NotFound:
			return true, nil
		case gateway.AccessDenied:
			if failure, is := errors.AsType[*Error](err); is {
				failure.Private = of.private
			}
			d.refused[of], refused = err, err
		case gateway.Invalid:
			refused = err
		default:
			return false, err
		}
	}
	domain.Gap = Explain(refused)
	if operation == gateway.ListRoutingRules {
		domain.RulesUnknown = true
	} else {
		domain.MappingsUnknown = true
	}
	return false, nil
}

func keyOf(m gateway.Mapping) string { return m.Key }

func (d *Domains) firstMappings(of *gateway.Domain) *PagedList[gateway.Mapping] {
	return &PagedList[gateway.Mapping]{
		operation: gateway.GetBasePathMappings,
		doing:     "listing the base path mappings of " + of.Name,
		id:        keyOf,
		page: func(ctx context.Context, position *string) ([]gateway.Mapping, *string, error) {
			d.calls++
			in := &sdk.GetBasePathMappingsInput{DomainName: &of.Name, Limit: aws.Int32(pageSize), Position: position}
			if of.ID != "" {
				in.DomainNameId = &of.ID
			}
			out, err := d.client.GetBasePathMappings(ctx, in)
			if err != nil {
				return nil, nil, err
			}
			mappings := make([]gateway.Mapping, len(out.Items))
			for i, m := range out.Items {
				mappings[i] = gateway.Mapping{
					Key: pathOf(aws.ToString(m.BasePath)), APIID: aws.ToString(m.RestApiId), Stage: aws.ToString(m.Stage),
				}
			}
			return mappings, out.Position, nil
		},
	}
}

func (d *Domains) secondMappings(of *gateway.Domain) *PagedList[gateway.Mapping] {
	return &PagedList[gateway.Mapping]{
		operation: gateway.GetAPIMappings,
		doing:     "listing the API mappings of " + of.Name,
		id:        keyOf,
		page: func(ctx context.Context, position *string) ([]gateway.Mapping, *string, error) {
			d.calls++
			out, err := d.client.GetApiMappings(ctx, &sdk2.GetApiMappingsInput{
				DomainName: &of.Name, MaxResults: aws.String(strconv.Itoa(pageSize)), NextToken: position,
			})
			if err != nil {
				return nil, nil, err
			}
			mappings := make([]gateway.Mapping, len(out.Items))
			for i, m := range out.Items {
				mappings[i] = gateway.Mapping{
					Key: pathOf(aws.ToString(m.ApiMappingKey)), APIID: aws.ToString(m.ApiId), Stage: aws.ToString(m.Stage),
				}
			}
			return mappings, out.NextToken, nil
		},
	}
}

func (d *Domains) rulesOf(of *gateway.Domain) *PagedList[gateway.RoutingRule] {
	return &PagedList[gateway.RoutingRule]{
		operation: gateway.ListRoutingRules,
		doing:     "listing the routing rules of " + of.Name,
		id:        func(r gateway.RoutingRule) string { return r.ID },
		page: func(ctx context.Context, position *string) ([]gateway.RoutingRule, *string, error) {
			d.calls++
			in := &sdk2.ListRoutingRulesInput{DomainName: &of.Name, MaxResults: aws.Int32(pageSize), NextToken: position}
			if of.ID != "" {
				in.DomainNameId = &of.ID
			}
			out, err := d.client.ListRoutingRules(ctx, in)
			if err != nil {
				return nil, nil, err
			}
			rules := make([]gateway.RoutingRule, len(out.RoutingRules))
			for i, r := range out.RoutingRules {
				rules[i] = ruleOf(r)
			}
			return rules, out.NextToken, nil
		},
	}
}

// nobodys is a domain name that nobody can have (RFC 6761, 6.4).
const nobodys = "federation-agent.invalid"

// ProbeDomains is [Probe] for custom domain names: it asks for one of them, and for what leads from one that does not
// exist, as AWS looks at permissions first. That makes four calls. Whether mappings of private domain names may be listed,
// it does not find out: their ARNs are others.
func ProbeDomains(ctx context.Context, c Client) error {
	if _, err := c.GetDomainNames(ctx, &sdk.GetDomainNamesInput{Limit: aws.Int32(1)}); err != nil {
		return failed(gateway.GetDomainNames, "asking for custom domain names", err)
	}
	d, of := NewDomains(c, ""), &gateway.Domain{Name: nobodys}
	for _, run := range []func(context.Context) error{d.firstMappings(of).Run, d.secondMappings(of).Run, d.rulesOf(of).Run} {
		switch err := run(ctx); Classify(err) {
		case gateway.OK, gateway.NotFound, gateway.Invalid:
		default:
			return err
		}
	}
	return nil
}

// noPath is the first API's text for an empty key.
const noPath = "(none)"

func pathOf(key string) string {
	if key == noPath {
		return ""
	}
	return strings.Trim(key, "/")
}

// isOwn tells by the ARN, which has an account only where the domain name is private.
func isOwn(in types.DomainName, account string) bool {
	const parts, owner = 6, 4 // arn, partition, service, region, account, resource
	of := strings.SplitN(aws.ToString(in.DomainNameArn), ":", parts)
	return len(of) < parts || of[owner] == "" || of[owner] == account
}

func domainOf(in types.DomainName) *gateway.Domain {
	d := &gateway.Domain{
		Name: aws.ToString(in.DomainName), Endpoint: string(types.EndpointTypeEdge),
		TLSPolicy: string(in.SecurityPolicy), MutualTLS: in.MutualTlsAuthentication != nil,
	}
	if e := in.EndpointConfiguration; e != nil {
		// One that is being moved from edge to regional is both, and the second API refuses it.
		switch {
		case slices.Contains(e.Types, types.EndpointTypePrivate):
			d.Endpoint = private
		case slices.Equal(e.Types, []types.EndpointType{types.EndpointTypeRegional}):
			d.Endpoint = regional
		}
	}
	if d.Endpoint == private {
		d.ID = aws.ToString(in.DomainNameId)
	}
	switch in.RoutingMode {
	case types.RoutingModeRoutingRuleOnly:
		d.Routing = gateway.RulesOnly
	case types.RoutingModeRoutingRuleThenBasePathMapping:
		d.Routing = gateway.RulesThenMappings
	default:
	}
	switch in.DomainNameStatus {
	case "", types.DomainNameStatusAvailable, types.DomainNameStatusUpdating:
	default:
		d.Status = string(in.DomainNameStatus)
	}
	return d
}

func ruleOf(in types2.RoutingRule) gateway.RoutingRule {
	r := gateway.RoutingRule{ID: aws.ToString(in.RoutingRuleId), Priority: aws.ToInt32(in.Priority)}
	for _, c := range in.Conditions {
		if c.MatchBasePaths != nil {
			for _, path := range c.MatchBasePaths.AnyOf {
				r.BasePaths = append(r.BasePaths, pathOf(path))
			}
		}
		if c.MatchHeaders != nil {
			var either []gateway.HeaderMatch
			for _, h := range c.MatchHeaders.AnyOf {
				either = append(either, gateway.HeaderMatch{Name: aws.ToString(h.Header), Value: aws.ToString(h.ValueGlob)})
			}
			r.Headers = append(r.Headers, either)
		}
	}
	for _, a := range in.Actions {
		if to := a.InvokeApi; to != nil {
			r.APIID, r.Stage, r.StripBasePath = aws.ToString(to.ApiId), aws.ToString(to.Stage), aws.ToBool(to.StripBasePath)
		}
	}
	return r
}
