package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"federation-agent/internal/sandbox/awssim"
)

// Flags configure the stand-ins on a command line.
type Flags struct {
	options        Options
	estate         string
	uniform        awssim.UniformOptions
	latency, quota bool
	given          *pflag.FlagSet
}

// Declare declares the flags. The addresses are the defaults.
func (f *Flags) Declare(flags *pflag.FlagSet, apim, aws string) {
	o := &f.options
	f.given = flags
	flags.SortFlags = false
	flags.StringVar(&o.APIMAddress, "apim", apim, "`ADDRESS` of the APIM stand-in; port 0 takes a free one")
	flags.StringVar(&o.AWSAddress, "aws", aws, "`ADDRESS` of the AWS stand-in; port 0 takes a free one")
	flags.StringVar(&f.estate, "estate", "demo",
		"what is in AWS: demo, uniform, or a JSON `FILE` like GET /_sandbox/aws/estate, with principals and roles")
	flags.IntVar(&f.uniform.Accounts, "accounts", 1, "of a uniform estate: accounts")
	flags.StringSliceVar(&f.uniform.Regions, "regions", []string{awssim.DemoRegion1},
		"of a uniform estate: each account's regions")
	flags.IntVar(&f.uniform.APIs, "apis", 100, "of a uniform estate: REST APIs in each account and region")
	flags.IntVar(&f.uniform.StagesPerAPI, "stages", 3, "of a uniform estate: stages of each REST API")
	flags.BoolVar(&f.uniform.SharedDeployments, "shared-deployments", false,
		"of a uniform estate: the stages of a REST API have the same deployment")
	flags.IntVar(&f.uniform.Plans, "plans", 4,
		"of a uniform estate: usage plans in each account and region; 0: no stage is in a plan")
	flags.IntVar(&f.uniform.DocumentBytes, "document-bytes", 0,
		"of a uniform estate: size of each export; 0: some kilobytes")
	flags.StringVar(&o.Version, "apim-version", "4.9",
		"APIM's minor version, 4.4 to 4.12; 4.4 speaks the old dialect, 4.12 was read in its source, not tried")
	flags.StringVar(&o.Token, "token", DefaultToken, "the token that APIM accepts")
	flags.StringVar(&o.IntegrationID, "integration-id", DefaultIntegrationID, "id of the integration in APIM")
	flags.BoolVar(&f.latency, "latency", true, "AWS answers as slowly as the real one; --latency=false: at once")
	flags.BoolVar(&f.quota, "quota", true, "AWS applies its request quota; --quota=false: no quota")
	flags.Float64Var(&o.Quota.Scale, "quota-scale", 1, "multiplies AWS's request quota")
}

// Start starts the stand-ins that the flags describe. Errors name the flag; then nothing was started.
func (f *Flags) Start() (*Sandbox, error) {
	o := f.options
	err := f.withoutEffect()
	if err != nil {
		return nil, err
	}
	if o.Estate, err = f.readEstate(); err != nil {
		return nil, fmt.Errorf("--estate: %w", err)
	}
	if o.Quota.Scale <= 0 {
		return nil, errors.New("--quota-scale must be above 0; --quota=false removes the quota")
	}
	o.Quota.Off = !f.quota
	if f.latency {
		o.Latency = awssim.AWSLatency()
	}
	sandbox, err := Start(o)
	if err != nil {
		return nil, fmt.Errorf("cannot start the stand-ins: %w", err)
	}
	return sandbox, nil
}

// withoutEffect refuses a flag that changes nothing beside the others.
func (f *Flags) withoutEffect() error {
	for _, name := range []string{"accounts", "regions", "apis", "stages", "plans", "document-bytes", "shared-deployments"} {
		if f.given.Changed(name) && f.estate != "uniform" {
			return fmt.Errorf("--%s is for --estate uniform", name)
		}
	}
	if f.given.Changed("quota-scale") && !f.quota {
		return errors.New("--quota-scale has no effect with --quota=false")
	}
	return nil
}

func (f *Flags) readEstate() (awssim.Estate, error) {
	switch f.estate {
	case "demo":
		return awssim.DemoEstate(DefaultSeed), nil
	case "uniform":
		if min(f.uniform.Accounts, f.uniform.APIs, f.uniform.StagesPerAPI) < 1 || f.uniform.Plans < 0 {
			return awssim.Estate{}, errors.New("a uniform estate needs at least one account, API and stage")
		}
		return awssim.UniformEstate(f.uniform), nil
	}
	var estate awssim.Estate
	text, err := os.ReadFile(f.estate)
	if err != nil {
		return estate, err
	}
	if err := json.Unmarshal(text, &estate); err != nil {
		return estate, fmt.Errorf("reading %s: %w", f.estate, err)
	}
	if len(estate.Accounts) == 0 || len(estate.Accounts[0].Principals) == 0 {
		return estate, fmt.Errorf("reading %s: the first account needs a principal for the agent", f.estate)
	}
	return estate, nil
}
