package main

import (
	"net/http"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
)

// standInsCommand is this program's own subcommand that serves the stand-ins. The agent's `sandbox` has
// the same two, but not the switches that a measurement needs.
const standInsCommand = "stand-ins"

// standInSpec says what the stand-ins hold and how they behave.
type standInSpec struct {
	Estate awssim.UniformOptions
	// Scale multiplies AWS's quota and divides its latencies by LatencyDivisor; 1 and 1 are honest.
	Scale          float64
	LatencyDivisor int
	Integrations   []string
}

// seed makes latencies, ids and key values the same in every run.
const seed = 20_250_101

func standInsOf(spec standInSpec) (map[string]http.Handler, error) {
	aws, err := awssim.New(awssim.Options{
		Estate: awssim.UniformEstate(spec.Estate), Seed: seed,
		Quota: awssim.Quota{Scale: spec.Scale}, Latency: latency(spec.LatencyDivisor),
	})
	if err != nil {
		return nil, err
	}
	options := apimsim.Options{DropPageContent: true, HealthCheckInterval: 30 * time.Second}
	for _, id := range spec.Integrations {
		options.Integrations = append(options.Integrations, apimsim.Integration{ID: id, Env: "DEFAULT"})
	}
	apim, err := apimsim.New(options)
	if err != nil {
		return nil, err
	}
	rig := http.NewServeMux()
	rig.HandleFunc("POST "+healthCheckPath, func(w http.ResponseWriter, r *http.Request) { healthChecks(w, r, apim) })
	return map[string]http.Handler{"AWS": aws, "APIM": apim, "Rig": rig}, nil
}

// latency is AWS's, divided.
func latency(by int) awssim.Latency {
	l := awssim.AWSLatency()
	for _, span := range []*awssim.Span{&l.Listings, &l.Exports, &l.Keys} {
		span.Min /= time.Duration(by)
		span.Max /= time.Duration(by)
	}
	return l
}
