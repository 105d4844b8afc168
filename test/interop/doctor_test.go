package interop

import (
	"context"
	"errors"
	"slices"
	"testing"

	"federation-agent/config"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/doctor"
	"federation-agent/test/interop/controller"
	"federation-agent/test/process"
)

// visits is how often the doctor comes by. A second channel draws all commands or none, by chance: of so many, one
// would.
const visits = 8

// doctorVisits examines while an agent is connected: the doctor learns of the integration, and the agent stays the
// only one.
func doctorVisits(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, uniform(1))
	s.connected(agentOptions{})
	s.served()
	from := c.Events().Len()
	for range visits {
		examined(ctx, t, s, doctor.Good)
		s.answered(controller.Command{Type: previewType(c)}) // at once, at the first try
	}
	must(t, c.PutIntegration(ctx, target, "solace"))
	examined(ctx, t, s, doctor.Attention)
	must(t, c.DeleteIntegration(ctx, target))
	examined(ctx, t, s, doctor.Attention)
	for position := from; position < c.Events().Len(); position++ {
		if e, _ := s.wait(position, func(controller.Event) bool { return true }); controller.IsHello(target, true)(e) {
			t.Errorf("the doctor's HELLO was accepted: %+v", e)
		}
	}
	channels, err := c.Channels(ctx, target)
	must(t, err)
	if len(channels) != 1 || !channels[0].Primary {
		t.Errorf("channels: %+v", channels)
	}
}

func examined(ctx context.Context, t *testing.T, s *site, want doctor.Verdict) {
	t.Helper()
	settings := settingsOf(s.c.Endpoint())
	settings["gravitee_services_core_http_enabled"] = "false"
	settings["gravitee_agent_store_path"] = t.TempDir()
	cfg, _, err := config.Load(config.Sources{Environ: process.Environ(settings)})
	must(t, err)
	results := doctor.Examine(ctx, doctor.Options{
		Config: cfg, Credentials: func(context.Context, config.Provider) (*apigateway.Credentials, error) {
			return nil, errors.New("AWS is not asked here")
		},
	})
	if !slices.ContainsFunc(results, func(r doctor.Result) bool {
		return r.Check == "integration" && r.About == target && r.Verdict == want
	}) {
		t.Errorf("the integration is not %q: %+v", want, results)
	}
}
