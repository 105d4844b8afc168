package apigateway

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"federation-agent/internal/gateway"
	"federation-agent/internal/region"
	"federation-agent/internal/words"
)

// Error is the failure of one of this package's calls. Its text names what was being done; [Explain] says what to
// check.
type Error struct {
	// Doing reads as a gerund: "listing REST APIs in eu-west-1".
	Doing string
	Class gateway.Class
	// Operation is the SDK's name of the operation, Region the region that was called. Both may be empty.
	Operation gateway.Operation
	Region    string
	// Private says that it was about a private domain name, whose ARN has the account.
	Private bool
	Err     error
}

// Error implements error.
func (e *Error) Error() string { return e.Doing + ": " + e.Err.Error() }

// Unwrap returns the SDK's error.
func (e *Error) Unwrap() error { return e.Err }

// failed wraps an SDK error. It adds the region to doing where the region is known.
func failed(operation gateway.Operation, doing string, err error) error {
	e := &Error{Doing: doing, Class: Classify(err), Operation: operation, Err: err}
	if a, ok := errors.AsType[*attemptError](err); ok && a.region != "" {
		e.Region = a.region
		e.Doing += " in " + a.region
	}
	return e
}

// RequestID is the id by which AWS knows the call that failed, for its support; empty if AWS did not answer.
func RequestID(err error) string {
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return answer.ServiceRequestID()
	}
	return ""
}

// requestOf is the same of an attempt, which need not have failed.
func requestOf(metadata middleware.Metadata, err error) string {
	id, _ := awsmiddleware.GetRequestIDMetadata(metadata)
	return cmp.Or(id, RequestID(err))
}

// Explain says in one sentence what a newcomer must check. It is empty for nil.
func Explain(err error) string {
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = &Error{}
	}
	class, where := Classify(err), cmp.Or(e.Region, "the region")
	service, inner := origin(err)
	lost, isLost := errors.AsType[*noCredentials](err)
	redirect, isRedirect := errors.AsType[*redirected](err)
	switch {
	case isRedirect:
		return fmt.Sprintf("something between the agent and AWS redirects the call (%d) from %s to %s; "+
			"it is not followed, because it carries credentials; "+
			"check HTTPS_PROXY, HTTP_PROXY and AWS_ENDPOINT_URL, or a proxy or sign-in page of the network",
			redirect.status, redirect.from, redirect.to)
	case isLost && lost.advice != "" && class != gateway.Cancelled:
		return lost.advice
	case clockText(err) != "":
		return clockText(err) + setClock
	case service == serviceSTS:
		return explainSTS(class, inner, err)
	case service == serviceSQS && !isSigningText(err.Error()):
		return explainQueue(class, e.Operation, err)
	case service != serviceID, class == gateway.BadCredentials && isSigningText(err.Error()):
		return "no AWS credentials were found: set accessKeyId and secretAccessKey, or give the machine or pod a role"
	case class == gateway.AccessDenied && denierOf(err) != "":
		return denial(err, permission(e)) + inItsWords(class, err)
	case class == gateway.AccessDenied:
		return "the credentials lack the permission " + permission(e) + inItsWords(class, err)
	case class == gateway.HardLimit && e.Operation == gateway.CreateAPIKey:
		return "the account has no room for another API key in " + where + ": delete keys that nobody needs; AWS does not " +
			"raise this quota" + inItsWords(class, err)
	case class == gateway.Unreachable:
		return "API Gateway's endpoint in " + where + " did not answer; " +
			"check the network, DNS, proxy variables and AWS_ENDPOINT_URL"
	case class == gateway.RegionOff:
		return where + " does not know the access key, or the account's organization keeps it out of the region; " +
			"if every region says this, check accessKeyId"
	case class == gateway.RegionUnavailable:
		return where + " does not know the access key; enable the region for the account (in AWS's console: Account, AWS " +
			"Regions); take it out of configuration.region only once its subscriptions are closed, as their keys stay valid; " +
			"if every region says this, check accessKeyId"
	}
	if fault, ok := errors.AsType[*unreadable](err); ok && class == gateway.Unavailable {
		return explanations[class] + " (" + fault.text + ")"
	}
	return explanations[class] + inItsWords(class, err)
}

// OmissionOf is why an API is left out that AWS failed for.
func OmissionOf(err error) gateway.Omission {
	return gateway.Omission{Reason: Classify(err).Reason(), Why: Explain(err)}
}

// maxWords bounds what is quoted of AWS's text, in bytes.
const maxWords = 300

// inItsWords quotes what AWS says, on one line, where only that says what to change. An AccessDeniedException names the
// policy, and whether it denies explicitly. Texts about signatures are not quoted: they repeat parts of the request.
func inItsWords(class gateway.Class, err error) string {
	switch class {
	case gateway.Invalid, gateway.AccessDenied, gateway.HardLimit, gateway.NotExportable:
	default:
		return ""
	}
	answer, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return ""
	}
	said := short(answer.ErrorMessage())
	if said == "" {
		return ""
	}
	return fmt.Sprintf(" (AWS says: %q)", said)
}

// short is a text on one line, cut after maxWords.
func short(text string) string {
	return words.Shorter(strings.Join(strings.Fields(text), " "), maxWords)
}

// explanations are those that need nothing but the class.
var explanations = map[gateway.Class]string{
	gateway.Throttled: "AWS throttled the call, because other clients use the same quota of 10 control-plane requests a " +
		"second for the account and region; the agent tries again; if this is frequent, lower the agent's share of the quota",
	gateway.NoPermit: "the agent's share of the AWS request quota is used up until after the deadline; " +
		"try again, or raise the share",
	gateway.ConflictRetryable: "AWS was busy with another change in the same account and region; try again",
	gateway.Unavailable: "AWS, or a proxy on the way to it, answered with a fault; " +
		"if this lasts, check proxies, AWS_ENDPOINT_URL and the AWS health page",
	gateway.AnswerLost: "AWS's answer was lost, so it is not known whether AWS made the change; the call is not repeated",
	gateway.HardLimit: "a resource limit of the AWS account is reached, which is no throttling; " +
		"delete what is not needed, or ask AWS to raise the limit",
	gateway.BadCredentials: "AWS does not accept the credentials; " +
		"check accessKeyId and secretAccessKey, and the roles that the agent assumes",
	gateway.ExpiredCredentials: "the temporary credentials have expired; nothing renews AWS_SESSION_TOKEN, " +
		"a profile's aws_session_token, or a sessionToken that is no reference and no file: set new ones and start again, " +
		"or use a role, which is renewed; else check this machine's clock",
	gateway.ClockOff: "this machine's clock is off" + setClock,
	gateway.NotFound: "API Gateway says that the resource does not exist, or not any more; list the APIs again",
	gateway.NotYet:   "API Gateway does not know yet the API key that it has just created; try again",
	gateway.Conflict: "API Gateway says that the resource exists already",
	gateway.NotExportable: "API Gateway cannot export this stage, because the API has a model that is not JSON Schema; " +
		"change the model's content type, or accept that the API has no document",
	gateway.Invalid:   "API Gateway refused the request as invalid",
	gateway.Cancelled: "the agent cancelled the call",
	gateway.Internal:  "the call failed in a way that the agent does not know; see the error's text",
}

// anyRole is the setting that names a role, where nothing tells another.
const anyRole = "configuration.roleArn"

func explainSTS(class gateway.Class, operation gateway.Operation, err error) string {
	switch {
	case class == gateway.AccessDenied && operation == "AssumeRole" && denierOf(err) != "":
		return noRole + ": " + denial(err, "sts:AssumeRole")
	case class == gateway.AccessDenied && operation == "AssumeRole":
		setting, role := "agent.aws.externalId", anyRole
		if refused, ok := errors.AsType[*notAssumed](err); ok {
			setting, role = refused.setting, refused.roleSetting
		}
		if e, ok := errors.AsType[*Error](err); ok && (e.Operation == gateway.ReceiveMessage || e.Operation == gateway.DeleteMessage) {
			role = "agent.events.roleArn"
		}
		return noRole + "; check, in this order: " + role + ", that the agent's own identity may call " +
			"sts:AssumeRole on it, that the role's trust policy names that identity, the external id (" + setting + ")"
	case class == gateway.BadCredentials:
		return "AWS STS does not accept the credentials; check accessKeyId and secretAccessKey (and sessionToken " +
			"or AWS_SESSION_TOKEN, for temporary ones)"
	case class == gateway.ExpiredCredentials:
		return explanations[class]
	case class == gateway.Unreachable:
		return "AWS STS did not answer; check the network, DNS, proxy variables and AWS_ENDPOINT_URL"
	default:
		return "AWS STS refused to give credentials; see the error's text"
	}
}

func explainQueue(class gateway.Class, operation gateway.Operation, err error) string {
	action := "sqs:" + string(operation) + " on the queue of agent.events.queueUrl"
	switch {
	case class == gateway.AccessDenied && denierOf(err) != "":
		return denial(err, action) + inItsWords(class, err)
	case class == gateway.AccessDenied:
		return "the credentials lack the permission " + action + ", or the queue's name or region is wrong: SQS answers the " +
			"same to both" + inItsWords(class, err)
	case class == gateway.NotFound:
		return "there is no such queue, or not in this region; check agent.events.queueUrl and agent.events.region"
	case class == gateway.Unreachable:
		return "SQS did not answer; check the network, DNS, proxy variables and AWS_ENDPOINT_URL"
	case class == gateway.Invalid:
		return "SQS refused the request as invalid; check agent.events.queueUrl" + inItsWords(class, err)
	case class == gateway.Throttled:
		return "SQS throttled the call; the agent tries again"
	}
	return explanations[class] + inItsWords(class, err)
}

// noRole: AWS says the same of a role that does not exist, so that nobody learns which roles there are.
const noRole = "AWS refuses to let the agent assume this role"

// denial says which policy denies an action explicitly, and what to do about it.
func denial(err error, action string) string {
	return "a Deny in " + denierOf(err) + " forbids " + action + ": remove or narrow it; another Allow changes nothing"
}

// denierOf is the kind of policy that denies a call explicitly. It is empty where an Allow is missing.
func denierOf(err error) string {
	answer, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return ""
	}
	kind, denied := denying(answer.ErrorMessage())
	if !denied {
		return ""
	}
	return cmp.Or(kind, "a policy (the identity's, a permissions boundary, a service control policy …)")
}

// clockText says that AWS refuses when a call was signed, and in which direction this machine's clock is off, if AWS
// tells. It is empty for any other failure.
func clockText(err error) string {
	answer, ok := errors.AsType[smithy.APIError](err)
	if !ok || !isSigningTime(bareCode(answer.ErrorCode()), answer.ErrorMessage()) {
		return ""
	}
	switch message := answer.ErrorMessage(); {
	case strings.Contains(message, signedBefore):
		return "this machine's clock is behind AWS's"
	case strings.Contains(message, signedAfter):
		return "this machine's clock is ahead of AWS's"
	}
	return "this machine's clock is off"
}

const setClock = ": set the clock of the host or node, and keep NTP on; the credentials are not at fault"

// permissions are the IAM action and the resource that each operation needs, from the account on.
var permissions = map[gateway.Operation]struct{ verb, path string }{
	gateway.GetRestApis:         {"GET", ":/restapis"},
	gateway.GetUsagePlans:       {"GET", ":/usageplans"},
	gateway.GetStages:           {"GET", ":/restapis/*"},
	gateway.GetExport:           {"GET", ":/restapis/*/stages/*"},
	gateway.CreateAPIKey:        {"POST", ":/apikeys"},
	gateway.CreateUsagePlanKey:  {"POST", ":/usageplans/*/keys"},
	gateway.DeleteAPIKey:        {"DELETE", ":/apikeys/*"},
	gateway.GetAPIKeys:          {"GET", ":/apikeys"},
	gateway.GetDomainNames:      {"GET", ":/domainnames"},
	gateway.GetBasePathMappings: {"GET", ":/domainnames/*"},
	gateway.GetAPIMappings:      {"GET", ":/domainnames/*"},
	gateway.ListRoutingRules:    {"ListRoutingRules", "*:/domainnames/*"},
}

// permission names the IAM action and resource that an operation needs in its region, which may not be known.
func permission(e *Error) string {
	p, known := permissions[e.Operation]
	if !known {
		return "for this call"
	}
	if e.Private && strings.HasPrefix(p.path, ":") {
		p.path = "*" + p.path
	}
	partition := region.PartitionOf(e.Region).ID
	return fmt.Sprintf("apigateway:%s on arn:%s:apigateway:%s:%s", p.verb, partition, cmp.Or(e.Region, "*"), p.path)
}
