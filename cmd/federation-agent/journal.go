package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/google/uuid"

	"federation-agent/actors/life"
	"federation-agent/config"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/dynamodb"
	"federation-agent/internal/members"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table"
)

const (
	// flushEvery is the time between two writes of what waits for the disk, and between two tries of a failed disk.
	flushEvery = 30 * time.Second
	// openWithin bounds the first look at a table, before anything else is started. DynamoDB answers within 100 ms, the
	// first time included. What fails is tried again.
	openWithin = 3 * time.Second
)

// journal is what the agent remembers: in a file that it has for itself, or in a table that several agents share.
type journal struct {
	keys     store.KeyJournal
	ingests  store.Ingests
	listings store.Listings
	apis     store.KnownAPIs
	health   func() store.Health
	// size is how much is on this machine's disk, in bytes.
	size func() int64
	// flush brings to the disk what waits for it.
	flush func() error
	close func() error
}

// openJournal opens the file or the table, and says so to the actors and on the board.
func openJournal(cfg config.Config, env *life.Env, giveWay func() int64) (*journal, error) {
	settings := cfg.Agent.Store
	if settings.Table.IsOn() {
		return openSharedJournal(cfg, env)
	}
	file, _ := store.Open(settings.Path, store.Options{Logger: env.Log, GiveWay: giveWay})
	env.Keys = store.Policy{KeyJournal: file, Required: settings.Required}
	env.Ingests, env.Listings = store.TolerateIngests(file), store.TolerateListings(file)
	return &journal{
		keys: file, ingests: file, listings: file, apis: file, health: file.Health, flush: file.Flush,
		size:  func() int64 { return store.Bytes(settings.Path) },
		close: func() error { return closeFile(file, env.Log) },
	}, nil
}

// closeFile says what is lost with the process. The consequences were logged when the disk failed.
func closeFile(file *store.FileStore, log *slog.Logger) error {
	durable := file.Health().Durable
	err := file.Close()
	if err != nil && !durable {
		log.Error("the store's disk did not come back: data that was only in memory is lost with this process")
		return nil
	}
	return err
}

// openSharedJournal opens the table. One that surely cannot be the journal stops the start, so that no update replaces
// agents that work by agents that cannot. What may pass does not: the agent starts, and goes on once it has passed.
func openSharedJournal(cfg config.Config, env *life.Env) (*journal, error) {
	ctx, cancel := context.WithTimeout(context.Background(), openWithin)
	defer cancel()
	env.AWS = apigateway.NewHTTPClient() // one for the process
	made, err := openTable(ctx, cfg, env.AWS, env.Log)
	if err != nil {
		return nil, exit(exitConfiguration, "fault: %v\nNothing was started.", err)
	}
	self := members.NewSelf(env.NewID())
	env.Host, _ = os.Hostname() // for people: without it they see ids
	env.Board.Share(status.Shared{ID: self.ID(), Host: env.Host, Table: made.Name(), Region: made.Region()})
	watched := tablestore.Watch(made, env.Log, env.Board)
	shared := tablestore.New(watched, uuid.NewString).Telling(env.Log, env.Board)
	switch err := shared.Open(ctx); {
	case isMissing(err):
		return nil, exit(exitConfiguration, "fault: %s\nNothing was started.", noTable(made))
	case errors.Is(err, tablestore.ErrUnfit), errors.Is(err, store.ErrNewer):
		return nil, exit(exitConfiguration, "fault: %s: %v\nNothing was started.", tableName, err)
	}
	env.Member, env.Registry, env.Ledgers, env.Version = self, shared, shared, thisBuild().Version
	env.Keys, env.Ingests, env.Listings = shared, shared, shared
	env.Log.Info("the journal is a table, which several agents may share", logTable, made.Name(),
		life.LogRegion, made.Region(), life.LogMember, self.ID())
	return &journal{
		keys: shared, ingests: shared, listings: shared, apis: store.Finder{Listings: shared, Ingests: shared},
		health: func() store.Health {
			h := watched.Health()
			if h.Durable { // else it says the same
				h.Messages = shared.Notices()
			}
			h.Durable = self.Stands(time.Now())
			return h
		},
		size: func() int64 { return 0 }, flush: func() error { return nil }, close: func() error { return nil },
	}, nil
}

// noTable says that there is no such table, and what to do.
func noTable(made *dynamodb.Table) string {
	return fmt.Sprintf("%s: there is no table %s in %s for these credentials; make it (federation-agent store create), "+
		"or correct its name, %s or %s", tableName, made.Name(), made.Region(), tableRegion, tableRole)
}

func isMissing(err error) bool {
	away := table.Away(err)
	return errors.Is(err, table.ErrNoTable) || away != nil && away.Why == table.Missing
}
