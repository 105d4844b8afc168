package chaos

import (
	"fmt"
	"slices"
	"time"
)

// step is one thing that somebody does, or that happens, at a time of its own.
type step struct {
	at   time.Duration
	n    int
	kind string
}

// name is stable: what is drawn for the step is drawn by it.
func (s step) name() string { return fmt.Sprintf("%d %s", s.n, s.kind) }

func (s step) String() string { return fmt.Sprintf("+%.3fs %s", s.at.Seconds(), s.name()) }

// What may be done. Those without a family are everyday life.
const (
	doPreview       = "preview"
	doIngestAll     = "ingest all"
	doIngestSome    = "ingest some"
	doIngestGone    = "ingest what is gone"
	doSubscribe     = "subscribe"
	doUnsubscribe   = "unsubscribe"
	doResubscribe   = "subscribe again"
	doLink          = "link a stage to a plan"
	doUnlink        = "unlink a stage from a plan"
	doRenamePlan    = "rename a plan"
	doRemovePlan    = "remove a plan"
	doAddPlan       = "add a plan"
	doEditAPI       = "edit an API"
	doRedeploy      = "redeploy"
	doRemoveAPI     = "remove an API"
	doRemoveStage   = "remove a stage"
	doAddAPI        = "add an API"
	doMassRemoval   = "unlink most"
	doRelink        = "link many"
	doGoodBye       = "good-bye"
	doGoodByeStorm  = "good-bye storm"
	doDismiss       = "good-bye for good"
	doStopAPIM      = "restart APIM"
	doCutAPIM       = "cut websockets"
	doHoleAPIM      = "black hole websockets"
	doHoldAPIM      = "hold up websockets"
	doCutAWS        = "cut AWS connections"
	doHoleAWS       = "black hole AWS connections"
	doRefuseHello   = "refuse HELLOs"
	doRefuseUpgrade = "refuse upgrades"
	doExpire        = "expire sessions"
	doCrash         = "crash"
	doDrain         = "drain"
	doClock         = "wall clock jump"
	doReplica       = "second replica comes"
	doReplicaGoes   = "second replica goes"
	doFreeze        = "freeze a replica"
	doPartition     = "cut off a replica"
	doTwice         = "accept twice"
	doRestore       = "restore the table"
	doUnknown       = "unknown command"
	doGarbage       = "garbage"
	doAway          = "AWS is away"
	doFill          = "fill a disk"
	doTag           = "change tags"
	doPublish       = "publish APIs"
	doDeleteAPIs    = "delete REST APIs"
	doDeleteStage   = "delete a stage"
	doBringBack     = "bring back what was deleted"
	doHide          = "hide a target"
	doDomain        = "lead a domain elsewhere"
	doRegion        = "switch a region on or off"
	doPromote       = "deploy what another stage has"
	doStale         = "subscribe to what has left its plan"
)

type choice struct {
	kind   string
	family string // empty: always there
	weight int
}

func choices() []choice {
	return []choice{
		{doPreview, "", 4}, {doIngestAll, "", 5}, {doIngestSome, "", 3}, {doIngestGone, "", 1},
		{doSubscribe, "", 14}, {doUnsubscribe, "", 6}, {doResubscribe, "", 3}, {doDrain, "", 1},
		{doLink, famEdits, 3}, {doUnlink, famEdits, 3}, {doRenamePlan, famEdits, 1}, {doRemovePlan, famEdits, 1},
		{doAddPlan, famEdits, 2},
		{doEditAPI, famEdits, 3}, {doRedeploy, famEdits, 3}, {doRemoveAPI, famEdits, 1}, {doRemoveStage, famEdits, 1},
		{doAddAPI, famEdits, 2},
		{doMassRemoval, famMass, 3}, {doRelink, famMass, 2},
		{doGoodBye, famStorms, 3}, {doGoodByeStorm, famStorms, 2}, {doDismiss, famStorms, 1}, {doStopAPIM, famStorms, 1},
		{doCutAPIM, famNetwork, 4}, {doHoleAPIM, famNetwork, 2}, {doHoldAPIM, famHoldUps, 8}, {doCutAWS, famAWSNet, 3}, {doHoleAWS, famAWSNet, 2},
		{doRefuseHello, famRefusals, 1}, {doRefuseUpgrade, famRefusals, 1}, {doExpire, famSTS, 4},
		{doCrash, famCrashes, 6}, {doClock, famClock, 4}, {doReplica, famReplica, 4}, {doReplicaGoes, famReplica, 2},
		{doFreeze, famReplicas, 8}, {doCrash, famReplicas, 4}, {doPartition, famReplicas, 5}, {doTwice, famReplicas, 8},
		{doRestore, famReplicas, 1},
		{doUnknown, famNonsense, 2}, {doGarbage, famNonsense, 2},
		{doAway, famAway, 6}, {doDrain, famSettings, 5}, {doStale, famStale, 8}, {doFill, famRoom, 6},
		{doTag, famFilters, 6}, {doDrain, famFilters, 4},
		{doPublish, famRemoval, 8}, {doDeleteAPIs, famRemoval, 5}, {doDeleteStage, famRemoval, 4}, {doBringBack, famRemoval, 4},
		{doHide, famRemoval, 2}, {doDomain, famDomains, 12}, {doRegion, famRegions, 10},
		{doPromote, famShared, 6}, {doRedeploy, famShared, 4},
	}
}

// newSchedule draws what is done, and when. Often several things are done within seconds: most of what can
// go wrong needs two at a time.
func newSchedule(d dice, p profile) []step {
	var possible []choice
	total := 0
	for _, c := range choices() {
		if c.family == "" || p.has(c.family) {
			possible = append(possible, c)
			total += c.weight
		}
	}
	active := d.duration(3*time.Minute, 8*time.Minute, "active")
	if p.has(famRemoval) {
		active *= removalStretch
	}
	steps := []step{{at: d.duration(time.Second, 5*time.Second, "first"), kind: doIngestAll}}
	at := 30 * time.Second
	for n := 1; n <= d.between(10, 40, "steps"); n++ {
		name := fmt.Sprint(n)
		if d.chance(0.5, "burst", name) {
			at += d.duration(0, 3*time.Second, "gap", name)
		} else {
			at += d.duration(0, active/8, "gap", name)
		}
		if at > active {
			break
		}
		drawn := d.below(total, "step", name)
		for _, c := range possible {
			if drawn -= c.weight; drawn < 0 {
				steps = append(steps, step{at: at, n: n, kind: c.kind})
				break
			}
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int { return int(a.at - b.at) })
	return steps
}
