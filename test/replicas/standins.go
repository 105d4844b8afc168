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
	"federation-agent/test/process"
)

// standInsCommand is this program's own subcommand that serves the stand-ins for APIM and AWS. The agent's `sandbox` has
// the same two, but no two accepts of one subscription, and no other pause between two HEALTH_CHECKs.
const standInsCommand = "stand-ins"

// standInSpec says what the stand-ins hold and how they behave.
type standInSpec struct {
	Estate       awssim.UniformOptions
	Integrations []string
	// Scale multiplies AWS's request quota; 1 is honest.
	Scale float64
	// HealthEvery is between two HEALTH_CHECKs of a session.
	HealthEvery time.Duration
}

// standInURLs is what they answer with.
type standInURLs struct {
	APIM process.APIM
	AWS  string
	// Rig takes what APIM's own surface has no place for.
	Rig string
}

// seed makes latencies, ids and moments the same in every run.
const seed = 20_260_101

const (
	twicePath = "/twice"
	token     = "replicas-token"
)

// twiceRequest asks for [apimsim.APIM.AcceptTwice].
type twiceRequest struct {
	API, Plan, Application string
	First, Second          apimsim.Route
	Gap                    time.Duration
}

// twiceAnswer is what became of it. An empty answer is a key.
type twiceAnswer struct {
	ID, Status string
	Answers    [2]string
	Metadata   map[string]string
}

// serveStandIns reads a spec, says where it listens, and serves until its input ends: with whoever started it.
func serveStandIns(in io.Reader, out io.Writer) error {
	input := json.NewDecoder(in)
	var spec standInSpec
	if err := input.Decode(&spec); err != nil {
		return fmt.Errorf("reading the stand-ins' spec: %w", err)
	}
	aws, err := awssim.New(awssim.Options{
		Estate: awssim.UniformEstate(spec.Estate), Seed: seed, Quota: awssim.Quota{Scale: spec.Scale},
		Latency: awssim.AWSLatency(),
	})
	if err != nil {
		return err
	}
	options := apimsim.Options{Tokens: []string{token}, DropPageContent: true, HealthCheckInterval: spec.HealthEvery}
	for _, id := range spec.Integrations {
		options.Integrations = append(options.Integrations, apimsim.Integration{ID: id, Env: "DEFAULT"})
	}
	apim, err := apimsim.New(options)
	if err != nil {
		return err
	}
	rig := http.NewServeMux()
	rig.HandleFunc("POST "+twicePath, func(w http.ResponseWriter, r *http.Request) { acceptTwice(w, r, apim) })
	var at standInURLs
	for url, handler := range map[*string]http.Handler{&at.AWS: aws, (*string)(&at.APIM): apim, &at.Rig: rig} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		*url = "http://" + l.Addr().String()
		server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
		go func() {
			if err := server.Serve(l); err != nil {
				fmt.Fprintln(os.Stderr, "replicas: a stand-in:", err)
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

func acceptTwice(w http.ResponseWriter, r *http.Request, apim *apimsim.APIM) {
	var ask twiceRequest
	if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	sub, answers, err := apim.AcceptTwice(r.Context(), ask.API, ask.Plan, ask.Application, ask.First, ask.Second, ask.Gap)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := twiceAnswer{ID: sub.ID, Status: sub.Status, Metadata: sub.Metadata}
	for n, err := range answers {
		if err != nil {
			answer.Answers[n] = err.Error()
		}
	}
	_ = json.NewEncoder(w).Encode(answer) // who asked may have gone
}
