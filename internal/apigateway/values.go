package apigateway

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"federation-agent/internal/gateway"
)

func apiKeyOf(in types.ApiKey) *gateway.APIKey {
	return &gateway.APIKey{
		ID: aws.ToString(in.Id), Name: aws.ToString(in.Name), Description: aws.ToString(in.Description),
	}
}

func restAPIOf(in types.RestApi) *gateway.RestAPI {
	r := &gateway.RestAPI{
		ID:                aws.ToString(in.Id),
		Name:              aws.ToString(in.Name),
		Description:       aws.ToString(in.Description),
		Version:           aws.ToString(in.Version),
		EndpointDisabled:  in.DisableExecuteApiEndpoint,
		KeyFromAuthorizer: in.ApiKeySource == types.ApiKeySourceTypeAuthorizer,
		ResourcePolicy:    aws.ToString(in.Policy) != "",
		TLSPolicy:         string(in.SecurityPolicy),
		AccessMode:        string(in.EndpointAccessMode),
		Tags:              in.Tags,
	}
	if e := in.EndpointConfiguration; e != nil {
		for _, t := range e.Types {
			r.EndpointTypes = append(r.EndpointTypes, string(t))
		}
		r.VPCEndpointIDs = slices.Clone(e.VpcEndpointIds)
	}
	return r
}

func stageOf(in types.Stage) *gateway.Stage {
	s := &gateway.Stage{
		Name:                 aws.ToString(in.StageName),
		Description:          aws.ToString(in.Description),
		DeploymentID:         aws.ToString(in.DeploymentId),
		DocumentationVersion: aws.ToString(in.DocumentationVersion),
		WebACL:               aws.ToString(in.WebAclArn) != "",
		Throttle:             stageThrottle(in.MethodSettings),
		Tags:                 in.Tags,
	}
	if in.LastUpdatedDate != nil {
		s.UpdatedAt = in.LastUpdatedDate.Unix()
	}
	if in.CanarySettings != nil {
		s.CanaryDeploymentID = aws.ToString(in.CanarySettings.DeploymentId)
	}
	return s
}

// stageThrottle are the limits among a stage's settings. In AWS's keys a slash of the path is "~1", as in JSON
// pointers. A negative limit is none.
func stageThrottle(settings map[string]types.MethodSetting) map[string]gateway.Throttle {
	var out map[string]gateway.Throttle
	plain := strings.NewReplacer("~1", "/", "~0", "~")
	for method, s := range settings {
		if s.ThrottlingRateLimit < 0 && s.ThrottlingBurstLimit < 0 {
			continue
		}
		if out == nil {
			out = map[string]gateway.Throttle{}
		}
		out[plain.Replace(method)] = gateway.Throttle{Rate: s.ThrottlingRateLimit, Burst: s.ThrottlingBurstLimit}
	}
	return out
}

func usagePlanOf(in types.UsagePlan) *gateway.UsagePlan {
	p := &gateway.UsagePlan{
		ID:          aws.ToString(in.Id),
		Name:        aws.ToString(in.Name),
		Description: aws.ToString(in.Description),
		ProductCode: aws.ToString(in.ProductCode),
	}
	if in.Throttle != nil {
		t := throttleOf(*in.Throttle)
		p.Throttle = &t
	}
	if in.Quota != nil {
		p.Quota = &gateway.Quota{Limit: in.Quota.Limit, Offset: in.Quota.Offset, Period: string(in.Quota.Period)}
	}
	for _, s := range in.ApiStages {
		ps := gateway.PlanStage{APIID: aws.ToString(s.ApiId), Stage: aws.ToString(s.Stage)}
		if len(s.Throttle) > 0 {
			ps.Throttle = make(map[string]gateway.Throttle, len(s.Throttle))
			for method, t := range s.Throttle {
				ps.Throttle[method] = throttleOf(t)
			}
		}
		p.Stages = append(p.Stages, ps)
	}
	return p
}

func throttleOf(in types.ThrottleSettings) gateway.Throttle {
	return gateway.Throttle{Rate: in.RateLimit, Burst: in.BurstLimit}
}
