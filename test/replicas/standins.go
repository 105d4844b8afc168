package main

import (
	"encoding/json"
	"net/http"
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

func standIns(spec standInSpec) (map[string]http.Handler, error) {
	aws, err := awssim.New(awssim.Options{
		Estate: awssim.UniformEstate(spec.Estate), Seed: seed, Quota: awssim.Quota{Scale: spec.Scale},
		Latency: awssim.AWSLatency(),
	})
	if err != nil {
		return nil, err
	}
	options := apimsim.Options{Tokens: []string{token}, DropPageContent: true, HealthCheckInterval: spec.HealthEvery}
	for _, id := range spec.Integrations {
		options.Integrations = append(options.Integrations, apimsim.Integration{ID: id, Env: "DEFAULT"})
	}
	apim, err := apimsim.New(options)
	if err != nil {
		return nil, err
	}
	rig := http.NewServeMux()
	rig.HandleFunc("POST "+twicePath, func(w http.ResponseWriter, r *http.Request) { acceptTwice(w, r, apim) })
	return map[string]http.Handler{"AWS": aws, "APIM": apim, "Rig": rig}, nil
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
