package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/outside"
)

// sampleEvery is how often a process's memory is read.
const sampleEvery = 100 * time.Millisecond

// logFile is what a program says, in its folder.
const logFile = "log.txt"

// process is a running program whose memory is watched.
type process struct {
	cmd     *exec.Cmd
	dir     string
	started time.Time
	done    chan struct{}

	mu   sync.Mutex
	peak outside.Memory
	last outside.Memory
}

// start starts a program with a log file of its own and begins to sample.
func start(cmd *exec.Cmd, dir string) (*process, error) {
	log, err := os.Create(filepath.Join(dir, logFile))
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 15 * time.Second
	p := &process{cmd: cmd, dir: dir, done: make(chan struct{})}
	p.started = time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // how it ended is seen in its log
		_ = log.Close()
		close(p.done)
	}()
	go p.sample()
	return p, nil
}

// stop ends it in order and waits.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(15 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// kill ends it as kill -9 does, and waits.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

func (p *process) sample() {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		m, err := outside.ReadMemory(p.cmd.Process.Pid)
		if err == nil && m.Anonymous > 0 {
			p.mu.Lock()
			p.last = m
			p.peak.Anonymous = max(p.peak.Anonymous, m.Anonymous)
			p.peak.Resident = max(p.peak.Resident, m.Resident)
			p.peak.HighWater = max(p.peak.HighWater, m.HighWater)
			p.mu.Unlock()
		}
		select {
		case <-ticker.C:
		case <-p.done:
			return
		}
	}
}

// said counts the lines of the log that hold a text.
func (p *process) said(text string) (int, error) {
	log, err := os.ReadFile(filepath.Join(p.dir, logFile))
	return strings.Count(string(log), text), err
}

// memory gives the highest samples and the last one.
func (p *process) memory() (peak, last outside.Memory) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.peak, p.last
}

// processorTime is user and system time so far, in clock ticks of 10 ms.
func (p *process) processorTime() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The name in brackets may hold spaces: fields are counted behind it. utime and stime are 14 and 15.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
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
func (r *rig) startAgent(ctx context.Context, s *standIns, spec agentSpec) (*process, error) {
	dir, err := r.folder(spec.name)
	if err != nil {
		return nil, err
	}
	cmd := onCore(ctx, spec.cpu, r.agent, "run")
	variables := map[string]string{
		"PATH": os.Getenv("PATH"),
		// The SDK's own: where AWS is, and that nothing of this machine is looked at.
		"AWS_ENDPOINT_URL": "http://" + s.AWS, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"gravitee_integration_connector_ws_endpoints_0":                  "http://" + s.APIM,
		"gravitee_integration_providers_0_type":                          "aws-api-gateway",
		"gravitee_integration_providers_0_integrationId":                 spec.integration,
		"gravitee_integration_providers_0_configuration_region":          "eu-west-1",
		"gravitee_integration_providers_0_configuration_accessKeyId":     awssim.UniformAccessKeyID(spec.account),
		"gravitee_integration_providers_0_configuration_secretAccessKey": "any-secret-will-do",
		"gravitee_agent_store_path":                                      filepath.Join(dir, "data"),
		"gravitee_services_core_http_port":                               "0", // served, as in production, but nobody collides
	}
	for name, value := range spec.settings {
		variables[name] = value
	}
	for name, value := range variables {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Dir = dir
	return start(cmd, dir)
}

// connected starts an agent and waits until APIM sees it; it also says when APIM did.
func (r *rig) connected(ctx context.Context, s *standIns, spec agentSpec) (*process, time.Time, error) {
	p, err := r.startAgent(ctx, s, spec)
	if err != nil {
		return nil, time.Time{}, err
	}
	at, err := s.awaitAgent(ctx, spec.integration, p.started)
	if err != nil {
		p.stop()
		return nil, time.Time{}, fmt.Errorf("%s: %w", spec.name, err)
	}
	return p, at, nil
}
