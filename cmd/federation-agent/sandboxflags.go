package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/sandbox/demo"
)

// sandboxFlags are what sandbox and demo can be told about the stand-ins.
type sandboxFlags struct {
	apim, aws      string
	estate         string
	uniform        awssim.UniformOptions
	version        string
	token          string
	integration    string
	latency, quota bool
	quotaScale     float64
}

// add declares the flags. The addresses are where the stand-ins listen unless told otherwise.
func (f *sandboxFlags) add(command *cobra.Command, apim, aws string) {
	flags := command.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.apim, "apim", apim, "`ADDRESS` of the APIM stand-in; port 0 takes a free one")
	flags.StringVar(&f.aws, "aws", aws, "`ADDRESS` of the AWS stand-in; port 0 takes a free one")
	flags.StringVar(&f.estate, "estate", "demo", "what is in AWS: demo, uniform, or a JSON `FILE` as GET /_sandbox/aws/estate gives it, with principals and roles")
	flags.IntVar(&f.uniform.Accounts, "accounts", 1, "of a uniform estate: accounts")
	flags.StringSliceVar(&f.uniform.Regions, "regions", []string{awssim.DemoRegion1}, "of a uniform estate: each account's regions")
	flags.IntVar(&f.uniform.APIs, "apis", 100, "of a uniform estate: REST APIs in each account and region")
	flags.IntVar(&f.uniform.StagesPerAPI, "stages", 3, "of a uniform estate: stages of each REST API")
	flags.IntVar(&f.uniform.Plans, "plans", 4, "of a uniform estate: usage plans in each account and region; 0 leaves all stages outside")
	flags.IntVar(&f.uniform.DocumentBytes, "document-bytes", 0, "of a uniform estate: size of each export; 0 means some kilobytes")
	flags.StringVar(&f.version, "apim-version", "4.9", "APIM's minor version, 4.4 to 4.12; 4.4 speaks the old dialect, and 4.12 was read in its source, not tried")
	flags.StringVar(&f.token, "token", demo.DefaultToken, "the token that APIM accepts")
	flags.StringVar(&f.integration, "integration-id", demo.DefaultIntegrationID, "id of the integration in APIM")
	flags.BoolVar(&f.latency, "latency", true, "AWS takes as long as it really does; --latency=false switches that off")
	flags.BoolVar(&f.quota, "quota", true, "AWS's request quota holds; --quota=false switches it off")
	flags.Float64Var(&f.quotaScale, "quota-scale", 1, "multiplies AWS's request quota")
}

// options makes the sandbox's options. Errors name the flag.
func (f *sandboxFlags) options() (demo.Options, error) {
	estate, err := f.readEstate()
	if err != nil {
		return demo.Options{}, &exitError{code: exitConfiguration, text: "--estate: " + err.Error()}
	}
	if f.quotaScale <= 0 {
		return demo.Options{}, &exitError{code: exitConfiguration, text: "--quota-scale must be above 0; --quota=false takes the quota away"}
	}
	o := demo.Options{
		APIMAddress: f.apim, AWSAddress: f.aws, Estate: estate, Version: f.version, Token: f.token,
		IntegrationID: f.integration, Quota: awssim.Quota{Off: !f.quota, Scale: f.quotaScale},
	}
	if f.latency {
		o.Latency = awssim.AWSLatency()
	}
	return o, nil
}

func (f *sandboxFlags) readEstate() (awssim.Estate, error) {
	switch f.estate {
	case "demo":
		return awssim.DemoEstate(demo.DefaultSeed), nil
	case "uniform":
		if min(f.uniform.Accounts, f.uniform.APIs, f.uniform.StagesPerAPI) < 1 || f.uniform.Plans < 0 {
			return awssim.Estate{}, fmt.Errorf("a uniform estate needs at least one account, API and stage")
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
		return estate, fmt.Errorf("reading %s: the first account needs a principal for the agent to sign in as", f.estate)
	}
	return estate, nil
}
