package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
)

const (
	// Patience bounds every wait for something that takes seconds.
	Patience = time.Minute
	// FarAway is the latency between agent and APIM, each way: that of a continent, so that much is often under way.
	FarAway = 40 * time.Millisecond
	// quotaScale is how many times AWS's own request quota the stand-in grants, so that minutes are enough.
	quotaScale = 20
)

// regions are where the accounts may have their APIs.
var regions = []string{awssim.DemoRegion1, awssim.DemoRegion2}

// RigOptions say what stands in AWS and in APIM.
type RigOptions struct {
	// Integrations is how many the agent serves: each with a session and an AWS account of its own.
	Integrations int
	// APIs is how many REST APIs there are in each account, each with Stages stages.
	APIs, Stages int
	// Regions is in how many regions each account has all of that; zero is one, and two is the most.
	Regions int
	// Dir takes the built agent, its journal and its logs. Empty: a temporary folder, until [Rig.Close].
	Dir string
	// Journal takes the journal in Dir's place, such as a small volume. It must be empty, and is left as it is in the end.
	Journal string
	// Settings are more of the agent's variables, NAME=VALUE.
	Settings []string
}

// Rig is the sandbox process, the network before it, and the binary. Its methods may be called from several
// goroutines.
type Rig struct {
	Users
	Wire *Wire
	// Integrations are their ids in APIM.
	Integrations []string

	dir, data, binary string // data has the journal
	discard           func() // of dir
	sandbox           *Process
	environ           []string
	aws               string
	started           int // agents so far
}

// NewRig builds the agent and starts the stand-ins.
func NewRig(ctx context.Context, o RigOptions) (*Rig, error) {
	r := &Rig{}
	var err error
	if r.dir, r.discard, err = Folder(o.Dir); err != nil {
		return nil, err
	}
	if r.data = filepath.Join(r.dir, "data"); o.Journal != "" {
		if r.data, _, err = Folder(o.Journal); err != nil {
			r.discard()
			return nil, err
		}
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
		"gravitee_agent_store_path="+r.data, "gravitee_services_core_http_port=0")
	r.environ = append(r.environ, o.Settings...)
	return r, nil
}

// Close ends the stand-ins at once.
func (r *Rig) Close() {
	_ = r.sandbox.Kill()
	r.Wire.Close()
	r.discard()
}

// startSandbox builds the agent, starts both stand-ins, and reads from their greeting how an agent gets there.
func (r *Rig) startSandbox(ctx context.Context, o RigOptions) (settings map[string]string, err error) {
	if r.binary, err = Build(ctx, r.dir); err != nil {
		return nil, err
	}
	r.sandbox, err = Start(exec.Command(r.binary, "sandbox", "--apim", "127.0.0.1:0", "--aws", "127.0.0.1:0",
		"--estate", "uniform", "--accounts", fmt.Sprint(o.Integrations), "--apis", fmt.Sprint(o.APIs),
		"--stages", fmt.Sprint(o.Stages), "--regions", strings.Join(regions[:max(o.Regions, 1)], ","),
		"--quota-scale", fmt.Sprint(quotaScale)))
	if err != nil {
		return nil, err
	}
	if _, err := r.sandbox.Await(ctx, &r.sandbox.Stdout, "export "+awsVariable+"="); err != nil {
		return nil, errors.Join(err, r.sandbox.Kill())
	}
	settings = map[string]string{}
	for line := range strings.Lines(r.sandbox.Stdout.String()) {
		if setting, exported := strings.CutPrefix(strings.TrimSpace(line), "export "); exported {
			name, value, _ := strings.Cut(setting, "=")
			settings[name] = strings.Trim(value, "'")
		}
	}
	host, path, _ := strings.Cut(strings.TrimPrefix(settings[endpointVariable], "http://"), "/")
	r.APIM, r.aws = APIM("http://"+host), settings[awsVariable]
	if r.Wire, err = NewWire(host, FarAway); err != nil {
		return nil, errors.Join(err, r.sandbox.Kill())
	}
	settings[endpointVariable] = "http://" + r.Wire.Address() + "/" + path
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
			if err := r.APIM.AddIntegration(ctx, id); err != nil {
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

// FirstRegionOnly is the setting of an agent whose first integration sees only the first of its regions.
func FirstRegionOnly() string { return providerPrefix + "configuration_region=" + regions[0] }

// StartAgent starts an agent, with more settings or others, and waits until APIM sees all of its sessions: not those of
// an agent before it, which a killed process leaves to APIM until the network has told.
func (r *Rig) StartAgent(ctx context.Context, settings ...string) (*Process, error) {
	old, err := r.APIM.Agents(ctx)
	if err != nil {
		return nil, err
	}
	newest := 0
	for _, a := range old {
		newest = max(newest, a.Conn)
	}
	r.started++
	cmd := exec.Command(r.binary)
	cmd.Env, cmd.Dir = slices.Concat(r.environ, settings), r.dir // of two values of a variable the last one counts
	p, err := StartLogged(cmd, filepath.Join(r.dir, fmt.Sprintf("agent-%03d.log", r.started)))
	if err != nil {
		return nil, err
	}
	err = Await(ctx, Patience, "the agent to connect", func(ctx context.Context) (bool, error) {
		agents, err := r.APIM.Agents(ctx)
		agents = slices.DeleteFunc(agents, func(a apimsim.AgentView) bool { return a.Conn <= newest })
		return len(agents) == len(r.Integrations), err
	})
	if err != nil {
		return nil, errors.Join(err, p.Kill())
	}
	return p, nil
}

// Slow has AWS take so long for each call of these operations from now on, and for no other; zero ends it.
func (r *Rig) Slow(ctx context.Context, by time.Duration, operations ...string) error {
	rules := []awssim.Rule{}
	for _, operation := range operations {
		if by > 0 {
			rules = append(rules, awssim.Rule{Operation: operation, Fault: awssim.Slow(by)})
		}
	}
	_, err := Ask[json.RawMessage](ctx, http.MethodPut, r.aws+"/_sandbox/aws/faults", rules)
	return err
}

// quiet is how long no key may come or go for the journal to be at rest: two of the agent's sweeps, every 30 s.
const quiet = 65 * time.Second

// settleWithin is how long the agent may take to delete what is left: 20 keys a sweep.
const settleWithin = 10 * time.Minute

// Settle waits until the agent has nothing left to delete. An UNSUBSCRIBE that was interrupted is asked for again,
// as APIM's user would: its key may be gone already.
func (r *Rig) Settle(ctx context.Context) error {
	if err := r.Repeat(ctx); err != nil {
		return err
	}
	last, since := -1, time.Now()
	return Await(ctx, settleWithin, "the journal to come to rest", func(ctx context.Context) (bool, error) {
		keys, err := Keys(ctx, r.aws)
		if err != nil {
			return false, err
		}
		if len(keys) != last {
			last, since = len(keys), time.Now()
		}
		return time.Since(since) > quiet, nil
	})
}
