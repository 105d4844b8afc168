package chaos

import (
	"context"
	"fmt"
	"slices"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/test/world"
)

// do does one step. What it needs is chosen among what there is now; where there is nothing, nothing is done.
func (r *run) do(s step) {
	switch s.kind {
	case doPreview, doIngestAll, doIngestSome, doIngestGone, doSubscribe, doUnsubscribe, doResubscribe, doUnknown,
		doGarbage:
		r.doInAPIM(s)
	case doGoodBye, doGoodByeStorm, doDismiss, doStopAPIM, doRefuseHello, doRefuseUpgrade:
		r.doAsController(s)
	case doHoldAPIM:
		r.holdUp(s)
	case doAway:
		r.away.begin(r, s)
	case doFill:
		r.fillDisk(s)
	case doPublish, doDeleteAPIs, doDeleteStage, doBringBack, doHide:
		r.doRemovals(s)
	case doDomain:
		r.doDomain(s)
	case doRegion:
		r.doRegion(s)
	case doFreeze:
		if slot, _ := one(r, s, "slot", r.slots); !slot.life.over {
			slot.life.freeze("at any time", s.name())
		}
	case doTwice:
		r.acceptTwice(s)
	case doRestore:
		r.replicas.beginRestore(s)
	case doPartition:
		r.partition(s)
	case doStale:
		r.subscribeToStale(s)
	case doCutAPIM, doHoleAPIM, doCutAWS, doHoleAWS:
		r.doToNetwork(s)
	case doCrash, doDrain, doClock, doReplica, doReplicaGoes:
		r.doToProcess(s)
	default:
		r.doInAWS(s)
	}
}

// one picks from a list; false if it is empty.
func one[T any](r *run, s step, what string, from []T) (T, bool) {
	if len(from) == 0 {
		var none T
		return none, false
	}
	return from[r.dice.below(len(from), "pick", what, s.name())], true
}

// doInAPIM is what people do in APIM's console, and what nobody should.
func (r *run) doInAPIM(s step) {
	apim := r.world.APIM
	switch s.kind {
	case doPreview:
		r.start(func(ctx context.Context) {
			preview, err := apim.Preview(ctx, world.Integration)
			r.note("done %s: %d APIs, partial %t, %v", s.name(), len(preview.APIs), preview.Partial, err)
		})
	case doIngestAll:
		r.ingest(s, nil)
	case doIngestSome:
		var ids []string
		for _, api := range r.apis() {
			if r.dice.chance(0.5, "some", s.name(), api.ProviderID) {
				ids = append(ids, api.ProviderID)
			}
		}
		if len(ids) > 0 {
			r.ingest(s, ids)
		}
	case doIngestGone:
		r.ingest(s, []string{awsAccount() + ":eu-west-1:nothing:prod"})
	case doSubscribe:
		if api, ok := one(r, s, "api", withPlans(apim.APIs())); ok {
			plan, _ := one(r, s, "plan", api.Plans)
			r.subscribe(s, api, plan)
		}
	case doUnsubscribe:
		if sub, ok := one(r, s, "subscription", r.accepted()); ok {
			r.startWith(sub, s, func(ctx context.Context) {
				err := apim.Unsubscribe(ctx, sub.ID)
				r.note("done %s: %s %v", s.name(), sub.ID, err)
			})
		}
	case doResubscribe:
		if sub, ok := one(r, s, "subscription", r.accepted()); ok {
			r.startWith(sub, s, func(ctx context.Context) { r.resubscribe(ctx, s, sub) })
		}
	case doUnknown:
		r.start(func(ctx context.Context) {
			_, err := apim.SendCommand(ctx, world.Integration, "MAKE_COFFEE", map[string]string{"for": "everybody;;e:{}"})
			r.note("done %s: %v", s.name(), err)
		})
	case doGarbage:
		if agent, ok := one(r, s, "agent", apim.Agents()); ok {
			garbage := []string{
				"", "nonsense", "t:COMMAND;;et:DISCOVER", "t:REPLY;;et:INGEST;;e:{",
				"t:COMMAND;;et:SUBSCRIBE;;e:{\"id\":\"" + garbageID + "\",\"type\":\"SUBSCRIBE\",\"payload\":[]}",
			}
			// a connection that has gone hears nothing
			_ = apim.WriteRaw(agent.Conn, []byte(garbage[r.dice.below(len(garbage), "garbage", s.name())]))
		}
	}
}

func (r *run) subscribe(s step, api apimsim.API, plan apimsim.Plan) {
	r.start(func(ctx context.Context) {
		sub, err := r.world.APIM.Subscribe(ctx, api.ID, plan.ID, "App "+fmt.Sprint(s.n), "")
		r.note("done %s: %s %s %s %v", s.name(), sub.ID, sub.Status, sub.Reason, err)
		r.count("subscription "+sub.Status, 1)
	})
}

// startWith starts what somebody does with a subscription, unless something of another kind is under way: in APIM a
// subscription is either pending, and can be subscribed again, or accepted, and can be ended.
func (r *run) startWith(sub apimsim.Subscription, s step, do func(context.Context)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked[sub.ID] == nil {
		r.asked[sub.ID] = map[string]int{}
	}
	for kind, n := range r.asked[sub.ID] {
		if kind != s.kind && n > 0 {
			return
		}
	}
	r.asked[sub.ID][s.kind]++
	r.start(func(ctx context.Context) {
		do(ctx)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.asked[sub.ID][s.kind]--
	})
}

// garbageID is the id of a command that nobody waits for.
const garbageID = "garbage"

func (r *run) ingest(s step, ids []string) {
	r.start(func(ctx context.Context) {
		job, err := r.world.APIM.StartIngest(ctx, world.Integration, ids)
		r.note("done %s: job %s, total %d, %v", s.name(), job.ID, job.Total, err)
	})
}

// resubscribe sends SUBSCRIBE for a subscription that has its key: a controller that forgot might.
func (r *run) resubscribe(ctx context.Context, s step, sub apimsim.Subscription) {
	api, err := r.world.APIM.API(sub.APIID)
	if err != nil {
		return
	}
	i := slices.IndexFunc(api.Plans, func(p apimsim.Plan) bool { return p.ID == sub.PlanID })
	if i < 0 {
		return
	}
	reply, err := r.world.APIM.SendCommand(ctx, world.Integration, "SUBSCRIBE", map[string]any{
		"apiId": api.ProviderID,
		"subscription": map[string]any{
			"graviteeSubscriptionId": sub.ID, "graviteeApplicationId": sub.ApplicationID,
			"graviteeApplicationName": sub.ApplicationName,
			"type":                    sub.Type, "metadata": map[string]string{"planId": api.Plans[i].ProviderID},
		},
	})
	r.note("done %s: %s %s %v", s.name(), sub.ID, reply.Status, err)
}

func withPlans(apis []apimsim.API) []apimsim.API {
	return slices.DeleteFunc(apis, func(a apimsim.API) bool { return len(a.Plans) == 0 })
}

func (r *run) accepted() []apimsim.Subscription {
	return slices.DeleteFunc(r.world.APIM.Subscriptions(), func(s apimsim.Subscription) bool {
		return s.Status != apimsim.SubscriptionAccepted
	})
}

// doAsController is what happens to APIM's nodes.
func (r *run) doAsController(s step) {
	apim := r.world.APIM
	switch s.kind {
	case doGoodBye:
		apim.GoodBye(world.Integration, true)
	case doGoodByeStorm:
		r.start(func(context.Context) {
			for n := range r.dice.between(3, 8, "storm", s.name()) {
				apim.GoodBye(world.Integration, true)
				time.Sleep(r.dice.duration(time.Second, 6*time.Second, "storm", s.name(), fmt.Sprint(n)))
			}
		})
	case doDismiss:
		apim.GoodBye(world.Integration, false)
	case doStopAPIM:
		r.start(func(ctx context.Context) {
			ctx, cancel := context.WithTimeout(ctx, r.dice.duration(time.Second, 30*time.Second, "stopped", s.name()))
			defer cancel()
			_ = apim.Stop(ctx) // whether all sockets were gone by then is not the question
			<-ctx.Done()
			apim.Resume()
		})
	case doRefuseHello:
		apim.RefuseHellos(r.dice.between(1, 3, "hellos", s.name()), "Integration not found")
		apim.Cut(world.Integration)
	case doRefuseUpgrade:
		apim.RefuseUpgrades(r.dice.between(1, 3, "upgrades", s.name()), 401)
		apim.Cut(world.Integration)
	}
}

// doToNetwork cuts or swallows what is open now.
func (r *run) doToNetwork(s step) {
	to := "apim"
	if s.kind == doCutAWS || s.kind == doHoleAWS {
		to = "aws"
	}
	for _, slot := range r.slots {
		for _, link := range slot.life.links(to) {
			r.badLink(link.ID().String())
			r.strike(s.kind, "%s", link.ID())
			if s.kind == doCutAPIM || s.kind == doCutAWS {
				link.Cut()
			} else {
				link.BlackHole()
			}
		}
	}
}

// subscribedMeanwhile is how many SUBSCRIBEs a network that stands still delays.
const subscribedMeanwhile = 3

// holdUp has the agents' side of the network stand still. Most often not for so long that they miss a pong: what comes
// then is old, and is served.
func (r *run) holdUp(s step) {
	long := r.dice.duration(5*time.Second, 15*time.Second, "hold", s.name())
	if r.dice.chance(0.3, "long hold", s.name()) {
		long = r.dice.duration(15*time.Second, 2*time.Minute, "hold", s.name())
	}
	way := r.dice.below(4, "way", s.name())
	for _, slot := range r.slots {
		for _, link := range slot.life.links("apim") {
			r.strike(s.kind, "%s for %s", link.ID(), long)
			r.wire.onHold(link, long, false)
			link.Hold(long, way != 1, way == 1 || way == 2)
		}
	}
	for n := range subscribedMeanwhile {
		r.doInAPIM(step{at: s.at, n: subscribedMeanwhile*s.n + n, kind: doSubscribe})
	}
}

// doToProcess is what happens to the agent's processes and their machine.
func (r *run) doToProcess(s step) {
	switch s.kind {
	case doCrash:
		slot, _ := one(r, s, "slot", r.slots)
		if slot.life.crash() {
			r.strike("crash at any time", "%s", slot.life.name)
		}
	case doDrain:
		slot, _ := one(r, s, "slot", r.slots)
		slot.drain()
	case doClock:
		jump := r.dice.duration(-48*time.Hour, 48*time.Hour, "jump", s.name())
		if r.dice.chance(0.6, "small jump", s.name()) {
			jump = r.dice.duration(-10*time.Minute, 10*time.Minute, "jump", s.name())
		}
		r.clock.Add(int64(jump))
		r.strike("wall clock jump", "by %s", jump)
	case doReplica:
		if len(r.slots) == 1 {
			r.newSlot("replica").start()
		} else if second := r.slots[1]; second.life.over {
			second.start()
		}
	case doReplicaGoes:
		if len(r.slots) > 1 {
			r.slots[1].end()
		}
	}
}
