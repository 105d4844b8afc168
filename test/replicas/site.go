package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/uuid"

	"federation-agent/internal/dynamodb"
	"federation-agent/internal/keys"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/store"
	"federation-agent/internal/store/tablestore"
	"federation-agent/test/interop/controller"
	"federation-agent/test/interop/moto"
	"federation-agent/test/process"
)

const (
	tableName   = "federation-agent"
	tableRegion = "eu-west-1"
	// thisVersion is the program that is built of this tree.
	thisVersion = "federation-agent"
	// nobody is the user of an agent's process, who owns nothing: it can write nowhere.
	nobody = 65534
)

// rig is what all groups share: the built binary, alone in a folder that is an agent's root.
type rig struct {
	short   bool
	dir     string
	discard func()
	root    string
	self    string // this program
	started atomic.Int64
}

func newRig(ctx context.Context, short bool, dir string) (*rig, error) {
	r := &rig{short: short}
	var err error
	if r.dir, r.discard, err = process.Folder(dir); err != nil {
		return nil, err
	}
	r.root = filepath.Join(r.dir, "root")
	if r.self, err = os.Executable(); err == nil {
		err = os.MkdirAll(r.root, 0o755)
	}
	if err == nil {
		_, err = process.Build(ctx, r.root)
	}
	if err == nil { // an agent's working directory, too, which nobody may write to
		err = errors.Join(os.Chmod(r.root, 0o555), os.Chmod(r.dir, 0o755))
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *rig) close() {
	_ = os.Chmod(r.root, 0o755) // or a user who is not root could not remove it
	r.discard()
}

// confined says how an agent's process is kept from writing anything.
func confined() string {
	if os.Geteuid() == 0 {
		return "each agent is a process of a user who owns nothing, in a root that has nothing but its binary and is read-only"
	}
	return "each agent runs in a folder that is read-only (a read-only root needs this to be run by root)"
}

// pick is the full figure, or the short one in a short run.
func pick[T any](r *rig, full, short T) T {
	if r.short {
		return short
	}
	return full
}

// site is DynamoDB, APIM and AWS, each a process of its own but the last two, and what plays APIM's users.
type site struct {
	*rig
	standInURLs
	process.Users
	moto   *moto.Server
	table  *table // before moto
	apims  *process.StandIns
	stores *tablestore.Store
	scale  float64
}

// newSite starts moto and the stand-ins, and has the agent make the table.
func (r *rig) newSite(ctx context.Context, spec standInSpec) (s *site, err error) {
	s = &site{rig: r, scale: spec.Scale}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.moto, err = moto.Start(ctx); err != nil {
		return s, err
	}
	if s.table, err = newTable(s.moto.URL); err != nil {
		return s, err
	}
	s.apims, err = process.StartStandIns(ctx, exec.Command(s.self, standInsCommand), spec, &s.standInURLs)
	if err != nil {
		return s, err
	}
	s.Users.APIM = s.standInURLs.APIM
	made := dynamodb.New(tableConfig(), s.table.url, tableName)
	s.stores = tablestore.New(made, uuid.NewString)
	if err = made.Create(ctx); err == nil {
		err = s.stores.Open(ctx)
	}
	return s, err
}

func tableConfig() aws.Config {
	return aws.Config{
		Region: tableRegion, Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "unchecked", ""),
	}
}

func (s *site) close() {
	if s.apims != nil {
		s.apims.Close()
	}
	if s.table != nil {
		s.table.close()
	}
	if s.moto != nil {
		_ = s.moto.Close()
	}
}

// agent is a process of the built binary, with a network of its own between it and APIM.
type agent struct {
	*process.Process
	name    string
	program string
	wire    *process.Wire
}

// agentSpec says how an agent is to run.
type agentSpec struct {
	program      string // of those in the root; empty is this version's
	integrations []string
	account      int
	file         string                // the folder of a journal in a file in place of the table
	controller   controller.Controller // in place of the stand-in for APIM
	settings     map[string]string
}

func nameOfAgent(n int64) string { return fmt.Sprintf("agent-%03d", n) }

// start starts an agent and waits until APIM sees all of its sessions.
func (s *site) start(ctx context.Context, spec agentSpec) (*agent, error) {
	spec.program = cmp.Or(spec.program, thisVersion)
	a := &agent{name: nameOfAgent(s.started.Add(1)), program: spec.program}
	apim, before := string(s.standInURLs.APIM), 0
	if spec.controller != nil {
		there, err := spec.controller.Channels(ctx, spec.integrations[0])
		if err != nil {
			return nil, err
		}
		apim, before = spec.controller.Endpoint(), len(there)
	}
	var err error
	if a.wire, err = process.NewWire(strings.TrimPrefix(apim, "http://"), process.FarAway); err != nil {
		return nil, err
	}
	cmd := s.command(spec, a.wire, "run")
	if a.Process, err = process.StartLogged(cmd, filepath.Join(s.dir, a.name+".log")); err != nil {
		a.wire.Close()
		return nil, err
	}
	if spec.controller != nil {
		err = a.channels(ctx, spec.controller, spec.integrations[0], before+1)
	} else {
		err = s.connected(ctx, a, len(spec.integrations))
	}
	if err != nil {
		a.kill()
		return nil, fmt.Errorf("%s: %w; it wrote:\n%s", a.name, err, lastLines(a.Stderr.String()+a.Stdout.String(), 10))
	}
	return a, nil
}

// command is the agent's, confined where that can be had. One with a file needs a place to write to.
func (s *site) command(spec agentSpec, apim *process.Wire, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.root, spec.program), args...)
	cmd.Dir = s.root
	if spec.file == "" && os.Geteuid() == 0 {
		cmd.Path, cmd.Dir = "/"+spec.program, "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: s.root, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	cmd.Env = process.Environ(s.variables("http://"+apim.Address(), spec))
	return cmd
}

// variables are an agent's settings.
func (s *site) variables(apim string, spec agentSpec) map[string]string {
	variables := map[string]string{
		"AWS_ENDPOINT_URL": s.AWS, "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": tableRegion,
		// Those of the table; each provider below has its own.
		"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "unchecked",
		"gravitee_integration_connector_ws_endpoints_0":     apim,
		"gravitee_integration_connector_ws_headers_0_name":  "Authorization",
		"gravitee_integration_connector_ws_headers_0_value": "bearer " + token,
		"gravitee_agent_quota_rate":                         fmt.Sprint(s.scale * awssim.AWSRate),
		"gravitee_agent_quota_burst":                        fmt.Sprint(s.scale * awssim.AWSBurst),
		"gravitee_services_core_http_port":                  "0",
	}
	if spec.file != "" {
		variables["gravitee_agent_store_path"] = spec.file
	} else {
		variables["gravitee_agent_store_table_name"] = tableName
		variables["gravitee_agent_store_table_region"] = tableRegion
		variables["gravitee_agent_store_table_endpoint"] = s.table.url
	}
	for n, id := range spec.integrations {
		provider := fmt.Sprintf("gravitee_integration_providers_%d_", n)
		variables[provider+"type"] = "aws-api-gateway"
		variables[provider+"integrationId"] = id
		variables[provider+"configuration_region"] = tableRegion
		variables[provider+"configuration_accessKeyId"] = awssim.UniformAccessKeyID(spec.account)
		variables[provider+"configuration_secretAccessKey"] = "any-secret-will-do"
	}
	maps.Copy(variables, spec.settings)
	return variables
}

// sessions are those that take commands of one agent, or of any.
func (s *site) sessions(ctx context.Context, of *agent) ([]apimsim.AgentView, error) {
	all, err := s.Users.APIM.Agents(ctx)
	return slices.DeleteFunc(all, func(v apimsim.AgentView) bool { return of != nil && !of.wire.Carries(v.RemoteAddr) }), err
}

func (s *site) connected(ctx context.Context, a *agent, sessions int) error {
	return process.Await(ctx, process.Patience, "its sessions", func(ctx context.Context) (bool, error) {
		if a.Ended() {
			return false, errors.New("it has ended")
		}
		is, err := s.sessions(ctx, a)
		return len(is) == sessions, err
	})
}

// kill ends an agent as kill -9 does.
func (a *agent) kill() {
	_ = a.Kill() // it may have ended by itself, which its log shows
	a.wire.Close()
}

// stop ends it in order.
func (a *agent) stop() error {
	err := a.EndIn(endWithin)
	a.wire.Close()
	if err != nil {
		err = fmt.Errorf("%s: %w", a.name, err)
	}
	return err
}

// endWithin is the grace that the manifests give.
const endWithin = 90 * time.Second

// records are the journal's of the table.
func (s *site) records(ctx context.Context) ([]keys.Record, error) {
	return store.Records(ctx, s.stores, store.Filter{}, false)
}

const (
	// settleWithin is how long what is under way may take to come to rest: a few of the sweeps, one every 30 s, behind
	// the 15 s in which a process that is gone is missed.
	settleWithin = 5 * time.Minute
	// atRest is for how long nothing may have moved.
	atRest = 3 * time.Second
)

// settle repeats what users were kept from, and waits until the agents have nothing left to do. It says how long they
// took.
func (s *site) settle(ctx context.Context) (time.Duration, error) {
	if err := s.Repeat(ctx); err != nil {
		return 0, err
	}
	began, since, last := time.Now(), time.Now(), ""
	err := process.Await(ctx, settleWithin, "the journal to come to rest", func(ctx context.Context) (bool, error) {
		entries, err := s.stores.Entries(ctx, store.Filter{}, true)
		if err != nil {
			return false, err
		}
		entries = slices.DeleteFunc(entries, func(e store.Entry) bool {
			return e.Owner == "" && !slices.ContainsFunc(e.Records, func(r keys.Record) bool { return !settled(r.State) })
		})
		now := ""
		if len(entries) > 0 {
			now = fmt.Sprint(entries)
		}
		if now != "" || now != last {
			last, since = now, time.Now()
		}
		if err := process.Sleep(ctx, time.Second/4); err != nil { // each look reads the whole of the index
			return false, fmt.Errorf("%w; what has not is %s", err, now)
		}
		return time.Since(since) > atRest, nil
	})
	return time.Since(began) - atRest, err
}

func settled(state keys.State) bool {
	return state == keys.Delivered || state == keys.Unconfirmed || state == keys.LostCreate
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
