package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/google/uuid"

	actors "federation-agent/actors/agent"
	"federation-agent/actors/life"
	"federation-agent/config"
	"federation-agent/internal/logbook"
	"federation-agent/internal/node"
	"federation-agent/internal/secret"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
	"federation-agent/internal/trust"
)

const (
	// storePath is the variable that messages name.
	storePath = "gravitee_agent_store_path"
	// drainGrace is added to the agent's own deadline, because the agent stops its actors only then.
	drainGrace = time.Second
)

// agentProcess is a running agent with its store.
type agentProcess struct {
	*actors.Agent
	node     *node.Server  // nil where it is switched off
	address  net.Addr      // of the node API
	token    secret.String // of the command beside the agent
	untoken  func()        // removes its file
	log      *slog.Logger
	book     *logbook.Book
	journal  *journal
	exports  exportCache
	shutdown config.Shutdown
	flushing sync.WaitGroup
	stop     context.CancelFunc
}

// startAgent takes the node API's port, opens the store and starts the agent. The node API shows what src sets.
func startAgent(cfg config.Config, src config.Sources, book *logbook.Book) (*agentProcess, error) {
	log := book.Logger
	if err := store.Check(cfg.Agent.Store.Path); err != nil && !cfg.Agent.Store.Table.IsOn() {
		return nil, exit(exitConfiguration, "fault: %s: %v; start the version of the agent that wrote it, or give this one "+
			"another directory\nNothing was started.", storePath, err)
	}
	board := status.NewBoard()
	env := life.Env{Log: log, Now: time.Now, NewID: uuid.NewString, Jitter: rand.Float64, Board: board}
	var err error
	if env.TLS, env.Dial, err = wayToAPIM(cfg, log); err != nil {
		return nil, err
	}
	exports, giveWay := openExports(cfg.Agent, log)
	env.Exports = exports
	journal, err := openJournal(cfg, &env, giveWay)
	if err != nil {
		return nil, err
	}
	var listener net.Listener // none where the node API is switched off
	var secured *tls.Config
	if api := cfg.Services.HTTP; api.Enabled {
		if secured, err = nodeTLS(api, log); err != nil {
			return nil, err
		}
		if listener, err = node.Listen(api.Host, api.Port); err != nil {
			return nil, exit(exitConfiguration, "fault: %s, %s: the node API (health, metrics) cannot listen: %v; "+
				"choose another port (0 takes any free one) or host, or switch it off with %s=false\nNothing was started.",
				nodePort, nodeHost, err, nodeEnabled)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	a := &agentProcess{
		log: log, book: book, journal: journal, exports: exports, shutdown: cfg.Agent.Shutdown, stop: stop,
	}
	a.flushing.Go(func() { a.flush(ctx) })
	a.Agent = actors.Start(env, cfg)
	if listener != nil {
		a.token, a.untoken = newToken(cfg, listener.Addr(), log)
		a.node, a.address = serveNode(listener, secured, cfg, a, board, shownSettings(src)), listener.Addr()
	}
	return a, nil
}

// wayToAPIM is the TLS and the proxy by which APIM is reached, for the session and for its REST API. The dialer is nil
// where there is no proxy.
func wayToAPIM(cfg config.Config, log *slog.Logger) (
	secured func() *tls.Config, dial func(ctx context.Context, network, address string) (net.Conn, error), err error,
) {
	session, err := trust.NewClient(cfg.Connector.ClientTLS(log))
	if err != nil {
		return nil, nil, notTrusted(err)
	}
	if through := cfg.SessionProxy(); through != nil {
		dial = through.Dial
	}
	return session.Config, dial, nil
}

// notTrusted is about a store that could be opened a moment ago, when the configuration was read.
func notTrusted(err error) error {
	return exit(exitConfiguration, "fault: %v\nNothing was started.", err)
}

// nodeTLS is nil for a node API without TLS.
func nodeTLS(api config.NodeHTTP, log *slog.Logger) (*tls.Config, error) {
	if !api.Secured {
		return nil, nil //nolint:nilnil // no TLS is no fault
	}
	server, err := trust.NewServer(api.ServerTLS(log))
	if err != nil {
		return nil, notTrusted(err)
	}
	return server.Config(), nil
}

// exportCache is an export cache that says how large it is, in bytes.
type exportCache interface {
	store.ExportCache
	Used() int64
}

// openExports opens the export cache: on disk, else in memory; none where it is switched off. The one on disk gives way
// to the journal.
func openExports(cfg config.Agent, log *slog.Logger) (cache exportCache, giveWay func() int64) {
	most := cfg.Cache.MaxBytes
	if most == 0 {
		return store.NewMemoryExports(0), nil
	}
	limit := min(most, store.DefaultMemoryExportBytes)
	if cfg.Cache.Path == "" { // the journal is a table, and nobody asked for a disk
		return store.NewMemoryExports(limit), nil
	}
	disk, err := store.OpenExports(cfg.Cache.Path, cfg.Store.Path, most)
	if err == nil {
		return disk, disk.GiveWay
	}
	log.Warn("the export cache cannot be on disk; keeping a small one in memory",
		logPath, cfg.Cache.Path, life.LogBytes, limit, life.LogError, err)
	return store.NewMemoryExports(limit), nil
}

func (a *agentProcess) flush(ctx context.Context) {
	for tick := time.Tick(flushEvery); ; {
		select {
		case <-tick:
			if err := a.journal.flush(); err != nil {
				a.log.Warn("writing the store", life.LogError, err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// drain asks the agent to end in order and waits for it.
func (a *agentProcess) drain() error {
	ctx, cancel := context.WithTimeout(context.Background(), a.shutdown.Handover+a.shutdown.Timeout+drainGrace)
	defer cancel()
	return a.Drain(ctx, a.shutdown.Timeout)
}

// ingestsLeft is how many ingests are on the disk for the next process to resume.
func (a *agentProcess) ingestsLeft(providers []config.Provider) int {
	if !a.journal.health().Durable {
		return 0
	}
	left := 0
	for _, p := range providers {
		jobs, err := a.journal.ingests.Running(context.Background(), p.IntegrationID)
		if err != nil {
			a.log.Warn("cannot read the running ingest jobs", life.LogError, err)
		}
		left += len(jobs)
	}
	return left
}

// close ends the node API and closes the store, after the agent has ended.
func (a *agentProcess) close() {
	if a.node != nil {
		ctx, cancel := context.WithTimeout(context.Background(), nodeCloses)
		a.node.Close(ctx)
		cancel()
		a.untoken()
	}
	a.stop()
	a.flushing.Wait()
	if err := a.journal.close(); err != nil {
		a.log.Error("closing the store", life.LogError, err)
	}
}
