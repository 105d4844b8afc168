package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
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

// serveStandIns reads a spec, says where it listens, and serves until its input ends: with whoever started it.
func serveStandIns(in io.Reader, out io.Writer) error {
	input := json.NewDecoder(in)
	var spec standInSpec
	if err := input.Decode(&spec); err != nil {
		return fmt.Errorf("reading the stand-ins' spec: %w", err)
	}
	aws, err := awssim.New(awssim.Options{
		Estate: awssim.UniformEstate(spec.Estate), Seed: seed,
		Quota: awssim.Quota{Scale: spec.Scale}, Latency: latency(spec.LatencyDivisor),
	})
	if err != nil {
		return err
	}
	options := apimsim.Options{DropPageContent: true, HealthCheckInterval: 30 * time.Second}
	for _, id := range spec.Integrations {
		options.Integrations = append(options.Integrations, apimsim.Integration{ID: id, Env: "DEFAULT"})
	}
	apim, err := apimsim.New(options)
	if err != nil {
		return err
	}
	rig := http.NewServeMux()
	rig.HandleFunc("POST "+healthCheckPath, func(w http.ResponseWriter, r *http.Request) { healthChecks(w, r, apim) })
	var at client
	for url, handler := range map[*string]http.Handler{&at.AWS: aws, (*string)(&at.APIM): apim, &at.Rig: rig} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		*url = "http://" + l.Addr().String()
		server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
		go func() {
			if err := server.Serve(l); err != nil {
				fmt.Fprintln(os.Stderr, "load: a stand-in:", err)
			}
		}()
	}
	if err := json.NewEncoder(out).Encode(at); err != nil {
		return err
	}
	var nothing any
	if err := input.Decode(&nothing); !errors.Is(err, io.EOF) {
		return fmt.Errorf("waiting for the end: %w", err)
	}
	return nil
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
