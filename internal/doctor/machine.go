package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"strconv"
	"syscall"

	"federation-agent/internal/store"
)

// The checks of this machine.
const (
	checkStore = "store"
	checkCache = "export cache"
	checkPort  = "node API"
)

// leastRoom, in bytes, is what a journal of a large estate needs while it is rewritten.
const leastRoom = 16 << 20

// disk checks the journal and the export cache. A cache in the journal's directory fails with it, as by default.
func (d *doctor) disk(ctx context.Context) []Result {
	agent := d.Config.Agent
	r := row{checkCache, agent.Cache.Path}
	if of := agent.Store.Table; of.IsOn() {
		journal := d.table(ctx, row{checkStore, of.Name})
		if agent.Cache.Path == "" {
			return []Result{journal, r.good("it is in memory")}
		}
		return []Result{journal, d.cache(ctx, r)}
	}
	journal := d.store(ctx, row{checkStore, agent.Store.Path})
	below, err := filepath.Rel(agent.Store.Path, agent.Cache.Path)
	switch {
	case agent.Cache.MaxBytes == 0:
		return []Result{journal, r.good("it is switched off")}
	case journal.Verdict != Good && err == nil && filepath.IsLocal(below):
		return []Result{journal, r.behind(checkStore)}
	}
	return []Result{journal, d.cache(ctx, r)}
}

func (d *doctor) store(ctx context.Context, r row) Result {
	i, err := within(ctx, diskWithin, func(context.Context) (store.Inspection, error) {
		return store.Inspect(r.about, d.Volume), nil
	})
	if err != nil {
		return r.attention("the disk does not answer", "check the volume of agent.store.path")
	}
	text := "it can be written"
	if i.FreeKnown {
		text += fmt.Sprintf(", %d MiB are free", i.Free>>20)
	}
	if i.Held {
		text += "; an agent uses it at this moment"
	}
	switch {
	case errors.Is(i.Err, store.ErrNewer):
		return r.attention(i.Err.Error(),
			"start the version of the agent that wrote it, or set agent.store.path to another directory")
	case errors.Is(i.Err, syscall.ENOSPC), errors.Is(i.Err, syscall.EDQUOT):
		return r.attention("the disk is full: "+i.Err.Error(), makeRoom)
	case errors.Is(i.Err, syscall.EROFS), errors.Is(i.Err, fs.ErrPermission):
		return r.attention("it cannot be written: "+i.Err.Error(),
			"mount a volume that the agent's user may write, or set agent.store.path to such a directory; without it, keys "+
				"and running ingests are forgotten with the process")
	case i.Err != nil:
		return r.attention("it cannot be used: "+i.Err.Error(), "check agent.store.path and its volume")
	case i.FreeKnown && i.Free < leastRoom:
		return r.attention(text, makeRoom)
	}
	return r.good(text)
}

func (d *doctor) cache(ctx context.Context, r row) Result {
	i, err := within(ctx, diskWithin, func(context.Context) (store.Inspection, error) {
		return store.InspectRoom(r.about, d.Volume), nil
	})
	const without = "; without it, every ingest fetches every document again"
	text := fmt.Sprintf("it can be written, and takes %d MiB at most", d.Config.Agent.Cache.MaxBytes>>20)
	if i.FreeKnown {
		text += fmt.Sprintf("; %d MiB are free", i.Free>>20)
	}
	switch {
	case err != nil:
		return r.attention("the disk does not answer", "check the volume of agent.cache.path"+without)
	case errors.Is(i.Err, syscall.ENOSPC), errors.Is(i.Err, syscall.EDQUOT):
		return r.attention("the disk is full: "+i.Err.Error(), "make room on the volume of agent.cache.path"+without)
	case i.Err != nil:
		return r.attention("it cannot be written: "+i.Err.Error(),
			"set agent.cache.path to a directory that the agent's user may write, or agent.cache.maxBytes to 0"+without)
	case i.FreeKnown && i.Free < leastRoom:
		return r.attention(text, "make room on the volume of agent.cache.path"+without)
	}
	return r.good(text)
}

const makeRoom = "make room on the volume of agent.store.path: 1 GiB with the export cache, 16 MiB without"

func (d *doctor) port(ctx context.Context) []Result {
	api := d.Config.Services.HTTP
	r := row{checkPort, net.JoinHostPort(api.Host, strconv.Itoa(api.Port))}
	switch {
	case !api.Enabled:
		return []Result{r.good("it is switched off")}
	case api.Port == 0:
		return []Result{r.good("it takes any free port")}
	}
	_, err := within(ctx, portWithin, func(ctx context.Context) (done, error) {
		return done{}, d.AskNode(ctx)
	})
	if err == nil {
		return []Result{r.good("an agent serves it")}
	}
	if err := d.Listen(); err != nil {
		return []Result{r.attention("no agent answers, and none can listen: "+err.Error(),
			"end the program that has the port, choose another port (services.core.http.port) or host "+
				"(services.core.http.host), or switch the node API off (services.core.http.enabled=false)")}
	}
	return []Result{r.good("the port is free")}
}
