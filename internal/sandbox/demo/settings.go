package demo

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"federation-agent/internal/sandbox/awssim"
)

// AWSEndpointVariable is the SDK's variable that leads it to the AWS stand-in.
const AWSEndpointVariable = "AWS_ENDPOINT_URL"

// storePath is the variable that says where the agent's journal is.
const storePath = "gravitee_agent_store_path"

// secretAccessKey goes with every access key of the stand-in, which verifies no signature.
const secretAccessKey = "sandbox-secret"

// Setting is one environment variable.
type Setting struct{ Name, Value string }

// Settings are the variables of the vendor's compose file that lead an agent here, and what the stand-ins
// need besides: the endpoint of AWS, and the quota where it is not AWS's own.
func (s *Sandbox) Settings() []Setting {
	settings := []Setting{
		{"gravitee_integration_connector_ws_endpoints_0", s.apimURL + PathPrefix},
		{"gravitee_integration_connector_ws_headers_0_name", "Authorization"},
		{"gravitee_integration_connector_ws_headers_0_value", "bearer " + s.options.Token},
		{"gravitee_integration_providers_0_type", "aws-api-gateway"},
		{"gravitee_integration_providers_0_integrationId", s.options.IntegrationID},
		{"gravitee_integration_providers_0_configuration_accessKeyId", accessKey(s.options.Estate)},
		{"gravitee_integration_providers_0_configuration_secretAccessKey", secretAccessKey},
		{"gravitee_integration_providers_0_configuration_region", strings.Join(regions(s.options.Estate), ",")},
		{AWSEndpointVariable, s.awsURL},
	}
	if rate, burst := agentQuota(s.options.Quota); rate != awssim.AWSRate || burst != awssim.AWSBurst {
		settings = append(settings,
			Setting{"gravitee_agent_quota_rate", fmt.Sprintf("%g", rate)},
			Setting{"gravitee_agent_quota_burst", fmt.Sprint(burst)})
	}
	return settings
}

// Roles is the setting that shows an agent all accounts of the estate; without it, it sees the first. Its
// value is empty where there is only one, or where an account has no role.
func (s *Sandbox) Roles() Setting {
	roles := Setting{Name: "gravitee_integration_providers_0_configuration_roleArn"}
	accounts := s.options.Estate.Accounts
	if len(accounts) < 2 {
		return roles
	}
	var arns []string
	for _, a := range accounts {
		if len(a.Roles) == 0 {
			return roles
		}
		arns = append(arns, awssim.RoleARN(a, a.Roles[0].Name))
	}
	roles.Value = strings.Join(arns, ",")
	return roles
}

// unlimitedRate and unlimitedBurst are the largest quota that an agent can be told.
const (
	unlimitedRate  = 100_000
	unlimitedBurst = 1_000_000
)

// agentQuota is what an agent has to be told of a quota.
func agentQuota(q awssim.Quota) (rate float64, burst int) {
	if q.Off {
		return unlimitedRate, unlimitedBurst
	}
	scale := cmp.Or(q.Scale, 1)
	rate = min(cmp.Or(q.Rate, awssim.AWSRate)*scale, unlimitedRate)
	return rate, min(int(float64(cmp.Or(q.Burst, awssim.AWSBurst))*scale), unlimitedBurst)
}

// accessKey is that of the first user of the first account.
func accessKey(e awssim.Estate) string {
	for _, a := range e.Accounts {
		for _, p := range a.Principals {
			return p.AccessKeyID
		}
	}
	return ""
}

// regions are those that hold something in any account, in the order of their names.
func regions(e awssim.Estate) []string {
	var names []string
	for _, a := range e.Accounts {
		for _, r := range a.Regions {
			if !r.Disabled && !slices.Contains(names, r.Name) {
				names = append(names, r.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}
