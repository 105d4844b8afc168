package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"federation-agent/config"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/gateway"
	"federation-agent/internal/region"
	"federation-agent/internal/words"
)

// The checks of AWS.
const (
	checkCredentials = "credentials"
	checkRole        = "role"
	checkRegions     = "regions"
	checkRESTAPIs    = "REST APIs"
	checkUsagePlans  = "usage plans"
	checkDocuments   = "documents"
	checkFilter      = "stage filter"
	checkKeys        = "keys"
	checkLookup      = "keys' names"
	checkDomains     = "domain names"
	checkClock       = "clock"
)

// clockMay is how far this machine's clock may be off. AWS refuses what is signed five minutes off or more.
const clockMay = time.Minute

// aws checks the credentials of one integration, its roles, and each account and region. It makes one call to STS for
// the credentials and one for each role (more only where a region's STS does not answer or does not know the key), and
// four calls to API Gateway for each account and region (more if there is a stage filter and there are more than 500
// usage plans; one more with agent.keys.lookup, four with agent.discovery.customDomains), and none of them twice.
// A queue of events gets one call of each kind.
func (d *doctor) aws(ctx context.Context, p config.Provider) (results []Result) {
	clock := &clock{now: d.Now}
	ctx = apigateway.WithClock(ctx, clock.tell)
	about := p.IntegrationID
	credentials, account, result := d.identity(ctx, p, row{checkCredentials, about})
	results = append(results, result)
	all := d.Config.Accesses(p)
	var roles []string
	for _, a := range all {
		if !slices.Contains(roles, a.Role) {
			roles = append(roles, a.Role)
		}
	}
	usable := credentials != nil && result.Verdict == Good
	assumed := together(roles, func(role string) Result {
		r := row{checkRole, role}
		switch {
		case role == "":
			return r.is(result.Verdict, "", "")
		case !usable:
			return r.behind(checkCredentials)
		}
		return d.role(ctx, credentials, r)
	})
	for i, role := range roles {
		if role != "" {
			results = append(results, assumed[i])
		}
	}
	var targets []target
	for _, a := range all {
		of := cmp.Or(apigateway.AccountOfRole(a.Role), account)
		told := false
		if a.All && usable && assumed[slices.Index(roles, a.Role)].Verdict == Good {
			a.Regions, told = d.enabled(ctx, credentials, a)
		}
		for _, region := range a.Regions {
			t := target{
				of: p, role: a.Role, region: region, about: strings.TrimPrefix(of+":"+region, ":"),
				optional: a.All && !told,
			}
			switch {
			case !usable:
				t.behind = checkCredentials
			case assumed[slices.Index(roles, a.Role)].Verdict != Good:
				t.behind = checkRole
			}
			targets = append(targets, t)
		}
	}
	targets = toldApart(targets)
	found := together(targets, func(t target) asked { return d.target(ctx, credentials, t) })
	for _, a := range all {
		if a.All {
			results = append(results, off(a, targets, found, row{checkRegions, cmp.Or(a.Role, about)}))
		}
	}
	for _, f := range found {
		results = append(results, f.results...)
	}
	if len(p.Stages) > 0 {
		results = append(results, filtered(p, found, row{checkFilter, about}))
	}
	if !d.MakeAKey {
		results = append(results, row{checkKeys, about}.is(NotTried, "only a key that is made tells whether one may be",
			"--make-a-key makes one in each account and region, tries to attach it, and deletes it"))
	}
	if !d.Config.Agent.Keys.Lookup {
		results = append(results, row{checkLookup, about}.is(NotTried, "agent.keys.lookup is off, as by default",
			"with it, and with apigateway:GET on /apikeys, the agent finds lost creates by their names and deletes them"))
	}
	if !d.Config.Agent.Discovery.CustomDomains {
		results = append(results, row{checkDomains, about}.is(NotTried, "agent.discovery.customDomains is off, as by default",
			"with it, and with apigateway:GET and apigateway:ListRoutingRules on /domainnames, the agent shows the base URLs "+
				"that callers use"))
	}
	if !usable {
		credentials = nil
	}
	results = append(results, d.events(ctx, credentials, row{checkEvents, about}))
	return append(results, clock.result(row{checkClock, about}))
}

// identity asks whose credentials they are.
func (d *doctor) identity(
	ctx context.Context, p config.Provider, r row,
) (credentials *apigateway.Credentials, account string, result Result) {
	type signed struct {
		credentials *apigateway.Credentials
		account     string
	}
	got, err := within(ctx, identityWithin, func(ctx context.Context) (s signed, err error) {
		if s.credentials, err = d.Credentials(ctx, p); err == nil {
			s.account, err = s.credentials.AccountID(ctx, d.Config.Accesses(p)[0].Regions[0], "")
		}
		return s, err
	})
	class, named := apigateway.Classify(err), d.Config.Agent.AWS.AccountID
	switch {
	case err == nil:
		return got.credentials, got.account, r.good("they are of account " + got.account)
	case got.credentials != nil && class == gateway.Unreachable && named != "" && len(p.RoleARNs)+len(p.Accounts) == 0:
		return got.credentials, named, r.good("STS does not answer; agent.aws.accountId names account " + named)
	}
	return got.credentials, "", r.attention(refusal(err), remedy(err))
}

func (d *doctor) role(ctx context.Context, credentials *apigateway.Credentials, r row) Result {
	_, err := within(ctx, identityWithin, func(ctx context.Context) (done, error) {
		return done{}, credentials.SignIn(ctx, r.about)
	})
	if err != nil {
		return r.attention(refusal(err), remedy(err))
	}
	return r.good("it can be assumed")
}

// target is an account and region. behind names the check that keeps it from being asked. An optional one may be off.
type target struct {
	of                          config.Provider
	role, region, about, behind string
	optional                    bool
}

// toldApart adds the role where several are of one account: each of them is tried, the one that stands by, too.
func toldApart(targets []target) []target {
	out := slices.Clone(targets)
	for n, t := range targets {
		if !slices.ContainsFunc(targets, func(o target) bool { return o.about == t.about && o.role != t.role }) {
			continue
		}
		_, role, _ := strings.Cut(t.role, ":role/")
		out[n].about += " by " + cmp.Or(role, "the credentials' own identity")
	}
	return out
}

// enabled are the regions of an account, as far as AWS tells which are enabled: told says whether it does.
func (d *doctor) enabled(
	ctx context.Context, credentials *apigateway.Credentials, a config.Access,
) (regions []string, told bool) {
	enabled, err := within(ctx, identityWithin, func(ctx context.Context) ([]string, error) {
		return credentials.EnabledRegions(ctx, region.PartitionOf(a.Regions[0]), a.Role)
	})
	if err != nil || enabled == nil { // the tries will say what is wrong
		return a.Regions, false
	}
	return slices.DeleteFunc(slices.Clone(a.Regions), func(name string) bool { return !slices.Contains(enabled, name) }), true
}

// off says how many regions of an account are on. It is no fault of others that they are off.
func off(a config.Access, targets []target, found []asked, r row) Result {
	on, tried := 0, false
	for n, t := range targets {
		if t.role != a.Role || !slices.Contains(a.Regions, t.region) {
			continue
		}
		if t.behind != "" {
			return r.behind(t.behind)
		}
		tried = tried || t.optional
		if !found[n].off {
			on++
		}
	}
	text := fmt.Sprintf("%d of %d are on; the others are off for the account, and left alone", on, len(a.Regions))
	if on == len(a.Regions) {
		text = fmt.Sprintf("all %d are on", on)
	}
	switch {
	case on == 0:
		return r.attention("AWS knows the credentials in none of them", "check accessKeyId")
	case tried:
		return r.is(Good, text, "each was tried, as account:ListRegions, which is optional, is not granted")
	}
	return r.good(text)
}

// asked is what a target says. stages are those in usage plans, if there is a stage filter and they could be listed.
type asked struct {
	off     bool // and so there are no results
	results []Result
	stages  []string
	listed  bool
}

func (d *doctor) target(ctx context.Context, credentials *apigateway.Credentials, t target) (said asked) {
	var client apigateway.Client
	if t.behind == "" {
		client = apigateway.NewClient(credentials.Config(t.region, t.role), apigateway.Options{})
	}
	plans := apigateway.ProbePlans
	if len(t.of.Stages) > 0 {
		plans = func(ctx context.Context, client apigateway.Client) (err error) {
			said.stages, err = plannedStages(ctx, client)
			said.listed = err == nil
			return err
		}
	}
	behind := t.behind
	type probe struct {
		check, good string
		probe       func(context.Context, apigateway.Client) error
	}
	probes := []probe{
		{checkRESTAPIs, "they can be listed", apigateway.Probe},
		{checkUsagePlans, "they can be listed", plans},
		{checkDocuments, "stages can be listed, and their documents exported", probeDocuments},
	}
	if d.Config.Agent.Keys.Lookup {
		probes = append(probes, probe{checkLookup, "they can be listed", apigateway.ProbeKeys})
	}
	if d.Config.Agent.Discovery.CustomDomains {
		probes = append(probes, probe{checkDomains, "they can be listed, and what leads from them", apigateway.ProbeDomains})
	}
	if t.optional {
		probes[0].probe = apigateway.Try
	}
	for _, tried := range probes {
		r := row{tried.check, t.about}
		if behind != "" {
			said.results = append(said.results, r.behind(behind))
			continue
		}
		_, err := once(ctx, func(ctx context.Context) (done, error) { return done{}, tried.probe(ctx, client) })
		if err == nil {
			said.results = append(said.results, r.good(tried.good))
			continue
		}
		if apigateway.Classify(err) == gateway.RegionOff {
			return asked{off: true}
		}
		said.results = append(said.results, r.attention(refusal(err),
			join(remedy(err), optional(err, optionOf[tried.check], "permissions"))))
		if apigateway.Classify(err) != gateway.AccessDenied { // it would be the same again
			behind = tried.check
		}
	}
	r := row{checkKeys, t.about}
	switch {
	case !d.MakeAKey:
	case behind != "":
		said.results = append(said.results, r.behind(behind))
	default:
		said.results = append(said.results, d.makeAKey(ctx, client, r))
	}
	return said
}

// noAPI is the id of a REST API that nobody has, noStage a stage of it. AWS looks at permissions first.
const noAPI, noStage = "doctor0000", "doctor"

// probeDocuments asks for the stages of a REST API that does not exist, and for a document: AWS says that there is none
// to whoever may have them.
func probeDocuments(ctx context.Context, client apigateway.Client) error {
	_, err := apigateway.ListStages(ctx, client, noAPI)
	if err == nil || apigateway.Classify(err) == gateway.NotFound {
		_, err = apigateway.Export(ctx, client, noAPI, noStage)
	}
	if apigateway.Classify(err) == gateway.NotFound {
		return nil
	}
	return err
}

// plannedStages are the names of the stages in usage plans.
func plannedStages(ctx context.Context, client apigateway.Client) (names []string, err error) {
	list := apigateway.NewUsagePlans(client)
	if err := list.Run(ctx); err != nil {
		return nil, err
	}
	plans, _ := list.All()
	for _, p := range plans {
		for _, link := range p.Stages {
			names = append(names, link.Stage)
		}
	}
	return names, nil
}

// filtered says whether the stages that the stage filter names exist, as far as usage plans tell.
func filtered(p config.Provider, found []asked, r row) Result {
	var known, meant []string
	all := true
	for _, f := range found {
		known, all = append(known, f.stages...), all && (f.listed || f.off)
	}
	slices.Sort(known)
	known = slices.Compact(known)
	missing := slices.DeleteFunc(slices.Clone(p.Stages), func(s string) bool { return slices.Contains(known, s) })
	for _, stage := range missing {
		if like := config.Meant(stage, known); like != "" {
			meant = append(meant, like)
		}
	}
	text := "no usage plan contains the stage " + words.Few(missing, words.Some, ", ")
	switch {
	case len(missing) == 0:
		return r.good("each of its stages is in a usage plan")
	case !all:
		return r.behind(checkUsagePlans)
	case p.AcceptAPIWithoutUsagePlan:
		return r.is(NotTried, text+"; others were not asked for",
			"federation-agent discover shows whether there is such a stage outside of usage plans")
	}
	advice := "correct configuration.0_stage, 1_stage …; upper and lower case count"
	if len(meant) > 0 {
		advice += "; did you mean " + words.Few(meant, words.Some, ", ") + "?"
	}
	return r.attention(text, join(advice, "there are: "+words.Few(known, words.Many, ", ")))
}

// done is the answer to what has none.
type done = struct{}

// once makes one call that is tried once: a second attempt would hide what was wrong with the first, and cost a call.
func once[T any](ctx context.Context, call func(context.Context) (T, error)) (T, error) {
	return within(ctx, callWithin, func(ctx context.Context) (T, error) {
		return call(apigateway.WithLatest(ctx, time.Now()))
	})
}

// noPlan is the id of a usage plan that nobody has. AWS looks at permissions first. The key opens nothing, whatever
// becomes of it.
const noPlan = "doctor0000"

// keyName begins the names of the doctor's keys.
const keyName = "federation-agent-doctor-"

// makeAKey makes a key, tries to attach it to a plan that does not exist, and deletes it.
func (d *doctor) makeAKey(ctx context.Context, client apigateway.Client, r row) Result {
	if ctx.Err() != nil {
		return r.attention(refusal(ctx.Err()), "")
	}
	ctx = context.WithoutCancel(ctx) // who interrupts from here on waits a little longer, and no key is left over
	name := keyName + d.NewID()
	id, err := once(ctx, func(ctx context.Context) (string, error) {
		id, _, err := apigateway.CreateKey(ctx, client, name, "made by federation-agent doctor; delete it")
		return id, err
	})
	if id == "" {
		advice := remedy(err)
		if apigateway.Classify(err) == gateway.AnswerLost || errors.Is(err, errLate) {
			advice = join(advice, "a key named "+name+" may be left in AWS: delete it")
		}
		return r.attention(refusal(err), advice)
	}
	_, attached := once(ctx, func(ctx context.Context) (done, error) {
		return done{}, apigateway.AttachKey(ctx, client, noPlan, id)
	})
	if class := apigateway.Classify(attached); class == gateway.NotFound || class == gateway.NotYet {
		attached = nil
	}
	deleting, cancel := context.WithTimeout(ctx, callWithin) // this one is tried again, where AWS throttles
	defer cancel()
	_, deleted := apigateway.DeleteKey(deleting, client, id)
	var texts, remedies []string
	for _, failure := range []error{err, attached, deleted} {
		if failure != nil {
			texts, remedies = append(texts, refusal(failure)), append(remedies, remedy(failure))
		}
	}
	if deleted != nil {
		remedies = append(remedies, "the key "+id+" ("+name+") is left in AWS: delete it")
	}
	if len(texts) == 0 {
		return r.good("a key was made, might be attached, and was deleted")
	}
	return r.attention(join(texts...), join(remedies...))
}

// optionOf are the options that a check is of, if it is of one.
var optionOf = map[string]string{checkLookup: "agent.keys.lookup", checkDomains: "agent.discovery.customDomains"}

// optional says of what AWS denies for an option that all else goes on without it. It is empty for all else.
func optional(err error, option, document string) string {
	if option == "" || apigateway.Classify(err) != gateway.AccessDenied {
		return ""
	}
	return option + " is optional: federation-agent policy --of " + document + " prints what to grant, or leave it away"
}

// join leaves out what is empty.
func join(texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(text string) bool { return text == "" }), "; ")
}

// refusal says what failed, in a few words.
func refusal(err error) string {
	if failure, ok := errors.AsType[*apigateway.Error](err); ok {
		return failure.Doing + ": " + strings.ReplaceAll(failure.Class.String(), "_", " ")
	}
	if errors.Is(err, context.Canceled) {
		return "interrupted"
	}
	return err.Error()
}

func remedy(err error) string {
	if errors.Is(err, errLate) {
		return "check the network, DNS, proxy variables and AWS_ENDPOINT_URL"
	}
	return apigateway.Explain(err)
}

// clock compares this machine's with AWS's.
type clock struct {
	now func() time.Time

	mu    sync.Mutex
	heard bool
	off   time.Duration // the least that was heard: an answer may have been held up
}

func (c *clock) tell(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if off := c.now().Sub(at); !c.heard || off.Abs() < c.off.Abs() {
		c.heard, c.off = true, off
	}
}

func (c *clock) result(r row) Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch off := c.off.Truncate(time.Second); {
	case !c.heard:
		return r.is(NotTried, "AWS must answer first", "")
	case off.Abs() > clockMay && off > 0:
		return r.attention(fmt.Sprintf("this machine's clock is %s ahead of AWS's", off), setClock)
	case off.Abs() > clockMay:
		return r.attention(fmt.Sprintf("this machine's clock is %s behind AWS's", -off), setClock)
	}
	return r.good("the same as AWS's")
}

const setClock = "set the clock, and let NTP keep it: AWS refuses what is signed five minutes off"
