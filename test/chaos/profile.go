package chaos

import (
	"fmt"
	"slices"
	"strings"
)

// The families of faults. A seed has about half of them, each at an intensity of its own: a run with
// everything at once hides what two faults can do together.
const (
	famListings  = "listings"  // AWS's reads fail, late or midway
	famKeys      = "keys"      // AWS's key writes fail, or their answers are lost
	famSTS       = "sts"       // STS fails, sessions expire midway
	famNetwork   = "network"   // websockets are cut or swallowed at any byte, or slow
	famAWSNet    = "awsnet"    // the same for connections to AWS
	famCommands  = "commands"  // commands are late, lost, repeated, reordered
	famReceived  = "received"  // the controller drops the connection at a message
	famIngest    = "ingest"    // APIM is slow at INGESTs, refuses or loses them
	famHoldUps   = "holdups"   // websockets are held up, and then everything comes at once
	famPongs     = "pongs"     // pings are not answered
	famRefusals  = "refusals"  // upgrades and HELLOs are refused, integrations deleted
	famStorms    = "storms"    // good-byes, many
	famEdits     = "edits"     // the estate changes
	famMass      = "mass"      // most usage plans go at once
	famPanics    = "panics"    // an actor panics
	famCrashes   = "crashes"   // the process dies, anywhere
	famDisk      = "disk"      // the disk refuses writes
	famClock     = "clock"     // the wall clock jumps
	famReplica   = "replica"   // a second replica comes and goes
	famReplicas  = "replicas"  // two or three replicas share a table's journal; they freeze, die, and are cut off
	famNonsense  = "nonsense"  // commands and messages that nobody should send
	famNeighbour = "neighbour" // somebody else uses AWS's quota
	famAway      = "away"      // AWS as a whole is out of reach for a while
	famConflicts = "conflicts" // AWS refuses to put a key into its plan, with a 409
	famStale     = "stale"     // a plan loses the stage that somebody subscribes to
	famSettings  = "settings"  // a process is started with less than is configured
	famRoom      = "room"      // journal and cache are on one small disk, which others fill and free again
	famFilters   = "filters"   // processes are started with a filter and without it, and tags change
	famREST      = "rest"      // APIM's REST API is asked, on a schedule, and fails
	famRemoval   = "removal"   // what AWS has deleted is removed from APIM
	famDomains   = "domains"   // custom domain names are asked for, and lead elsewhere
	famRegions   = "regions"   // every region is read, and some are off
	famShared    = "shared"    // stages have the same deployment, and some of them other documents
	famLimits    = "limits"    // controllers take smaller messages or frames than the agent sends
)

func families() []string {
	return []string{
		famListings, famKeys, famSTS, famNetwork, famAWSNet, famCommands, famReceived, famIngest, famHoldUps, famPongs, famRefusals,
		famStorms, famEdits, famMass, famPanics, famCrashes, famDisk, famClock, famReplica, famReplicas, famNonsense, famNeighbour,
		famAway, famConflicts, famStale, famSettings, famLimits, famRoom, famFilters, famREST,
		famRemoval, famDomains, famRegions, famShared,
	}
}

// rare families weaken what can be checked, so most seeds go without them. Replicas run by name only
// (-families=replicas) until 10,000 seeds of one code have broken nothing.
func usual(family string) float64 {
	switch family {
	case famReplicas:
		return 0
	case famDisk, famReplica, famNeighbour, famSettings, famLimits, famRoom, famFilters, famREST, famDomains, famRegions:
		return 0.15
	case famShared, famMass, famClock, famAWSNet, famHoldUps, famAway, famConflicts, famStale:
		return 0.25
	case famRemoval: // of which a half cannot be, with others
		return 0.35
	}
	return 0.5
}

// profile is the intensity of each family, 0 for those that a seed does not have.
type profile map[string]float64

func newProfile(d dice, o Options) (profile, error) {
	p := profile{}
	if o.Families != "" {
		for family := range strings.SplitSeq(o.Families, ",") {
			if !slices.Contains(families(), family) {
				return nil, fmt.Errorf("no family of faults is called %q; there are %s", family, strings.Join(families(), ","))
			}
			p[family] = intensity(d, family)
		}
		return p, nil
	}
	for _, family := range families() {
		if d.chance(usual(family), "family", family) {
			p[family] = intensity(d, family)
		}
	}
	if p.has(famReplicas) {
		for _, family := range notWithReplicas() {
			delete(p, family)
		}
	}
	return p, nil
}

// notWithReplicas are the families that are about what one process has for itself, or whose rules know one process only.
func notWithReplicas() []string {
	return []string{famDisk, famRoom, famReplica, famSettings, famLimits, famFilters, famREST, famRemoval, famDomains, famRegions}
}

func intensity(d dice, family string) float64 {
	return []float64{0.3, 1, 1, 3}[d.below(4, "intensity", family)]
}

// hasAny reports whether a seed has one of several families.
func (p profile) hasAny(families ...string) bool { return slices.ContainsFunc(families, p.has) }

func (p profile) has(family string) bool { return p[family] > 0 }

// of scales a probability by a family's intensity.
func (p profile) of(family string, probability float64) float64 { return p[family] * probability }

// String names the families, strongest first.
func (p profile) String() string {
	var parts []string
	for _, family := range families() {
		if p.has(family) {
			parts = append(parts, fmt.Sprintf("%s×%g", family, p[family]))
		}
	}
	return strings.Join(parts, " ")
}
