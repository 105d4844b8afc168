package chaos

import (
	"fmt"
	"regexp"
	"slices"
	"sync"
	"time"

	"federation-agent/deployments/iam"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/federation"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

// domainsEach is how many custom domain names a target has at most.
const domainsEach = 3

// domains is what a seed has of custom domain names, and what each led to at which time.
type domains struct {
	run     *run
	maxAge  time.Duration
	granted bool

	mu    sync.Mutex
	names map[string][]mapped
	read  map[string]int // calls for the list that AWS has answered, by target
	fails int            // of calls about them
}

// mapped is what a name has led to since an instant: "api:stage", or nothing.
type mapped struct {
	since time.Time
	to    string
}

// withDomains lets the agents ask for custom domain names, with the optional grant or without it.
func (r *run) withDomains(o *world.Options) {
	if !r.profile.has(famDomains) {
		return
	}
	d := &domains{
		run: r, maxAge: r.dice.duration(time.Minute, 10*time.Minute, "domains age"), granted: r.dice.chance(0.85, "domains granted"),
		names: map[string][]mapped{}, read: map[string]int{},
	}
	r.domains = d
	o.Settings["gravitee_agent_discovery_customDomains"] = "true"
	o.Settings["gravitee_agent_discovery_customDomainsMaxAge"] = d.maxAge.Round(time.Second).String()
	if d.granted {
		mayAlso(&o.AWS.Estate, iam.CustomDomainsPolicy)
	}
}

// doDomain has somebody lead a custom domain name elsewhere, or delete it.
func (r *run) doDomain(s step) {
	if r.domains == nil {
		return
	}
	scope, _ := one(r, s, "scope", r.scopesOn())
	region, err := r.world.AWS.Snapshot(scope)
	api, hasAPI := one(r, s, "api", region.RestAPIs)
	stage, hasStage := one(r, s, "stage", api.Stages)
	if err != nil || !hasAPI || !hasStage {
		return
	}
	name := fmt.Sprintf("d%d.%s.%s.example.com", r.dice.below(domainsEach, "domain", s.name()), scope.Region, scope.Account)
	to := ""
	if r.dice.chance(0.2, "undomain", s.name()) {
		_ = r.world.AWS.DeleteDomain(scope, name, "") // if it was there
	} else {
		to = federation.ID{Account: scope.Account, Region: scope.Region, RestAPI: api.ID, Stage: stage.Name}.String()
		err = r.world.AWS.PutDomain(scope, awssim.CustomDomain{
			Name: name, Endpoint: "REGIONAL", Mappings: []awssim.DomainMapping{{
				Key: []string{"", "shop", "shop/v1"}[r.dice.below(3, "key", s.name())], RestAPI: api.ID, Stage: stage.Name,
			}},
		})
	}
	r.note("domain %s leads to %q: %v", name, to, err)
	d := r.domains
	d.mu.Lock()
	defer d.mu.Unlock()
	d.names[name] = append(d.names[name], mapped{time.Now(), to})
}

func isOfDomains(operation string) bool {
	return slices.Contains([]string{
		awssim.OpGetDomainNames, awssim.OpGetAPIMappings, awssim.OpGetBasePathMappings, awssim.OpListRoutingRules,
	}, operation)
}

// onDomainCall counts what AWS is asked.
func (d *domains) onDomainCall(call awssim.Call) {
	if d == nil || !isOfDomains(call.Operation) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if call.Fault != "" || call.Throttled {
		d.fails++
	} else if call.Operation == awssim.OpGetDomainNames {
		d.read[call.Account+":"+call.Region]++
	}
}

var ofDomain = regexp.MustCompile(`https://(d[0-9]\.[a-z0-9.-]+\.example\.com)`)

// checkServers: a document names only what has led to its API, as young as that may be. Where AWS cannot be asked, what was
// known stays in use.
func (d *domains) checkServers(since time.Time, api exchangedAPI) {
	if d == nil {
		return
	}
	since = since.Add(-d.maxAge)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fails > 0 || d.run.profile.hasAny(famSTS, famAWSNet, famAway, famListings, famNeighbour) {
		since = time.Time{}
	}
	for _, page := range api.Pages {
		for _, found := range ofDomain.FindAllStringSubmatch(page.Content, -1) {
			d.run.count("custom domain names sent", 1)
			history, led := d.names[found[1]], false
			for n, m := range history {
				if m.to == api.ID && (n+1 == len(history) || !history[n+1].since.Before(since)) {
					led = true
				}
			}
			if !led {
				d.run.violated("domain-alien", "API %s is sent with %s, which has not led to it", api.ID, found[1])
			}
		}
	}
}

// checkDomains: AWS is asked no more often than it must be, and nothing fails for it.
func (r *run) checkDomains() {
	d := r.domains
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	pages := domainsEach/2 + 1
	most := pages * (len(r.lives) + len(r.panics) + d.fails + 1 + int(time.Since(r.began)/d.maxAge))
	for target, n := range d.read {
		r.count("lists of custom domain names", n)
		if n > most {
			r.violated("domains-asked", "the custom domain names of %s were listed by %d calls, and %d would do", target, n, most)
		}
	}
	if len(r.profile) > 1 {
		return
	}
	for _, job := range r.world.APIM.Jobs() {
		if job.Total > 0 && job.Status != "SUCCESS" {
			r.violated("domains-failed", "job %s ended %s, and nothing failed but what is about custom domain names", job.ID, job.Status)
		}
	}
}

// marked gives entries their base URLs, as they are in AWS now.
func (r *run) marked(client apigateway.Client, account string, entries []federation.Entry) ([]federation.Entry, error) {
	d := r.domains
	switch {
	case d == nil:
		return entries, nil
	case !d.granted:
		return federation.NewBaseURLs(nil, federation.NotAllowed).Mark(entries), nil
	}
	reading := apigateway.NewDomains(client, account)
	if err := reading.Run(r.world.T.Context()); err != nil {
		return nil, err
	}
	found, denied := reading.Found()
	return federation.NewBaseURLs(found, "").Mark(entries), denied
}

// mayAlso adds a policy's statements to those of the agent's users and roles.
func mayAlso(estate *awssim.Estate, text []byte) {
	policy, err := awssim.MinimumPolicy()
	if err != nil {
		panic(err) // it is embedded
	}
	more, err := awssim.ParsePolicy(text)
	if err != nil {
		panic(err) // the same
	}
	for a := range estate.Accounts {
		for n := range estate.Accounts[a].Principals {
			estate.Accounts[a].Principals[n].Policy = join(estate.Accounts[a].Principals[n].Policy, policy, more)
		}
		for n := range estate.Accounts[a].Roles {
			estate.Accounts[a].Roles[n].Policy = join(estate.Accounts[a].Roles[n].Policy, policy, more)
		}
	}
}

func join(has, least, more *awssim.Policy) *awssim.Policy {
	if has == nil {
		has = least
	}
	both := *has
	both.Statement = slices.Concat(has.Statement, more.Statement)
	return &both
}
