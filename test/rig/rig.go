// Package rig runs the built agent against both stand-ins, each a process of its own, over a network that delays,
// cuts and swallows, and holds every key in AWS against APIM and the journal. Commands that hurt a real process
// (kill9, drops) share it.
package rig

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/outside"
)

const (
	// Patience bounds every wait for something that takes seconds.
	Patience = time.Minute
	// FarAway is the latency between agent and APIM, each way: that of a continent, so that much is often under way.
	FarAway = 40 * time.Millisecond
	// quotaScale is how many times AWS's own request quota the stand-in grants, so that minutes are enough.
	quotaScale = 20
)

// Options say what stands in AWS and in APIM.
type Options struct {
	// Integrations is how many the agent serves: each with a session and an AWS account of its own.
	Integrations int
	// APIs is how many REST APIs there are in each account, each with Stages stages.
	APIs, Stages int
	// Dir takes the built agent, its journal and its logs. Empty: a temporary folder, until [Rig.Close].
	Dir string
	// Settings are more of the agent's variables, NAME=VALUE.
	Settings []string
}

// Rig is the sandbox process, the network before it, and the binary. Its methods may be called from several
// goroutines.
type Rig struct {
	Wire *Wire
	// Integrations are their ids in APIM.
	Integrations []string

	dir, binary string
	discard     func() // of dir
	sandbox     *Process
	environ     []string
	apim, aws   string
	started     int // agents so far

	mu       sync.Mutex
	asked    int             // subscriptions
	ended    map[string]bool // subscriptions that somebody asked to end
	repeated int             // of those, how many an interruption left accepted
}

// New builds the agent and starts the stand-ins.
func New(ctx context.Context, o Options) (*Rig, error) {
	r := &Rig{ended: map[string]bool{}}
	var err error
	if r.dir, r.discard, err = outside.Folder(o.Dir); err != nil {
		return nil, err
	}
	settings, err := r.startSandbox(ctx, o)
	if err != nil {
		r.discard()
		return nil, err
	}
	if err := r.addIntegrations(ctx, o.Integrations, settings); err != nil {
		r.Close()
		return nil, err
	}
	r.environ = append(r.environ, "AWS_EC2_METADATA_DISABLED=true", "HOME="+r.dir, "PATH="+os.Getenv("PATH"),
		fmt.Sprintf("gravitee_agent_quota_rate=%v", quotaScale*awssim.AWSRate),
		fmt.Sprintf("gravitee_agent_quota_burst=%v", quotaScale*awssim.AWSBurst),
		"gravitee_agent_store_path="+r.data(), "gravitee_services_core_http_port=0")
	r.environ = append(r.environ, o.Settings...)
	return r, nil
}

func (r *Rig) data() string { return filepath.Join(r.dir, "data") }

// Close ends the stand-ins at once.
func (r *Rig) Close() {
	_ = r.sandbox.Kill()
	r.Wire.close()
	r.discard()
}

// startSandbox builds the agent, starts both stand-ins, and reads from their greeting how an agent gets there.
func (r *Rig) startSandbox(ctx context.Context, o Options) (settings map[string]string, err error) {
	if r.binary, err = outside.Build(ctx, r.dir); err != nil {
		return nil, err
	}
	cmd := exec.Command(r.binary, "sandbox", "--apim", "127.0.0.1:0", "--aws", "127.0.0.1:0", "--estate", "uniform",
		"--accounts", fmt.Sprint(o.Integrations), "--apis", fmt.Sprint(o.APIs), "--stages", fmt.Sprint(o.Stages),
		"--quota-scale", fmt.Sprint(quotaScale))
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if r.sandbox, err = start(cmd); err != nil {
		return nil, err
	}
	settings = map[string]string{}
	lines := bufio.NewScanner(out)
	for settings[awsVariable] == "" && lines.Scan() {
		name, value, found := strings.Cut(strings.TrimPrefix(lines.Text(), "export "), "=")
		if found && strings.HasPrefix(lines.Text(), "export ") {
			settings[name] = strings.Trim(value, "'")
		}
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	host, path, _ := strings.Cut(strings.TrimPrefix(settings[endpointVariable], "http://"), "/")
	r.apim, r.aws = "http://"+host, settings[awsVariable]
	if host == "" || r.aws == "" {
		return nil, errors.Join(errors.New("the sandbox did not say where it is"), r.sandbox.Kill())
	}
	if r.Wire, err = newWire(host, FarAway); err != nil {
		return nil, errors.Join(err, r.sandbox.Kill())
	}
	settings[endpointVariable] = "http://" + r.Wire.address() + "/" + path
	return settings, nil
}

// What the sandbox prints: where APIM is, the settings of one provider, and, last of what is needed, where AWS is.
const (
	endpointVariable = "gravitee_integration_connector_ws_endpoints_0"
	providerPrefix   = "gravitee_integration_providers_0_"
	awsVariable      = "AWS_ENDPOINT_URL"
)

// addIntegrations makes n integrations in APIM out of the one that the sandbox begins with, and n providers of the
// agent. Each sees an account of its own.
func (r *Rig) addIntegrations(ctx context.Context, n int, settings map[string]string) error {
	first := settings[providerPrefix+"integrationId"]
	for i := range n {
		id := first
		if i > 0 {
			id = fmt.Sprintf("%s-%d", first, i+1)
			if err := r.post(ctx, "integrations", map[string]any{"integrationId": id}, nil); err != nil {
				return err
			}
		}
		r.Integrations = append(r.Integrations, id)
		for name, value := range settings {
			of, ofProvider := strings.CutPrefix(name, providerPrefix)
			switch {
			case !ofProvider && i > 0:
				continue
			case of == "integrationId":
				value = id
			case of == "configuration_accessKeyId":
				value = awssim.UniformAccessKeyID(i)
			}
			if ofProvider {
				name = fmt.Sprintf("gravitee_integration_providers_%d_%s", i, of)
			}
			r.environ = append(r.environ, name+"="+value)
		}
	}
	return nil
}

// StartAgent starts an agent and waits until APIM sees all of its sessions: not those of an agent before it, which a
// killed process leaves to APIM until the network has told.
func (r *Rig) StartAgent(ctx context.Context) (*Process, error) {
	old, err := r.Agents(ctx)
	if err != nil {
		return nil, err
	}
	newest := 0
	for _, a := range old {
		newest = max(newest, a.Conn)
	}
	r.started++
	log, err := os.Create(filepath.Join(r.dir, fmt.Sprintf("agent-%03d.log", r.started)))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(r.binary)
	cmd.Env, cmd.Dir, cmd.Stderr = r.environ, r.dir, log
	p, err := start(cmd)
	if err != nil {
		return nil, err
	}
	p.log = log.Name()
	err = outside.Await(ctx, Patience, "the agent to connect", func(ctx context.Context) (bool, error) {
		agents, err := r.Agents(ctx)
		agents = slices.DeleteFunc(agents, func(a apimsim.AgentView) bool { return a.Conn <= newest })
		return len(agents) == len(r.Integrations), err
	})
	if err != nil {
		return nil, errors.Join(err, p.Kill())
	}
	return p, nil
}

// quiet is how long no key may come or go for the journal to be at rest: two of the agent's sweeps, every 30 s.
const quiet = 65 * time.Second

// settleWithin is how long the agent may take to delete what is left: 20 keys a sweep.
const settleWithin = 10 * time.Minute

// Settle waits until the agent has nothing left to delete. An UNSUBSCRIBE that was interrupted is asked for again,
// as APIM's user would: its key may be gone already.
func (r *Rig) Settle(ctx context.Context) error {
	subscriptions, err := r.Subscriptions(ctx)
	if err != nil {
		return err
	}
	for _, s := range subscriptions {
		r.mu.Lock()
		interrupted := s.Status == apimsim.SubscriptionAccepted && r.ended[s.ID]
		r.mu.Unlock()
		if !interrupted {
			continue
		}
		if err := r.Unsubscribe(ctx, s.ID); err != nil {
			return fmt.Errorf("repeating an interrupted UNSUBSCRIBE: %w", err)
		}
		r.repeated++
	}
	last, since := -1, time.Now()
	return outside.Await(ctx, settleWithin, "the journal to come to rest", func(ctx context.Context) (bool, error) {
		var keys []json.RawMessage
		if err := r.keys(ctx, &keys); err != nil {
			return false, err
		}
		if len(keys) != last {
			last, since = len(keys), time.Now()
		}
		return time.Since(since) > quiet, nil
	})
}
