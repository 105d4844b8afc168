//go:build interop

package interop

import (
	"context"
	"errors"
	"testing"
	"time"

	"federation-agent/test/interop/controller"
)

// rollingRestarts is how many there are of each kind.
const rollingRestarts = 10

// What a rolling restart costs, with a handover and by just closing, on one node of APIM and on two that share a cluster.
// Two nodes compete for each command; one that has no agent left takes some all the same, and fails them.
func TestWhatARollingRestartCosts(t *testing.T) {
	isolateSDK(t)
	for _, v := range controller.Versions() {
		if v.ID != "apim45" && v.ID != "apim411" {
			continue
		}
		t.Run("exchange "+v.Exchange, func(t *testing.T) {
			process := startProcess(t, v)
			open := func(beside *controller.Gravitee) *controller.Gravitee {
				options := controller.Options{HealthCheckInterval: 500 * time.Millisecond, Beside: beside}
				c, err := process.NewController(t.Context(), options)
				must(t, err)
				t.Cleanup(func() { _ = c.Drop(context.Background()) })
				must(t, errors.Join(c.AllowToken(t.Context(), token), c.PutIntegration(t.Context(), target, provider)))
				return c
			}
			for _, nodes := range []struct {
				name  string
				count int
				moves bool // one replica changes its node with each restart, so that each second one leaves a node without any
			}{{"one node", 1, false}, {"two nodes, each keeps a replica", 2, false}, {"two nodes, one is left", 2, true}} {
				for name, handover := range map[string]time.Duration{"handed over": longEnough, "closed": 0} {
					t.Run(nodes.name+", "+name, func(t *testing.T) {
						ctx, cancel := context.WithTimeout(t.Context(), caseDeadline)
						defer cancel()
						all := []controller.Controller{open(nil)}
						if nodes.count > 1 {
							all = append(all, open(all[0].(*controller.Gravitee)))
						}
						s := newSiteOf(ctx, t, all[0], slowAWS())
						f := newFleet(s, handover)
						replicas := []*replica{f.join(all[0])}
						f.serves()
						api := s.ingest("job")[0]
						replicas = append(replicas, f.join(all[len(all)-1]))
						flow := s.subscribing(api, all...)
						for n := range rollingRestarts {
							flow.more(15)
							which, node := n%2, replicas[n%2].node
							if nodes.moves {
								which, node = 0, all[(n+1)%2]
							}
							replicas[which] = f.restart(replicas[which], node)
						}
						flow.more(15)
						if nodes.moves || handover == 0 {
							flow.wait()
						} else {
							flow.end(2)
						}
						t.Logf("of %d SUBSCRIBEs %d were lost by %d restarts: %v", flow.sent, flow.sent-flow.accepted, rollingRestarts,
							flow.lost)
					})
				}
			}
		})
	}
}
