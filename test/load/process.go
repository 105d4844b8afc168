package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/process"
)

// sampleEvery is how often a process's memory is read.
const sampleEvery = 100 * time.Millisecond

// program is a running program whose memory is watched.
type program struct {
	*process.Process

	mu      sync.Mutex
	highest process.Memory
}

// start starts a program with a log file of its own and begins to sample.
func start(cmd *exec.Cmd, dir string) (*program, error) {
	running, err := process.StartLogged(cmd, filepath.Join(dir, "log.txt"))
	if err != nil {
		return nil, err
	}
	p := &program{Process: running}
	go p.sample()
	return p, nil
}

// stop ends it in order and waits. How it ended is seen in its log.
func (p *program) stop() { _ = p.End() }

// kill ends it as kill -9 does, and waits.
func (p *program) kill() { _ = p.Kill() }

func (p *program) sample() {
	for {
		m, err := p.Memory()
		if err == nil {
			p.mu.Lock()
			p.highest.Anonymous = max(p.highest.Anonymous, m.Anonymous)
			p.highest.HighWater = max(p.highest.HighWater, m.HighWater)
			p.mu.Unlock()
		}
		ctx, cancel := context.WithTimeout(context.Background(), sampleEvery)
		_ = p.Wait(ctx)
		over := ctx.Err() == nil
		cancel()
		if over {
			return
		}
	}
}

// peak gives the highest of all samples of Anonymous and HighWater.
func (p *program) peak() process.Memory {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.highest
}

// agentSpec says how an agent is to run.
type agentSpec struct {
	name        string
	integration string
	account     int               // whose user it is
	settings    map[string]string // further variables
	cpu         int               // the only core it may use; negative means any
}

// startAgent starts the built agent against the stand-ins. It returns once the process runs, not once it is connected.
func (r *rig) startAgent(s *standIns, spec agentSpec) (*program, error) {
	return r.startAgentWith(s, spec, "run")
}

func (r *rig) startAgentWith(s *standIns, spec agentSpec, args ...string) (*program, error) {
	dir, err := r.folder(spec.name)
	if err != nil {
		return nil, err
	}
	cmd := onCore(spec.cpu, r.agent, args...)
	variables := map[string]string{
		"PATH": os.Getenv("PATH"),
		// The SDK's own: where AWS is, and that nothing of this machine is looked at.
		"AWS_ENDPOINT_URL": s.AWS, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"gravitee_integration_connector_ws_endpoints_0":                  string(s.APIM),
		"gravitee_integration_providers_0_type":                          "aws-api-gateway",
		"gravitee_integration_providers_0_integrationId":                 spec.integration,
		"gravitee_integration_providers_0_configuration_region":          "eu-west-1",
		"gravitee_integration_providers_0_configuration_accessKeyId":     awssim.UniformAccessKeyID(spec.account),
		"gravitee_integration_providers_0_configuration_secretAccessKey": "any-secret-will-do",
		"gravitee_agent_store_path":                                      filepath.Join(dir, "data"),
		// served, as in production, but nobody collides
		"gravitee_services_core_http_port": "0",
	}
	maps.Copy(variables, spec.settings)
	cmd.Env, cmd.Dir = process.Environ(variables), dir
	return start(cmd, dir)
}

// connected starts an agent and waits until APIM sees it; it also says when APIM did.
func (r *rig) connected(ctx context.Context, s *standIns, spec agentSpec) (*program, time.Time, error) {
	p, err := r.startAgent(s, spec)
	if err != nil {
		return nil, time.Time{}, err
	}
	at, err := s.awaitAgent(ctx, spec.integration, p.Started)
	if err != nil {
		p.stop()
		return nil, time.Time{}, fmt.Errorf("%s: %w", spec.name, err)
	}
	return p, at, nil
}
