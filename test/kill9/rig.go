package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// poll is how often a state that tells nobody of its change is looked at.
	poll = 20 * time.Millisecond
	// patience bounds every wait: nothing here takes a minute.
	patience = time.Minute
	// settleWithin is how long the last agent may take to delete what is left: its journal is swept every
	// 30 s, 20 keys at a time.
	settleWithin = 10 * time.Minute
	// farAway is the latency between agent and APIM, each way.
	farAway = 40 * time.Millisecond
)

// rig is the sandbox process, the network before it, and the binary.
type rig struct {
	dir, binary string
	sandbox     *process
	wire        *wire
	environ     []string
	apim, aws   string
	apis        []api

	mu         sync.Mutex
	subscribed int
	ended      map[string]bool // subscriptions that somebody asked to end
	repeated   int             // of those, how many a kill interrupted
}

type api struct {
	ID    string `json:"id"`
	Plans []struct {
		ID string `json:"id"`
	} `json:"plans"`
}

type subscription struct {
	ID       string            `json:"id"`
	Status   string            `json:"status"`
	Metadata map[string]string `json:"metadata"`
}

func newRig(ctx context.Context, dir string) (*rig, error) {
	r := &rig{ended: map[string]bool{}, dir: dir, binary: filepath.Join(dir, "federation-agent")}
	build := exec.CommandContext(ctx, "go", "build", "-o", r.binary, "./cmd/federation-agent")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("building the agent: %w", err)
	}
	if err := r.startSandbox(); err != nil {
		return nil, err
	}
	return r, nil
}

// startSandbox starts both stand-ins and reads from their greeting how an agent gets there.
func (r *rig) startSandbox() error {
	cmd := exec.Command(r.binary, "sandbox", "--apim", "127.0.0.1:0", "--aws", "127.0.0.1:0",
		"--estate", "uniform", "--apis", "4", "--stages", "2", "--quota-scale", "20")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if r.sandbox, err = start(cmd); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		name, value, found := strings.Cut(strings.TrimPrefix(lines.Text(), "export "), "=")
		if !found || !strings.HasPrefix(lines.Text(), "export ") {
			continue
		}
		value = strings.Trim(value, "'")
		switch name {
		case "gravitee_integration_connector_ws_endpoints_0":
			base, path, _ := strings.Cut(strings.TrimPrefix(value, "http://"), "/")
			r.apim = "http://" + base
			if r.wire, err = newWire(base, farAway); err != nil {
				return err
			}
			value = "http://" + r.wire.address() + "/" + path
		case "AWS_ENDPOINT_URL":
			r.aws = value
		}
		r.environ = append(r.environ, name+"="+value)
		if r.apim != "" && r.aws != "" {
			break
		}
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	if r.apim == "" || r.aws == "" {
		return errors.New("the sandbox did not say where it is")
	}
	r.environ = append(r.environ, "AWS_EC2_METADATA_DISABLED=true", "HOME="+r.dir, "PATH="+os.Getenv("PATH"),
		"gravitee_agent_quota_rate=200", "gravitee_agent_quota_burst=800",
		"gravitee_agent_store_path="+filepath.Join(r.dir, "data"))
	return nil
}

func (r *rig) close() {
	_ = r.sandbox.kill()
	r.wire.close()
}

// startAgent starts an agent and waits until APIM sees it.
func (r *rig) startAgent(ctx context.Context) (*process, error) {
	log, err := os.OpenFile(filepath.Join(r.dir, "agent.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
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
	err = await(ctx, patience, "the agent to connect", func() (bool, error) {
		var agents []json.RawMessage
		err := get(ctx, r.apim+"/_sandbox/apim/agents", &agents)
		return len(agents) == 1, err
	})
	if err != nil {
		_ = p.kill()
		return nil, err
	}
	return p, nil
}

func (r *rig) ingestEverything(ctx context.Context) error {
	agent, err := r.startAgent(ctx)
	if err != nil {
		return err
	}
	if err := post(ctx, r.apim+"/_sandbox/apim/ingest", map[string]any{}, nil); err != nil {
		return err
	}
	err = await(ctx, patience, "the first ingest", func() (bool, error) {
		var jobs []struct {
			Status string `json:"status"`
		}
		if err := get(ctx, r.apim+"/_sandbox/apim/jobs", &jobs); err != nil {
			return false, err
		}
		return len(jobs) > 0 && jobs[0].Status == "SUCCESS", nil
	})
	if err != nil {
		return err
	}
	if err := get(ctx, r.apim+"/_sandbox/apim/apis", &r.apis); err != nil {
		return err
	}
	return agent.kill()
}

// askForKeys plays APIM's users: some subscribe, and now and then somebody ends an accepted subscription.
func (r *rig) askForKeys(ctx context.Context, each int, random *rand.Rand) *sync.WaitGroup {
	var asked sync.WaitGroup
	for range each {
		a := r.apis[random.IntN(len(r.apis))]
		pause := time.Duration(random.Int64N(int64(longestLife / 2)))
		asked.Go(func() {
			time.Sleep(pause)
			r.mu.Lock()
			r.subscribed++
			r.mu.Unlock()
			body := map[string]any{"apiId": a.ID, "planId": a.Plans[0].ID, "applicationName": "kill9"}
			_ = post(ctx, r.apim+"/_sandbox/apim/subscriptions", body, nil) // REJECTED is what a kill does
		})
	}
	if id := r.anAccepted(ctx, random); id != "" {
		r.ended[id] = true
		asked.Go(func() { _ = r.unsubscribe(ctx, id) }) // a kill in the middle leaves it ACCEPTED, see settle
	}
	return &asked
}

func (r *rig) unsubscribe(ctx context.Context, id string) error {
	return call(ctx, http.MethodDelete, r.apim+"/_sandbox/apim/subscriptions/"+id, nil, nil)
}

func (r *rig) anAccepted(ctx context.Context, random *rand.Rand) string {
	subscriptions, err := r.subscriptions(ctx)
	if err != nil {
		return ""
	}
	var accepted []string
	for _, s := range subscriptions {
		if s.Status == "ACCEPTED" {
			accepted = append(accepted, s.ID)
		}
	}
	if len(accepted) < 20 { // enough must be left at the end
		return ""
	}
	return accepted[random.IntN(len(accepted))]
}

func (r *rig) subscriptions(ctx context.Context) ([]subscription, error) {
	var all []subscription
	err := get(ctx, r.apim+"/_sandbox/apim/subscriptions", &all)
	return all, err
}

// settle lets one more agent live until nothing is left to delete, and ends it in order. An UNSUBSCRIBE that
// a kill interrupted is asked for again, as APIM's user would: its key may be gone already.
func (r *rig) settle(ctx context.Context) error {
	agent, err := r.startAgent(ctx)
	if err != nil {
		return err
	}
	subscriptions, err := r.subscriptions(ctx)
	if err != nil {
		return err
	}
	for _, s := range subscriptions {
		if s.Status == "ACCEPTED" && r.ended[s.ID] {
			if err := r.unsubscribe(ctx, s.ID); err != nil {
				return fmt.Errorf("repeating an interrupted UNSUBSCRIBE: %w", err)
			}
			r.repeated++
		}
	}
	last, since := -1, time.Now()
	err = await(ctx, settleWithin, "the journal to come to rest", func() (bool, error) {
		var keys []json.RawMessage
		if err := get(ctx, r.aws+"/_sandbox/aws/keys", &keys); err != nil {
			return false, err
		}
		if len(keys) != last {
			last, since = len(keys), time.Now()
		}
		// Two sweeps without a change.
		return time.Since(since) > 65*time.Second, nil
	})
	if err != nil {
		return err
	}
	return agent.end()
}

// process is one that this program started, and that it alone ends, by its pid.
type process struct {
	cmd  *exec.Cmd
	done chan error
}

func start(cmd *exec.Cmd) (*process, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, done: make(chan error, 1)}
	go func() { p.done <- cmd.Wait() }()
	return p, nil
}

// kill is kill -9. A process that has ended before is an error: nothing here may end by itself.
func (p *process) kill() error {
	select {
	case err := <-p.done:
		return fmt.Errorf("process %d ended by itself: %w", p.cmd.Process.Pid, err)
	default:
	}
	if err := p.cmd.Process.Kill(); err != nil {
		return err
	}
	<-p.done
	return nil
}

func (p *process) end() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return <-p.done
}

func await(ctx context.Context, within time.Duration, what string, so func() (bool, error)) error {
	for deadline := time.Now().Add(within); ; time.Sleep(poll) {
		ok, err := so()
		switch {
		case ok && err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case time.Now().After(deadline):
			return fmt.Errorf("waiting for %s: %s have passed (last error: %w)", what, within, err)
		}
	}
}

func get(ctx context.Context, url string, into any) error {
	return call(ctx, http.MethodGet, url, nil, into)
}

func post(ctx context.Context, url string, body, into any) error {
	return call(ctx, http.MethodPost, url, body, into)
}

func call(ctx context.Context, method, url string, body, into any) error {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %s", method, url, response.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
}
