package apigateway

import (
	"errors"
	"fmt"

	"federation-agent/internal/gateway"
	"federation-agent/internal/region"
)

// Error is how one of this package's calls failed. Its text names what was being done and what a newcomer must check.
type Error struct {
	// Doing reads as a gerund: "listing REST APIs in eu-west-1".
	Doing string
	Class gateway.Class
	// Operation is the SDK's name of the operation, Region where it was asked; both may be empty.
	Operation gateway.Operation
	Region    string
	Err       error
}

// Error implements error.
func (e *Error) Error() string { return e.Doing + ": " + e.Err.Error() }

// Unwrap gives the SDK's error.
func (e *Error) Unwrap() error { return e.Err }

// failed wraps an SDK error; doing is completed with the region where it is known.
func failed(operation gateway.Operation, doing string, err error) error {
	e := &Error{Doing: doing, Class: Classify(err), Operation: operation, Err: err}
	var a *attemptError
	if errors.As(err, &a) {
		e.Region = a.region
	}
	if e.Region != "" {
		e.Doing += " in " + e.Region
	}
	return e
}

// Explain says in one sentence what a newcomer must check. It is empty for nil.
func Explain(err error) string {
	if err == nil {
		return ""
	}
	var e *Error
	operation, region := gateway.Operation(""), ""
	if errors.As(err, &e) {
		operation, region = e.Operation, e.Region
	}
	service, inner := origin(err)
	switch service {
	case serviceID:
	case serviceSTS:
		return explainSTS(Classify(err), inner)
	default:
		return noCredentials
	}
	where := "the region"
	if region != "" {
		where = region
	}
	switch Classify(err) {
	case gateway.Throttled:
		return "AWS throttled the call: somebody else uses the account's quota of 10 control-plane requests a second; it is tried again, or lower the agent's share of the quota"
	case gateway.NoPermit:
		return "the agent's share of the AWS request quota is used up until after the deadline; try again, or raise the share"
	case gateway.ConflictRetryable:
		return "AWS was busy with another change of the same account and region; try again"
	case gateway.Unavailable:
		return "AWS, or something between, answered with a fault; if it lasts, check proxies, AWS_ENDPOINT_URL and the AWS health page"
	case gateway.Unreachable:
		return fmt.Sprintf("API Gateway's endpoint in %s did not answer; check the network, DNS, proxy variables and AWS_ENDPOINT_URL", where)
	case gateway.AnswerLost:
		return "AWS's answer was lost, so nobody knows whether it was done; it is not repeated"
	case gateway.HardLimit:
		return "a resource limit of the AWS account is reached; delete what is not needed or ask AWS to raise it"
	case gateway.AccessDenied:
		return "the credentials lack the permission " + permission(operation, region)
	case gateway.BadCredentials:
		if isSigningText(err.Error()) {
			return noCredentials
		}
		return "AWS does not accept the credentials; check accessKeyId and secretAccessKey (a wrong secret or a wrong clock gives this too), or the role's chain"
	case gateway.ExpiredCredentials:
		return "the temporary credentials have expired; check what renews them"
	case gateway.RegionUnavailable:
		return fmt.Sprintf("%s does not know the access key: enable the region for the account, or, if every region says so, check accessKeyId", where)
	case gateway.NotFound:
		return "API Gateway says that it does not exist (any more); list again"
	case gateway.Conflict:
		return "API Gateway says that it exists already"
	case gateway.NotExportable:
		return "API Gateway cannot export this stage: the API has a model that is not JSON Schema; change the model's content type or go without its document"
	case gateway.Invalid:
		return "API Gateway refused the request as invalid"
	case gateway.Cancelled:
		return "the agent gave the call up"
	default:
		return "the call failed in a way that the agent does not know; see the error's text"
	}
}

const noCredentials = "no AWS credentials were found: set accessKeyId and secretAccessKey, or give the machine or pod a role"

func explainSTS(class gateway.Class, operation gateway.Operation) string {
	switch {
	case class == gateway.AccessDenied && operation == "AssumeRole":
		return "the role may not be assumed: check roleArn, the role's trust policy, its external id, and that the agent's own identity is allowed sts:AssumeRole on it"
	case class == gateway.BadCredentials:
		return "AWS STS does not accept the credentials; check accessKeyId and secretAccessKey, and this machine's clock"
	case class == gateway.ExpiredCredentials:
		return "the temporary credentials have expired; check what renews them"
	case class == gateway.Unreachable:
		return "AWS STS did not answer; check the network, DNS, proxy variables and AWS_ENDPOINT_URL"
	default:
		return "AWS STS refused to give credentials; see the error's text"
	}
}

// permission names the IAM action and resource that an operation needs.
func permission(operation gateway.Operation, in string) string {
	partition := "aws"
	if in == "" {
		in = "*"
	} else {
		partition = region.PartitionOf(in).ID
	}
	verb := "GET"
	var path string
	switch operation {
	case gateway.GetRestApis:
		path = "/restapis"
	case gateway.GetUsagePlans:
		path = "/usageplans"
	case gateway.GetStages:
		path = "/restapis/*"
	case gateway.GetExport:
		path = "/restapis/*/stages/*"
	case gateway.CreateAPIKey:
		verb, path = "POST", "/apikeys"
	case gateway.CreateUsagePlanKey:
		verb, path = "POST", "/usageplans/*/keys"
	case gateway.DeleteAPIKey:
		verb, path = "DELETE", "/apikeys/*"
	default:
		return "for this call"
	}
	return fmt.Sprintf("apigateway:%s on arn:%s:apigateway:%s::%s", verb, partition, in, path)
}
