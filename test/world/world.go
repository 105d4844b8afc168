// Package world is the whole agent and both stand-ins in one testing/synctest bubble: a network in memory,
// a store without a disk, ids and jitter from counters, time that is virtual. It is where the actors are
// tested, and what the chaos runs drive.
package world

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	actors "federation-agent/actors/agent"
	"federation-agent/actors/life"
	"federation-agent/config"
	"federation-agent/internal/members"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/sandbox/memnet"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
	"federation-agent/internal/store/storetest"
	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table"
	"federation-agent/test/described"
	"federation-agent/test/leaks"
)

const (
	// Integration is what the agent is configured with, and APIM knows.
	Integration = "11111111-2222-3333-4444-555555555555"
	// Token is the integration's.
	Token = "a-token-that-must-never-be-logged"
	// Secret is the secret access key that it is configured with.
	Secret = "a-secret-that-must-never-be-logged"
	// awsDialTime and awsIdleTime are as the agent's own HTTP client has them.
	awsDialTime = 5 * time.Second
	awsIdleTime = 15 * time.Second
	// apimHost and awsHost are names in the memory network.
	apimHost = "apim.test:80"
	awsHost  = "aws.test:80"
)

// Options say what world it is. The zero value is a small, fast, faultless one.
type Options struct {
	APIM apimsim.Options
	AWS  awssim.Options
	// Settings are further variables of the agent, in the vendor's spelling. An empty value takes a default away.
	Settings map[string]string
	// Network says what befalls each connection; nil means nothing.
	Network func(memnet.ID) memnet.Plan
	Faults  life.Faults
}

// World is one.
type World struct {
	T       testing.TB
	APIM    *apimsim.APIM
	AWS     *awssim.Server
	Network *memnet.Network
	Disk    *storetest.Model
	Exports store.ExportCache
	Log     *Log
	// Secrets are all that pass through it.
	Secrets *leaks.Secrets

	options  Options
	settings []string
	agents   int
	running  []*Instance
	ids      atomic.Int64
	close    context.CancelFunc // ends AWS
}

// Instance is one life of an agent: a process.
type Instance struct {
	*actors.Agent
	// Name is the instance's on the network, and the beginning of every id that it makes.
	Name   string
	Store  *store.FileStore
	Board  *status.Board
	world  *World
	disk   *storetest.Model
	http   *http.Transport
	fenced sync.Once
	// environ is its configuration.
	environ []string

	// Gate freezes it.
	Gate Gate
	// Table and Member are set where it shares a table's journal.
	Table  *tablestore.Store
	Member *members.Self
}

// AgentOptions say in what an agent differs from the world's others. The zero value is in nothing.
type AgentOptions struct {
	// Disk is its own, as another replica has; nil means the world's.
	Disk *storetest.Model
	// Exports is its cache of exports; nil means the world's.
	Exports store.ExportCache
	// Settings are further variables, and others in the place of the world's.
	Settings map[string]string
	// Member is it among those that share its journal; nil means that it is alone.
	Member *members.Self
	// Now is its wall clock; nil means the bubble's.
	Now func() time.Time
	// AWS, where set, stands between the agent and the network.
	AWS func(name string, network http.RoundTripper) http.RoundTripper
	// Faults, where set, are its own; nil means the world's.
	Faults func(name string) life.Faults
	// Table, where set, is what it reaches of a table, in which its journal is. It shares that with others.
	Table func(name string) table.Items
}

// Run makes a world in a bubble of its own and lets test live in it. When test returns, everything is
// ended, and a goroutine that is left over fails the test.
func Run(t *testing.T, o Options, test func(*testing.T, *World)) {
	t.Helper()
	for name, value := range Environment() {
		// A parallel test may not set any: its TestMain has.
		if os.Getenv(name) != value {
			t.Setenv(name, value)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		w := start(t, o)
		defer w.end()
		test(t, w)
	})
}

// Environment is what the SDK reads of the process's environment: nothing of this machine must reach it.
// Worlds that run in parallel need it set before, in TestMain.
func Environment() map[string]string {
	return map[string]string{
		"AWS_ENDPOINT_URL": "http://" + awsHost, "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_PROFILE": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "",
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_CA_BUNDLE": "", "NO_PROXY": "*",
	}
}

func start(t *testing.T, o Options) *World {
	w := &World{
		T: t, options: o, Network: memnet.New(o.Network), Disk: &storetest.Model{}, Log: &Log{},
		Exports: store.NewMemoryExports(1 << 30), Secrets: &leaks.Secrets{},
	}
	o.APIM.OnMessage = w.onMessage(o.APIM.OnMessage)
	before := o.APIM.Before
	o.APIM.Before = func(next http.Handler) http.Handler {
		if before != nil {
			next = before(next)
		}
		return new(described.Operations).Handler(t, next)
	}
	var err error
	if len(o.AWS.Estate.Accounts) == 0 {
		o.AWS.Estate = awssim.UniformEstate(awssim.UniformOptions{APIs: 4, StagesPerAPI: 2, Plans: 2})
	}
	if w.AWS, err = awssim.New(o.AWS); err != nil {
		t.Fatal(err)
	}
	if len(o.APIM.Integrations) == 0 {
		o.APIM.Integrations = []apimsim.Integration{{ID: Integration, Env: "DEFAULT"}}
	}
	if len(o.APIM.Tokens) == 0 {
		o.APIM.Tokens = []string{Token}
	}
	if o.APIM.NewID == nil {
		var n atomic.Int64
		o.APIM.NewID = func() string { return fmt.Sprintf("apim-%05d", n.Add(1)) }
	}
	if w.APIM, err = apimsim.New(o.APIM); err != nil {
		t.Fatal(err)
	}
	aws, err := w.Network.Listen(awsHost)
	if err != nil {
		t.Fatal(err)
	}
	apim, err := w.Network.Listen(apimHost)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.close = cancel
	go func() {
		if err := w.AWS.Serve(ctx, aws); err != nil {
			t.Errorf("serving AWS: %v", err)
		}
	}()
	if err := w.APIM.Serve(apim); err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{
		"gravitee_integration_connector_ws_endpoints_0":                  "http://" + apimHost + o.APIM.PathPrefix,
		"gravitee_integration_connector_ws_headers_0_name":               "Authorization",
		"gravitee_integration_connector_ws_headers_0_value":              "bearer " + Token,
		"gravitee_integration_providers_0_type":                          "aws-api-gateway",
		"gravitee_integration_providers_0_integrationId":                 Integration,
		"gravitee_integration_providers_0_configuration_region":          "eu-west-1",
		"gravitee_integration_providers_0_configuration_accessKeyId":     awssim.UniformAccessKeyID(0),
		"gravitee_integration_providers_0_configuration_secretAccessKey": Secret,
	}
	maps.Copy(settings, o.Settings)
	for name, value := range settings {
		w.settings = append(w.settings, name+"="+value)
	}
	return w
}

// StopAWS ends the AWS stand-in's service, before the world ends.
func (w *World) StopAWS() { w.close() }

func (w *World) end() {
	for _, a := range w.running {
		a.Stop()
	}
	w.APIM.Close()
	w.close()
	// The actor library throttles its dead letters with a timer of its own.
	time.Sleep(3 * time.Second)
}

// StartAgent starts an agent as a process would start: with a new network identity, on what the disk holds.
func (w *World) StartAgent() *Instance {
	w.T.Helper()
	return w.StartAgentWith(AgentOptions{})
}

// StartAgentWith is StartAgent for one that differs.
func (w *World) StartAgentWith(o AgentOptions) *Instance {
	w.T.Helper()
	environ := slices.DeleteFunc(slices.Clone(w.settings), func(s string) bool {
		name, _, _ := strings.Cut(s, "=")
		_, other := o.Settings[name]
		return other
	})
	for name, value := range o.Settings {
		environ = append(environ, name+"="+value)
	}
	cfg, warnings, err := config.Load(config.Sources{Environ: environ})
	if err != nil {
		w.T.Fatal(err)
	}
	for _, warning := range warnings {
		w.T.Log(warning)
	}
	w.agents++
	w.Secrets.AddSettings(environ)
	i := &Instance{world: w, environ: environ, Name: fmt.Sprintf("agent-%d", w.agents), disk: w.Disk}
	if o.Disk != nil {
		i.disk = o.Disk
	}
	if o.Exports == nil {
		o.Exports = w.Exports
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	faults := w.options.Faults
	if o.Faults != nil {
		faults = o.Faults(i.Name)
	}
	if faults != nil {
		before := faults
		faults = func(actorID string, message any) {
			i.Gate.Wait()
			before(actorID, message)
		}
	}
	dial := i.dialer()
	i.http = &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, awsDialTime)
			defer cancel()
			return dial(ctx, network, address)
		},
		MaxIdleConnsPerHost: 64, IdleConnTimeout: awsIdleTime,
	}
	carrier := http.RoundTripper(overhearing{i.http, w})
	if o.AWS != nil {
		carrier = o.AWS(i.Name, carrier)
	}
	log := slog.New(slog.NewTextHandler(w.Log.of(i.Name), &slog.HandlerOptions{Level: slog.LevelDebug}))
	i.Store, _ = i.disk.Open(store.Options{Logger: log})
	var jitter atomic.Int64
	i.Board = status.NewBoard()
	env := life.Env{
		Log: log,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			return dial(ctx, network, address)
		},
		AWS:     &http.Client{Transport: carrier},
		Now:     o.Now,
		NewID:   func() string { return fmt.Sprintf("%s-%05d", i.Name, w.ids.Add(1)) },
		Jitter:  func() float64 { return float64(jitter.Add(1)%7) / 7 },
		Keys:    store.Policy{KeyJournal: i.Store, Required: cfg.Agent.Store.Required},
		Ingests: store.TolerateIngests(i.Store), Listings: store.TolerateListings(i.Store),
		Exports: o.Exports,
		Board:   i.Board, Faults: faults, Member: o.Member, Stand: func() { i.Gate.Wait() },
	}
	if o.Table != nil {
		i.share(o.Table(i.Name))
		env.Keys, env.Ingests, env.Listings, env.Ledgers, env.Member = i.Table, i.Table, i.Table, i.Table, i.Member
		env.Registry = i.Table
	}
	i.Agent = actors.Start(env, cfg)
	w.running = append(w.running, i)
	return i
}

// dialer opens the instance's connections.
func (i *Instance) dialer() func(ctx context.Context, network, address string) (net.Conn, error) {
	dial := i.world.Network.Dialer(i.Name)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		i.Gate.Wait()
		conn, err := dial(ctx, network, address)
		i.Gate.Wait()
		if err != nil {
			return nil, err
		}
		return gatedConn{conn, &i.Gate}, nil
	}
}

// Connected starts an agent and waits until APIM sees it.
func (w *World) Connected() *Instance {
	w.T.Helper()
	i := w.StartAgent()
	w.Await("the agent to be connected", func() bool { return len(w.APIM.Agents()) > 0 })
	return i
}

// Await lets virtual time pass until something is so; a day of it is too much.
func (w *World) Await(what string, so func() bool) {
	w.T.Helper()
	for deadline := time.Now().Add(24 * time.Hour); ; time.Sleep(10 * time.Millisecond) {
		synctest.Wait()
		if so() {
			return
		}
		if time.Now().After(deadline) {
			w.T.Fatalf("waiting for %s: a day has passed\n%s", what, w.Log)
		}
	}
}

// Ingest starts an ingest of the APIs with these ids, or of all, and waits until APIM says that the job ended.
func (w *World) Ingest(ids ...string) apimsim.Job {
	w.T.Helper()
	job, err := w.APIM.StartIngest(context.Background(), Integration, ids)
	if err != nil {
		w.T.Fatalf("starting an ingest: %v\n%s", err, w.Log)
	}
	if job.Total == 0 {
		return job
	}
	w.Await("the ingest to end", func() bool {
		job, err = w.APIM.Job(job.ID)
		return err != nil || job.Status != apimsim.JobPending
	})
	return job
}

// Drain ends the agent as SIGTERM does, and says how long it took.
func (i *Instance) Drain() time.Duration {
	began := time.Now()
	if err := i.Agent.Drain(context.Background(), 8*time.Second); err != nil {
		i.world.T.Errorf("draining: %v", err)
	}
	return time.Since(began)
}

// Crash ends the agent as kill -9 does: from this instant it reaches nothing any more.
func (i *Instance) Crash() {
	i.Fence()
	i.Stop()
}

// Fence is a crash's instant: what is left of the process reaches nothing any more. It may be called from
// within the agent; Crash must follow.
func (i *Instance) Fence() {
	i.fenced.Do(func() {
		i.world.Network.Fence(i.Name)
		i.disk.Crash()
		i.Gate.die()
	})
}

// Stop ends what is left of the instance; a second call changes nothing.
func (i *Instance) Stop() {
	if i.Agent == nil {
		return
	}
	i.Gate.Thaw()
	served := leaks.Served(i.page(), Token)
	i.Kill()
	i.world.keepsItsSecrets(i.world.Log.String(), served)
	i.http.CloseIdleConnections()
	// A disk that is to refuse may refuse the last write as well.
	if err := i.Store.Close(); err != nil && i.disk.OnWrite == nil && i.disk.OnOpen == nil {
		i.world.T.Errorf("closing the store: %v", err)
	}
	i.Agent = nil
}

// Log collects what all agents log.
type Log struct {
	mu    sync.Mutex
	lines []string
}

type logOf struct {
	log  *Log
	name string
}

func (l *Log) of(name string) logOf { return logOf{log: l, name: name} }

// Write implements io.Writer.
func (w logOf) Write(line []byte) (int, error) {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	w.log.lines = append(w.log.lines, w.name+" "+strings.TrimSpace(string(line)))
	return len(line), nil
}

// String is the whole log.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// Has reports whether a line holds all of the given texts.
func (l *Log) Has(texts ...string) bool { return l.Count(texts...) > 0 }

// Count is how many lines hold all of the given texts.
func (l *Log) Count(texts ...string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
line:
	for _, line := range l.lines {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue line
			}
		}
		n++
	}
	return n
}
