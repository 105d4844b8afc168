package chaos

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

const (
	// settle is how long the faults are over before the last ingest. An INGEST that was never answered holds its
	// job for ten minutes, a refused connection is tried again after five, and a session whose first HEALTH_CHECK was
	// lost is left after fifteen: after that, nothing is left to wait for.
	settle = 16 * time.Minute
	// dialed is when a connection whose dialing had begun is open: it takes its latency both ways.
	dialed = time.Second
	// comeBack is how long an agent may take to be connected once nothing hinders it: the longest delay is 5 min.
	comeBack = 6 * time.Minute
	// hung is how long a run may take in real time: a thousand times what it does take on a busy machine.
	hung = 3 * time.Minute
	// lookedFor is in which time an agent that may look for keys has settled its lost creates: the looks take some 80
	// minutes.
	lookedFor = 3 * time.Hour
	// traceLines bounds the trace of a run that goes mad.
	traceLines = 4000
)

// run is one simulation.
type run struct {
	dice     dice
	options  Options
	profile  profile
	shape    shape
	sieve    *sieve    // nil: nothing is filtered
	rest     bool      // APIM's REST API is asked
	removal  *removal  // nil: what is gone stays
	domains  *domains  // nil: nobody asks for custom domain names
	regions  *regions  // nil: regions are named, and on
	replicas *replicas // nil: no process shares its journal
	world    *world.World
	began    time.Time
	calm     atomic.Bool // no more faults
	estate   *estateHistory
	wire     *wire
	cloud    *cloud
	slots    []*slot
	dying    chan *lifetime
	commands sync.WaitGroup // what people started and is not answered yet
	away     away
	// controllers are those of the cluster, where their limits are small.
	controllers []controller
	clock       atomic.Int64 // how far the agents' wall clock is off

	mu         sync.Mutex
	counts     map[string]int
	awsBroke   time.Time // when a connection to AWS last broke
	calmed     time.Time // since when it is calm
	trace      []string
	violations []Violation
	badLinks   map[string]bool // connections that a fault befell
	panics     []panicked
	lives      []*lifetime    // of all slots
	unanswered map[string]int // faults that leave a CreateApiKey without an answer, by key name
	foreign    []awssim.APIKey
	// asked is what people do with a subscription at the time, and how many of them: APIM sends no SUBSCRIBE of one that
	// is being ended.
	asked map[string]map[string]int
}

// Run runs one seed. It fails t only when the simulation itself cannot run; what the agent did wrong is in
// the report.
func Run(t *testing.T, seed uint64, o Options) Report {
	t.Helper()
	d := dice(seed)
	p, err := newProfile(d, o)
	if err != nil {
		t.Fatal(err)
	}
	r := &run{
		dice: d, options: o, profile: p, shape: newShape(d), sieve: newSieve(d, p),
		counts: map[string]int{}, badLinks: map[string]bool{}, unanswered: map[string]int{},
		asked: map[string]map[string]int{}, controllers: newControllers(d, p),
	}
	r.newRegions()
	r.newReplicas()
	r.wire, r.cloud = newWire(r), newCloud(r)
	plan := newSchedule(d, p)
	report := Report{Seed: seed, Options: o, Profile: p.String()}
	for _, s := range plan {
		report.Schedule = append(report.Schedule, s.String())
	}
	watchdog := time.AfterFunc(hung,
		func() { panic(fmt.Sprintf("seed %d does not end; what goes on:\n%s", seed, stacks())) })
	defer watchdog.Stop()
	r.inBubble(t, func() { // what panics there is the bubble itself: all goroutines wait for each other
		world.Run(t, r.worldOptions(), func(_ *testing.T, w *world.World) {
			r.live(w, plan)
			report.Simulated = time.Since(r.began)
		})
	})
	report.Counts, report.Trace, report.Violations, report.Log = r.counts, r.trace, r.violations, r.world.Log.String()
	return report
}

// inBubble turns a deadlock of the bubble into a violation, so that its trace is seen and other seeds go on.
func (r *run) inBubble(t *testing.T, do func()) {
	t.Helper()
	defer func() {
		if value := recover(); value != nil {
			r.violations = append(r.violations, Violation{Rule: "deadlock", Detail: fmt.Sprintf("%v\n%s", value, stacks())})
		}
	}()
	do()
}

// stacks are those of all goroutines that wait in a bubble and are ours.
func stacks() string {
	buffer := make([]byte, 1<<20)
	var ours []string
	for stack := range strings.SplitSeq(string(buffer[:runtime.Stack(buffer, true)]), "\n\n") {
		if bubbleOf(stack) != "" && strings.Contains(stack, "federation-agent/") {
			ours = append(ours, stack)
		}
	}
	return strings.Join(ours, "\n\n")
}

func (r *run) worldOptions() world.Options {
	version := []string{"4.9", "4.9", "4.9", "4.12", "4.10", "4.5", "4.4"}[r.dice.below(7, "apim version")]
	settings := map[string]string{
		"gravitee_agent_quota_share":                            fmt.Sprint(r.shape.share),
		"gravitee_integration_providers_0_configuration_region": r.named(r.shape.regions),
		"gravitee_agent_ingest_batchCount":                      fmt.Sprint(r.dice.between(1, 3, "batch count")),
		"gravitee_agent_ingest_batchDelay":                      fmt.Sprintf("%ds", r.dice.between(1, 10, "batch delay")),
		"gravitee_agent_ingest_stageWorkers":                    fmt.Sprint(r.dice.between(1, 4, "workers")),
	}
	if r.shape.roles {
		var roles []string
		for a := range r.shape.accounts {
			roles = append(roles, awssim.UniformRoleARN(a))
		}
		settings["gravitee_integration_providers_0_configuration_roleArn"] = strings.Join(roles, ",")
	}
	if r.options.Lookup {
		settings["gravitee_agent_keys_lookup"] = "true"
	}
	r.count("apim "+version, 1)
	r.count(fmt.Sprintf("share of the quota: %d %%", r.shape.share), 1)
	o := world.Options{
		Settings: settings,
		Network:  r.network,
		APIM: apimsim.Options{
			Version: version, Script: r.script(), OnMessage: r.lookAt, OnFrame: r.wire.onFrame,
		},
		AWS: awssim.Options{
			Estate: r.newEstate(), Seed: uint64(r.dice), Latency: awssim.AWSLatency(), MaxPageSize: 2,
			Faults: r.awsFault, Observe: r.cloud.onCall,
		},
	}
	r.withREST(&o)
	r.withRemoval(&o)
	r.withDomains(&o)
	r.withRegions(&o)
	return o
}

func (r *run) newEstate() awssim.Estate {
	estate := newEstate(r.dice, r.shape)
	for a := range estate.Accounts {
		for _, region := range estate.Accounts[a].Regions {
			for n, api := range region.RestAPIs {
				region.RestAPIs[n] = r.tagged(api, fmt.Sprint(a, region.Name))
			}
		}
	}
	if r.profile.has(famRoom) {
		estate = fillsCaches(r.dice, estate)
	}
	r.deploysTogether(estate)
	if r.options.Lookup {
		mayLook(&estate)
	}
	return estate
}

// live is the run itself: faults, calm, judgement.
func (r *run) live(w *world.World, plan []step) {
	r.world, r.began = w, time.Now()
	r.dying = make(chan *lifetime, 64) // of the bubble, or waiting for it would not count as such
	r.estate = newEstateHistory(r)
	r.plantForeignKeys()
	if r.removal != nil {
		r.removal.plant()
	}
	main := r.newSlot("main")
	main.start()
	for _, name := range r.replicas.names() {
		r.newSlot(name).start()
	}
	if r.profile.has(famNeighbour) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			_ = w.AWS.RunNeighbour(ctx, awssim.Neighbour{ // it cannot fail: the estate has this neighbour
				AccessKeyID: awssim.UniformNeighbourKeyID(0), Region: r.shape.regions[0], Burst: 12, Every: 2 * time.Second,
			})
		}()
	}
	for _, s := range plan {
		r.until(r.began.Add(s.at))
		r.note("do   %s", s.name())
		r.count("do "+s.kind, 1)
		r.replicas.backUp()
		r.do(s)
	}
	r.calmDown()
	r.judge()
	for _, s := range r.slots {
		s.end()
	}
	r.checkLeaks()
}

// calmDown ends all faults, brings everybody back, and lets what was begun come to its end.
func (r *run) calmDown() {
	r.calm.Store(true)
	r.mu.Lock()
	r.calmed = time.Now()
	r.mu.Unlock()
	r.note("calm")
	r.world.APIM.RefuseUpgrades(0, 0)
	r.world.APIM.RefuseHellos(0, "")
	r.world.APIM.Resume()
	r.world.APIM.AddIntegration(apimsim.Integration{ID: world.Integration, Env: "DEFAULT"})
	for _, s := range r.slots {
		if s.volume != nil {
			s.volume.clear()
		}
		s.revive()
	}
	r.replicas.restoreNow()
	r.mayReadAll()
	r.cutBadLinks()
	r.until(time.Now().Add(dialed))
	r.cutBadLinks() // those that were being dialed
	// What was swallowed or cut is noticed by whoever pings; nothing new is hindered.
	r.until(time.Now().Add(settle))
	r.commands.Wait()
	for _, s := range r.slots {
		s.putBack()
		s.putFilterBack()
	}
	r.lookAtRegions()
	switch {
	case r.options.Lookup:
		r.until(time.Now().Add(lookedFor))
	case r.rest:
		r.until(time.Now().Add(settledWithin))
	}
}

// cutBadLinks ends the connections whose fault may be yet to come.
func (r *run) cutBadLinks() {
	for _, link := range r.world.Network.Links() {
		if r.isBadLink(link.ID().String()) {
			link.Cut()
		}
	}
}

// until lets time pass, and buries the processes that die meanwhile.
func (r *run) until(at time.Time) {
	for {
		timer := time.NewTimer(max(0, time.Until(at)))
		select {
		case l := <-r.dying:
			timer.Stop()
			r.bury(l)
		case <-timer.C:
			synctest.Wait()
			if len(r.dying) == 0 {
				return
			}
		}
	}
}

// start runs what somebody does and waits for, beside everything else.
func (r *run) start(do func(context.Context)) {
	r.commands.Go(func() {
		do(context.Background())
	})
}

// count counts a thing that happened.
func (r *run) count(what string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[what] += n
}

// strike notes a fault that struck.
func (r *run) strike(kind, format string, args ...any) {
	r.count("fault "+kind, 1)
	r.note("FAULT "+kind+" "+format, args...)
	if breaksAWS.MatchString(kind) {
		r.mu.Lock()
		r.awsBroke = time.Now()
		r.mu.Unlock()
	}
}

// breaksAWS matches the faults after which an agent does not know what became of its request.
var breaksAWS = regexp.MustCompile(`^aws (hang|closed|lost|truncated|cut|black|dial)|AWS`)

// doubtAfter is how long a request whose connection broke may be repeated.
const doubtAfter = 2 * time.Minute

// inDoubt says that a request of an agent may be the second of its kind, though AWS saw no first.
func (r *run) inDoubt() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.awsBroke) < doubtAfter || r.away.wasWithin(doubtAfter)
}

// note adds a line to the trace.
func (r *run) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.trace) < traceLines {
		r.trace = append(r.trace, fmt.Sprintf("+%.3fs ", time.Since(r.began).Seconds())+fmt.Sprintf(format, args...))
	}
}

// violated notes a broken promise.
func (r *run) violated(rule, format string, args ...any) {
	v := Violation{Rule: rule, At: time.Since(r.began), Detail: fmt.Sprintf(format, args...)}
	r.mu.Lock()
	r.violations = append(r.violations, v)
	r.mu.Unlock()
	r.note("VIOLATION %s", v)
}

// checkLeaks finds goroutines that outlived everything: the bubble would only say that there are some.
func (r *run) checkLeaks() {
	r.world.APIM.Close()
	r.world.StopAWS()
	time.Sleep(time.Minute)
	synctest.Wait()
	var buffer [1 << 20]byte
	stacks := strings.Split(string(buffer[:runtime.Stack(buffer[:], true)]), "\n\n")
	bubble := bubbleOf(stacks[0])
	for _, stack := range stacks[1:] {
		if bubbleOf(stack) == bubble && !strings.Contains(stack, "testing/synctest") &&
			!strings.Contains(stack, "testing.tRunner") {
			r.violated("leak", "a goroutine is left:\n%s", stack)
		}
	}
}

// bubbleOf reads which bubble a goroutine is of: "goroutine 7 [chan receive, synctest bubble 5]:".
func bubbleOf(stack string) string {
	head, _, _ := strings.Cut(stack, "\n")
	_, bubble, found := strings.Cut(head, "synctest bubble ")
	if !found {
		return ""
	}
	return strings.TrimRight(bubble, "]:")
}

// badLink notes that a fault befalls a connection.
func (r *run) badLink(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.badLinks[id] = true
}

func (r *run) isBadLink(ids ...string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(ids, func(id string) bool { return r.badLinks[id] })
}

// secrets are texts that no log, row or error may hold.
func (r *run) secrets() []string {
	return append(r.cloud.values(), world.Token, world.Secret)
}

// carrier is what an agent's calls to AWS go through.
func (r *run) carrier(name string, network http.RoundTripper) http.RoundTripper {
	return &edge{run: r, agent: name, next: network}
}
