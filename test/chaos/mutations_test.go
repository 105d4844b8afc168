package chaos

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"federation-agent/test/process"
)

var (
	mutate = flag.Bool("mutations", false,
		"break the agent in each known way and count the seeds until somebody notices")
	mutation = flag.String("mutation", "", "only the mutation of this name")
)

const (
	// mutationSeeds is within how many seeds each mutation must be caught.
	mutationSeeds = 500
	// A seed that fails must fail again, or nobody could find out why: of so many replays so many must show the same.
	mutationReplays, stableReplays = 20, 19
)

// mutationOf is one way to break the agent: a text of a source file, and what stands there instead.
type mutationOf struct {
	name, file, from, to string
}

// mutations are mistakes that somebody could make, each against another promise.
func mutations() []mutationOf {
	return []mutationOf{
		{
			"the journal is not synced", "internal/store/keyjournal.go",
			"\terr = s.write(func(st *state) ([]Change, error) {\n\t\tnow :=",
			"\terr = s.stage(func(st *state) ([]Change, error) {\n\t\tnow :=",
		},
		{
			"`answered` is not written before the reply", "actors/keys/making.go",
			"\treturn s.entry.Write(record, keys.Answered, \"\")\n", "\trecord.State = keys.Answered\n\treturn nil\n",
		},
		{
			"the old key is deleted before the new one is answered", "actors/keys/saga.go",
			"\ts.conclude(record, s.answer(",
			"\tif old, _ := s.entry.Read(); len(old) > 1 {\n\t\ts.undo(&old[0], \"replaced\", c.AnswerBy)\n\t}\n\ts.conclude(record, s.answer(",
		},
		{
			"a key that was replaced is kept", "internal/keys/decide.go",
			"\tcase r.State.Held() && since.delivered != nil:\n", "\tcase r.State == Answered && since.delivered != nil:\n",
		},
		{
			"a key that nobody will hear of is not undone", "actors/keys/making.go",
			"\t\ts.undo(&record, err.Error(), by)\n", "\t\t_ = by\n\t\ts.forget(record)\n",
		},
		{
			"a proved delivery is not believed", "actors/session/age.go",
			"\t\treturn messages.Delivered\n", "\t\treturn messages.Unproved\n",
		},
		{
			"delivery is not proved", "actors/session/age.go",
			"\treturn messages.Unproved\n", "\treturn messages.Delivered\n",
		},
		{
			"a lost CreateApiKey is repeated", "internal/apigateway/attempt.go",
			"\t\tcase operation == gateway.CreateAPIKey && class != gateway.Unreachable:\n", "",
		},
		{
			"a lost create is not listed", "actors/keys/making.go",
			"\tif apigateway.Classify(err) != gateway.AnswerLost {",
			"\tif err != nil || apigateway.Classify(err) != gateway.AnswerLost {",
		},
		{
			"a refused CreateApiKey is listed as a lost one", "internal/apigateway/attempt.go",
			"\tcase gateway.Unavailable, gateway.Internal:\n\tdefault:",
			"\tcase gateway.Throttled:\n\t\tif operation == gateway.CreateAPIKey {\n\t\t\treturn gateway.AnswerLost\n\t\t}\n\t\treturn class\n\tcase gateway.Unavailable, gateway.Internal:\n\tdefault:",
		},
		{
			"a conflict always means attached", "internal/apigateway/attempt.go",
			"\t\tif operation == gateway.CreateUsagePlanKey && !c.doubtful {", "\t\tif operation == gateway.DeleteAPIKey && !c.doubtful {",
		},
		{
			"UNSUBSCRIBE succeeds though the key could not be deleted", "actors/keys/records.go",
			"\tif undeleted != nil {\n\t\treturn undeleted\n\t}\n", "\t_ = undeleted\n",
		},
		{
			"a duplicate command is served again", "actors/session/seen.go",
			"\tif _, known := s.at[id]; known {\n\t\treturn false\n\t}\n", "",
		},
		{
			"an answer is sent twice", "actors/session/protocol.go",
			"\terr := s.conn.SendBefore(by, receipt, frame...)\n",
			"\t_ = s.conn.SendBefore(by, nil, frame...)\n\terr := s.conn.SendBefore(by, receipt, frame...)\n",
		},
		{
			"an open command is forgotten when it is handed on", "actors/command/open.go",
			"\t\tc.server = server\n", "\t\tdelete(m.open, ref.Key())\n",
		},
		{
			"a command's deadline is forgotten", "actors/command/router.go",
			"\tr.Scope.After(time.Until(ref.AnswerBy), commandOverdue{ref})\n",
			"\tr.Scope.After(time.Until(ref.AnswerBy.AddDate(1, 0, 0)), commandOverdue{ref})\n",
		},
		{
			"an API that has changed counts as unchanged", "actors/ingest/unchanged.go",
			"\treturn i.compare.taken[api.ID.String()] == api.Digest() &&\n", "\treturn i.compare.taken[api.ID.String()] != \"\" &&\n",
		},
		{
			"documents are shared without being compared", "internal/exports/sharing.go",
			"\tcompare := !e.equal ||", "\tcompare := false && !e.equal ||",
		},
		{
			"a permit is not taken", "internal/apigateway/attempt.go",
			"\tif a.permits != nil {", "\tif a.permits != nil && operation != \"GetExport\" {",
		},
		{
			"a permit costs nothing", "internal/quota/budget.go",
			"\tb.all.tokens--\n", "",
		},
		{
			"a plan is dropped on a failed page", "internal/apigateway/listing.go",
			"\t\tif err := l.next(ctx); err != nil {\n\t\t\treturn err",
			"\t\tif err := l.next(ctx); err != nil && l.position != nil {\n\t\t\tl.done = true\n\t\t} else if err != nil {\n\t\t\treturn err",
		},
		{
			"a failed listing is an empty one", "actors/discovery/discoverer.go",
			"d.answer(ctx, listing, everyAsker)",
			"d.answer(ctx, messages.TargetListing{Target: d.spec.Target, Complete: true}, everyAsker)",
		},
		{
			"the first INGEST is not held back", "actors/ingest/ingest.go",
			"\tholdBack = time.Second\n", "\tholdBack = time.Millisecond\n",
		},
		{
			"done is sent before everything is there", "internal/exports/plan.go",
			"return len(p.open) == 0 && len(p.order) == 0", "return len(p.order) == 0",
		},
		{
			"done is sent again though it was taken", "actors/ingest/sending.go",
			"\tcase b.done:\n\t\tlevel := slog.LevelInfo\n",
			"\tcase b.done && i.doneTry == 0:\n\t\ti.doneTry++\n\t\ti.inFlight = &batch{done: true}\n\t\ti.note(i.inFlight)\n\tcase b.done:\n\t\tlevel := slog.LevelInfo\n",
		},
		{
			"batches do not wait for each other", "actors/ingest/sending.go",
			"\tif i.inFlight == nil {\n\t\ti.inFlight, i.next = i.next, nil",
			"\tif i.inFlight == nil || i.next != nil {\n\t\ti.inFlight, i.next = i.next, nil",
		},
		{
			"a batch counts as taken when its answer is lost", "actors/ingest/ingest.go",
			"\t\ti.session = nil\n\t\ti.lose()\n", "\t\ti.session = nil\n\t\ti.acknowledge(b)\n\t\ti.inFlight = nil\n",
		},
		{
			"a loss of plans needs no second listing", "internal/federation/claim.go",
			"begun.Sub(c.Since) >= wait", "begun.Sub(c.Since) >= 0",
		},
		{
			"a loss of plans goes through at once", "actors/claims/claims.go",
			"\t\tif !claim.Confirmed {\n\t\t\tunconfirmed[id] = true", "\t\tif claim.Confirmed {\n\t\t\tunconfirmed[id] = true",
		},
		{
			"a claim from before a restart is confirmed at once", "actors/claims/claims.go",
			"federation.Claim{Lost: lost, Since: time.Now()}", "federation.Claim{Lost: lost}",
		},
		{
			"a plan is not checked before a key is made", "actors/keys/making.go",
			"\treturn federation.CheckPlan(api, c.PlanID, listing.APIs, listing.Plans)\n", "\treturn nil\n",
		},
		{
			"what APIM has beyond AWS is not named", "actors/ingest/gather.go",
			"\tif len(lost) > 0 {\n", "\tif len(lost) > len(judged.Plans) {\n",
		},
		{
			"names depend on what is sent", "actors/ingest/gather.go",
			"\tchosen, missing = federation.Choose(apis, i.spec.Command.APIIDs)\n",
			"\tchosen, missing = federation.Choose(apis, i.spec.Command.APIIDs)\n\tvar named []federation.Named\n\tfor _, e := range chosen {\n\t\tnamed = append(named, federation.Named{ID: e.ID(), Name: e.API.Name})\n\t}\n\tfor n := range chosen {\n\t\tchosen[n].Names = federation.NewNames(named)\n\t\tchosen[n].Name = chosen[n].Names.Of(chosen[n].ID(), chosen[n].API.Name)\n\t}\n",
		},
		{
			"a filter excludes nothing", "internal/federation/filter.go",
			"\t\tif at >= 0 == r.Exclude {\n", "\t\tif at < 0 && !r.Exclude {\n",
		},
		{
			"what a filter leaves out counts as without plans", "internal/federation/entries.go",
			"\t\tif refusal(rules, e) == nil {\n", "\t\tif refusal(rules, e) != nil {\n\t\t\te.Plans = nil\n\t\t}\n\t\tif e.API != nil {\n",
		},
		{
			"an export does not look at the tags of its stage", "actors/discovery/exports.go",
			"m.stages[found]); no != nil {", "m.stages[found]); no != nil && found < 0 {",
		},
		{
			"a subscription to what a filter leaves out is refused", "actors/discovery/discoverer.go",
			"\t\tAPIs: d.run.apis, Plans:",
			"\t\tAPIs: func() (all []*gateway.RestAPI) {\n\t\t\tfor _, e := range entries {\n\t\t\t\tall = append(all, e.API)\n\t\t\t}\n\t\t\treturn all\n\t\t}(), Plans:",
		},
		{
			"an export is kept over a redeployment", "actors/discovery/stage.go",
			"\tif d != nil {\n\t\tkey.Stage", "\tif d != nil && d.DeploymentID == \"\" {\n\t\tkey.Stage",
		},
		{
			"a batch that is too large goes again as it is", "actors/ingest/ingest.go",
			"\t\tif m.TooLarge {\n", "\t\tif m.TooLarge && b.number > 0 {\n",
		},
		{
			"what a controller takes is learnt anew by each ingest", "actors/jobs/jobs.go",
			"\t\tj.memory.limits = j.memory.limits.With(m)\n", "",
		},
		{
			"the cache does not give way to the journal", "internal/store/filereserve.go",
			"\tfreed := m.giveWay()\n", "\tfreed := int64(0)\n",
		},
		{
			"what is reserved for the journal is not used", "internal/store/filereserve.go",
			"\tif !m.reserved || ", "\tif m.reserved || ",
		},
		{
			"one listing is enough to remove an API", "internal/drift/removal.go",
			"if at.Sub(l[item.ID]) >= federation.SecondLook {", "if at.Sub(l[item.ID]) >= 0 {",
		},
		{
			"subscriptions are not asked for before a removal", "actors/agent/removal.go",
			"if verdict == drift.Remove && !policy.WithSubscriptions {", "if verdict == drift.Remove && policy.WithSubscriptions {",
		},
		{
			"it does not matter how many are gone", "actors/reconcile/removal.go",
			"\tcase len(g.all) <= policy.AtMost:\n", "\tcase len(g.all) > 0:\n",
		},
		{
			"what is in no usage plan any more counts as gone", "internal/drift/drift.go",
			"\t\treturn kind(Omitted, string(omission.Reason), omission.Why)\n",
			"\t\treturn kind(Gone, string(omission.Reason), omission.Why)\n",
		},
		{
			"what is to be hidden is deleted", "actors/agent/removal.go",
			"\tcase policy.How == drift.Delete:\n", "\tcase policy.How != drift.LeaveIt:\n",
		},
		{
			"nothing that is gone is removed", "actors/reconcile/removal.go",
			"\treturn len(g.confirmed) > 0 && !g.waiting", "\treturn len(g.confirmed) > len(g.all) && !g.waiting",
		},
		{
			"custom domain names are asked for once", "actors/domains/domains.go",
			"isKnown := !l.knownAt.IsZero() && time.Since(l.knownAt) < l.spec.MaxAge\n", "isKnown := !l.knownAt.IsZero()\n",
		},
		{
			"a listing whose custom domain names cannot be read is lost", "actors/domains/domains.go",
			"\tfor _, w := range held {\n", "\tif m.err != nil {\n\t\theld = nil\n\t}\n\tfor _, w := range held {\n",
		},
		{
			"a region that is switched off is waited for", "actors/discovery/discoverer.go",
			"\treturn d.spec.MayBeOff && ", "\treturn !d.spec.MayBeOff && ",
		},
		{
			"a region that is off is asked each time", "actors/target/target.go",
			"messages.Unsubscribe:\n\t\tt.refuse(ctx, m, ctx.Sender())\n",
			"messages.Unsubscribe:\n\t\tt.queue = append(t.queue, &actor.MessageEnvelope{Message: m, Sender: ctx.Sender()})\n\t\tt.Become(t.resolving)\n\t\tt.resolve(ctx)\n",
		},
		{
			"what a dead process left is not swept", "actors/keys/sweep.go",
			"\tif w.sweeping {\n", "\tif w.sweeping || !w.sweeping {\n",
		},
		{
			"a key that APIM's metadata do not name is deleted", "internal/keys/ask.go",
			"\t\t\treturn r.Untold(is+\", and its metadata name another key; it may have this one, too\", now)\n",
			"\t\t\treturn r.Become(Deleting, is, now)\n",
		},
		{
			"a subscription that is pending counts as rejected", "internal/keys/ask.go",
			"\tcase \"PENDING\":\n\t\treturn r.Untold(is, now)\n", "\tcase \"PENDING\":\n\t\treturn r.Become(Deleting, is, now)\n",
		},
		{
			"a question that APIM does not answer counts as rejected", "internal/keys/ask.go",
			"\tif asking == nil {\n",
			"\tif asking != nil {\n\t\ttold.Status = \"REJECTED\"\n\t}\n\tif told.Status != \"\" {\n",
		},
		{
			"APIM is not asked about unconfirmed keys", "internal/keys/ask.go",
			"; ask && !now.Before(at) {\n", "; ask && now.After(at.AddDate(1, 0, 0)) {\n",
		},
		{
			"a write to the shared journal has no condition", "internal/store/tablestore/keys.go",
			"unchanged(from.Version.Number, from.Version.Token), false\n", "table.Condition{}, false\n",
		},
		{
			"a key is made though the shared journal has changed", "internal/store/entry.go",
			"to.State == keys.Intent && now.Version != e.Version:", "to.State == keys.Intent && now.Version.Number < e.Version.Number:",
		},
		{
			"what another process makes is taken over at once", "internal/members/members.go",
			"\treturn !s.watch.Gone(now, owner)\n", "\treturn s.watch.began.IsZero()\n",
		},
		{
			"who takes a key over that was answered deletes it", "internal/keys/decide.go",
			"\tcase r.State == Answered, r.State == Delivered && since.doubtful:\n",
			"\tcase r.State == Answered:\n\t\treturn Delete, \"its maker is gone\"\n\tcase r.State == Delivered && since.doubtful:\n",
		},
		{
			"each process uses the whole of a shared quota", "internal/quota/share.go",
			"\tme.Rate = max(0, min(s.due, rate-to.given()))\n", "\tme.Rate = rate\n",
		},
		{
			"a write whose answer is lost counts as done", "internal/store/tablestore/keys.go",
			"\tcase err != nil:\n\t\treturn store.Entry{}, fmt.Errorf(\"%w: %w\", store.ErrUnknown, err)\n",
			"\tcase err != nil && !lost:\n\t\treturn store.Entry{}, fmt.Errorf(\"%w: %w\", store.ErrUnknown, err)\n",
		},
		{
			"what the table did not take is not tried again", "actors/keys/saga.go",
			"\tif s.over || len(s.owes) > 0 {\n", "\tif s.over && len(s.owes) > 0 {\n",
		},
		{
			"a process that is cut off goes on", "internal/members/members.go",
			" && now.Sub(l.from) < StandsFor }", " && now.Sub(l.from) < time.Hour }",
		},
		{
			"what a restored table says is believed", "internal/store/tablestore/meta.go",
			"\t\t\tr = r.Restore(time.Now().UTC())\n", "",
		},
		{
			"who owns a job does not matter", "internal/store/tablestore/ingests.go",
			"\t\tcase j.Owner != job.Owner:\n", "\t\tcase j.Owner != job.Owner && job.Owner == \"\":\n",
		},
		{
			"a session's secret key is in an error", "internal/apigateway/credentials.go",
			"\tp := aws.NewCredentialsCache(assumed{assume, external}, ",
			"\tp := aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {\n\t\tv, err := assume.Retrieve(ctx)\n\t\tif err == nil {\n\t\t\terr = errors.New(v.SecretAccessKey)\n\t\t}\n\t\treturn v, err\n\t}), ",
		},
		{
			"a key's value is in the log", "actors/keys/saga.go",
			"\ts.conclude(record, s.answer(",
			"\ts.env.Log.Debug(\"a key\", \"value\", value.Reveal())\n\ts.conclude(record, s.answer(",
		},
	}
}

// familiesOf are the families of faults with which a mutation is searched for, where half of all seeds have little to do
// with it: a seed in seven asks APIM, and only keys that are in doubt are asked about.
func familiesOf(mutation string) string {
	switch mutation {
	case "a key that APIM's metadata do not name is deleted", "a subscription that is pending counts as rejected",
		"a question that APIM does not answer counts as rejected", "APIM is not asked about unconfirmed keys":
		return strings.Join([]string{famREST, famReceived, famPongs, famCrashes}, ",")
	case "a region that is switched off is waited for", "a region that is off is asked each time":
		return famRegions
	case "a write to the shared journal has no condition", "a key is made though the shared journal has changed",
		"what another process makes is taken over at once", "who takes a key over that was answered deletes it",
		"each process uses the whole of a shared quota", "a write whose answer is lost counts as done",
		"what the table did not take is not tried again",
		"a process that is cut off goes on", "what a restored table says is believed":
		return famReplicas
	case "who owns a job does not matter":
		return strings.Join([]string{famReplicas, famEdits, famIngest}, ",")
	case "it does not matter how many are gone":
		return famRemoval
	case "documents are shared without being compared":
		return famShared
	}
	return ""
}

// moduleRoot is where the files of the mutations are.
const moduleRoot = "../.."

// overlay has the compiler take the file with the mutation in it.
func (m mutationOf) overlay(t *testing.T) (string, error) {
	t.Helper()
	return process.Overlay(t.TempDir(), moduleRoot, []process.Edit{{File: m.file, From: m.from, To: m.to}})
}

// TestEachMutationFitsTheSource keeps the list in step with what it mutates.
func TestEachMutationFitsTheSource(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range mutations() {
		if seen[m.name] {
			t.Errorf("two mutations are called %q", m.name)
		}
		seen[m.name] = true
		if _, err := m.overlay(t); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
	}
}

// TestEachMutationIsCaught proves that the net catches. The mutated agent is built beside the real one, by an
// overlay of the compiler's.
func TestEachMutationIsCaught(t *testing.T) {
	if !*mutate && *mutation == "" {
		t.Skip("takes minutes; with -mutations it runs")
	}
	var table strings.Builder
	for _, m := range mutations() {
		if *mutation != "" && *mutation != m.name {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			binary := m.build(t)
			seeds, seed, rules := caught(t, binary, familiesOf(m.name))
			if seeds == 0 {
				t.Fatalf("nobody noticed in %d seeds", mutationSeeds)
			}
			same := replayed(t, binary, familiesOf(m.name), seed, rules)
			if same < stableReplays {
				t.Errorf("%d of %d replays of seed %s show %s", same, mutationReplays, seed, rules)
			}
			fmt.Fprintf(&table, "%5d  %2d/%d  %-62s %s\n", seeds, same, mutationReplays, m.name, rules)
		})
	}
	t.Logf("seeds, replays of the first that failed which fail alike, mutation, what it was caught by\n%s", table.String())
}

var (
	seedsPattern  = regexp.MustCompile(`seeds run until the first that failed: (\d+)`)
	seedPattern   = regexp.MustCompile(`chaos_test.go:\d+: seed (\d+), families`)
	rulesPattern  = regexp.MustCompile(`VIOLATION (\S+) at`)
	replayPattern = regexp.MustCompile(`seed \d+: \[([^]]*)\]`)
)

// caught gives the number of seeds that were run when the first failed, 0 if none did, that seed,
// and the rules that it broke.
func caught(t *testing.T, binary, families string) (seeds int, seed, rules string) {
	t.Helper()
	search := exec.CommandContext(t.Context(), binary, "-test.run", "^TestChaos$", "-test.v", "-stop",
		"-seeds", fmt.Sprint(mutationSeeds), "-families", families)
	search.Env = append(os.Environ(), "GOMAXPROCS=1") // as the replays have
	out, err := search.CombinedOutput()
	if err == nil {
		return 0, "", ""
	}
	count, first := seedsPattern.FindSubmatch(out), seedPattern.FindSubmatchIndex(out)
	if count == nil || first == nil {
		t.Fatalf("the mutated agent ended the run: %v\n%s", err, out[max(0, len(out)-4000):])
	}
	if _, err := fmt.Sscan(string(count[1]), &seeds); err != nil {
		t.Fatal(err)
	}
	report := out[first[1]:]
	if end := bytes.Index(report, []byte("schedule:")); end >= 0 {
		report = report[:end]
	}
	broken := map[string]bool{}
	for _, rule := range rulesPattern.FindAllSubmatch(report, -1) {
		broken[string(rule[1])] = true
	}
	return seeds, string(out[first[2]:first[3]]), strings.Join(slices.Sorted(maps.Keys(broken)), " ")
}

// replayed is how many replays of a seed break the same rules.
func replayed(t *testing.T, binary, families, seed, rules string) int {
	t.Helper()
	replay := exec.CommandContext(t.Context(), binary, "-test.run", "^TestChaos$", "-seeds", "1", "-from", seed,
		"-replays", fmt.Sprint(mutationReplays), "-families", families)
	replay.Env = append(os.Environ(), "GOMAXPROCS=1")
	out, err := replay.CombinedOutput()
	if err == nil {
		return 0
	}
	same := 0
	for _, found := range replayPattern.FindAllSubmatch(out, -1) {
		if string(found[1]) == rules {
			same++
		}
	}
	return same
}

// build compiles the simulation with the mutated agent in it, and gives the program's path.
func (m mutationOf) build(t *testing.T) string {
	t.Helper()
	overlay, err := m.overlay(t)
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "chaos.test")
	if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", overlay, "-o", binary,
		".").CombinedOutput(); err != nil {
		t.Fatalf("the mutation does not compile: %v\n%s", err, out)
	}
	return binary
}
