package interop

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/interop/controller"
	"federation-agent/test/interop/proxy"
)

// cutCases cut the first connection at every phase of its life; later ones are left alone.
func cutCases() []contractCase {
	const upgraded, greeted, told = "\r\n\r\n", `"}}`, `"primary":true}}`
	cases := []contractCase{
		{
			name: "cut before the upgrade request arrives",
			run:  cutConnecting(proxy.Trigger{Direction: proxy.ToTarget, Action: proxy.CutBefore}),
		},
		{
			name: "cut before the upgrade is answered",
			run:  cutConnecting(proxy.Trigger{Direction: proxy.ToClient, Action: proxy.CutBefore}),
		},
		{
			name: "cut right after the upgrade",
			run:  cutConnecting(proxy.Trigger{Direction: proxy.ToClient, Text: upgraded, Action: proxy.CutBehind}),
		},
		{
			name: "cut before HELLO is answered",
			run:  cutConnecting(proxy.Trigger{Direction: proxy.ToClient, Text: "et:HELLO", Action: proxy.CutBefore}),
		},
		{
			name: "cut right after HELLO is answered",
			run:  cutConnecting(proxy.Trigger{Direction: proxy.ToClient, Text: greeted, Action: proxy.CutBehind}),
		},
		{
			name: "cut before PRIMARY arrives",
			run:  cutConnecting(proxy.Trigger{Direction: proxy.ToClient, Text: "et:PRIMARY", Action: proxy.CutBefore}),
		},
		{
			name: "cut right after PRIMARY",
			run:  cutConnecting(proxy.Trigger{Direction: proxy.ToClient, Text: told, Action: proxy.CutBehind}),
		},
		{name: "cut while a command is on its way", run: cutCommand(proxy.CutBefore, 0)},
		{name: "cut in the middle of a reply", run: cutCommand(proxy.Note, 2000)},
		{name: "cut in the middle of an INGEST", only: controller.DialectIngest, run: cutIngest(proxy.Trigger{
			Direction: proxy.ToClient, Text: "et:START_INGEST",
			Then: &proxy.Trigger{Direction: proxy.ToTarget, Bytes: 300_000, Action: proxy.CutBefore},
		})},
		{name: "cut before an INGEST is answered", only: controller.DialectIngest, run: cutIngest(proxy.Trigger{
			Direction: proxy.ToClient, Text: "t:REPLY;;et:INGEST", Action: proxy.CutBefore,
		})},
		{name: "cut in the middle of a FETCH's reply", only: controller.DialectFetch, run: cutFetch},
	}
	return cases
}

// onFirst sets a trigger on the first connection alone.
func onFirst(trigger proxy.Trigger) func(int) *proxy.Trigger {
	return func(connection int) *proxy.Trigger {
		if connection == 1 {
			return &trigger
		}
		return nil
	}
}

func cutConnecting(trigger proxy.Trigger) func(context.Context, *testing.T, controller.Controller) {
	return func(ctx context.Context, t *testing.T, c controller.Controller) {
		s := newSite(ctx, t, c, uniform(1))
		p := s.proxy(onFirst(trigger))
		s.agent(agentOptions{via: p.Address()})
		s.reached(p)
		s.served()
	}
}

// cutCommand cuts at a preview, or so many bytes into what the agent sends after it. The preview is lost, as nobody
// sends a command again, and the next is served.
func cutCommand(action proxy.Action, behind int) func(context.Context, *testing.T, controller.Controller) {
	return func(ctx context.Context, t *testing.T, c controller.Controller) {
		s := newSite(ctx, t, c, uniform(300))
		trigger := proxy.Trigger{Direction: proxy.ToClient, Text: "et:" + previewType(c), Action: action}
		if action == proxy.Note {
			trigger.Then = &proxy.Trigger{Direction: proxy.ToTarget, Bytes: behind, Action: proxy.CutBefore}
		}
		p := s.proxy(onFirst(trigger))
		s.connected(agentOptions{via: p.Address()})
		s.cutUnder(p, controller.Command{Type: previewType(c)})
		if apis := s.served(); len(apis) != 300 {
			t.Errorf("%d APIs after the cut", len(apis))
		}
	}
}

// cutUnder sends a command under which the connection is cut: it fails as the channel closes. One that the controller
// loses as the channel comes up (FINDINGS.md, 20) is sent once more.
func (s *site) cutUnder(p *proxy.Proxy, command controller.Command) {
	s.t.Helper()
	outcome := s.send(command)
	if outcome.Failure != nil && outcome.Failure.Kind == controller.FailureTimeout {
		s.t.Logf("%s was lost or not answered; sending it again", command.Type)
		outcome = s.send(command)
	}
	if outcome.Failure == nil || outcome.Failure.Kind != controller.FailureClosed {
		s.t.Errorf("%s came to %+v %+v, want a channel that closed", command.Type, outcome.Reply, outcome.Failure)
	}
	s.reached(p)
}

// bulky is an estate whose ingest takes several messages of many frames each.
func bulky() awssim.Estate {
	return awssim.UniformEstate(awssim.UniformOptions{APIs: 8, StagesPerAPI: 1, Plans: 2, DocumentBytes: 200_000})
}

// cutIngest cuts during an ingest. The same job goes on over the next connection, and in the end APIM has everything:
// what was sent twice is written twice, with the same ids.
func cutIngest(trigger proxy.Trigger) func(context.Context, *testing.T, controller.Controller) {
	return func(ctx context.Context, t *testing.T, c controller.Controller) {
		s := newSite(ctx, t, c, bulky())
		p := s.proxy(onFirst(trigger))
		s.connected(agentOptions{via: p.Address(), settings: map[string]string{"gravitee_agent_ingest_batchCount": "3"}})
		from := c.Events().Len()
		s.startIngest("job")
		s.reached(p)
		got := map[string]int{}
		for _, api := range s.ingested("job", from) {
			got[api.ID]++
			if api.Pages[0].Content != s.document(number(t, api)) {
				t.Errorf("the document of %s arrived differently", api.ID)
			}
		}
		for _, id := range allIDs(8) {
			if n := got[id]; n < 1 || n > 2 {
				t.Errorf("%s arrived %d times", id, n)
			}
		}
		if len(got) != 8 {
			t.Errorf("%d APIs", len(got))
		}
	}
}

func cutFetch(ctx context.Context, t *testing.T, c controller.Controller) {
	s := newSite(ctx, t, c, bulky())
	p := s.proxy(onFirst(proxy.Trigger{
		Direction: proxy.ToClient, Text: "et:FETCH",
		Then: &proxy.Trigger{Direction: proxy.ToTarget, Bytes: 300_000, Action: proxy.CutBefore},
	}))
	s.connected(agentOptions{via: p.Address()})
	s.cutUnder(p, controller.Command{Type: "FETCH", Payload: map[string]any{"apis": []string{}}})
	s.served()
	if diff := cmp.Diff(allIDs(8), idsOf(s.ingest("job"))); diff != "" {
		t.Error(diff)
	}
}
