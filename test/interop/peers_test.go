package interop

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"federation-agent/test/interop/controller"
	"federation-agent/test/interop/standin"
	"federation-agent/test/missing"
)

// peer is one column of the table: a version of Gravitee's controller, or our stand-in for it.
type peer struct {
	version controller.Version
	standIn bool
	process *controller.Process
}

// peers are all of them, each stand-in before the original that it imitates. Originals need the build tag interop.
func peers() []*peer {
	var all []*peer
	for _, v := range controller.Versions() {
		if v.StandIn != "" {
			all = append(all, &peer{version: v, standIn: true})
		}
		if withOriginals {
			all = append(all, &peer{version: v})
		}
	}
	return all
}

func (p *peer) name() string {
	if p.standIn {
		return "stand-in " + p.version.StandIn
	}
	return "APIM " + p.version.APIM
}

// start starts what serves all cases of this peer.
func (p *peer) start(t *testing.T) {
	t.Helper()
	if !p.standIn {
		p.process = startProcess(t, p.version)
	}
}

// open starts a controller that knows the token and the integration.
func (p *peer) open(ctx context.Context, t *testing.T, options controller.Options) controller.Controller {
	t.Helper()
	var c controller.Controller
	if p.standIn {
		s, err := standin.New(p.version, options)
		must(t, err)
		t.Cleanup(s.Close)
		c = s
	} else {
		g, err := p.process.NewController(ctx, options)
		must(t, err)
		t.Cleanup(func() { _ = g.Drop(context.Background()) })
		c = g
	}
	must(t, errors.Join(c.AllowToken(ctx, token), c.PutIntegration(ctx, target, provider)))
	return c
}

// startProcess starts the version's JVM for the length of the test; what the controllers log is shown when it fails.
func startProcess(t *testing.T, version controller.Version) *controller.Process {
	t.Helper()
	var logs bytes.Buffer
	process, err := controller.StartProcess(t.Context(), version, &logs)
	missing.Require(t, err)
	t.Cleanup(func() {
		if err := process.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the controllers of %s logged:\n%s", version.ID, logs.String())
		}
	})
	return process
}
